package datasets

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"
)

// Observations are measured trajectories of one system.
type Observations struct {
	Trajectories []Observed
	Positions    int       // n; a state is (q1..qn, p1..pn)
	Angles       []float64 // by position: a full turn in the column's unit (2π, 360); 0 if it is not an angle
	Measured     bool      // whether the momenta were measured; otherwise they are estimated
	Estimate     Estimate  // of momenta that were not measured; zero if they were
	Names        []string  // of the components of a state with units, such as "q1 [deg]"
	Inputs       []string  // names with units, such as "u1 [N]"
	Constants    []string  // names without units
	TimeName     string    // with its unit, such as "t [ms]"
	Notes        []string  // one line each for the user: what was found or assumed
	Hash         string    // SHA-256 of the file in hexadecimal digits: models know their data by it; empty if they were not read from a file
}

// Observed is one trajectory. Its rows are in the order of time.
type Observed struct {
	Label     string // in the column trajectory; empty without this column
	Times     []float64
	States    [][]float64 // rows of 2n; angles are unwrapped
	Inputs    [][]float64 // rows of u1..um, each held until the next row; nil without inputs
	Constants []float64   // of the trajectory; nil without constants
}

// TableOptions say what a table does not.
type TableOptions struct {
	Angles []string  // the positions that are angles, such as q1; "none" alone refuses angles. If nil, jumps by a full turn tell them.
	Masses []float64 // by position, for estimated momenta p = m·dq/dt; nil for 1
	// Share is the part of a table with derivatives that one of several processes reads. The rows of each trajectory must then follow one another, and
	// no position may be an angle. The task has no Example and no Trials.
	Share Share
}

// ReadObservations reads a table of measurements. Its columns are those of FromTable. It needs t and ignores derivatives. Errors name the
// file, the line and the column.
func ReadObservations(path string, options TableOptions) (Observations, error) {
	t, err := openTable(path, nil, Share{})
	if err != nil {
		return Observations{}, err
	}
	if t.time < 0 {
		return Observations{}, fmt.Errorf("%s: the header names no t; each row of an observed trajectory needs its time", path)
	}
	if err := t.checkLengths(); err != nil {
		return Observations{}, err
	}
	return t.observations(options, true)
}

// ReadAt reads a table of trajectories that are to be predicted by a model of the system that like describes. The table needs the columns of
// that system, and others are ignored. Where the system's momenta are estimated, the table may give them; otherwise they are estimated in the
// same way. A trajectory with momenta may have a single row. Errors name the file, the line and the column.
func ReadAt(path string, like Observations) (Observations, error) {
	t, err := openTable(path, &like, Share{})
	if err != nil {
		return Observations{}, err
	}
	return t.at(like)
}

// at returns the trajectories of a table of the system that like describes.
func (t *userTable) at(like Observations) (Observations, error) {
	if t.momenta == nil {
		if err := t.checkLengths(); err != nil {
			return Observations{}, err
		}
	}
	o := like
	o.Trajectories, o.Measured, o.Notes, o.Hash = t.observed(), t.momenta != nil, nil, t.Hash
	for i, turn := range o.Angles {
		o.unwrap(i, turn)
	}
	if !o.Measured {
		if o.Estimate.Rows == 0 {
			o.Estimate = chooseEstimate(o, o.Estimate.Masses)
		}
		o.Estimate.fill(o)
	}
	return o, t.checkSlopes(o.momenta)
}

// Split takes the last fraction of the trajectories, and at least one, as the test set. Of a single trajectory it takes the last fraction of
// the rows.
func (o Observations) Split(fraction float64) (train, test Observations) {
	train, test = o, o
	train.Trajectories, test.Trajectories = split(o.Trajectories, fraction, Observed.rows, Observed.Slice)
	return train, test
}

func (o Observed) rows() int { return len(o.States) }

// Slice returns the rows from first up to, but without, last.
func (o Observed) Slice(first, last int) Observed {
	o.States = o.States[first:last]
	if o.Times != nil {
		o.Times = o.Times[first:last]
	}
	if o.Inputs != nil {
		o.Inputs = o.Inputs[first:last]
	}
	return o
}

// steps returns the differences between successive times.
func (o Observed) steps() []float64 {
	return floats.SubTo(make([]float64, len(o.Times)-1), o.Times[1:], o.Times[:len(o.Times)-1])
}

// changes returns the largest change of a position at each step, in the given scales.
func (o Observed) changes(scales []float64) []float64 {
	changes := make([]float64, len(o.States)-1)
	for k := range changes {
		for i, scale := range scales {
			changes[k] = max(changes[k], math.Abs(o.States[k+1][i]-o.States[k][i])/scale)
		}
	}
	return changes
}

// Columns returns the inputs at a row, followed by the constants: what acts beside the state from the row on. Treat it as read-only.
func (o Observed) Columns(row int) []float64 {
	switch {
	case o.Inputs == nil:
		return o.Constants
	case o.Constants == nil:
		return o.Inputs[row]
	}
	return slices.Concat(o.Inputs[row], o.Constants)
}

