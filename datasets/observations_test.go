package datasets

import (
	"crypto/sha256"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"gonum.org/v1/gonum/floats"
)

func written(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "own.csv")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func observations(t *testing.T, content string, options TableOptions) Observations {
	t.Helper()
	o, err := ReadObservations(written(t, content), options)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// rows returns a table: a header, and a line for each trajectory and row.
func rows(header string, trajectories, count int, line func(trajectory, row int) string) string {
	content := header + "\n"
	for trajectory := range trajectories {
		for row := range count {
			content += line(trajectory, row) + "\n"
		}
	}
	return content
}

// swing returns a row of the oscillator (cos, −sin) with its trajectory and time.
func swing(trajectory, row int) string {
	at := float64(trajectory) + 0.1*float64(row)
	return fmt.Sprintf("%d,%.6g,%g,%g", trajectory, 0.1*float64(row), math.Cos(at), -math.Sin(at))
}

func TestUnitsInputsAndConstants(t *testing.T) {
	content := rows("trajectory,t [ms],q [deg],p1 [kg m^2/s],u2,u [N],mass [kg],g", 6, 20, func(trajectory, row int) string {
		return swing(trajectory, row) + fmt.Sprintf(",%d,%d,%d,9.81", row, -row, trajectory%2+1)
	})
	o := observations(t, content, TableOptions{})
	want := Observations{Positions: 1, Angles: []float64{0}, Measured: true, Names: []string{"q1 [deg]", "p1 [kg m^2/s]"}, Inputs: []string{"u1 [N]", "u2"},
		Constants: []string{"mass"}, TimeName: "t [ms]",
		Notes: []string{"mass is taken as a constant of each trajectory", "g is 9.81 in all rows: it is ignored"}}
	trajectories := o.Trajectories
	want.Hash = fmt.Sprintf("%x", sha256.Sum256([]byte(content)))
	if o.Trajectories = nil; !reflect.DeepEqual(o, want) {
		t.Errorf("the observations are %+v, want %+v", o, want)
	}
	s := trajectories[3]
	if len(trajectories) != 6 || s.Label != "3" || s.Times[7] != 0.7 || !floats.EqualApprox(s.States[7], []float64{math.Cos(3.7), -math.Sin(3.7)}, 1e-12) ||
		!floats.Equal(s.Inputs[7], []float64{-7, 7}) || !floats.Equal(s.Constants, []float64{2}) {
		t.Errorf("trajectory 3 of %d is %+v", len(trajectories), s)
	}
	task, err := FromTable(written(t, content))
	if err != nil {
		t.Fatal(err)
	}
	if labels := (Labels{"q [deg]", "p [kg m^2/s]", "t [ms]", "H"}); task.Labels != labels || task.Dimension != 2 || !reflect.DeepEqual(task.Observed.Trajectories, trajectories) {
		t.Errorf("the task of dimension %d has the labels %+v", task.Dimension, task.Labels)
	}
	if task, err = FromTable(written(t, circle("q,p,dq,dp", 1, func(_, row int) float64 { return float64(row) }))); err != nil || task.Observed != nil {
		t.Errorf("a table without times gave observations, error %v", err)
	}
}

func TestSplitOfObservations(t *testing.T) {
	for _, test := range []struct {
		trajectories int
		fraction     float64
		train, test  int
		trainRows    int
	}{{6, 0.2, 5, 1, 20}, {10, 0.29, 8, 2, 20}, {10, 0.3, 7, 3, 20}, {2, 0.01, 1, 1, 20}, {1, 0.2, 1, 1, 16}, {1, 0.5, 1, 1, 10}} {
		o := observations(t, rows("trajectory,t,q,p,u", test.trajectories, 20, func(i, j int) string { return swing(i, j) + ",1" }), TableOptions{})
		train, held := o.Split(test.fraction)
		first := train.Trajectories[0]
		if len(train.Trajectories) != test.train || len(held.Trajectories) != test.test || held.Positions != 1 {
			t.Errorf("%+v: %d and %d trajectories", test, len(train.Trajectories), len(held.Trajectories))
		}
		if rows := test.trainRows; len(first.Times) != rows || len(first.States) != rows || len(first.Inputs) != rows {
			t.Errorf("%+v: %d times, %d states, %d inputs", test, len(first.Times), len(first.States), len(first.Inputs))
		}
	}
}

// A rotor turns by a twentieth of a turn from row to row, wrapped to one turn.
func TestAnglesAreFoundAndUnwrapped(t *testing.T) {
	rotor := func(header string, turn, from float64) string {
		return rows("trajectory,t,"+header+",p", 3, 40, func(trajectory, row int) string {
			angle := from + turn*math.Mod(1+0.05*float64(row)*float64(1-2*(trajectory%2))+10, 1)
			return fmt.Sprintf("%d,%d,%g,%g", trajectory, row, angle, math.Sin(float64(row)))
		})
	}
	for _, test := range []struct {
		content string
		angles  []string
		turn    float64
		note    string
	}{
		{rotor("q", 2*math.Pi, -math.Pi), nil, 2 * math.Pi, "q1 jumps by nearly a full turn 4 times: it is taken as an angle (-angles q1 says so, -angles none refuses)"},
		{rotor("q1 [rad]", 2*math.Pi, 0), []string{"q1"}, 2 * math.Pi, ""},
		{rotor("q1 [deg]", 360, 0), nil, 360, "q1 jumps by nearly a full turn"},
		{rotor("q", 360, -180), nil, 360, "q1 jumps by nearly a full turn"},
		{rotor("q", 360, -180), []string{"q"}, 360, "q1 is taken as an angle in degrees, for it goes from -180 to"},
		{rotor("q1 [°]", 360, 0), []string{"none"}, 0, "first in line 22, column 3, but -angles does not name it"},
		{rotor("q1 [m]", 2*math.Pi, 0), nil, 0, ""},
		{rotor("q1 [m]", 5, 0), nil, 0, ""},
		{rows("trajectory,t,q,p", 2, 20, swing), []string{"q1"}, 2 * math.Pi, ""},
		// a motion from −3 to 3 in half a period, not an angle
		{rows("trajectory,t,q,p", 2, 20, func(i, j int) string { return fmt.Sprintf("%d,%d,%g,%d", i, j, 3*math.Cos(float64(2*j)), j) }), nil, 0, ""},
	} {
		o := observations(t, test.content, TableOptions{Angles: test.angles})
		if o.Angles[0] != test.turn || !strings.Contains(strings.Join(o.Notes, "\n"), test.note) || (test.note == "") != (o.Notes == nil) {
			t.Errorf("%.30q, -angles %v: the turn is %g and the notes are %q, want %g and %q", test.content, test.angles, o.Angles[0], o.Notes, test.turn, test.note)
		}
		for _, s := range o.Trajectories {
			for k := 1; k < len(s.States) && test.turn > 0; k++ {
				if step := math.Abs(s.States[k][0] - s.States[k-1][0]); step > 0.0501*test.turn {
					t.Errorf("%.30q: after unwrapping, row %d is %g from the row before", test.content, k, step)
				}
			}
		}
	}
}

func TestBadTables(t *testing.T) {
	single := func(header string, count int, line func(row int) string) string {
		return rows(header, 1, count, func(_, row int) string { return line(row) })
	}
	motion := func(row int) string {
		return fmt.Sprintf("%g,%g", math.Cos(0.1*float64(row)), -math.Sin(0.1*float64(row)))
	}
	for _, test := range []struct {
		content string
		options TableOptions
		want    string
	}{
		{"q,p,dq,dp\n1,2,3,4\n", TableOptions{}, "own.csv: the header names no t"},
		{"q\n1\n", TableOptions{}, "own.csv, line 1: the header names no t; the time of each row is needed"},
		{"t,q,p\n", TableOptions{}, "own.csv has no rows below its header"},
		{"t,q,p,u2\n", TableOptions{}, "line 1: the header names no u1; each of u1 to u2 is needed"},
		{"t,q,p,u9\n", TableOptions{}, "line 1: column 4 is u9, but there are only 4 columns"},
		{"t,q,p,mass,mass [kg]\n", TableOptions{}, "line 1: column 5 is a second mass"},
		{"t,q,p,\n", TableOptions{}, `line 1: column 4 is "";`},
		{"t,q,p,u\n1,2,3,\n", TableOptions{}, `own.csv, line 2, column 4 (u1): "" is not a finite number`},
		{"t,q,p,u\n1,NaN,3,4\n", TableOptions{}, `own.csv, line 2, column 2 (q1): "NaN" is not a finite number`},
		{"t,q,p,mass\n1,2,3,heavy\n", TableOptions{}, `own.csv, line 2, column 4 (mass): "heavy" is not a finite number`},
		{"t,q,p,E\n0,1,2,3\n1,2,3,3.5\n", TableOptions{}, "own.csv, line 3, column 4 (E): 3.5 follows 3, but only t, q, p, u and their derivatives may vary along a trajectory; " +
			"rename the column to u1, u2, … if it is an input, or remove it"},
		{"t,q,p\n0,1,2\n1,2,3\n0,3,4\n1,2,1\n0,1,1\n", TableOptions{}, "own.csv, line 4, column 1 (t): time 0 does not follow 1; times must increase along a trajectory, " +
			"but fall back 2 times: a column trajectory, which labels the rows of each trajectory, seems to be missing"},
		{"t,q,p\n0,1,2\n1,2,3\n2,3,4\n", TableOptions{}, "own.csv: 3 rows of one trajectory are too few; at least 20 rows or several trajectories are needed"},
		{"t,q\n0,1\n1,2\n", TableOptions{}, "line 2: the trajectory that begins here has 2 rows; derivatives from times need 3"},
		{rows("trajectory,t,q1,p1,q2,p2", 2, 9, func(i, j int) string { return swing(i, j) + ",7," + fmt.Sprint(j) }), TableOptions{},
			"own.csv, line 2, column 5 (q2): q2 is constant: all rows have 7; remove q2 and p2, or all momenta if they were not measured"},
		{rows("trajectory,t,q1,p1,q2,p2", 2, 9, func(i, j int) string { return swing(i, j) + fmt.Sprint(",", j, ",0") }), TableOptions{},
			"own.csv, line 2, column 6 (p2): p2 is constant"},
		{rows("trajectory,t,q,p", 2, 9, swing), TableOptions{Angles: []string{"q2"}}, "own.csv: -angles names q2; the positions are q1 to q1, and none alone refuses angles"},
		{rows("trajectory,t,q,p", 2, 9, swing), TableOptions{Masses: []float64{1}}, "own.csv: the table has momenta; -mass is for tables without them"},
		{single("t,q", 20, func(row int) string { return fmt.Sprintf("%d,%d", row, row*row) }), TableOptions{Masses: []float64{1, 2}},
			"own.csv: -mass gives [1 2]; each of q1 to q1 needs a mass above 0"},
		{rows("trajectory,t,q,p", 3, 20, func(trajectory, row int) string {
			return strings.Replace(swing(trajectory, row), fmt.Sprintf(",%.6g,", 0.1*float64(row)), fmt.Sprintf(",%d,", row*[]int{1, 1, 1000}[trajectory]), 1)
		}), TableOptions{}, "own.csv, line 42, column 2 (t): the time step of the trajectory that begins here is 1e+03, and that of the trajectory from line 2 on is 1, " +
			"though both change as much from row to row; give all times in one unit"},
		{single("t,q,p", 40, func(row int) string {
			at := 0.1 * float64(row)
			if row >= 25 {
				at *= 1000
			}
			return fmt.Sprintf("%.6g,%s", at, motion(row))
		}), TableOptions{}, "own.csv, line 27, column 1 (t): from here on the time step is 100, and before it is 0.1, though the states change as much from row to row; " +
			"give all times in one unit"},
		{single("t,q,p", 300, func(row int) string {
			if row < 200 {
				return fmt.Sprintf("%d,%s", row, motion(row))
			}
			return fmt.Sprintf("%d,%s", row, motion(row+30))
		}), TableOptions{}, "own.csv, line 202, column 2 (q1): the positions jump from the row before, "},
	} {
		_, err := ReadObservations(written(t, test.content), test.options)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.60q: got the error %v, want one line with %q", test.content, err, test.want)
		}
	}
}

