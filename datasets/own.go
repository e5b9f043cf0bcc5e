package datasets

import (
	"cmp"
	"fmt"
	"math"
	"runtime"
	"slices"

	"gonum.org/v1/gonum/diff/fd"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/interp"

	"hnn/integrator"
)

// FromHamiltonian makes a task from a known Hamiltonian of n positions and n momenta. It integrates Hamilton's equations from each start,
// (q1..qn, p1..pn). The data are the states at the given times, which must ascend, and their time derivatives. Central differences give the
// gradient of the Hamiltonian. The split into a training and a test set and the training settings are as in FromTable. FromHamiltonian returns
// an error if a start has an odd number of components, if the integration fails, or if there are too few rows.
func FromHamiltonian(name string, hamiltonian func(q, p []float64) float64, starts [][]float64, times []float64) (Task, error) {
	for i, start := range starts {
		if len(start)%2 != 0 {
			return Task{}, fmt.Errorf("%s: start %d has %d components; a state has as many momenta as positions", name, i, len(start))
		}
	}
	energy := func(state []float64) float64 { return hamiltonian(state[:len(state)/2], state[len(state)/2:]) }
	dynamics := func(_ float64, y, out []float64) {
		gradient, n := fd.Gradient(nil, energy, y, &fd.Settings{Formula: fd.Central}), len(y)/2
		for i := range n {
			out[i], out[n+i] = gradient[n+i], -gradient[i]
		}
	}
	motion, err := trajectories(dynamics, starts, times, integrator.RK45{Relative: 1e-10, Absolute: 1e-10})
	if err != nil {
		return Task{}, fmt.Errorf("%s: %w", name, err)
	}
	observed := make([]exact, len(starts))
	for i, states := range motion.States {
		observed[i] = exact{x: states, dx: derivatives(dynamics, states), times: times}
	}
	return fromObservations(Task{Name: name, Hamiltonian: energy, Dynamics: dynamics}, join(observed))
}

const (
	testShare  = 0.2
	fewestRows = 10   // of a training and a test set together
	wholeBatch = 3000 // training rows; up to here, each step takes them all
	periods    = 10   // duration of the comparison with observations
	smooth     = 1000 // times of an example, so many that its curve shows no corners

	// Beyond wholeBatch, a step takes a batch that keeps the processors busy, and the training passes over the data at least once.
	batchRows, smallestBatch, fewestSteps = 300, 600, 10_000
)

// sequence is trajectories one after the other. Their parts share the memory of its rows.
type sequence struct {
	Samples
	ends  []int  // row after the last one of each trajectory
	share *Share // of the table from which the rows come; nil if these are all its rows
}

// join returns trajectories one after the other.
func join(observed []exact) sequence {
	var all exact
	var s sequence
	for _, e := range observed {
		all.x, all.dx, all.times = append(all.x, e.x...), append(all.dx, e.dx...), append(all.times, e.times...)
		s.ends = append(s.ends, len(all.x))
	}
	s.Samples = all.samples()
	return s
}

// trajectories returns the single trajectories.
func (s sequence) trajectories() []Samples {
	list, first := make([]Samples, len(s.ends)), 0
	for i, end := range s.ends {
		list[i], first = s.slice(first, end), end
	}
	return list
}

// fromObservations completes a task from observed trajectories.
func fromObservations(task Task, observed sequence) (Task, error) {
	source := cmp.Or(task.File, task.Name)
	if rows := observed.rows(); rows < fewestRows {
		return Task{}, fmt.Errorf("%s: %d rows are too few for a training and a test set; at least %d are needed", source, rows, fewestRows)
	}
	first, test := observed.split()
	data := Dataset{Train: observed.slice(0, first), Test: observed.slice(first, observed.rows()), Share: observed.share}
	data.Train.Times, data.Test.Times = nil, nil // of several trajectories
	span := periods * period(data.Train)
	if !(span > 0) || math.IsInf(span, 0) {
		return Task{}, fmt.Errorf("%s: the training rows show no motion: their states are all the same, or their derivatives all 0", source)
	}
	task.Description, task.Dimension, task.Labels = "a system of your own", data.Train.X.Columns, dimensionless
	task.Generate = func(uint32) (Dataset, error) { return data, nil }
	if data.Share == nil {
		task.Example = func(Dataset) (Trajectories, error) {
			drawn := compared(test, 1, span, smooth)
			if task.Dynamics == nil {
				return drawn, nil
			}
			return trajectories(task.Dynamics, drawn.Starts(), drawn.Times, drawn.Solver)
		}
		task.Trials = func(Dataset) (Trajectories, error) { return compared(test, trialCount, span, 2), nil }
	}
	task.Steps = 2000
	trainRows, testRows := data.Rows(false), data.Rows(true)
	if trainRows > wholeBatch {
		task.BatchSize = min(max(smallestBatch, batchRows*runtime.GOMAXPROCS(0)), testRows)
		task.Steps = max(fewestSteps, trainRows/task.BatchSize)
	}
	return task, nil
}

