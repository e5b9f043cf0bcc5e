package integrator_test

import (
	"fmt"
	"log"
	"math"
	"slices"

	"hnn/integrator"
)

// Leapfrog is the Störmer-Verlet method: half a kick, a drift, half a kick. It has order 2 and is symplectic for separable Hamiltonians T(p) + V(q).
type Leapfrog struct{ Step float64 }

// Solve implements integrator.Solver.
func (l Leapfrog) Solve(f integrator.Field, starts [][]float64, times []float64) ([]integrator.Solution, error) {
	return integrator.FixedSteps(f, starts, times, l.Step, func(f integrator.Field, t, h float64, y [][]float64) error {
		n := len(y[0]) / 2
		slope := make([][]float64, len(y))
		for i := range slope {
			slope[i] = make([]float64, 2*n)
		}
		// move adds h·dy/dt at time t to the components from first to last−1.
		move := func(t, h float64, first, last int) error {
			if err := f(slices.Repeat([]float64{t}, len(y)), y, slope); err != nil {
				return err
			}
			for i := range y {
				for j := first; j < last; j++ {
					y[i][j] += h * slope[i][j]
				}
			}
			return nil
		}
		if err := move(t, h/2, n, 2*n); err != nil {
			return err
		}
		if err := move(t+h/2, h, 0, n); err != nil {
			return err
		}
		return move(t+h, h/2, n, 2*n)
	})
}

// On the harmonic oscillator, leapfrog follows cos t with an error of h²t/24 and conserves p² + (1 − h²/4)q² up to rounding. The energy therefore
// oscillates, within h²/4 of its value, and does not drift.
func ExampleFixedSteps() {
	const h = 2 * math.Pi / 64
	solutions, err := Leapfrog{Step: h}.Solve(oscillator, [][]float64{{1, 0}}, []float64{0, math.Pi / 2, 2000 * math.Pi})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("after a quarter of a period |q| = %.4f, in truth 0; h²t/24 = %.4f\n", math.Abs(solutions[0].States[1][0]), h*h*math.Pi/48)
	for _, state := range solutions[0].States {
		q, p := state[0], state[1]
		fmt.Printf("energy %.4f, p² + (1 − h²/4)q² = %.10f\n", q*q+p*p, p*p+(1-h*h/4)*q*q)
	}
	// Output:
	// after a quarter of a period |q| = 0.0006, in truth 0; h²t/24 = 0.0006
	// energy 1.0000, p² + (1 − h²/4)q² = 0.9975904286
	// energy 0.9976, p² + (1 − h²/4)q² = 0.9975904286
	// energy 0.9992, p² + (1 − h²/4)q² = 0.9975904286
}
