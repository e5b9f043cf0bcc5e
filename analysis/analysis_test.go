package analysis

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"gonum.org/v1/gonum/floats"

	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/nets"
	"hnn/trainer"
)

const checkpoints = "../hamiltonian/testdata/"

// published are the checkpoints of a task's two models in print.
func published(prefix string) []Checkpoint {
	return []Checkpoint{{hamiltonian.Baseline, prefix + "-baseline.tar"}, {hamiltonian.HNN, prefix + "-hnn.tar"}}
}

// analyze compares models with the truth. It returns the analysis, and its sources by name.
func analyze(t *testing.T, task datasets.Task, list []Checkpoint) (*Analysis, map[string]*Source) {
	t.Helper()
	a, err := Run(task, list, 0, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	sources := map[string]*Source{}
	for _, s := range a.Sources {
		sources[s.Name] = s
	}
	return a, sources
}

func spread(values []float64) float64 { return floats.Max(values) - floats.Min(values) }

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
		Notebook    []float64  // the energy MSE by the notebook's protocol, and its error; nil where there is no other protocol
		Divergence  float64    `json:"divergence_rms"`     // 0 where it is not known
		Fit         []float64  `json:"learned_energy_fit"` // factor, constant and R²; nil where they are not known
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
			a, _ = analyze(t, task, published(checkpoints+task.Name))
			analyses[want.Task] = a
		}
		name, got := want.Task+" "+want.Model, a.Metrics.Models[want.Model]
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
		if want.Divergence != 0 {
			relative(t, name+" divergence", got.DivergenceRMS, want.Divergence, 1e-6)
		}
		if want.Fit != nil {
			relative(t, name+" factor of the learned H", got.Fit.Factor, want.Fit[0], 1e-4)
			relative(t, name+" constant of the learned H", got.Fit.Constant, want.Fit[1], 1e-4)
			relative(t, name+" R² of the learned H", got.Fit.R2, want.Fit[2], 1e-5)
		}
		switch {
		case want.Notebook == nil && got.NotebookErrors != nil:
			t.Errorf("%s: another protocol gives %+v", name, got.NotebookErrors)
		case want.Notebook != nil:
			relative(t, name+" energy MSE of the notebook", got.NotebookEnergyMSE, want.Notebook[0], 2e-3)
			relative(t, name+" its error", got.NotebookEnergyMSEError, want.Notebook[1], 2e-3)
		}
	}
	for name, a := range analyses {
		conservation(t, name, a)
	}
}

