package datasets

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/gonum/floats"

	"hnn/internal/tables"
)

// FromTable makes a task from a table of observations: a CSV file, whose first line names the columns, or .npy, .npz or .parquet. The columns come in
// any order:
//
//	q1..qn             the positions; q means q1
//	p1..pn             the momenta; optional if there are times, which then serve to estimate them
//	dq1..dqn, dp1..dpn the time derivatives of both; optional if there are times
//	t                  the time, which increases along a trajectory; optional if there are derivatives
//	u1..um             inputs, which act from their row on until the next
//	trajectory         a name or number shared by the rows of a trajectory; without this column all rows are one trajectory
//	any other name     a number that is the same in all rows of a trajectory, such as a mass
//
// A unit may follow a name, as in q1 [deg]. Lines of CSV that begin with # are comments. If the table has no derivatives, a parabola through three
// successive rows gives them. The task is named after the file, without folder and extension. The test set is the last 20% of the trajectories,
// and at least one. Of a single trajectory, it is the last 20% of the rows. With up to 3000 training rows, training takes 2000 steps, each on
// all rows. With more, each step takes a batch of 300 rows for each processor, at least 600, and at most the test set; there are 10,000 steps, or
// more to pass over all rows once.
//
// Errors name the file, the line of CSV or else the row, and the column. A line has up to 1 MiB and a table up to 10,000 columns, names are printable
// and have up to 100 bytes, and numbers fit into float32. In a table with derivatives, only the first 100,000 rows tell angles, and times or jumps
// that seem wrong.
func FromTable(path string) (Task, error) { return FromTableWith(path, TableOptions{}) }

// TableName returns the name of a table's task: that of the file, without folder and extension.
func TableName(path string) string {
	return strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
}

// FromTableWith is FromTable for a table that does not say everything.
func FromTableWith(path string, options TableOptions) (Task, error) {
	name := TableName(path)
	if name == "" {
		return Task{}, fmt.Errorf("%s: the file name has nothing before its extension, which would name the task; give the file another name", path)
	}
	if err := tables.CheckName(name); err != nil {
		return Task{}, fmt.Errorf("the task would have the name of the file, but %w; give the file another name", err)
	}
	if slices.ContainsFunc(tasks, func(t Task) bool { return t.Name == name }) {
		return Task{}, fmt.Errorf("%s: the task would have the name %s, which is taken; give the file another name", path, name)
	}
	t, err := openTable(path, nil, options.Share)
	if err != nil {
		return Task{}, err
	}
	return t.task(name, options)
}

// task makes a task with a name.
func (t *userTable) task(name string, options TableOptions) (Task, error) {
	short := t.checkLengths()
	if short != nil && t.derivatives == nil {
		return Task{}, short
	}
	timed := t.time >= 0 && short == nil
	o, err := t.observations(options, timed)
	if err != nil {
		return Task{}, err
	}
	if t.share != nil && slices.ContainsFunc(o.Angles, func(turn float64) bool { return turn > 0 }) {
		return Task{}, fmt.Errorf("%s: several processes each read a part of the table, so they cannot count the turns of its angles; remove the "+
			"jumps (numpy.unwrap) and give -angles none, or start one process", t.path)
	}
	var observed sequence
	if t.derivatives != nil {
		observed = t.taught(o)
	} else if observed, err = t.differentiated(o); err != nil {
		return Task{}, err
	}
	task, err := fromObservations(Task{Name: name, File: absolute(t.path), Hash: t.Hash}, observed)
	if err != nil {
		return Task{}, err
	}
	if timed && t.derivatives == nil {
		task.Observed = &o
	}
	task.Labels.Position, task.Labels.Momentum, task.Labels.Time = "q"+t.unit(t.positions...), "p"+t.unit(t.momenta...), o.TimeName
	return task, nil
}

// taught returns the samples of a table with derivatives, in the memory that the table was read into. The angles that o tells are unwrapped.
func (t *userTable) taught(o Observations) sequence {
	width := 2 * o.Positions
	s := sequence{Samples: Samples{X: Matrix{width, t.Blocks[states]}, DX: Matrix{width, t.Blocks[slopes]}}, ends: t.ends, share: t.share}
	if t.time >= 0 {
		s.Times = t.Wide[t.time]
	}
	for i, turn := range o.Angles {
		for _, part := range s.trajectories() {
			part.X.unwrap(i, turn)
		}
	}
	return s
}

