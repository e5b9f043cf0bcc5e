package datasets

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/floats"
)

// table writes a file and makes a task from it.
func table(t *testing.T, name, content string) (Task, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return FromTable(path)
}

func generated(t *testing.T, task Task, err error) Dataset {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	data, err := task.Generate(0)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestColumnsComeInAnyOrder(t *testing.T) {
	content := "\ufeffdp2, q1,p2,dq1,q2,dp1,p1,dq2\n# q1 = 10 in the first row\n"
	for i := range 20 {
		content += fmt.Sprintf("%[1]d8, %[1]d1, %[1]d4, %[1]d5, %[1]d2, %[1]d7, %[1]d3, %[1]d6\n", i+1)
	}
	task, err := table(t, "two-springs.csv", content)
	data := generated(t, task, err)
	if task.Name != "two-springs" || task.Dimension != 4 || task.Hamiltonian != nil || task.Dynamics != nil {
		t.Errorf("the task is %s of dimension %d", task.Name, task.Dimension)
	}
	if data.Train.X.Rows() != 16 || data.Test.X.Rows() != 4 {
		t.Errorf("%d training and %d test rows, want 16 and 4", data.Train.X.Rows(), data.Test.X.Rows())
	}
	if x, dx := data.Test.X.Row(0), data.Test.DX.Row(0); !slices.Equal(x, []float32{171, 172, 173, 174}) || !slices.Equal(dx, []float32{175, 176, 177, 178}) {
		t.Errorf("row 17 is %v with the derivative %v", x, dx)
	}
}

// The expected derivatives are from numpy.gradient(q, t, edge_order=2). The rows of two trajectories alternate.
func TestDerivativesFromTimes(t *testing.T) {
	times, q, p := []float64{0, .1, .3, .35, .6}, []float64{1, 2, -1, .5, 4}, []float64{0, .3, .2, -.7, 1}
	content := "trajectory,t,q,p\n"
	for i := range times {
		content += fmt.Sprintf("a,%g,%g,%g\nb,%g,%g,%g\n", times[i], q[i], p[i], 7+10*times[i], -q[i], p[i])
	}
	task, err := table(t, "own.csv", content)
	data := generated(t, task, err)
	dq := []float64{18.333333333333332, 1.6666666666666652, 21.000000000000007, 27.333333333333336, 0.6666666666666643}
	dp := []float64{4.166666666666667, 1.8333333333333333, -14.500000000000002, -13.866666666666669, 27.46666666666667}
	for axis, want := range [][]float64{dq, dp} {
		if got := data.Train.DX.column(axis); !floats.EqualApprox(got, want, 3e-6) {
			t.Errorf("derivative %d is %v, want %v", axis, got, want)
		}
	}
	if got, want := data.Test.DX.Row(2)[0], float32(-21.0/10); got != want {
		t.Errorf("of the other trajectory it is %g, want %g", got, want)
	}
}

func TestSplitAndSettings(t *testing.T) {
	batch := max(600, 300*runtime.GOMAXPROCS(0))
	for _, test := range []struct{ trajectories, rows, train, test, steps, batch int }{
		{1, 3749, 3000, 749, 2000, 0},
		{1, 3752, 3002, 750, 10000, min(batch, 750)},
		{2, 10, 10, 10, 2000, 0},
		{11, 100, 900, 200, 2000, 0},
		{40, 100, 3200, 800, 10000, min(batch, 800)},
		{12, 400, 4000, 800, 10000, min(batch, 800)},
		{9, 400, 3200, 400, 10000, 400},
	} {
		var content strings.Builder
		content.WriteString("trajectory,q,p,dq,dp\n")
		for trajectory := range test.trajectories {
			for row := range test.rows {
				fmt.Fprintf(&content, "%d,%d,%[2]d,2,3\n", trajectory, row)
			}
		}
		task, err := table(t, "own.csv", content.String())
		data := generated(t, task, err)
		if data.Train.X.Rows() != test.train || data.Test.X.Rows() != test.test || task.Steps != test.steps || task.BatchSize != test.batch {
			t.Errorf("%+v: got %d and %d rows, %d steps, %d rows at each", test, data.Train.X.Rows(), data.Test.X.Rows(), task.Steps, task.BatchSize)
		}
	}
}

// circle returns a table of the harmonic oscillator (cos t, −sin t).
func circle(columns string, trajectories int, time func(trajectory, row int) float64) string {
	var content strings.Builder
	content.WriteString(columns + "\n")
	for trajectory := range trajectories {
		for row := range 40 {
			at := time(trajectory, row)
			q, p := math.Cos(at), -math.Sin(at)
			for i, name := range strings.Split(columns, ",") {
				if i > 0 {
					content.WriteByte(',')
				}
				value := map[string]float64{"trajectory": float64(trajectory), "t": at, "q": q, "p": p, "dq": p, "dp": -q}[name]
				fmt.Fprint(&content, value)
			}
			content.WriteByte('\n')
		}
	}
	return content.String()
}

// Test trajectories with different clocks and intervals are compared at the same times after their starts.
func TestObservedMotionIsCompared(t *testing.T) {
	interval := func(trajectory int) float64 { return 0.05 + 0.003*float64(trajectory%4) }
	task, err := table(t, "own.csv", circle("t,q,p,dq,dp,trajectory", 20, func(trajectory, row int) float64 {
		return float64(trajectory) + interval(trajectory)*float64(row)
	}))
	data := generated(t, task, err)
	trials, err := task.Trials(data)
	if err != nil {
		t.Fatal(err)
	}
	// Four test trajectories, the longest first, at its times up to the end of the shortest.
	if len(trials.States) != 4 || len(trials.Times) != 34 || trials.Times[0] != 0 || math.Abs(trials.Times[33]-33*interval(19)) > 1e-12 {
		t.Fatalf("%d trials at %d times to %g", len(trials.States), len(trials.Times), trials.Times[len(trials.Times)-1])
	}
	for i, trajectory := range []int{19, 18, 17, 16} {
		for j, time := range trials.Times {
			at := float64(trajectory) + time
			if got := trials.States[i][j]; !floats.EqualApprox(got, []float64{math.Cos(at), -math.Sin(at)}, 1e-7) {
				t.Errorf("trial %d is at %v after %g", i, got, time)
			}
		}
	}
	// The example goes on to the end of the longest, at times so dense that its curve has no corners.
	example, err := task.Example(data)
	if err != nil || len(example.States) != 1 || len(example.Times) != 1000 {
		t.Fatalf("%d examples at %d times, error %v", len(example.States), len(example.Times), err)
	}
	for j, time := range example.Times {
		if got := example.States[0][j]; !floats.EqualApprox(got, []float64{math.Cos(19 + time), -math.Sin(19 + time)}, 1e-7) {
			t.Errorf("the example is at %v after %g", got, time)
		}
	}
}

// The comparison with a long motion ends after ten periods.
func TestComparisonsEndAfterTenPeriods(t *testing.T) {
	for _, columns := range []string{"q,p,t", "q,p,dq,dp"} {
		task, err := table(t, "own.csv", circle(columns, 30, func(trajectory, row int) float64 { return 0.3 * float64(40*trajectory+row) }))
		data := generated(t, task, err)
		trials, err := task.Trials(data)
		if err != nil {
			t.Fatal(err)
		}
		trialsWanted, statesWanted := 1, len(trials.Times)
		if columns == "q,p,dq,dp" {
			trialsWanted, statesWanted = 15, 1 // only starts are known
		}
		if last := trials.Times[len(trials.Times)-1]; !(math.Abs(last/(20*math.Pi)-1) < 0.02) {
			t.Errorf("%s: the trials last %g, want ten periods of 2π", columns, last)
		}
		if len(trials.States) != trialsWanted || len(trials.States[0]) != statesWanted {
			t.Errorf("%s: %d trials of %d states, want %d of %d", columns, len(trials.States), len(trials.States[0]), trialsWanted, statesWanted)
		}
	}
}

func TestTableErrorsNameLineAndColumn(t *testing.T) {
	for content, want := range map[string]string{
		"":                       "own.csv is empty; its first line must name the columns",
		"0,1\n2,3\n":             `own.csv, line 1: column 1 is "0"; the header names q1, p1`,
		"q;p;t\n":                `line 1: column 1 is "q;p;t"; the header names q1, p1, q2, p2, …, and dq1, dp1, … or t, and trajectory, with commas`,
		"q1,p1,q2,t\n":           "line 1: the header names no p2; each of q1 to q2 and p1 to p2 is needed",
		"q2,p2,t\n":              "line 1: the header names no q1;",
		"t,trajectory\n":         "line 1: the header names no state",
		"q1,p1,q999999,t\n":      "line 1: column 3 is q999999, but there are only 4 columns",
		"q,p,t,q1\n":             "line 1: column 4 is a second q1",
		"q,p\n":                  "line 1: the header names neither derivatives (dq1 to dq1, dp1 to dp1) nor t",
		"q,p,t,dq\n":             "line 1: the header names derivatives but no dp1",
		"q,p,dq,dp,dq2\n":        "line 1: the header names no q2",
		"q,p,t\n1,2,3\n1,2\n":    "own.csv, line 3: 2 columns, but the header names 3",
		"q,p,t\n1,2,3\n\n1,x,4":  `own.csv, line 4, column 2 (p1): "x" is not a finite number`,
		"q,p,t\n1,2,3\n1,,4":     `line 3, column 2 (p1): "" is not a finite number`,
		"q,p,t\n1,NaN,3\n":       `line 2, column 2 (p1): "NaN" is not a finite number`,
		"q,p,dq,dp\n1,2,-Inf,3":  `line 2, column 3 (dq1): "-Inf" is not a finite number`,
		"q,p,t\n1,2,1e999\n":     `line 2, column 3 (t): "1e999" is beyond float32, which holds numbers up to 3.4e+38`,
		"t,q,p\n2,0,0\n2,0,1\n":  "line 3, column 1 (t): time 2 does not follow 2; times must increase along a trajectory",
		"q,p,t\n1,\"2,3\n":       "own.csv, line 2: a quotation mark has no second one in this line",
		"q,p,t\n1,2,3\n1,2,4\n":  "line 2: the trajectory that begins here has 2 rows; derivatives from times need 3",
		"q,p,dq,dp\n1,2,3,4\n":   "own.csv: 1 rows of one trajectory are too few; at least 20 rows or several trajectories are needed",
		"q,p,t\n" + still(20, 1): "own.csv, line 2, column 1 (q1): q1 is constant: all rows have 1",
	} {
		_, err := table(t, "own.csv", content)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: got the error %v, want one line with %q", content, err, want)
		}
	}
	if _, err := table(t, "spring.csv", "q,p,t\n"+still(20, 1)); err == nil || !strings.Contains(err.Error(), "give the file another name") {
		t.Errorf("a file of a task's name gave the error %v", err)
	}
	if _, err := FromTable("nowhere.csv"); err == nil || !strings.Contains(err.Error(), "nowhere.csv") {
		t.Errorf("a missing file gave the error %v", err)
	}
}

