package analysis

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"gonum.org/v1/gonum/floats"

	"hnn/datasets"
	"hnn/internal/libtorch"
)

const checkpoints = "../hamiltonian/testdata/"

func TestMain(m *testing.M) {
	if err := libtorch.Configure(1); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func relative(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance*math.Abs(want)) {
		t.Errorf("%s: got %.6g, want %.6g within %g", what, got, want, tolerance)
	}
}

// The published models give the published losses and energies, trial by trial.
func TestMetricsEqualThePublishedOnes(t *testing.T) {
	content, err := os.ReadFile("testdata/published.json")
	if err != nil {
		t.Fatal(err)
	}
	var references []struct {
		Task, Model string
		EnergyMSE   float64    `json:"energy_mse"`
		Trials      []float64  `json:"trials"`
		Train       [2]float64 `json:"final_train"`
		Test        [2]float64 `json:"final_test"`
	}
	if err := json.Unmarshal(content, &references); err != nil {
		t.Fatal(err)
	}
	if len(references) != 10 {
		t.Fatalf("%d models are known, want 10", len(references))
	}
	analyses := map[string]*Analysis{}
	for _, want := range references {
		a := analyses[want.Task]
		if a == nil {
			task, err := datasets.Find(want.Task)
			if err != nil {
				t.Fatal(err)
			}
			if a, err = Run(task, checkpoints+task.Name+"-baseline.tar", checkpoints+task.Name+"-hnn.tar", 0, func(string) {}); err != nil {
				t.Fatal(err)
			}
			analyses[want.Task] = a
		}
		name, got := want.Task+" "+want.Model, a.Metrics.HNN
		if want.Model == "baseline" {
			got = a.Metrics.Baseline
		}
		// Three bodies are chaotic: rounding moves single trials.
		mean, trial := 0.02, 0.05
		if want.Task == "3body" {
			mean, trial = 0.5, 1
		}
		relative(t, name+" energy MSE", got.EnergyMSE, want.EnergyMSE, mean)
		for i := range want.Trials {
			relative(t, name+" energy MSE of a trial", got.EnergyMSETrials[i], want.Trials[i], trial)
		}
		relative(t, name+" train loss", got.Train, want.Train[0], 1e-4)
		relative(t, name+" train loss's error", got.TrainError, want.Train[1], 1e-4)
		relative(t, name+" test loss", got.Test, want.Test[0], 1e-4)
		relative(t, name+" test loss's error", got.TestError, want.Test[1], 1e-4)
	}
	for name, a := range analyses {
		conservation(t, name, a)
	}
}

// What the HNN has learned is conserved along its own trajectory, and along no baseline's; a symmetric method goes back the
// way that it came, in every field.
func conservation(t *testing.T, name string, a *Analysis) {
	t.Helper()
	spread := func(s Source) float64 { return floats.Max(a.Conserved[s]) - floats.Min(a.Conserved[s]) }
	if hnn, baseline := spread(HNN), spread(Baseline); !(hnn < 0.05*baseline) {
		t.Errorf("%s: the conserved quantity spreads by %g along the HNN's trajectory, by %g along the baseline's", name, hnn, baseline)
	}
	for what, r := range map[string]Reversibility{"truth": a.Metrics.Truth, "baseline": a.Metrics.Baseline.Reversibility, "HNN": a.Metrics.HNN.Reversibility} {
		if !(r.ImplicitMidpoint < 1e-4) || !(r.RK45 > 0) {
			t.Errorf("%s, %s: %g from the start after going forward and back by the midpoint rule, %g by RK45", name, what, r.ImplicitMidpoint, r.RK45)
		}
	}
	if plane := a.Task.Dimension == 2; plane != (a.Grid != nil) || plane != (a.Landscapes[Truth] != nil) || plane != (a.Landscapes[HNN] != nil) {
		t.Errorf("%s: a grid of the phase plane: %t, the Hamiltonians over it: %v", name, a.Grid != nil, a.Landscapes)
	}
	for i, level := range a.Metrics.Energy.Levels {
		relative(t, name+" energy of a level", level.Reached, level.Requested, 0.02)
		learned := a.Energy.Stages[2*i].Learned
		if moved := floats.Max(learned) - floats.Min(learned); !(moved < 0.02*math.Abs(level.Learned-a.Metrics.Energy.Levels[(i+1)%2].Learned)) {
			t.Errorf("%s: the conserved quantity of level %d spreads by %g", name, i, moved)
		}
	}
}

func TestCheckpointErrorsAreOneLine(t *testing.T) {
	for want, paths := range map[string][2]string{
		"nowhere.tar":                      {"nowhere.tar", checkpoints + "spring-hnn.tar"},
		"is no checkpoint of a spring-hnn": {checkpoints + "spring-baseline.tar", checkpoints + "2body-hnn.tar"},
	} {
		_, err := Run(datasets.Spring, paths[0], paths[1], 0, func(string) {})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got the error %v, want one line with %q", err, want)
		}
	}
}

// Against numpy: np.std([np.mean(s) for s in np.array_split([1, 2, 4, 8, 16, 32, 64, 128, 256, 512], 5)]) / np.sqrt(5).
func TestBootstrap(t *testing.T) {
	relative(t, "bootstrap", bootstrap([]float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512}), 64.79499980708387, 1e-9)
}