// split returns the number of rows of the training set, which come first, and the trajectories of the test set.
func (s sequence) split() (first int, test []Samples) {
	if s.share != nil {
		return s.share.train, nil
	}
	train, test := split(s.trajectories(), testShare, Samples.rows, Samples.slice)
	for _, t := range train {
		first += t.rows()
	}
	return first, test
}

// split takes the last fraction of the trajectories, and at least one, as the test set. Of a single trajectory it takes the last fraction of the
// rows.
func split[T any](observed []T, fraction float64, rows func(T) int, slice func(T, int, int) T) (train, test []T) {
	keep := func(n int) int { return n - max(1, int(fraction*float64(n)+1e-9)) }
	if s := observed[0]; len(observed) == 1 {
		first := keep(rows(s))
		return []T{slice(s, 0, first)}, []T{slice(s, first, rows(s))}
	}
	first := keep(len(observed))
	return observed[:first], observed[first:]
}

func (s Samples) rows() int { return s.X.Rows() }

func (s Samples) slice(first, last int) Samples {
	part := Samples{X: s.X.Slice(first, last), DX: s.DX.Slice(first, last)}
	if s.Times != nil {
		part.Times = s.Times[first:last]
	}
	return part
}

// period returns the period of a harmonic oscillation that has the variance and the mean squared derivative of the rows.
func period(rows Samples) float64 {
	return 2 * math.Pi * math.Sqrt(rows.X.variance()/rows.DX.meanSquare(make([]float64, rows.DX.Columns)))
}

// compared chooses up to count reference trajectories: the longest test trajectory, and others that last at least half as long. They end after the
// given span, or with the shortest of them. All are interpolated at the times of the longest or, if it has fewer than wanted, at as many evenly
// spaced times. If the rows have no times, compared returns some of them as starts only.
func compared(test []Samples, count int, span float64, wanted int) Trajectories {
	t := Trajectories{Solver: integrator.RK45{Relative: 1e-9}}
	timed := slices.DeleteFunc(slices.Clone(test), func(s Samples) bool { return len(s.Times) < 2 })
	if len(timed) == 0 {
		rows := 0
		for _, s := range test {
			rows += s.rows()
		}
		n := min(count, rows)
		for i := range n {
			t.States = append(t.States, [][]float64{start(test, i*rows/n)})
		}
		t.Times = linspace(0, span, max(500, wanted))
		return t
	}
	slices.SortStableFunc(timed, func(a, b Samples) int { return cmp.Compare(b.duration(), a.duration()) })
	timed = timed[:min(count, len(timed))]
	longest := timed[0].duration()
	timed = slices.DeleteFunc(timed, func(s Samples) bool { return s.duration() < longest/2 })
	end := min(span, timed[len(timed)-1].duration())
	t.Times = slices.DeleteFunc(timed[0].elapsed(), func(time float64) bool { return time > end*(1+1e-9) }) // the times may be rounded
	if len(t.Times) < wanted {
		t.Times = linspace(0, end, wanted)
	}
	for _, s := range timed {
		t.States = append(t.States, s.at(t.Times))
	}
	return t
}

// start returns a row of trajectories that follow one another.
func start(list []Samples, row int) []float64 {
	for row >= list[0].rows() {
		row, list = row-list[0].rows(), list[1:]
	}
	return list[0].X.Slice(row, row+1).Float64(0)[0]
}

func (s Samples) duration() float64 { return s.Times[len(s.Times)-1] - s.Times[0] }

// elapsed returns the times of the rows since the first.
func (s Samples) elapsed() []float64 {
	times := slices.Clone(s.Times)
	floats.AddConst(-s.Times[0], times)
	return times
}

// at interpolates the states at times since the first row, by cubics through the states and derivatives of the rows.
func (s Samples) at(times []float64) [][]float64 {
	states := make([][]float64, len(times))
	for axis := range s.X.Columns {
		var curve interp.PiecewiseCubic
		curve.FitWithDerivatives(s.elapsed(), s.X.column(axis), s.DX.column(axis))
		for i, time := range times {
			states[i] = append(states[i], curve.Predict(time))
		}
	}
	return states
}
