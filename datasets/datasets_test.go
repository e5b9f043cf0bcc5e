package datasets

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"gonum.org/v1/gonum/diff/fd"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"
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
		train, test, err := generators[task.Name](reference.Seed)
		if err != nil {
			t.Fatal(err)
		}
		compare(t, reference.Task+" x", train.x, reference.X)
		compare(t, reference.Task+" dx", train.dx, reference.DX)
		compare(t, reference.Task+" test x", test.x, reference.TestX)
		compare(t, reference.Task+" test dx", test.dx, reference.TestDX)
		data, err := task.Generate(reference.Seed)
		if want := (Dataset{Train: train.samples(), Test: test.samples()}); err != nil || !reflect.DeepEqual(data, want) {
			t.Errorf("%s: the dataset is not that in single precision, error %v", task.Name, err)
		}
	}
}

// generators make the data of the tasks in double precision.
var generators = map[string]generator{
	"spring": spring.generate, "pend": pendulum.generate, "real": embedded(0), "2body": twoBody.generate, "3body": threeBody.generate,
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

func TestOrbitsEqualThePublishedOnes(t *testing.T) {
	content, err := os.ReadFile("testdata/orbits.json")
	if err != nil {
		t.Fatal(err)
	}
	var references []struct {
		Task string
		Seed uint32
		Sets map[string]struct {
			Rows      int // 0 where the reference holds no moments
			Mean, Std []float64
			Every     int
			Values    [][]float64
		}
	}
	if err := json.Unmarshal(content, &references); err != nil {
		t.Fatal(err)
	}
	for _, reference := range references {
		task, err := Find(reference.Task)
		if err != nil {
			t.Fatal(err)
		}
		train, test, err := generators[task.Name](reference.Seed)
		if err != nil {
			t.Fatal(err)
		}
		energies := func(states [][]float64) [][]float64 {
			rows := make([][]float64, len(states))
			for i, state := range states {
				rows[i] = []float64{task.Hamiltonian(state)}
			}
			return rows
		}
		sets := map[string][][]float64{
			"x": train.x, "dx": train.dx, "energy": energies(train.x),
			"test_x": test.x, "test_dx": test.dx, "test_energy": energies(test.x),
		}
		for name, want := range reference.Sets {
			got := sets[name]
			for i, row := range want.Values {
				for axis := range row {
					if math.Abs(got[i*want.Every][axis]-row[axis]) > 1e-7 {
						t.Errorf("%s, seed %d, %s, row %d: got %v, want %v", reference.Task, reference.Seed, name, i*want.Every, got[i*want.Every], row)
					}
				}
			}
			if want.Rows == 0 {
				continue
			}
			if len(got) != want.Rows {
				t.Errorf("%s, %s: %d rows, want %d", reference.Task, name, len(got), want.Rows)
			}
			for axis := range want.Mean {
				column := make([]float64, len(got))
				for i, row := range got {
					column[i] = row[axis]
				}
				mean, std := stat.PopMeanStdDev(column, nil)
				if math.Abs(mean-want.Mean[axis]) > 1e-9*want.Std[axis] || math.Abs(std-want.Std[axis]) > 1e-9*want.Std[axis] {
					t.Errorf("%s, %s, column %d: mean %.12g and deviation %.12g, want %.12g and %.12g", reference.Task, name, axis, mean, std, want.Mean[axis], want.Std[axis])
				}
			}
		}
	}
}

// A trajectory without noise keeps its energy.
func TestNoiselessTrajectoriesConserveEnergy(t *testing.T) {
	springWithoutNoise, pendulumWithoutNoise := spring, pendulum
	springWithoutNoise.noise, pendulumWithoutNoise.noise = 0, 0
	for _, test := range []struct {
		task      Task
		generate  generator
		points    int
		tolerance float64
	}{
		{Spring, springWithoutNoise.generate, 30, 2e-5},
		{Pendulum, pendulumWithoutNoise.generate, 45, 2e-5},
		{TwoBody, twoBody.generate, 50, 2e-4},
	} {
		train, _, err := test.generate(3)
		if err != nil {
			t.Fatal(err)
		}
		for i, state := range train.x {
			start := test.task.Hamiltonian(train.x[i-i%test.points])
			if drift := math.Abs(test.task.Hamiltonian(state) - start); drift > test.tolerance {
				t.Fatalf("%s, row %d: the energy drifted by %g", test.task.Name, i, drift)
			}
		}
	}
}

// Dynamics is the symplectic gradient of the Hamiltonian, or half of that where H was fitted to measurements.
func TestDynamicsAreTheHamiltoniansField(t *testing.T) {
	for _, task := range Tasks() {
		if task.ImageSide != 0 {
			continue // its field is not known
		}
		data, err := task.Generate(0)
		if err != nil {
			t.Fatal(err)
		}
		factor := 1.0
		if task.Name == "real" {
			factor = 0.5
		}
		x := data.Test.X.Float64(0)[7]
		got, want := make([]float64, len(x)), make([]float64, len(x))
		task.Dynamics(0, x, got)
		gradient := fd.Gradient(nil, task.Hamiltonian, x, &fd.Settings{Formula: fd.Central})
		n := len(x) / 2
		for i := range n {
			want[i], want[n+i] = factor*gradient[n+i], -factor*gradient[i]
		}
		if !floats.EqualApprox(got, want, 1e-6) {
			t.Errorf("%s: the field is %v, want %v", task.Name, got, want)
		}
	}
}

// The reference trajectories start where the published notebooks start them with numpy.
func TestTrials(t *testing.T) {
	for name, want := range map[string]struct {
		count, points int
		until         float64
		start         []float64
	}{
		"spring": {15, 100, 20, []float64{0.27810160628371966, 0.544302986195871}},
		"pend":   {15, 100, 20, []float64{0.27810160628371966, 0.544302986195871}},
		"real":   {1, 110, 0, nil},
		"2body":  {15, 500, 25, nil},
		"3body":  {15, 500, 3, nil},
	} {
		task, err := Find(name)
		if err != nil {
			t.Fatal(err)
		}
		data, err := task.Generate(0)
		if err != nil {
			t.Fatal(err)
		}
		for _, trajectories := range []func(Dataset) (Trajectories, error){task.Trials, task.Example} {
			got, err := trajectories(data)
			if err != nil {
				t.Fatal(err)
			}
			for i, states := range got.States {
				if len(states) != len(got.Times) {
					t.Errorf("%s, trajectory %d: %d states at %d times", name, i, len(states), len(got.Times))
				}
			}
		}
		got, err := task.Trials(data)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.States) != want.count || len(got.Times) != want.points || got.Times[0] != 0 {
			t.Errorf("%s: %d trials of %d times from %g", name, len(got.States), len(got.Times), got.Times[0])
		}
		if last := got.Times[len(got.Times)-1]; want.until > 0 && last != want.until {
			t.Errorf("%s: the trials end at %g, want %g", name, last, want.until)
		}
		if want.start != nil && !floats.EqualApprox(got.Starts()[0], want.start, 1e-12) {
			t.Errorf("%s: the first trial starts at %v, want %v", name, got.Starts()[0], want.start)
		}
	}
}