// What is unusual but honest is read.
func TestHonestTables(t *testing.T) {
	for name, content := range map[string]string{
		"gaps": rows("trajectory,t,q,p", 1, 300, func(_, row int) string {
			at := 0.01*float64(row) + 20*float64(row/100)
			return fmt.Sprintf("a,%.8g,%g,%g", at, math.Cos(at), -math.Sin(at))
		}),
		"two rates": rows("trajectory,t,q,p", 2, 300, func(trajectory, row int) string {
			at := []float64{0.001, 0.2}[trajectory] * float64(row)
			return fmt.Sprintf("%d,%.8g,%g,%g", trajectory, at, math.Cos(at), -math.Sin(at))
		}),
		"a burst, then a slow rate": rows("t,q,p", 1, 300, func(_, row int) string {
			at := 0.001 * float64(row)
			if row > 150 {
				at = 0.15 + float64(row-150)
			}
			return fmt.Sprintf("%.8g,%g,%g", at, math.Cos(at), -math.Sin(at))
		}),
		"a bouncing ball": rows("t,q,p", 1, 1000, func(_, row int) string {
			at := math.Mod(0.001*float64(row)+0.3, 0.6) - 0.3
			return fmt.Sprintf("%.8g,%g,%g", 0.001*float64(row), 0.09-at*at, -2*at)
		}),
		"uneven times with noise": rows("t,q,p", 1, 300, func(_, row int) string {
			at := 0.1*float64(row) - 0.0999*float64(row%2)
			return fmt.Sprintf("%.8g,%g,%g", at, math.Cos(at)+0.02*math.Sin(1e5*at), -math.Sin(at))
		}),
		"an outlier": rows("t,q,p", 1, 300, func(_, row int) string {
			if row == 50 {
				return "5,30,0"
			}
			return strings.TrimPrefix(swing(0, row), "0,")
		}),
		"at rest, then pushed": rows("t,q,p,u", 1, 300, func(_, row int) string {
			at := max(0, 0.1*float64(row)-20)
			return fmt.Sprintf("%.8g,%g,%g,%d", 0.1*float64(row), 1-math.Cos(at), math.Sin(at), row/200)
		}),
	} {
		if _, err := ReadObservations(written(t, content), TableOptions{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReadAt(t *testing.T) {
	like := observations(t, rows("trajectory,t [s],q [rad],p,u [N],mass", 4, 20, func(i, j int) string { return swing(i, j) + fmt.Sprint(",0,", i) }), TableOptions{Angles: []string{"q1"}})
	at, err := ReadAt(written(t, ",E,mass,u1,p1,q1 [rad],t,note\n0,7,2,0.5,1,3,0,a\n1,8,2,0.6,2,-3,1,b\n"), like)
	if err != nil {
		t.Fatal(err)
	}
	turn := 2 * math.Pi
	want := []Observed{{Times: []float64{0, 1}, States: [][]float64{{3, 1}, {turn - 3, 2}}, Inputs: [][]float64{{0.5}, {0.6}}, Constants: []float64{2}}}
	if !reflect.DeepEqual(at.Trajectories, want) || at.Notes != nil || !at.Measured || at.Names[0] != "q1 [rad]" {
		t.Errorf("the table is %+v, want the trajectories %+v", at, want)
	}
	if at, err = ReadAt(written(t, "t,q,p,u,mass\n0,1,2,3,4\n"), like); err != nil || len(at.Trajectories[0].States) != 1 {
		t.Errorf("a single row gave %+v and the error %v", at.Trajectories, err)
	}
	for content, want := range map[string]string{
		"t,q,u,mass\n":                       "line 1: the header names no p1; each of q1 to q1 and p1 to p1 is needed",
		"t,q,p,mass\n":                       "line 1: the header names no u1; each of u1 to u1 is needed",
		"t,q,p,u\n":                          "line 1: the header names no mass, which is a constant of each trajectory of the system",
		"q,p,u,mass,dq,dp\n":                 "line 1: the header names no t",
		"t,q [deg],p,u,mass\n":               "line 1: column 2 is q1 [deg]; the system has q1 [rad]",
		"t [ms],q,p,u,mass\n":                "line 1: column 1 is t [ms]; the system has t [s]",
		"t,q,p,u1 [mN],mass\n":               "line 1: column 4 is u1 [mN]; the system has u1 [N]",
		"t,q,p,u,mass\n0,1,2,3,4\n0,1,2,3,4": "line 3, column 1 (t): time 0 does not follow 0",
		"t,q,p,u,mass\n0,1,2,3,4\n1,1,2,3,5": "line 3, column 5 (mass): 5 follows 4",
	} {
		if _, err := ReadAt(written(t, content), like); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got the error %v, want %q", content, err, want)
		}
	}
}
