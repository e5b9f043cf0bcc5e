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
	"strconv"
	"strings"
)

// FromTable makes a task of a system that was observed. The file is a CSV whose first line names the columns, in any order:
//
//	q1..qn, p1..pn     the state; q and p do for q1 and p1
//	dq1..dqn, dp1..dpn its time derivatives; without them the derivatives are the parabolas' through three successive rows
//	t                  the time, which increases along a trajectory; it may be left out where there are derivatives
//	trajectory         a name or number that the rows of a trajectory share; without it all rows are one trajectory
//
// Lines that begin with # are comments. The task has the file's name, without folder and extension. Its test set is the last 20% of
// the trajectories, and at least one, or of a single trajectory the last 20% of the rows. Up to 3000 training rows are all taken at
// each of 2000 steps; of more, 600 at each of 10000. Errors name the file, the line and the column.
func FromTable(path string) (Task, error) {
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	if _, taken := tasks[name]; taken {
		return Task{}, fmt.Errorf("%s: its system would be called %s, as one of the tasks is; give the file another name", path, name)
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
	var begins []int            // the lines on which they begin
	numbers := map[string]int{} // of the trajectories, by their labels
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
			return nil, fmt.Errorf("%s, line %d: the trajectory that begins here has %d rows, and its derivatives take 3", path, begins[i], rows)
		}
		observed[i].differentiate()
	}
	return observed, nil
}

// lineError says what is wrong with a line that is no line of a table with so many columns.
func lineError(path string, err error, found, wanted int) error {
	var position *csv.ParseError
	switch {
	case !errors.As(err, &position):
		return fmt.Errorf("%s: %w", path, err)
	case errors.Is(err, csv.ErrFieldCount):
		return fmt.Errorf("%s, line %d: %d columns, and the header names %d", path, position.StartLine, found, wanted)
	default:
		return fmt.Errorf("%s, line %d, character %d: %w", path, position.Line, position.Column, position.Err)
	}
}

// columns are the places of a table's columns in a line.
type columns struct {
	count            int
	names            []string // in the order of the line
	state            []int
	derivatives      []int // nil where there are none
	time, trajectory int   // −1 where there is none
}

var numbered = regexp.MustCompile(`^(d?[qp])([1-9][0-9]*)$`)

// readHeader finds the columns by their names.
func readHeader(header []string) (columns, error) {
	c := columns{count: len(header), time: -1, trajectory: -1}
	places := map[string]int{}
	n := 0
	for i, name := range header {
		name = strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")) // which spreadsheets put first
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
				return c, fmt.Errorf("column %d is %s, and there are only %d columns", i+1, name, len(header))
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
		return c, fmt.Errorf("the header names neither derivatives, dq1 to dq%d and dp1 to dp%d, nor t, by which to take them", n, n)
	case len(c.derivatives) > 0 && missing != "":
		return c, fmt.Errorf("the header names derivatives, and no %s among them", missing)
	}
	return c, nil
}

// read appends a line to a trajectory.
func (s *Samples) read(record []string, c columns) error {
	var failed error
	number := func(place int) float64 {
		value, err := strconv.ParseFloat(strings.TrimSpace(record[place]), 64)
		if failed == nil && (err != nil || math.IsNaN(value) || math.IsInf(value, 0)) {
			failed = fmt.Errorf("column %d (%s): %q is no finite number", place+1, c.names[place], record[place])
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

// differentiate takes the derivative at each row from the parabola through it and its neighbours, or, at either end, through the
// three rows there. It is exact to the second order of the times' distances.
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