// Seen returns the number of components of a state that were measured. They come first.
func (o Observations) Seen() int {
	if o.Measured {
		return 2 * o.Positions
	}
	return o.Positions
}

// Component returns one component of the states of all trajectories, row by row.
func (o Observations) Component(i int) (values []float64) {
	for _, s := range o.Trajectories {
		values = append(values, column(s.States, i)...)
	}
	return values
}

// momenta returns the momenta of a trajectory, row by row.
func (o Observations) momenta(trajectory int) [][]float64 {
	var rows [][]float64
	for _, state := range o.Trajectories[trajectory].States {
		rows = append(rows, state[o.Positions:])
	}
	return rows
}

// unwrap removes jumps of more than half a turn between successive rows. A turn of 0 is none.
func (o Observations) unwrap(position int, turn float64) {
	for _, s := range o.Trajectories {
		for k := 1; k < len(s.States) && turn > 0; k++ {
			change := s.States[k][position] - s.States[k-1][position]
			s.States[k][position] -= turn * math.Round(change/turn)
		}
	}
}

// observations checks a table of a system to learn. If it is not timed, its rows do not follow one another.
func (t *userTable) observations(options TableOptions, timed bool) (Observations, error) {
	n, masses := len(t.positions), options.Masses
	o := Observations{Hash: t.Hash, Positions: n, Angles: make([]float64, n), Measured: t.momenta != nil, TimeName: "t"}
	switch {
	case !timed && (t.inputs != nil || t.others != nil || options.Angles != nil):
		return o, fmt.Errorf("%s: inputs, constants and angles need a column t and three rows of each trajectory", t.path)
	case o.Measured && masses != nil:
		return o, fmt.Errorf("%s: the table has momenta; -mass is for tables without them", t.path)
	case masses != nil && (len(masses) != n || !(floats.Min(masses) > 0)):
		return o, fmt.Errorf("%s: -mass gives %v; each of q1 to q%d needs a mass above 0", t.path, masses, n)
	}
	if t.time >= 0 {
		o.TimeName = t.label(t.time)
	}
	for _, place := range t.states() {
		o.Names = append(o.Names, t.label(place))
	}
	for i := len(o.Names); i < 2*n; i++ {
		o.Names = append(o.Names, fmt.Sprint("p", i-n+1))
	}
	for _, place := range t.inputs {
		o.Inputs = append(o.Inputs, t.label(place))
	}
	t.others = slices.DeleteFunc(t.others, func(place int) bool {
		if t.constant(place) {
			o.note("%s is %g in all rows: it is ignored", t.names[place], t.Number(0, place))
			return true
		}
		o.Constants = append(o.Constants, t.names[place])
		o.note("%s is taken as a constant of each trajectory", t.names[place])
		return false
	})
	o.Trajectories = t.observed()
	if err := t.checkStates(); err != nil || !timed {
		return o, err
	}
	scales := make([]float64, n)
	for i := range scales {
		jumps, err := t.findAngle(&o, options.Angles, i)
		if err != nil {
			return o, err
		}
		if scales[i] = stat.StdDev(o.Component(i), nil); jumps {
			scales[i] = math.Inf(1) // its jumps begin no trajectory
		}
	}
	if err := t.checkClocks(o, scales); err != nil {
		return o, err
	}
	if err := t.checkJumps(o, scales); err != nil {
		return o, err
	}
	if !o.Measured {
		o.Estimate = chooseEstimate(o, masses)
		o.Estimate.fill(o)
		how := "chosen by cross-validation"
		if o.Estimate.Rows == 3 {
			how = "for most trajectories are too short to choose another"
		}
		if masses != nil {
			how += fmt.Sprintf(", times the masses %v", masses)
		}
		if err := t.checkSlopes(o.momenta); err != nil {
			return o, err
		}
		o.note("momenta: q' of a local polynomial of order %d over %d rows, %s", o.Estimate.Order, o.Estimate.Rows, how)
	}
	return o, nil
}

func (o *Observations) note(format string, values ...any) {
	o.Notes = append(o.Notes, fmt.Sprintf(format, values...))
}

// mostObserved is the number of rows that are looked at for angles, clocks and jumps in a table with derivatives, which needs them less.
const mostObserved = 100_000

// observed returns the trajectories of a table; of one with derivatives, the first ones. Momenta that were not measured are 0.
func (t *userTable) observed() (observed []Observed) {
	for i := range t.ends {
		first, last := t.rows(i)
		if t.Blocks != nil {
			if last = min(last, mostObserved); last-first < min(3, t.ends[i]-first) {
				break
			}
			if t.share != nil && last-first < 3 {
				continue // a piece of a trajectory
			}
		}
		o := Observed{States: t.numbers(first, last, t.states(), 2*len(t.positions))}
		if t.Labels != nil {
			o.Label = t.Names[i]
		}
		if t.inputs != nil {
			o.Inputs = t.numbers(first, last, t.inputs, len(t.inputs))
		}
		if t.time >= 0 {
			o.Times = t.Wide[t.time][first:last]
		}
		if len(t.others) > 0 {
			o.Constants = t.numbers(first, first+1, t.others, len(t.others))[0]
		}
		observed = append(observed, o)
	}
	return observed
}

