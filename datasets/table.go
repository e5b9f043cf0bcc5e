package datasets

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// FromTable makes a task from a CSV file of observations. The first line names the columns, in any order:
//
//	q1..qn, p1..pn     the state; q and p mean q1 and p1
//	dq1..dqn, dp1..dpn its time derivatives; optional if there are times
//	t                  the time, which increases along a trajectory; optional if there are derivatives
//	trajectory         a name or number shared by the rows of a trajectory; without this column all rows are one trajectory
//
// Lines that begin with # are comments. If the table has no derivatives, a parabola through three successive rows gives them. The task is named
// after the file, without folder and extension. The test set is the last 20% of the trajectories, and at least one. Of a single trajectory, it
// is the last 20% of the rows. With up to 3000 training rows, training takes 2000 steps, each on all rows. With more, it takes 10,000 steps, each
// on a batch of 600 rows (fewer if the test set is smaller than that). Errors name the file, the line and the column.
func FromTable(path string) (Task, error) {
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	if slices.ContainsFunc(tasks, func(t Task) bool { return t.Name == name }) {
		return Task{}, fmt.Errorf("%s: the task would have the name %s, which is taken; give the file another name", path, name)
	}
	observed, err := readTable(path)
	if err != nil {
		return Task{}, err
	}
	task, err := fromObservations(name, observed)
	if err != nil {
		return Task{}, fmt.Errorf("%s: %w", path, err)
	}
	task.File = path
	return task, nil
}

// readTable returns the trajectories of a file in the order of their first rows.
func readTable(path string) ([]Samples, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	rows := csv.NewReader(file)
	rows.Comment, rows.TrimLeadingSpace, rows.ReuseRecord = '#', true, true
	header, err := rows.Read()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s is empty; its first line must name the columns, such as q1, p1, dq1, dp1", path)
	}
	if err != nil {
		return nil, lineError(path, err, len(header), 0)
	}
	line, _ := rows.FieldPos(0)
	columns, err := readHeader(header)
	if err != nil {
		return nil, fmt.Errorf("%s, line %d: %w", path, line, err)
	}

	var observed []Samples
	var begins []int            // the line of each first row
	numbers := map[string]int{} // index of a trajectory by its label
	for {
		record, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, lineError(path, err, len(record), columns.count)
		}
		line, _ := rows.FieldPos(0)
		label := ""
		if columns.trajectory >= 0 {
			label = strings.TrimSpace(record[columns.trajectory])
		}
		number, known := numbers[label]
		if !known {
			number = len(observed)
			numbers[label] = number
			observed, begins = append(observed, Samples{}), append(begins, line)
		}
		if err := observed[number].read(record, columns); err != nil {
			return nil, fmt.Errorf("%s, line %d, %w", path, line, err)
		}
	}
	if columns.derivatives != nil {
		return observed, nil
	}
	for i := range observed {
		if rows := len(observed[i].X); rows < 3 {
			return nil, fmt.Errorf("%s, line %d: the trajectory that begins here has %d rows; derivatives from times need 3", path, begins[i], rows)
		}
		observed[i].differentiate()
	}
	return observed, nil
}

// lineError names the line of a CSV error. found and wanted are numbers of columns.
func lineError(path string, err error, found, wanted int) error {
	var position *csv.ParseError
	switch {
	case !errors.As(err, &position):
		return fmt.Errorf("%s: %w", path, err)
	case errors.Is(err, csv.ErrFieldCount):
		return fmt.Errorf("%s, line %d: %d columns, but the header names %d", path, position.StartLine, found, wanted)
	default:
		return fmt.Errorf("%s, line %d, character %d: %w", path, position.Line, position.Column, position.Err)
	}
}

// columns holds the positions of a table's columns in a line.
type columns struct {
	count            int
	names            []string // by position
	state            []int    // positions of q1..qn, p1..pn
	derivatives      []int    // nil if there are none
	time, trajectory int      // −1 if there is none
}

var numbered = regexp.MustCompile(`^(d?[qp])([1-9][0-9]*)$`)

