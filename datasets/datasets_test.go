package datasets

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type array struct {
	Rows        int
	Mean, RMS   []float64
	First, Last [][]float64
}

type published struct {
	Task   string
	Seed   uint32
	X      array `json:"x"`
	DX     array `json:"dx"`
	TestX  array `json:"test_x"`
	TestDX array `json:"test_dx"`
}

func TestDatasetsEqualThePublishedOnes(t *testing.T) {
	content, err := os.ReadFile("testdata/published.json")
	if err != nil {
		t.Fatal(err)
	}
	var references []published
	if err := json.Unmarshal(content, &references); err != nil {
		t.Fatal(err)
	}
	for _, reference := range references {
		task, err := Find(reference.Task)
		if err != nil {
			t.Fatal(err)
		}
		data, err := task.Generate(reference.Seed, task.Noise)
		if err != nil {
			t.Fatal(err)
		}
		compare(t, reference.Task+" x", data.Train.X, reference.X)
		compare(t, reference.Task+" dx", data.Train.DX, reference.DX)
		compare(t, reference.Task+" test x", data.Test.X, reference.TestX)
		compare(t, reference.Task+" test dx", data.Test.DX, reference.TestDX)
	}
}

func compare(t *testing.T, name string, got [][]float64, want array) {
	t.Helper()
	if len(got) != want.Rows {
		t.Errorf("%s: %d rows, want %d", name, len(got), want.Rows)
		return
	}
	equal := func(what string, got, want float64) {
		if math.Abs(got-want) > 1e-9 {
			t.Errorf("%s, %s: got %.15g, want %.15g", name, what, got, want)
		}
	}
	for axis := range want.Mean {
		mean, square := 0.0, 0.0
		for _, row := range got {
			mean += row[axis] / float64(len(got))
			square += row[axis] * row[axis] / float64(len(got))
		}
		equal("mean", mean, want.Mean[axis])
		equal("root mean square", math.Sqrt(square), want.RMS[axis])
		for i := range want.First {
			equal("first rows", got[i][axis], want.First[i][axis])
			equal("last rows", got[len(got)-len(want.Last)+i][axis], want.Last[i][axis])
		}
	}
}

// A noiseless trajectory stays on its energy level.
func TestNoiselessTrajectoriesConserveEnergy(t *testing.T) {
	for _, task := range []Task{Spring, Pendulum} {
		data, err := task.Generate(3, 0)
		if err != nil {
			t.Fatal(err)
		}
		points := map[string]int{"spring": 30, "pend": 45}[task.Name]
		for i, state := range data.Train.X {
			start := task.Hamiltonian(data.Train.X[i-i%points])
			if drift := math.Abs(task.Hamiltonian(state) - start); drift > 2e-5 {
				t.Fatalf("%s, row %d: the energy drifted by %g", task.Name, i, drift)
			}
		}
	}
}

func TestMeasurementErrorsNameTheLine(t *testing.T) {
	for content, want := range map[string]string{
		"% o v\n0 1 2 3\n0 2 x 3\n": `line 3, column 3: "x" is no finite number`,
		"0 1 2\n":                   "line 1: 3 columns, and 4 are needed",
		"0 1 2 3\n0 1 2 3\n":        "line 2: time 1 does not follow 1",
		"0 1 2 3\n0 2 NaN 3\n":      `line 2, column 3: "NaN"`,
		"0 1 2 3\n0 2 2 3\n":        "2 rows are too few",
	} {
		path := filepath.Join(t.TempDir(), "data.txt")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Real.Load(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want one with %q", content, err, want)
		}
	}
}