// The HNN's Hamiltonian is constant along its own trajectory, and not along the baseline's.
func conservation(t *testing.T, name string, a *Analysis) {
	t.Helper()
	truth, baseline, hnn := a.Sources[0], a.Sources[1], a.Sources[2]
	if moved, other := spread(hnn.Learned), spread(baseline.Learned); !(moved < 0.05*other) || a.Reference != hnn {
		t.Errorf("%s: the learned Hamiltonian of %s spreads by %g along the HNN's trajectory, by %g along the baseline's", name, a.Reference.Name, moved, other)
	}
	preserves(t, name+" truth", *a.Metrics.Truth)
	preserves(t, name+" HNN", a.Metrics.Models["hnn"].Expansion)
	if m := a.Metrics.Models["baseline"]; !(m.DivergenceRMS > 0.05) || !(math.Abs(math.Log(m.VolumeRatio)) > 0.1) {
		t.Errorf("%s: the baseline's field has the divergence %g, and makes a volume %g times as large", name, m.DivergenceRMS, m.VolumeRatio)
	}
	for _, s := range a.Sources {
		if (s.Plane != nil) != (a.Task.Dimension == 2) {
			t.Errorf("%s: %s has a plane: %t", name, s.Name, s.Plane != nil)
		}
	}
	if truth.Plane != nil && (truth.Plane.Hamiltonian == nil || hnn.Plane.Hamiltonian == nil || baseline.Plane.Hamiltonian != nil) {
		t.Errorf("%s: the truth and the HNN alone have a Hamiltonian", name)
	}
	for i, level := range a.Metrics.Change.Levels {
		relative(t, name+" energy of a level", level.Reached, level.Requested, 0.02)
		moved := spread(a.Energy.Stages[2*i].Learned)
		if !(moved < 0.02*math.Abs(level.Learned-a.Metrics.Change.Levels[(i+1)%2].Learned)) {
			t.Errorf("%s: the learned Hamiltonian of level %d spreads by %g", name, i, moved)
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
	last := data.Train.X.Rows() - 1 // which lies behind the test set
	for _, set := range []datasets.Samples{data.Train, data.Test} {
		x, dx := set.X.Float64(0), set.DX.Float64(0)
		for i, time := range set.Times {
			if i == last {
				break
			}
			values := map[string]float64{"t": time, "q": x[i][0], "p": x[i][1], "dq": dx[i][0], "dp": dx[i][1]}
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

// Where only observations are known, the published models have the published test losses all the same. The energy is the HNN's Hamiltonian,
// which a factor of 1.8806 brings to the scale of the fitted one (testdata/README.md).
func TestObservationsWithoutAHamiltonian(t *testing.T) {
	for _, columns := range [][]string{{"t", "q", "p", "dq", "dp"}, {"dp", "dq", "p", "q"}} {
		observed := columns[0] == "t"
		a, sources := analyze(t, measured(t, columns...), published(checkpoints+"real"))
		hnn, baseline := a.Metrics.Models["hnn"], a.Metrics.Models["baseline"]
		relative(t, "HNN test loss", hnn.Test, 5.8494e-3, 1e-4)
		relative(t, "baseline test loss", baseline.Test, 1.3921e-3, 1e-4)
		if (len(a.Moving()) == 3) != observed || a.Metrics.Truth != nil || sources["truth"].Plane.Field != nil || sources["truth"].Plane.Hamiltonian != nil {
			t.Errorf("%v: the motion of %d sources is known, and a true field: %t", columns, len(a.Moving()), sources["truth"].Plane.Field != nil)
		}
		rates, given := sources["truth"].Plane.Rates, a.Data.Train.DX
		if len(rates) != given.Rows() || rates[7][1] != float64(given.Row(7)[1]) || hnn.Fit != nil {
			t.Errorf("%v: the plane shows %d measured derivatives, and H is fitted by %+v", columns, len(rates), hnn.Fit)
		}
		if moved, other := spread(sources["hnn"].Example.Energy[0]), spread(sources["baseline"].Example.Energy[0]); !(moved < 1e-3*other) {
			t.Errorf("%v: the learned H spreads by %g along the HNN's trajectory, by %g along the baseline's", columns, moved, other)
		}
		if observed {
			const factor = 1.8806
			relative(t, "baseline energy MSE", baseline.EnergyMSE, 3.7051e-1/(factor*factor), 0.05)
			relative(t, "HNN energy MSE", hnn.EnergyMSE, 9.3777e-3/(factor*factor), 0.5)
		} else if !(hnn.EnergyMSE < 1e-6*baseline.EnergyMSE) {
			t.Errorf("the learned H moves from the start's by %g along the HNN's trajectories", hnn.EnergyMSE)
		}
		content, err := json.Marshal(a.Metrics)
		if err != nil {
			t.Fatal(err)
		}
		if s := string(content); !strings.Contains(s, "the Hamiltonian of the Hamiltonian NN") || strings.Contains(s, "coordinate_mse") != observed || strings.Contains(s, `"truth"`) {
			t.Errorf("%v: the metrics are %s", columns, s)
		}
	}
}

// A model that has no Hamiltonian is compared by the true energy, and where none is known by no energy at all.
func TestModelsWithoutAHamiltonian(t *testing.T) {
	conservative := train(t, datasets.Spring, hamiltonian.HNN, hamiltonian.Conservative)
	a, sources := analyze(t, datasets.Spring, []Checkpoint{conservative})
	hnn := sources["hnn"]
	if hnn.HasHamiltonian || hnn.Learned != nil || hnn.Plane.Hamiltonian != nil || hnn.Plane.Field == nil || a.Reference != nil || a.Energy != nil {
		t.Errorf("a gradient field has the Hamiltonian %+v", hnn.Plane.Hamiltonian)
	}
	if m := a.Metrics.Models["hnn"]; m.EnergyErrors == nil || !(m.EnergyMSE > 0) {
		t.Errorf("the energy errors are %+v", m.EnergyErrors)
	}
	if _, err := Run(datasets.Spring, []Checkpoint{conservative}, 1, func(string) {}); err == nil || !strings.Contains(err.Error(), "a model whose field conserves its Hamiltonian") {
		t.Errorf("adding energy without a Hamiltonian gave the error %v", err)
	}
	a, sources = analyze(t, measured(t, "t", "q", "p"), published(checkpoints + "real")[:1])
	content, err := json.Marshal(a.Metrics)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(content), "energy") || sources["baseline"].Trials.Energy != nil {
		t.Errorf("an energy is known of %s", content)
	}
}

// Three models at once: each has its place, and only the HNN's field conserves its Hamiltonian.
func TestThreeModels(t *testing.T) {
	dissipative := train(t, datasets.Spring, hamiltonian.Dissipative, hamiltonian.Solenoidal)
	a, sources := analyze(t, datasets.Spring, append(published(checkpoints+"spring"), dissipative))
	if len(a.Sources) != 4 || a.Sources[3].Name != "dissipative" || len(a.Metrics.Models) != 3 || a.Reference.Name != "hnn" || a.Energy.Source.Name != "hnn" {
		t.Fatalf("the sources are %v, the reference is %v", sources, a.Reference)
	}
	relative(t, "HNN energy MSE beside others", a.Metrics.Models["hnn"].EnergyMSE, 3.8416e-4, 0.2)
	for name, s := range sources {
		moves := len(s.Example.States[0]) == len(a.Sources[0].Example.Times) && len(s.Trials.Energy) == 15
		if !moves || len(s.Volume.Outlines) != volumeTimes || len(s.Learned) == 0 {
			t.Errorf("%s lacks a motion, an energy or a volume", name)
		}
		if (s.Plane.Hamiltonian != nil) != s.HasHamiltonian || s.HasHamiltonian != (name != "baseline") {
			t.Errorf("%s has a Hamiltonian: %t, and contours: %t", name, s.HasHamiltonian, s.Plane.Hamiltonian != nil)
		}
	}
	a, _ = analyze(t, datasets.Spring, []Checkpoint{dissipative})
	if a.Reference.Name != "dissipative" || a.Energy != nil {
		t.Errorf("a dissipative model changes its energy by %+v", a.Metrics.Change)
	}
}

// train makes the checkpoint of a short run.
func train(t *testing.T, task datasets.Task, model hamiltonian.Model, field hamiltonian.FieldType) Checkpoint {
	t.Helper()
	settings := trainer.DefaultSettings(task)
	settings.Model, settings.FieldType, settings.TotalSteps, settings.HiddenDim = model.Name, field, 20, 16
	run, err := trainer.New(task, settings, trainer.Execution{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Run(context.Background(), func(int, float32, float32) {}); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := run.Save(folder, &trainer.Final{}); err != nil {
		t.Fatal(err)
	}
	return Checkpoint{model, settings.Files(folder).Finished}
}

// The truth of the published pendulum is fitted, so its plane shows the measured derivatives; the example of two bodies has an excerpt.
func TestWhatFiguresShowOfATask(t *testing.T) {
	_, sources := analyze(t, datasets.Real, published(checkpoints+"real"))
	plane := sources["truth"].Plane
	if plane.Field != nil || len(plane.Rates) != len(plane.Samples) || plane.Hamiltonian == nil || sources["hnn"].Plane.Rates != nil {
		t.Errorf("a fitted field is shown: %t, with %d measured derivatives", plane.Field != nil, len(plane.Rates))
	}
	_, sources = analyze(t, datasets.TwoBody, published(checkpoints + "2body")[1:])
	for name, s := range sources {
		excerpt, n := s.Excerpt, len(s.Excerpt.Times)
		if n != 500 || excerpt.Times[n-1] > 12.5 || s.Example.Times[n] <= 12.5 || len(excerpt.States[0]) != n || len(excerpt.Energy[0]) != n {
			t.Errorf("%s: the excerpt has %d times, to %g", name, n, excerpt.Times[n-1])
		}
	}
}

// A checkpoint of ours carries its losses, one of PyTorch's none.
func TestLossesOfACheckpoint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.tar")
	write := func(table string) {
		t.Helper()
		content, err := nets.EncodeCheckpoint(nil, nets.Attachment{Name: nets.LossesFile, Content: []byte(table)})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("step,train_loss,test_loss\n0,3,4\n1,2.5,\n2,2,3.5\n")
	got, err := readLosses(path)
	want := Losses{LossCurve{[]float64{0, 1, 2}, []float64{3, 2.5, 2}}, LossCurve{[]float64{0, 2}, []float64{4, 3.5}}}
	if err != nil || !reflect.DeepEqual(*got, want) {
		t.Errorf("the losses are %+v, error %v, want %+v", got, err, want)
	}
	write("step,train_loss,test_loss\n0,x,4\n")
	if _, err := readLosses(path); err == nil || !strings.Contains(err.Error(), "losses.csv, line 2") {
		t.Errorf("a damaged table gave the error %v", err)
	}
	if got, err := readLosses(checkpoints + "spring-hnn.tar"); got != nil || err != nil {
		t.Errorf("PyTorch's checkpoint has the losses %+v, error %v", got, err)
	}
}

// Models of the same seed share one dataset; another seed has another.
func TestEachDatasetIsMadeOnce(t *testing.T) {
	made := map[uint32]int{}
	task := datasets.Spring
	generate := task.Generate
	task.Generate = func(seed uint32) (datasets.Dataset, error) {
		made[seed]++
		return generate(seed)
	}
	if _, err := Run(task, published(checkpoints+"spring"), 0, func(string) {}); err != nil {
		t.Fatal(err)
	}
	if len(made) != 1 || made[0] != 1 {
		t.Errorf("datasets were made %v times by seed, want one of seed 0", made)
	}
}

func TestCheckpointErrorsAreOneLine(t *testing.T) {
	spring := published(checkpoints + "spring")
	for want, list := range map[string][]Checkpoint{
		"nowhere.tar":                      {{hamiltonian.Baseline, "nowhere.tar"}, spring[1]},
		"is no checkpoint of a spring-hnn": {spring[0], published(checkpoints + "2body")[1]},
		"at least one is needed":           nil,
		"hnn is given twice":               {spring[1], spring[1]},
	} {
		_, err := Run(datasets.Spring, list, 0, func(string) {})
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