// readHeader finds the columns by their names.
func readHeader(header []string) (columns, error) {
	c := columns{count: len(header), time: -1, trajectory: -1}
	places := map[string]int{}
	n := 0
	for i, name := range header {
		name = strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")) // the byte order mark that spreadsheets write
		switch name {
		case "q", "p", "dq", "dp":
			name += "1"
		}
		parts := numbered.FindStringSubmatch(name)
		if parts == nil && name != "t" && name != "trajectory" {
			return c, fmt.Errorf("column %d is %q; the header names q1, p1, q2, p2, …, and dq1, dp1, … or t, and trajectory, with commas between them", i+1, name)
		}
		if _, taken := places[name]; taken {
			return c, fmt.Errorf("column %d is a second %s", i+1, name)
		}
		places[name] = i
		c.names = append(c.names, name)
		if parts != nil {
			number, err := strconv.Atoi(parts[2])
			if err != nil || number > len(header) {
				return c, fmt.Errorf("column %d is %s, but there are only %d columns", i+1, name, len(header))
			}
			n = max(n, number)
		}
	}
	if n == 0 {
		return c, errors.New("the header names no state, such as q1 and p1")
	}
	find := func(kinds ...string) (found []int, missing string) {
		for _, kind := range kinds {
			for i := range n {
				name := fmt.Sprint(kind, i+1)
				if place, ok := places[name]; ok {
					found = append(found, place)
				} else if missing == "" {
					missing = name
				}
			}
		}
		return found, missing
	}
	var missing string
	if c.state, missing = find("q", "p"); missing != "" {
		return c, fmt.Errorf("the header names no %s; each of q1 to q%d and p1 to p%d is needed", missing, n, n)
	}
	for name, place := range map[string]*int{"t": &c.time, "trajectory": &c.trajectory} {
		if i, ok := places[name]; ok {
			*place = i
		}
	}
	c.derivatives, missing = find("dq", "dp")
	switch {
	case len(c.derivatives) == 0 && c.time < 0:
		return c, fmt.Errorf("the header names neither derivatives (dq1 to dq%d, dp1 to dp%d) nor t; one of them is needed", n, n)
	case len(c.derivatives) > 0 && missing != "":
		return c, fmt.Errorf("the header names derivatives but no %s", missing)
	}
	return c, nil
}

// read appends a line of the table to a trajectory.
func (s *Samples) read(record []string, c columns) error {
	var failed error
	number := func(place int) float64 {
		value, err := strconv.ParseFloat(strings.TrimSpace(record[place]), 64)
		if failed == nil && (err != nil || math.IsNaN(value) || math.IsInf(value, 0)) {
			failed = fmt.Errorf("column %d (%s): %q is not a finite number", place+1, c.names[place], record[place])
		}
		return value
	}
	list := func(places []int) []float64 {
		values := make([]float64, len(places))
		for i, place := range places {
			values[i] = number(place)
		}
		return values
	}
	s.X = append(s.X, list(c.state))
	if c.derivatives != nil {
		s.DX = append(s.DX, list(c.derivatives))
	}
	if c.time >= 0 {
		time := number(c.time)
		if before := len(s.Times) - 1; failed == nil && before >= 0 && time <= s.Times[before] {
			failed = fmt.Errorf("column %d (t): time %g does not follow %g; times must increase along a trajectory", c.time+1, time, s.Times[before])
		}
		s.Times = append(s.Times, time)
	}
	return failed
}

// differentiate fills DX. It fits a parabola through each row and its two neighbours (at an end, through the first or last three rows) and takes
// the derivative at the row. The error is of second order in the time step.
func (s *Samples) differentiate() {
	s.DX = make([][]float64, len(s.X))
	for i, t := range s.Times {
		first := min(max(i-1, 0), len(s.X)-3)
		a, b, c := s.Times[first], s.Times[first+1], s.Times[first+2]
		weights := [3]float64{
			((t - b) + (t - c)) / ((a - b) * (a - c)),
			((t - a) + (t - c)) / ((b - a) * (b - c)),
			((t - a) + (t - b)) / ((c - a) * (c - b)),
		}
		s.DX[i] = make([]float64, len(s.X[i]))
		for j, weight := range weights {
			for axis, x := range s.X[first+j] {
				s.DX[i][axis] += weight * x
			}
		}
	}
}