// numbers returns columns of rows, followed by zeros up to a width.
func (t *userTable) numbers(first, last int, places []int, width int) [][]float64 {
	rows, memory := make([][]float64, last-first), make([]float64, (last-first)*width)
	for k := range rows {
		rows[k] = memory[k*width : (k+1)*width : (k+1)*width]
		for i, place := range places {
			rows[k][i] = t.Number(first+k, place)
		}
	}
	return rows
}

// checkStates returns an error if there are too few rows, or if a column of the state never changes.
func (t *userTable) checkStates() error {
	if len(t.ends) == 1 && t.Rows < fewestAlone {
		return fmt.Errorf("%s: %d rows of one trajectory are too few; at least %d rows or several trajectories are needed", t.path, t.Rows, fewestAlone)
	}
	for i, place := range t.states() {
		if t.constant(place) {
			number := i%len(t.positions) + 1
			return t.wrong(0, place, "%s is constant: all rows have %g; remove q%d and p%d, or all momenta if they were not measured",
				t.names[place], t.Number(0, place), number, number)
		}
	}
	return nil
}

// constant reports whether a column has one number in all rows.
func (t *userTable) constant(place int) bool {
	for row := range t.Rows {
		if t.Number(row, place) != t.Number(0, place) {
			return false
		}
	}
	return true
}

const (
	fewestAlone = 20 // rows of a single trajectory
	otherRate   = 50 // ratio of time steps that two clocks explain better than two rates
	samePace    = 10 // ratio of changes per row, up to which two parts were measured at the same pace
	newClock    = 40 // ratio of a time step to all before it where another clock may begin
	jump        = 5  // ratio of a step's speed to those of the steps beside it, and to the 99th percentile of all
)

// checkClocks returns an error if the time has another unit in another trajectory or from some row on. The states then change as much from row
// to row, but the time steps are of another size.
func (t *userTable) checkClocks(o Observations, scales []float64) error {
	type pace struct{ step, change float64 }
	measure := func(s Observed) pace { return pace{median(s.steps()), stat.Mean(s.changes(scales), nil)} }
	differ := func(a, b pace) bool {
		steps, changes := b.step/a.step, b.change/a.change
		return max(steps, 1/steps) > otherRate && max(changes, 1/changes) < samePace
	}
	first := measure(o.Trajectories[0])
	for j, s := range o.Trajectories {
		start, _ := t.rows(j)
		if here := measure(s); differ(first, here) {
			return t.wrong(start, t.time, "the time step of the trajectory that begins here is %.3g, and that of the trajectory from %s "+
				"on is %.3g, though both change as much from row to row; give all times in one unit", here.step, t.Where(0), first.step)
		}
		longest := 0.0
		for k, step := range s.steps() {
			if k >= 5 && step > newClock*longest && len(s.States)-k > 6 {
				before, after := measure(s.Slice(0, k+1)), measure(s.Slice(k+1, len(s.States)))
				if ratio := after.step / before.step; differ(before, after) && ratio > 500 && ratio < 2000 {
					return t.wrong(start+k+1, t.time, "from here on the time step is %.3g, and before it is %.3g, though the states change as "+
						"much from row to row; give all times in one unit", after.step, before.step)
				}
			}
			longest = max(longest, step)
		}
	}
	return nil
}

// checkJumps returns an error if the positions jump in one step much faster than in the steps beside it and nearly anywhere else. An impact
// makes no such jump, and an outlier makes two.
func (t *userTable) checkJumps(o Observations, scales []float64) error {
	var steps, all []float64
	for _, s := range o.Trajectories {
		steps = append(steps, s.steps()...)
	}
	usual, speeds := median(steps), make([][]float64, len(o.Trajectories))
	for j, s := range o.Trajectories {
		speeds[j] = s.changes(scales)
		for k, step := range s.steps() {
			speeds[j][k] /= max(step, usual) // a short step has the noise of a usual one
		}
		all = append(all, speeds[j]...)
	}
	slices.Sort(all)
	limit := stat.Quantile(0.99, stat.Empirical, all[:len(all)-1], nil) // of the others: without the fastest
	for j, s := range speeds {
		for k := 1; k < len(s)-1 && limit > 0; k++ {
			if s[k] > jump*max(limit, s[k-1], s[k+1]) {
				start, _ := t.rows(j)
				return t.wrong(start+k+1, t.positions[0], "the positions jump from the row before, %.0f times as fast as they move elsewhere: the row "+
					"seems to begin another trajectory; give each trajectory its own label in a column trajectory", s[k]/limit)
			}
		}
	}
	return nil
}

func column(rows [][]float64, axis int) []float64 {
	values := make([]float64, len(rows))
	for i, row := range rows {
		values[i] = row[axis]
	}
	return values
}
