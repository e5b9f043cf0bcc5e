package datasets

import (
	"cmp"
	"math"

	"hnn/integrator"
	"hnn/internal/numpy"
)

// oscillator describes noisy trajectories of a system with one degree of freedom.
type oscillator struct {
	dynamics     integrator.Derivative
	points       int     // per trajectory, over t = 0..duration
	radius, span float64 // a start has a radius in [radius, radius+span)
	noise        float64 // standard deviation of the normal noise on q and on p
	timeStep     float64 // of the increments
	example      []float64
	notebook     notebook
}

// notebook describes how a published notebook compares energies. It takes q² + p² as the energy, even of the pendulum.
type notebook struct {
	radii   bool    // whether it draws a radius for each trajectory of its data
	picture int     // points of the noisy trajectory that it draws after its data
	stretch float64 // factor by which each trial stretches the models' times, on top of all earlier trials; 0 stands for 1
}

const (
	oscillations = 50 // trajectories of a dataset
	duration     = 3.0
)

// task completes a task whose data are those of the oscillator.
func (o oscillator) task(t Task) Task {
	t.Dimension, t.Labels, t.Dynamics = 2, dimensionless, o.dynamics
	t.Generate, t.Increments, t.TimeStep = generator(o.generate).dataset, generator(o.increments).dataset, o.timeStep
	t.Example, t.Trials, t.Notebook = o.trajectory, o.trials, o.notebookTrials
	t.Steps, t.WeightDecay = 2000, 1e-4
	return t
}

func (o oscillator) generate(seed uint32) (train, test exact, err error) { return o.observe(seed, 0) }

func (o oscillator) increments(seed uint32) (train, test exact, err error) {
	return o.observe(seed, o.timeStep)
}

// observe draws a direction, a radius, the noise of every q and the noise of every p for each trajectory. The noise is on the states only: the
// derivatives belong to the states without noise. If step is not 0, they are means over a step. The first half of the rows is the training set.
func (o oscillator) observe(seed uint32, step float64) (train, test exact, err error) {
	random := numpy.NewRandom(seed)
	times := linspace(0, duration, o.points)
	var all exact
	for range oscillations {
		direction := vector{random.Float64()*2 - 1, random.Float64()*2 - 1}
		radius, length := random.Float64()*o.span+o.radius, direction.length()
		start := []float64{direction[0] / length * radius, direction[1] / length * radius}
		path, err := trajectories(o.dynamics, [][]float64{start}, times, integrator.RK45{Relative: 1e-10})
		if err != nil {
			return train, test, err
		}
		states := path.States[0]
		rates := derivatives(o.dynamics, states)
		if step != 0 {
			paths, err := trajectories(o.dynamics, states, []float64{0, step}, integrator.RK45{Relative: 1e-12, Absolute: 1e-12})
			if err != nil {
				return train, test, err
			}
			for i, path := range paths.States {
				rates[i] = meanDerivative(path[0], path[1], step)
			}
		}
		for axis := range 2 {
			for _, state := range states {
				state[axis] += random.Normal() * o.noise
			}
		}
		all.x, all.dx = append(all.x, states...), append(all.dx, rates...)
	}
	half := len(all.x) / 2
	return all.slice(0, half), all.slice(half, len(all.x)), nil
}

// meanDerivative returns (to − from)/time, the mean derivative of a trajectory between the two states.
func meanDerivative(from, to []float64, time float64) []float64 {
	mean := make([]float64, len(from))
	for i := range mean {
		mean[i] = (to[i] - from[i]) / time
	}
	return mean
}

// trajectory integrates the start of the published figures.
func (o oscillator) trajectory(Dataset) (Trajectories, error) {
	return trajectories(o.dynamics, [][]float64{o.example}, linspace(0, 20, 2000), integrator.RK45{Relative: 1e-12})
}

// trials integrates starts that are drawn with seed 0.
func (o oscillator) trials(Dataset) (Trajectories, error) {
	return trajectories(o.dynamics, trialStarts(numpy.NewRandom(0)), linspace(0, trialEnd, trialTimes), integrator.RK45{Relative: 1e-9})
}

const (
	trialEnd   = 20.
	trialTimes = 100
)

// trialStarts draws starts with 0.2 ≤ |q|, |p| < 1.
func trialStarts(random *numpy.Random) [][]float64 {
	starts := make([][]float64, trialCount)
	for i := range starts {
		starts[i] = make([]float64, 2)
		for axis := range starts[i] {
			x := random.Float64()*1.6 - 0.8
			starts[i][axis] = x + math.Copysign(0.2, x)
		}
	}
	return starts
}

// notebookTrials repeats the notebook's trials. The notebook's function multiplies its arguments, the interval and the times, by the stretch in
// place, so they grow from trial to trial. The notebook has called it once before the first trial.
func (o oscillator) notebookTrials(Dataset) (p Protocol, err error) {
	p.Energy = func(s []float64) float64 { return s[0]*s[0] + s[1]*s[1] }
	stretch := cmp.Or(o.notebook.stretch, 1)
	end := trialEnd * stretch
	for _, start := range trialStarts(o.notebook.random(o.points)) {
		trial, err := trajectories(o.dynamics, [][]float64{start}, linspace(0, end, trialTimes), integrator.RK45{Relative: 1e-12})
		if err != nil {
			return p, err
		}
		end *= stretch
		trial.Times = linspace(0, end, trialTimes)
		p.Trials = append(p.Trials, trial)
	}
	return p, nil
}

// random returns the random numbers as the notebook's data and its picture leave them.
func (n notebook) random(points int) *numpy.Random {
	random := numpy.NewRandom(0)
	for range oscillations {
		uniform := 2
		if n.radii {
			uniform++
		}
		for range uniform {
			random.Float64()
		}
		for range 2 * points {
			random.Normal()
		}
	}
	for range 2 * n.picture {
		random.Normal()
	}
	return random
}

// trialCount is the number of trajectories over which the published notebooks average the energy's error.
const trialCount = 15

// derivatives evaluates a field that does not depend on time.
func derivatives(dynamics integrator.Derivative, states [][]float64) [][]float64 {
	rows := make([][]float64, len(states))
	for i, state := range states {
		rows[i] = make([]float64, len(state))
		dynamics(0, state, rows[i])
	}
	return rows
}

// trajectories integrates the true field.
func trajectories(dynamics integrator.Derivative, starts [][]float64, times []float64, solver integrator.RK45) (Trajectories, error) {
	solutions, err := solver.Solve(integrator.Each(dynamics), starts, times)
	t := Trajectories{Times: times, Solver: solver}
	for _, s := range solutions {
		t.States = append(t.States, s.States)
	}
	return t, err
}
