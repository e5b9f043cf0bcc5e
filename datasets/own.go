package datasets

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/diff/fd"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/interp"
	"gonum.org/v1/gonum/stat"

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
	observed := make([]Samples, len(starts))
	for i, states := range motion.States {
		observed[i] = Samples{X: states, DX: derivatives(dynamics, states), Times: times}
	}
	return fromObservations(Task{Name: name, Hamiltonian: energy, Dynamics: dynamics}, observed)
}

const (
	fewestRows = 10   // of a training and a test set together
	wholeBatch = 3000 // training rows; up to here, each step takes them all
	periods    = 10   // duration of the comparison with observations
)

// fromObservations completes a task from observed trajectories.
func fromObservations(task Task, observed []Samples) (Task, error) {
	source := cmp.Or(task.File, task.Name)
	if rows := len(join(observed).X); rows < fewestRows {
		return Task{}, fmt.Errorf("%s: %d rows are too few for a training and a test set; at least %d are needed", source, rows, fewestRows)
	}
	train, test := split(observed, 0.2, Samples.rows, Samples.slice)
	data := Dataset{Train: join(train), Test: join(test)}
	span := periods * period(data.Train)
	if !(span > 0) || math.IsInf(span, 0) {
		return Task{}, fmt.Errorf("%s: the training rows show no motion: their states are all the same, or their derivatives all 0", source)
	}
	task.Description, task.Dimension, task.Labels = "a system of your own", len(data.Train.X[0]), dimensionless
	task.Generate = func(uint32) (Dataset, error) { return data, nil }
	task.Example = func(Dataset) (Trajectories, error) { return compared(test, 1, span), nil }
	task.Trials = func(Dataset) (Trajectories, error) { return compared(test, trialCount, span), nil }
	task.Steps = 2000
	if len(data.Train.X) > wholeBatch {
		task.Steps, task.BatchSize = 10000, min(600, len(data.Test.X))
	}
	return task, nil
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

func (s Samples) rows() int { return len(s.X) }

func (s Samples) slice(first, last int) Samples {
	part := Samples{X: s.X[first:last], DX: s.DX[first:last]}
	if s.Times != nil {
		part.Times = s.Times[first:last]
	}
	return part
}

// join concatenates the rows of trajectories, without their times.
func join(observed []Samples) Samples {
	var all Samples
	for _, s := range observed {
		all.X, all.DX = append(all.X, s.X...), append(all.DX, s.DX...)
	}
	return all
}

// period returns the period of a harmonic oscillation that has the variance and the mean squared derivative of the rows.
func period(rows Samples) float64 {
	deviation, speed := 0.0, 0.0
	for axis := range rows.X[0] {
		deviation += stat.PopVariance(column(rows.X, axis), nil)
		speed += stat.MomentAbout(2, column(rows.DX, axis), 0, nil)
	}
	return 2 * math.Pi * math.Sqrt(deviation/speed)
}

func column(rows [][]float64, axis int) []float64 {
	values := make([]float64, len(rows))
	for i, row := range rows {
		values[i] = row[axis]
	}
	return values
}

// compared chooses up to count reference trajectories: the longest test trajectory, and others that last at least half as long. All are
// interpolated at the times of the longest, up to the given span or to the end of the shortest. If the rows have no times, compared returns
// some of them as starts only.
func compared(test []Samples, count int, span float64) Trajectories {
	t := Trajectories{Solver: integrator.RK45{Relative: 1e-9}}
	timed := slices.DeleteFunc(slices.Clone(test), func(s Samples) bool { return len(s.Times) < 2 })
	if len(timed) == 0 {
		rows := join(test).X
		n := min(count, len(rows))
		for i := range n {
			t.States = append(t.States, [][]float64{rows[i*len(rows)/n]})
		}
		t.Times = linspace(0, span, 500)
		return t
	}
	slices.SortStableFunc(timed, func(a, b Samples) int { return cmp.Compare(b.duration(), a.duration()) })
	timed = timed[:min(count, len(timed))]
	longest := timed[0].duration()
	timed = slices.DeleteFunc(timed, func(s Samples) bool { return s.duration() < longest/2 })
	end := min(span, timed[len(timed)-1].duration())
	t.Times = slices.DeleteFunc(timed[0].elapsed(), func(time float64) bool { return time > end*(1+1e-9) }) // the times may be rounded
	if len(t.Times) < 2 {
		t.Times = []float64{0, end}
	}
	for _, s := range timed {
		t.States = append(t.States, s.at(t.Times))
	}
	return t
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
	for axis := range s.X[0] {
		var curve interp.PiecewiseCubic
		curve.FitWithDerivatives(s.elapsed(), column(s.X, axis), column(s.DX, axis))
		for i, time := range times {
			states[i] = append(states[i], curve.Predict(time))
		}
	}
	return states
}
