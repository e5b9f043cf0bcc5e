package datasets

import (
	"math"

	"hnn/integrator"
	"hnn/internal/numpy"
)

// oscillator describes noisy trajectories of a system of one degree of freedom.
type oscillator struct {
	dynamics     integrator.Derivative
	points       int     // per trajectory, over t = 0..3
	radius, span float64 // the start lies at a radius in [radius, radius+span)
	noise        float64 // standard deviation of the normal noise on q and p
	example      []float64
}

const (
	oscillations = 50 // trajectories of a dataset
	duration     = 3.0
)

// generate draws, per trajectory, a direction, a radius and the noise of all q and of all p. Half of the rows are the test
// set. The derivatives are those of the noiseless states.
func (o oscillator) generate(seed uint32) (Dataset, error) {
	random := numpy.NewRandom(seed)
	times := linspace(0, duration, o.points)
	solver := integrator.RK45{Relative: 1e-10}
	var all Samples
	for range oscillations {
		y := []float64{random.Float64()*2 - 1, random.Float64()*2 - 1}
		radius := random.Float64()*o.span + o.radius
		length := math.Sqrt(y[0]*y[0] + y[1]*y[1])
		y[0], y[1] = y[0]/length*radius, y[1]/length*radius
		path, err := solver.Solve(integrator.Each(o.dynamics), [][]float64{y}, times)
		if err != nil {
			return Dataset{}, err
		}
		first := len(all.X)
		for _, state := range path[0].States {
			dx := make([]float64, 2)
			o.dynamics(0, state, dx)
			all.X, all.DX = append(all.X, state), append(all.DX, dx)
		}
		for axis := range 2 {
			for _, state := range all.X[first:] {
				state[axis] += random.Normal() * o.noise
			}
		}
	}
	half := len(all.X) / 2
	return Dataset{
		Train: Samples{X: all.X[:half], DX: all.DX[:half]},
		Test:  Samples{X: all.X[half:], DX: all.DX[half:]},
	}, nil
}

// trajectory integrates the start of the published figures.
func (o oscillator) trajectory(Dataset) (Trajectories, error) {
	return trajectories(o.dynamics, [][]float64{o.example}, linspace(0, 20, 2000), integrator.RK45{Relative: 1e-12})
}

// trials integrates fifteen starts with 0.2 ≤ |q|, |p| < 1, drawn with seed 0.
func (o oscillator) trials(Dataset) (Trajectories, error) {
	random := numpy.NewRandom(0)
	starts := make([][]float64, trialCount)
	for i := range starts {
		starts[i] = make([]float64, 2)
		for axis := range starts[i] {
			x := random.Float64()*1.6 - 0.8
			starts[i][axis] = x + math.Copysign(0.2, x)
		}
	}
	return trajectories(o.dynamics, starts, linspace(0, 20, 100), integrator.RK45{Relative: 1e-9})
}

// trialCount is the number of starts over which the published notebooks average.
const trialCount = 15

// trajectories integrates the true field.
func trajectories(dynamics integrator.Derivative, starts [][]float64, times []float64, solver integrator.RK45) (Trajectories, error) {
	solutions, err := solver.Solve(integrator.Each(dynamics), starts, times)
	if err != nil {
		return Trajectories{}, err
	}
	t := Trajectories{Times: times, Solver: solver}
	for _, s := range solutions {
		t.States = append(t.States, s.States)
	}
	return t, nil
}