// differentiated returns the samples of a table without derivatives.
func (t *userTable) differentiated(o Observations) (sequence, error) {
	observed := make([]exact, len(o.Trajectories))
	for i, s := range o.Trajectories {
		observed[i] = exact{x: s.States, times: s.Times}
		observed[i].differentiate()
	}
	return join(observed), t.checkSlopes(func(i int) [][]float64 { return observed[i].dx })
}

// The blocks of a table with derivatives.
const (
	states = iota
	slopes
)

// userTable is a file: its columns, and its rows by trajectory, in the order of the first rows of these.
type userTable struct {
	*tables.Table
	path string
	columns
	ends  []int  // row after the last one of each trajectory
	share *Share // nil for the whole table
}

func openTable(path string, like *Observations, share Share) (*userTable, error) {
	return newTable(path, like, share, func(choose tables.Choose) (*tables.Table, error) { return tables.Read(path, choose) })
}

// newTable makes a table of what is read: the columns of a system to learn, or of the system that like describes. It divides only tables with
// derivatives into shares. Errors name the table by the given path.
func newTable(path string, like *Observations, share Share, read func(tables.Choose) (*tables.Table, error)) (t *userTable, err error) {
	t = &userTable{path: path}
	divided := false
	if t.Table, err = read(func(names []string) (layout tables.Layout, err error) {
		if t.columns, err = readHeader(names, like); err != nil {
			return layout, err
		}
		taught := like == nil && t.derivatives != nil
		if layout, divided = t.layout(taught), taught && share.Count > 1; divided {
			layout.Share = tables.Share{Index: share.Index, Count: share.Count}
		}
		return layout, nil
	}); err != nil {
		return nil, err
	}
	if t.ends, err = t.Group(); err != nil {
		return nil, fmt.Errorf("%s, %w", path, err)
	}
	if divided {
		err = t.divide(share, t.ends)
	}
	return t, cmp.Or(err, t.checkTimes(), t.checkOthers())
}

// layout says how the columns are read. The states and slopes of a taught system go into blocks, and other numbers into columns in double precision.
func (c columns) layout(taught bool) tables.Layout {
	l := tables.Layout{Columns: make([]tables.Column, len(c.names))}
	for place, name := range c.names {
		l.Columns[place].Name = name
	}
	for _, place := range c.numbers {
		l.Columns[place].Kind = tables.Wide
	}
	if c.time >= 0 {
		l.Columns[c.time].Kind = tables.Time
	}
	if c.trajectory >= 0 {
		l.Columns[c.trajectory].Kind = tables.Label
	}
	if taught {
		for block, places := range [][]int{states: c.states(), slopes: c.derivatives} {
			for i, place := range places {
				l.Columns[place].Kind, l.Columns[place].Block, l.Columns[place].Place = tables.Block, block, i
			}
			l.Widths = append(l.Widths, len(places))
		}
	}
	return l
}

// rows returns the first row of a trajectory and the row after its last one.
func (t *userTable) rows(trajectory int) (first, last int) {
	if trajectory > 0 {
		first = t.ends[trajectory-1]
	}
	return first, t.ends[trajectory]
}

// wrong returns an error about a number of the table.
func (t *userTable) wrong(row, place int, format string, values ...any) error {
	return fmt.Errorf("%s, %s, column %d (%s): "+format, append([]any{t.path, t.Where(row), place + 1, t.names[place]}, values...)...)
}

func (t *userTable) checkTimes() (err error) {
	if t.time < 0 {
		return nil
	}
	falls := 0
	for i := range t.ends {
		first, last := t.rows(i)
		times := t.Wide[t.time][first:last]
		for k := 1; k < len(times); k++ {
			if times[k] > times[k-1] {
				continue
			}
			if falls++; err == nil {
				err = t.wrong(first+k, t.time, "time %g does not follow %g; times must increase along a trajectory", times[k], times[k-1])
			}
		}
	}
	if falls > 1 && len(t.ends) == 1 {
		count := fmt.Sprint(falls)
		if falls > tables.MostFalls {
			count = fmt.Sprint("more than ", tables.MostFalls)
		}
		err = fmt.Errorf("%w, but fall back %s times: a column trajectory, which labels the rows of each trajectory, seems to be missing", err, count)
	}
	return err
}

