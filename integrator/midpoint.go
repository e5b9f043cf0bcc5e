package integrator

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
)

// ImplicitMidpoint is the implicit midpoint rule at a fixed step, y₁ = y₀ + h·f(t + h/2, (y₀ + y₁)/2). It has order 2, is symmetric in time, and is
// symplectic for every Hamiltonian, separable or not; learned Hamiltonians are not. It conserves quadratic invariants up to rounding (Hairer,
// Lubich and Wanner, Geometric Numerical Integration, sections IV.2 and VI.4). Fixed-point iteration solves the equation to rounding. It converges
// if the step is short compared with the fastest change of the field; otherwise Solve returns an error.
type ImplicitMidpoint struct {
	Step float64 // the largest step
}

const (
	maxIterations = 200
	rounding      = 1e-6 // the rounding of a float32 field can change the iterates by up to this, even after convergence
)

// Solve implements Solver.
func (m ImplicitMidpoint) Solve(f Field, starts [][]float64, times []float64) ([]Solution, error) {
	var slope, middle, improved [][]float64 // slope starts as the field at the middle of the previous step
	return FixedSteps(f, starts, times, m.Step, func(f Field, t, h float64, y [][]float64) error {
		if n := len(y[0]); slope == nil {
			slope, middle, improved = zeros(len(y), n), zeros(len(y), n), zeros(len(y), n)
		}
		advance(middle, y, h/2, slope)
		last := math.Inf(1)
		for range maxIterations {
			if err := f(slices.Repeat([]float64{t + h/2}, len(y)), middle, slope); err != nil {
				return err
			}
			advance(improved, y, h/2, slope)
			change := distance(middle, improved)
			middle, improved = improved, middle
			if change == 0 || change >= last && change < rounding {
				advance(y, y, h, slope)
				return nil
			}
			if math.IsNaN(change) {
				return fmt.Errorf("integrator: the field is not finite near t = %g", t)
			}
			last = change
		}
		return fmt.Errorf("integrator: the implicit midpoint rule found no solution at t = %g; a step shorter than %g may help", t, math.Abs(h))
	})
}

// advance writes y + h·slope into out, which may be y.
func advance(out, y [][]float64, h float64, slope [][]float64) {
	for i := range y {
		floats.AddScaledTo(out[i], y[i], h, slope[i])
	}
}

// distance is the largest difference between two batches, relative to the larger of 1 and the component of b. It is NaN if any difference is.
func distance(a, b [][]float64) float64 {
	largest := 0.0
	for i := range a {
		for j := range a[i] {
			largest = max(largest, math.Abs(a[i][j]-b[i][j])/max(1, math.Abs(b[i][j])))
		}
	}
	return largest
}
