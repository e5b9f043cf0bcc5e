package analysis

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
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
	for what, r := range map[string]Reversibility{"truth": *a.Metrics.Truth, "baseline": a.Metrics.Baseline.Reversibility, "HNN": a.Metrics.HNN.Reversibility} {
		if !(r.ImplicitMidpoint < 1e-4) || !(r.RK45 > 0) {
			t.Errorf("%s, %s: %g from the start after going forward and back by the midpoint rule, %g by RK45", name, what, r.ImplicitMidpoint, r.RK45)
		}
	}
	if plane := a.Task.Dimension == 2; plane != (a.Grid != nil) || plane != (a.Landscapes[Truth] != nil) || plane != (a.Landscapes[HNN] != nil) {
		t.Errorf("%s: a grid of the phase plane: %t, the Hamiltonians over it: %v", name, a.Grid != nil, a.Landscapes)
	}
	for i, level := range a.Metrics.Change.Levels {
		relative(t, name+" energy of a level", level.Reached, level.Requested, 0.02)
		learned := a.Energy.Stages[2*i].Learned
		if moved := floats.Max(learned) - floats.Min(learned); !(moved < 0.02*math.Abs(level.Learned-a.Metrics.Change.Levels[(i+1)%2].Learned)) {
			t.Errorf("%s: the conserved quantity of level %d spreads by %g", name, i, moved)
		}
	}
}

// measured writes columns of the measured pendulum as a table of one's own. Without the last row, the split is the published one.
func measured(t *testing.T, columns ...string) datasets.Task {
	t.Helper()
	data, err := datasets.Real.Generate(0)
	if err != nil {
		t.Fatal(err)
	}
	content := strings.Join(columns, ",") + "\n"
	rows := len(data.Train.X) - 1
	for _, set := range []datasets.Samples{{X: data.Train.X[:rows], DX: data.Train.DX[:rows], Times: data.Train.Times[:rows]}, data.Test} {
		for i, x := range set.X {
			values := map[string]float64{"t": set.Times[i], "q": x[0], "p": x[1], "dq": set.DX[i][0], "dp": set.DX[i][1]}
			line := make([]string, len(columns))
			for j, column := range columns {
				line[j] = fmt.Sprint(values[column])
			}
			content += strings.Join(line, ",") + "\n"
		}
	}
	path := filepath.Join(t.TempDir(), "swing.csv")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	task, err := datasets.FromTable(path)
	if err != nil {
		t.Fatal(err)
	}
	return task
}

// Where nothing but observations is known, the published models have the published test losses all the same, and energies are
// measured by what the HNN has learned: half of the fitted Hamiltonian, so that the squared error is a quarter of the published.
func TestObservationsWithoutAHamiltonian(t *testing.T) {
	for _, columns := range [][]string{{"t", "q", "p", "dq", "dp"}, {"dp", "dq", "p", "q"}} {
		observed := columns[0] == "t"
		a, err := Run(measured(t, columns...), checkpoints+"real-baseline.tar", checkpoints+"real-hnn.tar", 0, func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		relative(t, "HNN test loss", a.Metrics.HNN.Test, 5.8494e-3, 1e-4)
		relative(t, "baseline test loss", a.Metrics.Baseline.Test, 1.3921e-3, 1e-4)
		if a.Example.Observed() != observed || a.Trials.Observed() != observed || a.Metrics.Truth != nil || a.Grid.Fields[Truth] != nil {
			t.Errorf("%v: a true motion is known: %t, a true field: %t", columns, a.Example.Observed(), a.Grid.Fields[Truth] != nil)
		}
		spread := func(s Source) float64 {
			return floats.Max(a.Example.Energies[s][0]) - floats.Min(a.Example.Energies[s][0])
		}
		if hnn, baseline := spread(HNN), spread(Baseline); !(hnn < 1e-3*baseline) {
			t.Errorf("%v: the learned H spreads by %g along the HNN's trajectory, by %g along the baseline's", columns, hnn, baseline)
		}
		if observed {
			relative(t, "baseline energy MSE", a.Metrics.Baseline.EnergyMSE, 3.7133e-1/4, 0.1)
			relative(t, "HNN energy MSE", a.Metrics.HNN.EnergyMSE, 8.5323e-3/4, 0.5)
		} else if !(a.Metrics.HNN.EnergyMSE < 1e-6*a.Metrics.Baseline.EnergyMSE) {
			t.Errorf("the learned H moves from the start's by %g along the HNN's trajectories", a.Metrics.HNN.EnergyMSE)
		}
		content, err := json.Marshal(a.Metrics)
		if err != nil {
			t.Fatal(err)
		}
		if s := string(content); !strings.Contains(s, "that the HNN has learned") || strings.Contains(s, "coordinate_mse") != observed || strings.Contains(s, `"truth"`) {
			t.Errorf("%v: the metrics are %s", columns, s)
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
	relative(t, "bootstrap of three values", bootstrap([]float64{1, 2, 4}), math.Sqrt(14./27), 1e-12)
}
