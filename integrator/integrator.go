// Package integrator solves ordinary differential equations dy/dt = f(t, y) for a batch of initial states at once. It knows neither networks nor
// tasks. One file holds one solver; FixedSteps makes a solver from one step.
package integrator

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Field writes dy/dt at (t[i], y[i]) into out[i], for each state i of a batch. It must not keep its arguments.
type Field func(t []float64, y, out [][]float64) error

// Derivative writes dy/dt at (t, y) into out, which has the length of y. It must not keep its arguments.
type Derivative func(t float64, y, out []float64)

// Each returns the Field that evaluates a derivative at one state after the other.
func Each(f Derivative) Field {
	return func(t []float64, y, out [][]float64) error {
		for i := range y {
			f(t[i], y[i], out[i])
		}
		return nil
	}
}

// Solver integrates a field from each start, the state at times[0], to the last time. The times must ascend or descend. Up to rounding, a
// trajectory does not depend on the rest of the batch. The solvers of this package return an error that names the invalid argument or the time
// at which the integration failed. They return the field's errors unchanged.
type Solver interface {
	Solve(f Field, starts [][]float64, times []float64) ([]Solution, error)
}

// Solution is the trajectory from one start.
type Solution struct {
	States      [][]float64 // one per requested time, the start included
	Evaluations int         // of the field
}

// FixedSteps implements Solve for a method with a fixed step. Call it from your own solver with a function for one step. advance replaces y, the
// states of all trajectories at time t, by the states at time t+h. It must evaluate the field through the f that it receives, which counts the
// evaluations. FixedSteps divides each interval between two times into equal steps of at most step; h is negative if the times descend. It does
// not change the starts. It returns the errors of a Solver, also if a state is no longer finite.
func FixedSteps(f Field, starts [][]float64, times []float64, step float64, advance func(f Field, t, h float64, y [][]float64) error) ([]Solution, error) {
	if err := check(starts, times); err != nil {
		return nil, err
	}
	if !(step > 0) {
		return nil, fmt.Errorf("integrator: the step is %g; it must be positive", step)
	}
	evaluations := 0
	counted := func(t []float64, y, out [][]float64) error {
		evaluations++
		return f(t, y, out)
	}
	y := make([][]float64, len(starts))
	solutions := make([]Solution, len(starts))
	for i, start := range starts {
		y[i], solutions[i].States = slices.Clone(start), [][]float64{slices.Clone(start)}
	}
	for i, end := range times[1:] {
		interval := end - times[i]
		// The small reduction keeps an interval of one step from being cut in two by rounding.
		steps := max(1, int(math.Ceil(math.Abs(interval)/step-1e-9)))
		h := interval / float64(steps)
		for s := range steps {
			t := times[i] + float64(s)*h
			if err := advance(counted, t, h, y); err != nil {
				return nil, err
			}
			if j := slices.IndexFunc(y, notFinite); j >= 0 {
				return nil, fmt.Errorf("integrator: trajectory %d: the state is not finite after t = %g", j, t)
			}
		}
		for j := range y {
			solutions[j] = Solution{append(solutions[j].States, slices.Clone(y[j])), evaluations}
		}
	}
	return solutions, nil
}

// check returns an error that names the wrong argument of a solver.
func check(starts [][]float64, times []float64) error {
	if len(starts) == 0 {
		return errors.New("integrator: there is no initial state; at least one is needed")
	}
	if len(times) < 2 {
		return fmt.Errorf("integrator: the number of times is %d; a start and an end are needed", len(times))
	}
	direction := times[1] - times[0]
	for i := 1; i < len(times); i++ {
		if !((times[i]-times[i-1])*direction > 0) || math.IsInf(times[i], 0) {
			return fmt.Errorf("integrator: time %d is %g after %g; the times must ascend or descend", i, times[i], times[i-1])
		}
	}
	for i, start := range starts {
		if len(start) == 0 || len(start) != len(starts[0]) {
			return fmt.Errorf("integrator: initial state %d has %d components, but the first has %d; all need the same number, at least 1", i, len(start), len(starts[0]))
		}
		if notFinite(start) {
			return fmt.Errorf("integrator: initial state %d is %v; its components must be finite", i, start)
		}
	}
	return nil
}

func notFinite(values []float64) bool {
	return slices.ContainsFunc(values, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
}

func zeros(rows, columns int) [][]float64 {
	m := make([][]float64, rows)
	for i := range m {
		m[i] = make([]float64, columns)
	}
	return m
}
