package datasets

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"gonum.org/v1/gonum/floats"

	"hnn/internal/tables"
)

func estimated(times, q []float64) Observations {
	s := Observed{Times: times}
	for _, value := range q {
		s.States = append(s.States, []float64{value, 0})
	}
	return Observations{Positions: 1, Trajectories: []Observed{s}}
}

// The slopes are from scipy.signal.savgol_filter(q, 7, 3, deriv=1, delta=0.1, mode="interp"), scipy 1.17.1. The mass doubles them.
func TestMomentaAreThoseOfSavitzkyAndGolay(t *testing.T) {
	q := []float64{0, 0.3, 0.1, 0.9, 1.2, 0.7, 2, 1.5, 2.2, 3.1, 2.7, 3.9}
	o := estimated(floats.Span(make([]float64, 12), 0, 1.1), q)
	Estimate{Order: 3, Rows: 7, Masses: []float64{2}}.fill(o)
	want := []float64{3.81349206, 2.32539683, 1.67063492, 1.84920635, 3.54365079, 1.6031746, 2.57936508, 5.53174603, 2.75, 3.5952381, 5.94047619, 9.78571429}
	floats.Scale(2, want)
	if got := column(o.Trajectories[0].States, 1); !floats.EqualApprox(got, want, 1e-7) {
		t.Errorf("the momenta are %v, want %v", got, want)
	}
}

// A cubic has its exact slope at uneven times, and on both sides of a gap where another cubic begins. Nearly equal times do no harm.
func TestMomentaAtUnevenTimesAndGaps(t *testing.T) {
	var times, q, want []float64
	for i := range 24 {
		at, side := 0.1*float64(i)+0.03*math.Sin(float64(3*i)), 1.0
		if i >= 11 {
			at, side = at+3, -2
		}
		if i == 20 {
			at = times[19] + 1e-12
		}
		times, q, want = append(times, at), append(q, side*(at*at*at-at)), append(want, side*(3*at*at-1))
	}
	o := estimated(times, q)
	Estimate{Order: 3, Rows: 9}.fill(o)
	if got := column(o.Trajectories[0].States, 1); !floats.EqualApprox(got, want, 1e-6) {
		t.Errorf("the momenta are %v, want %v", got, want)
	}
}

func TestSegments(t *testing.T) {
	for _, test := range []struct{ times, want string }{
		{"0 1 2 3 4 5", "[[0 6]]"},
		{"0 1 2 9 10 11", "[[0 3] [3 6]]"},
		{"0 1 2 7 8 9", "[[0 6]]"},            // five medians are no gap
		{"0 1 2 9 17 18 19", "[[0 3] [3 7]]"}, // a row alone joins the next
		{"0 1 2 3 9 19", "[[0 6]]"},           // or those before
		{"0 9 10 11", "[[0 4]]"},
	} {
		var times []float64
		for _, field := range strings.Fields(test.times) {
			value, _ := tables.ParseNumber(field)
			times = append(times, value)
		}
		if got := fmt.Sprint(segments(times)); got != test.want {
			t.Errorf("%s: %s, want %s", test.times, got, test.want)
		}
	}
}

// Each middle row is left out and predicted by numpy.polyfit of order 2 from the two rows on either side; numpy 2.4.6.
func TestLeaveOneOut(t *testing.T) {
	o := estimated([]float64{0, 0.1, 0.3, 0.35, 0.6, 0.75, 0.9, 1.3}, []float64{1, 2, -1, 0.5, 4, 3, 1, 0.2})
	if got, want := (Estimate{Order: 2, Rows: 5}).leaveOneOut(o), 0.3888493444199078; math.Abs(got-want) > 1e-12 {
		t.Errorf("the error is %.12g, want %.12g", got, want)
	}
}

// The positions of oscillators with noise give momenta within 3% of a standard deviation inside a trajectory, and the note tells how.
func TestPositionsOnly(t *testing.T) {
	noise := rand.New(rand.NewPCG(1, 2))
	content := rows("trajectory,t,q", 8, 80, func(trajectory, row int) string {
		return fmt.Sprintf("%d,%.6g,%g", trajectory, 0.1*float64(row), math.Cos(float64(trajectory)+0.1*float64(row))+0.01*noise.NormFloat64())
	})
	o := observations(t, content, TableOptions{Masses: []float64{3}})
	if o.Measured || len(o.Notes) != 1 || !strings.HasPrefix(o.Notes[0], "momenta: q' of a local polynomial of order 4 over ") ||
		!strings.HasSuffix(o.Notes[0], " rows, chosen by cross-validation, times the masses [3]") {
		t.Errorf("the notes are %q", o.Notes)
	}
	sum := 0.0
	for trajectory, s := range o.Trajectories {
		for row := 15; row < 65; row++ {
			difference := s.States[row][1]/3 + math.Sin(float64(trajectory)+0.1*float64(row))
			sum += difference * difference / (8 * 50) / 0.5
		}
	}
	if error := math.Sqrt(sum); !(error < 0.03) {
		t.Errorf("the momenta are wrong by %g standard deviations: %+v", error, o.Estimate)
	}
	// A table that is to be predicted may give its momenta; otherwise they are estimated in the same way.
	path := written(t, content)
	at, err := ReadAt(path, o)
	if err != nil || !floats.Equal(at.Trajectories[5].States[40], o.Trajectories[5].States[40]) {
		t.Errorf("estimated again, the state is %v, want %v; error %v", at.Trajectories[5].States[40], o.Trajectories[5].States[40], err)
	}
	if at, err = ReadAt(written(t, "t,q,p\n0,1,7\n"), o); err != nil || !at.Measured || at.Trajectories[0].States[0][1] != 7 {
		t.Errorf("a given momentum became %+v; error %v", at.Trajectories, err)
	}
	if _, err = ReadAt(written(t, "t,q\n0,1\n"), o); err == nil || !strings.Contains(err.Error(), "line 2: the trajectory that begins here has 1 rows") {
		t.Errorf("a row without momentum gave the error %v", err)
	}
	task, err := FromTable(path)
	data := generated(t, task, err)
	if task.Observed == nil || task.Dimension != 2 || data.Train.X.Rows() != 560 || math.Abs(float64(data.Train.DX.Row(10)[0]-data.Train.X.Row(10)[1])) > 0.5 {
		t.Errorf("the task has dimension %d and %d training rows", task.Dimension, data.Train.X.Rows())
	}
	short := observations(t, rows("trajectory,t,q", 8, 4, func(i, j int) string { return fmt.Sprintf("%d,%d,%g", i, j, math.Cos(float64(3*i+j))) }), TableOptions{})
	if len(short.Notes) != 1 || !strings.Contains(short.Notes[0], "order 2 over 3 rows, for most trajectories are too short") {
		t.Errorf("the notes of short trajectories are %q", short.Notes)
	}
}