func (t *userTable) checkOthers() error {
	for _, place := range t.others {
		for i := range t.ends {
			first, last := t.rows(i)
			for row := first; row < last; row++ {
				if before, now := t.Number(first, place), t.Number(row, place); now != before {
					return t.wrong(row, place, "%g follows %g, but only t, q, p, u and their derivatives may vary along a trajectory; "+
						"rename the column to u1, u2, … if it is an input, or remove it", now, before)
				}
			}
		}
	}
	return nil
}

// checkSlopes returns an error if a slope that was computed from the times, in the row of a trajectory, is no float32.
func (t *userTable) checkSlopes(slopes func(trajectory int) [][]float64) error {
	for i := range t.ends {
		first, _ := t.rows(i)
		for k, row := range slopes(i) {
			if err := checkSlopes(row); err != nil {
				return t.wrong(first+k, t.time, "%w", err)
			}
		}
	}
	return nil
}

func checkSlopes(slopes []float64) error {
	for _, v := range slopes {
		if !(math.Abs(v) <= math.MaxFloat32) {
			return fmt.Errorf("the slope at this time is %.3g, which float32 cannot hold: time steps are too short for the changes", v)
		}
	}
	return nil
}

// checkLengths returns an error about a trajectory that is too short for derivatives from times. The pieces of trajectories in a share may be short.
func (t *userTable) checkLengths() error {
	if t.share != nil {
		return nil
	}
	for i := range t.ends {
		if first, last := t.rows(i); last-first < 3 {
			return fmt.Errorf("%s, %s: the trajectory that begins here has %d rows; derivatives from times need 3", t.path, t.Where(first), last-first)
		}
	}
	return nil
}

const mostColumns = 10_000

// columns holds the positions of a table's columns in a line, and the parts of their names.
type columns struct {
	names, units                []string // by position
	positions, momenta          []int    // of q1..qn and p1..pn; momenta are nil if there are none
	derivatives, inputs, others []int    // nil if there are none
	numbers                     []int    // all that are read, without the trajectory
	time, trajectory            int      // −1 if there is none
}

var (
	columnName = regexp.MustCompile(`^(?:d?[qp]([1-9][0-9]*)|u([1-9][0-9]*)|t|trajectory)$`)
	otherName  = regexp.MustCompile(`^\pL[^;\t|]*$`)
	withUnit   = regexp.MustCompile(`^(.*\S)\s*\[(.*)\]$`)
)

