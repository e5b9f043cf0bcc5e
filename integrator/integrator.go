// Package integrator solves ordinary differential equations dy/dt = f(t, y) from a batch of initial states at once. It knows
// neither networks nor tasks.
package integrator

import (
	"fmt"
	"math"
)

// Field writes dy/dt at (t[i], y[i]) into out[i], for each state i of a batch. It must keep none of its arguments.
type Field func(t []float64, y, out [][]float64) error

// Derivative writes dy/dt at (t, y) into out, which has y's length and must not be kept.
type Derivative func(t float64, y, out []float64)

// Each makes a Field that evaluates a derivative at one state after the other.
func Each(f Derivative) Field {
	return func(t []float64, y, out [][]float64) error {
		for i := range y {
			f(t[i], y[i], out[i])
		}
		return nil
	}
}

// Solver integrates a field from each of the starts, taken at times[0], to the last of times, which ascend or descend. The
// solutions are those of the single starts: one trajectory does not affect another.
type Solver interface {
	Solve(f Field, starts [][]float64, times []float64) ([]Solution, error)
}

// Solution is the trajectory of one start.
type Solution struct {
	States      [][]float64 // one per requested time, the start included
	Evaluations int         // of the field
}

// check returns an error that says what is wrong with the arguments of a solver.
func check(starts [][]float64, times []float64) error {
	if len(starts) == 0 {
		return fmt.Errorf("integrator: no initial state is given")
	}
	if len(times) < 2 {
		return fmt.Errorf("integrator: %d times are given, and a start and an end are needed", len(times))
	}
	direction := times[1] - times[0]
	for i := 1; i < len(times); i++ {
		if !((times[i]-times[i-1])*direction > 0) || math.IsInf(times[i], 0) {
			return fmt.Errorf("integrator: time %d is %g after %g; the times must ascend or descend", i, times[i], times[i-1])
		}
	}
	for i, start := range starts {
		if len(start) == 0 || len(start) != len(starts[0]) {
			return fmt.Errorf("integrator: initial state %d has %d components, and the first has %d", i, len(start), len(starts[0]))
		}
		if !finite(start) {
			return fmt.Errorf("integrator: initial state %d is %v; its components must be finite", i, start)
		}
	}
	return nil
}

func finite(values []float64) bool {
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false
		}
	}
	return true
}

func clone(values []float64) []float64 { return append([]float64(nil), values...) }

func matrix(rows, columns int) [][]float64 {
	m := make([][]float64, rows)
	for i := range m {
		m[i] = make([]float64, columns)
	}
	return m
}
