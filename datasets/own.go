package datasets

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/diff/fd"
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
		observed[i] = Samples{X: states, Times: times}
		for j, state := range states {
			observed[i].DX = append(observed[i].DX, make([]float64, len(state)))
			dynamics(times[j], state, observed[i].DX[j])
		}
	}
	task, err := fromObservations(name, observed)
	if err != nil {
		return Task{}, fmt.Errorf("%s: %w", name, err)
	}
	task.Hamiltonian, task.Dynamics = energy, dynamics
	return task, nil
}

const (
	fewestRows = 10   // of a training and a test set together
	wholeBatch = 3000 // training rows; up to here, each step takes them all
	periods    = 10   // duration of the comparison with observations
)

// fromObservations makes a task from observed trajectories.
func fromObservations(name string, observed []Samples) (Task, error) {
	if rows := len(join(observed).X); rows < fewestRows {
		return Task{}, fmt.Errorf("%d rows are too few for a training and a test set; at least %d are needed", rows, fewestRows)
	}
	train, test := split(observed)
	data := Dataset{Train: join(train), Test: join(test)}
	span := periods * period(data.Train)
	if !(span > 0) || math.IsInf(span, 0) {
		return Task{}, errors.New("the training rows show no motion: their states are all the same, or their derivatives all 0")
	}
	steps, batch := 2000, 0
	if len(data.Train.X) > wholeBatch {
		steps, batch = 10000, min(600, len(data.Test.X))
	}
	return Task{
		Name:        name,
		Description: "a system of your own",
		Dimension:   len(data.Train.X[0]),
		Labels:      dimensionless,
		Generate:    func(uint32) (Dataset, error) { return data, nil },
		Example:     func(Dataset) (Trajectories, error) { return compared(test, 1, span), nil },
		Trials:      func(Dataset) (Trajectories, error) { return compared(test, trialCount, span), nil },
		Steps:       steps,
		BatchSize:   batch,
	}, nil
}

// split takes the last 20% of the trajectories, and at least one, as the test set. Of a single trajectory it takes the last 20% of the rows.
func split(observed []Samples) (train, test []Samples) {
	if len(observed) == 1 {
		s := observed[0]
		first := len(s.X) - max(1, len(s.X)/5)
		return []Samples{s.slice(0, first)}, []Samples{s.slice(first, len(s.X))}
	}
	first := len(observed) - max(1, len(observed)/5)
	return observed[:first], observed[first:]
}

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
	var timed []Samples
	for _, s := range test {
		if len(s.Times) > 1 {
			timed = append(timed, s)
		}
	}
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
	last := 0
	for last < min(count, len(timed)) && timed[last].duration() >= timed[0].duration()/2 {
		last++
	}
	timed = timed[:last]
	end := min(span, timed[last-1].duration())
	for _, time := range timed[0].elapsed() {
		if time <= end*(1+1e-9) { // the times may be rounded
			t.Times = append(t.Times, time)
		}
	}
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
	times := make([]float64, len(s.Times))
	for i, t := range s.Times {
		times[i] = t - s.Times[0]
	}
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