// readHeader finds the columns of a system to learn by their names, or those of the system that like describes.
func readHeader(header []string, like *Observations) (c columns, err error) {
	if len(header) > mostColumns {
		return c, fmt.Errorf("the header names %d columns; there can be %d", len(header), mostColumns)
	}
	n, m := 0, 0
	var others []int
	for i, name := range header {
		name, unit := strings.TrimSpace(name), ""
		if err := tables.CheckName(name); err != nil {
			return c, fmt.Errorf("column %d: %w", i+1, err)
		}
		if parts := withUnit.FindStringSubmatch(name); parts != nil {
			name, unit = parts[1], strings.TrimSpace(parts[2])
		}
		switch name {
		case "q", "p", "dq", "dp", "u":
			name += "1"
		}
		parts := columnName.FindStringSubmatch(name)
		switch {
		case parts != nil:
		case like != nil || otherName.MatchString(name):
			parts, others = make([]string, 3), append(others, i)
		default:
			return c, fmt.Errorf("column %d is %q; the header names q1, p1, q2, p2, …, and dq1, dp1, … or t, and trajectory, with commas between them", i+1, name)
		}
		if slices.Contains(c.names, name) {
			return c, fmt.Errorf("column %d is a second %s", i+1, name)
		}
		state, _ := strconv.Atoi(parts[1]) // 0 for other columns; the largest int for a number beyond it
		input, _ := strconv.Atoi(parts[2])
		if max(state, input) > len(header) {
			return c, fmt.Errorf("column %d is %s, but there are only %d columns", i+1, name, len(header))
		}
		c.names, c.units, n, m = append(c.names, name), append(c.units, unit), max(n, state), max(m, input)
	}
	if like != nil {
		n, m, others = like.Positions, len(like.Inputs), nil
	}
	find := func(n int, kinds ...string) (places []int, missing string) {
		for _, kind := range kinds {
			for i := range n {
				name := fmt.Sprint(kind, i+1)
				if place := slices.Index(c.names, name); place >= 0 {
					places = append(places, place)
				} else {
					missing = cmp.Or(missing, name)
				}
			}
		}
		return places, missing
	}
	var noPosition, noMomentum, noDerivative, noInput, noConstant string
	c.positions, noPosition = find(n, "q")
	c.momenta, noMomentum = find(n, "p")
	c.inputs, noInput = find(m, "u")
	c.time, c.trajectory, c.others = slices.Index(c.names, "t"), slices.Index(c.names, "trajectory"), others
	if like == nil {
		c.derivatives, noDerivative = find(n, "dq", "dp")
	} else {
		for _, name := range like.Constants {
			place := slices.Index(c.names, name)
			if c.others = append(c.others, place); place < 0 {
				noConstant = cmp.Or(noConstant, name)
			}
		}
	}
	if c.momenta == nil && c.derivatives == nil && (like == nil || !like.Measured) {
		noMomentum = "" // it is estimated
	}
	switch noState := cmp.Or(noPosition, noMomentum); {
	case n == 0:
		err = errors.New("the header names no state, such as q1 and p1")
	case noState != "":
		err = fmt.Errorf("the header names no %s; each of q1 to q%d and p1 to p%d is needed", noState, n, n)
	case noInput != "":
		err = fmt.Errorf("the header names no %s; each of u1 to u%d is needed", noInput, m)
	case noConstant != "":
		err = fmt.Errorf("the header names no %s, which is a constant of each trajectory of the system", noConstant)
	case c.time < 0 && (c.momenta == nil || like != nil):
		err = errors.New("the header names no t; the time of each row is needed")
	case c.derivatives == nil && c.time < 0:
		err = fmt.Errorf("the header names neither derivatives (dq1 to dq%d, dp1 to dp%d) nor t; one of them is needed", n, n)
	case c.derivatives != nil && noDerivative != "":
		err = fmt.Errorf("the header names derivatives but no %s", noDerivative)
	}
	if err != nil {
		return c, err
	}
	places := c.states()
	if like != nil && len(like.Names) == 2*n {
		wanted := slices.Concat(like.Names[:len(places)], like.Inputs, []string{like.TimeName})
		for i, place := range slices.Concat(places, c.inputs, []int{c.time}) {
			if got, want := c.label(place), wanted[i]; got != want && strings.Contains(want, "[") && c.units[place] != "" {
				return c, fmt.Errorf("column %d is %s; the system has %s", place+1, got, want)
			}
		}
	}
	for place := range header {
		if place != c.trajectory && (like == nil || place == c.time || slices.Contains(slices.Concat(places, c.inputs, c.others), place)) {
			c.numbers = append(c.numbers, place)
		}
	}
	return c, nil
}

// label returns the name of a column with its unit.
func (c columns) label(place int) string { return c.names[place] + c.unit(place) }

// unit returns the common unit of columns, as in " [deg]"; nothing if they have none.
func (c columns) unit(places ...int) string {
	if len(places) == 0 || slices.ContainsFunc(places, func(place int) bool { return c.units[place] == "" || c.units[place] != c.units[places[0]] }) {
		return ""
	}
	return " [" + c.units[places[0]] + "]"
}

// states returns the positions of q1..qn and, if they are there, p1..pn.
func (c columns) states() []int { return slices.Concat(c.positions, c.momenta) }

func (e *exact) appendTime(time float64) error {
	if last := len(e.times) - 1; last >= 0 && time <= e.times[last] {
		return fmt.Errorf("time %g does not follow %g; times must increase", time, e.times[last])
	}
	e.times = append(e.times, time)
	return nil
}

// differentiate fills dx. It fits a parabola through each row and its two neighbours (at an end, through the first or last three rows) and takes
// the derivative at the row. The error is of second order in the time step.
func (e *exact) differentiate() {
	e.dx = make([][]float64, len(e.x))
	for i, t := range e.times {
		first := min(max(i-1, 0), len(e.x)-3)
		a, b, c := e.times[first], e.times[first+1], e.times[first+2]
		weights := [3]float64{
			((t - b) + (t - c)) / ((a - b) * (a - c)),
			((t - a) + (t - c)) / ((b - a) * (b - c)),
			((t - a) + (t - b)) / ((c - a) * (c - b)),
		}
		e.dx[i] = make([]float64, len(e.x[i]))
		for j, weight := range weights {
			floats.AddScaled(e.dx[i], weight, e.x[first+j])
		}
	}
}