// Over a time h, the oscillator q' = 2p, p' = −2q turns its state by the angle 2h. Without noise the rows are the true states.
func TestIncrementsOfTheSpring(t *testing.T) {
	noiseless := spring
	noiseless.noise = 0
	train, _, err := noiseless.increments(3)
	if err != nil {
		t.Fatal(err)
	}
	sin, cos := math.Sincos(2 * Spring.TimeStep)
	for i, x := range train.x {
		next := []float64{cos*x[0] + sin*x[1], cos*x[1] - sin*x[0]}
		want := []float64{(next[0] - x[0]) / Spring.TimeStep, (next[1] - x[1]) / Spring.TimeStep}
		if !floats.EqualApprox(train.dx[i], want, 1e-10) {
			t.Fatalf("row %d: the mean derivative is %v, want %v", i, train.dx[i], want)
		}
	}
}

// Increments observes the states of Generate: it makes the same random draws.
func TestIncrementsKeepTheStates(t *testing.T) {
	for _, task := range []Task{Spring, Pendulum} {
		data, err := task.Generate(5)
		if err != nil {
			t.Fatal(err)
		}
		increments, err := task.Increments(5)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(data.Train.X, increments.Train.X) || !reflect.DeepEqual(data.Test.X, increments.Test.X) {
			t.Errorf("%s: the states of Increments are not those of Generate", task.Name)
		}
	}
}

// Of the 555 measured rows with a successor, ten are followed by a gap. All others have forward differences over 1/6 s.
func TestIncrementsOfMeasurements(t *testing.T) {
	train, test, err := embedded(0)(0)
	if err != nil {
		t.Fatal(err)
	}
	spacedTrain, spacedTest, err := embedded(realStep)(0)
	if err != nil {
		t.Fatal(err)
	}
	if all, kept := len(train.x)+len(test.x), len(spacedTrain.x)+len(spacedTest.x); all != 555 || kept != 545 {
		t.Errorf("%d of %d rows are left, want 545 of 555", kept, all)
	}
	next := map[float64][]float64{}
	for _, set := range []exact{train, test} {
		for i, at := range set.times {
			next[math.Round(6*at)] = set.x[i]
		}
	}
	for i, x := range spacedTest.x {
		after, known := next[math.Round(6*spacedTest.times[i])+1]
		if end := []float64{x[0] + spacedTest.dx[i][0]/6, x[1] + spacedTest.dx[i][1]/6}; known && !floats.EqualApprox(end, after, 1e-12) {
			t.Errorf("row %d leads to %v after 1/6 s, want %v", i, end, after)
		}
	}
}

func BenchmarkGenerate(b *testing.B) {
	for _, task := range Tasks() {
		b.Run(task.Name, func(b *testing.B) {
			for b.Loop() {
				if _, err := task.Generate(0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestMeasurementErrorsNameTheLine(t *testing.T) {
	for content, want := range map[string]string{
		"% o v\n0 1 2 3\n0 2 x 3\n": `line 3, column 3: "x" is not a finite number`,
		"0 1 2\n":                   "line 1: 3 columns; 4 are needed",
		"0 1 2 3\n0 1 2 3\n":        "line 2: time 1 does not follow 1",
		"0 1 2 3\n0 2 NaN 3\n":      `line 2, column 3: "NaN"`,
		"0 1 2 3\n0 2 2 3\n":        "2 rows are too few",
	} {
		path := filepath.Join(t.TempDir(), "data.txt")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Real.WithFile(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want one with %q", content, err, want)
		}
	}
}