func still(rows int, q float64) string {
	content := ""
	for i := range rows {
		content += fmt.Sprintf("%g,0,%d\n", q, i)
	}
	return content
}

// The field of Hénon and Heiles's Hamiltonian equals its closed form, and the trajectories conserve the energy.
func TestFromHamiltonian(t *testing.T) {
	energy := func(q, p []float64) float64 {
		return (p[0]*p[0]+p[1]*p[1]+q[0]*q[0]+q[1]*q[1])/2 + q[0]*q[0]*q[1] - q[1]*q[1]*q[1]/3
	}
	starts := [][]float64{{0.1, -0.2, 0.3, 0}, {0, 0.1, 0.2, 0.3}, {0.3, 0, 0, 0.2}}
	task, err := FromHamiltonian("star", energy, starts, linspace(0, 10, 21))
	data := generated(t, task, err)
	if task.Dimension != 4 || data.Train.X.Rows() != 42 || data.Test.X.Rows() != 21 {
		t.Errorf("dimension %d, %d and %d rows", task.Dimension, data.Train.X.Rows(), data.Test.X.Rows())
	}
	dx := data.Train.DX.Float64(0)
	for i, s := range data.Train.X.Float64(0) {
		want := []float64{s[2], s[3], -s[0] - 2*s[0]*s[1], -s[1] - s[0]*s[0] + s[1]*s[1]}
		if !floats.EqualApprox(dx[i], want, 1e-7) {
			t.Errorf("the derivative at %v is %v, want %v", s, dx[i], want)
		}
		start := starts[i/21]
		if change := task.Hamiltonian(s) - energy(start[:2], start[2:]); math.Abs(change) > 1e-7 {
			t.Errorf("row %d: the energy changed by %g", i, change)
		}
	}
	// The example is integrated between the rows too.
	example, err := task.Example(data)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range example.States[0] {
		if change := task.Hamiltonian(s) - task.Hamiltonian(example.States[0][0]); math.Abs(change) > 1e-5 {
			t.Errorf("at %g the example's energy has changed by %g", example.Times[i], change)
		}
	}
	if _, err := FromHamiltonian("star", energy, [][]float64{{1, 2, 3}}, linspace(0, 10, 21)); err == nil || !strings.Contains(err.Error(), "start 0 has 3 components") {
		t.Errorf("a start of three components gave the error %v", err)
	}
}
