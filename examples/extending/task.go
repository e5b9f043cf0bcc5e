// Package extending adds a task, a model and an optimizer from outside of the library, one file each. docs/extending.md explains them. A solver is
// in integrator/leapfrog_test.go.
package extending

import (
	"math"
	"math/rand/v2"
	"slices"

	"hnn/datasets"
	"hnn/integrator"
)

// Friction is the rate at which the damped oscillator loses momentum.
const Friction = 0.2

// Damped is an oscillator with friction: dq/dt = p, dp/dt = −q − Friction·p. Its energy falls at the rate Friction·p².
var Damped = datasets.Task{
	Name:        "damped",
	Description: "oscillator with friction, H = (q² + p²)/2",
	Dimension:   2,
	Labels:      datasets.Labels{Position: "q", Momentum: "p", Time: "t", Energy: "H"},
	Hamiltonian: func(s []float64) float64 { return (s[0]*s[0] + s[1]*s[1]) / 2 },
	Dynamics:    damped,
	Generate:    generate,
	Example:     func(datasets.Dataset) (datasets.Trajectories, error) { return follow([][]float64{{1, 0}}) },
	Trials: func(datasets.Dataset) (datasets.Trajectories, error) {
		return follow([][]float64{{1, 0}, {0, 1}, {-1.2, 0.5}})
	},
	Steps: 500,
}

func damped(_ float64, y, out []float64) { out[0], out[1] = y[1], -y[0]-Friction*y[1] }

// generate follows twenty motions from random directions and radii in [0.5, 1.5). The last five are the test set.
func generate(seed uint32) (datasets.Dataset, error) {
	const motions, tests = 20, 5
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	starts := make([][]float64, motions)
	for i := range starts {
		radius := 0.5 + random.Float64()
		sin, cos := math.Sincos(2 * math.Pi * random.Float64())
		starts[i] = []float64{radius * cos, radius * sin}
	}
	motion, err := follow(starts)
	if err != nil {
		return datasets.Dataset{}, err
	}
	return datasets.Dataset{Train: observed(motion.States[:motions-tests]), Test: observed(motion.States[motions-tests:])}, nil
}

// observed returns the states of motions and their derivatives.
func observed(motions [][][]float64) datasets.Samples {
	x := slices.Concat(motions...)
	dx := make([][]float64, len(x))
	for i := range dx {
		dx[i] = make([]float64, len(x[i]))
		damped(0, x[i], dx[i])
	}
	return datasets.Samples{X: datasets.MatrixOf(x), DX: datasets.MatrixOf(dx)}
}

// follow integrates the true field over about one period.
func follow(starts [][]float64) (datasets.Trajectories, error) {
	t := datasets.Trajectories{Solver: integrator.RK45{Relative: 1e-9, Absolute: 1e-9}}
	for i := range 31 {
		t.Times = append(t.Times, 0.2*float64(i))
	}
	solutions, err := t.Solver.Solve(integrator.Each(damped), starts, t.Times)
	for _, s := range solutions {
		t.States = append(t.States, s.States)
	}
	return t, err
}
