package integrator

import (
	"fmt"
	"math"
)

// RK4 is the classical Runge-Kutta method of order 4 at a fixed step.
type RK4 struct {
	Step float64 // the largest step; each interval between two requested times is cut into equal ones
}

// Solve implements Solver.
func (m RK4) Solve(f Field, starts [][]float64, times []float64) ([]Solution, error) {
	var k [4][][]float64
	for s := range k {
		k[s] = matrix(len(starts), width(starts))
	}
	middle := matrix(len(starts), width(starts))
	return fixedSteps(starts, times, m.Step, func(t, h float64, y [][]float64) (int, error) {
		for s, node := range [4]float64{0, 0.5, 0.5, 1} {
			at := y
			if s > 0 {
				at = middle
				advance(middle, y, node*h, k[s-1])
			}
			if err := f(repeat(t+node*h, len(y)), at, k[s]); err != nil {
				return 0, err
			}
		}
		for i := range y {
			for j := range y[i] {
				y[i][j] += h / 6 * (k[0][i][j] + 2*k[1][i][j] + 2*k[2][i][j] + k[3][i][j])
			}
		}
		return 4, nil
	})
}

// ImplicitMidpoint is the symplectic method of order 2, y₁ = y₀ + h·f(t + h/2, (y₀ + y₁)/2), at a fixed step. It serves every
// Hamiltonian, separable or not, as learned ones are not; it is symmetric in time and conserves quadratic invariants exactly
// (Hairer, Lubich and Wanner, Geometric Numerical Integration, sections IV.2 and VI.4). The equation is solved by fixed-point
// iteration down to rounding, which converges where the step is short against the field's fastest change.
type ImplicitMidpoint struct {
	Step float64 // the largest step; each interval between two requested times is cut into equal ones
}

const (
	maxIterations = 200
	// A field of float32 moves the iterates by its own rounding, and no further iteration helps then.
	rounding = 1e-6
)

// Solve implements Solver.
func (m ImplicitMidpoint) Solve(f Field, starts [][]float64, times []float64) ([]Solution, error) {
	slope := matrix(len(starts), width(starts)) // at the middle of the step before: a first guess for the next
	middle, improved := matrix(len(starts), width(starts)), matrix(len(starts), width(starts))
	return fixedSteps(starts, times, m.Step, func(t, h float64, y [][]float64) (int, error) {
		advance(middle, y, h/2, slope)
		last := math.Inf(1)
		for iteration := 1; iteration <= maxIterations; iteration++ {
			if err := f(repeat(t+h/2, len(y)), middle, slope); err != nil {
				return 0, err
			}
			advance(improved, y, h/2, slope)
			change := distance(middle, improved)
			middle, improved = improved, middle
			if change == 0 || change >= last && change < rounding {
				advance(y, y, h, slope)
				return iteration, nil
			}
			if math.IsNaN(change) {
				return 0, fmt.Errorf("integrator: the field is not finite near t = %g", t)
			}
			last = change
		}
		return 0, fmt.Errorf("integrator: the implicit midpoint rule found no solution at t = %g; a step shorter than %g may help", t, math.Abs(h))
	})
}

// fixedSteps moves all starts from time to time by steps of at most the given length. advance makes one step of length h from
// t in place, and returns how often it evaluated the field.
func fixedSteps(starts [][]float64, times []float64, step float64, advance func(t, h float64, y [][]float64) (int, error)) ([]Solution, error) {
	if err := check(starts, times); err != nil {
		return nil, err
	}
	if !(step > 0) {
		return nil, fmt.Errorf("integrator: the step is %g; it must be positive", step)
	}
	y := make([][]float64, len(starts))
	solutions := make([]Solution, len(starts))
	for i, start := range starts {
		y[i] = clone(start)
		solutions[i].States = append(solutions[i].States, clone(start))
	}
	evaluations := 0
	for i := 1; i < len(times); i++ {
		interval := times[i] - times[i-1]
		// The small reduction keeps an interval that is a step but for rounding from being cut in two.
		steps := int(math.Ceil(math.Abs(interval)/step - 1e-9))
		steps = max(steps, 1)
		h := interval / float64(steps)
		for s := range steps {
			t := times[i-1] + float64(s)*h
			n, err := advance(t, h, y)
			if err != nil {
				return nil, err
			}
			evaluations += n
			for j := range y {
				if !finite(y[j]) {
					return nil, fmt.Errorf("integrator: trajectory %d: the state is not finite after t = %g", j, t)
				}
			}
		}
		for j := range y {
			solutions[j].States = append(solutions[j].States, clone(y[j]))
		}
	}
	for j := range solutions {
		solutions[j].Evaluations = evaluations
	}
	return solutions, nil
}

func width(rows [][]float64) int {
	if len(rows) == 0 {
		return 0
	}
	return len(rows[0])
}

// advance writes y + h·slope into out, which may be y.
func advance(out, y [][]float64, h float64, slope [][]float64) {
	for i := range y {
		for j := range y[i] {
			out[i][j] = y[i][j] + h*slope[i][j]
		}
	}
}

// distance is the largest difference of two batches, relative to the components' size or to 1, and NaN if any is.
func distance(a, b [][]float64) float64 {
	largest := 0.0
	for i := range a {
		for j := range a[i] {
			largest = max(largest, math.Abs(a[i][j]-b[i][j])/max(1, math.Abs(b[i][j])))
		}
	}
	return largest
}

func repeat(t float64, n int) []float64 {
	list := make([]float64, n)
	for i := range list {
		list[i] = t
	}
	return list
}
