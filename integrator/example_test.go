package integrator_test

import (
	"fmt"
	"log"
	"math"

	"hnn/integrator"
)

var oscillator = integrator.Each(func(_ float64, y, out []float64) { out[0], out[1] = y[1], -y[0] })

// Two harmonic oscillations, after a sixth and half of their period.
func ExampleRK45() {
	solutions, err := integrator.RK45{Relative: 1e-9, Absolute: 1e-9}.Solve(oscillator, [][]float64{{1, 1}, {2, 0}}, []float64{0, math.Pi / 3, math.Pi})
	if err != nil {
		log.Fatal(err)
	}
	for _, solution := range solutions {
		fmt.Printf("%.3f, %.3f, %.3f\n", solution.States[0][0], solution.States[1][0], solution.States[2][0])
	}
	// Output:
	// 1.000, 1.366, -1.000
	// 2.000, 1.000, -2.000
}

// The midpoint rule conserves q² + p² up to rounding at any step.
func ExampleImplicitMidpoint() {
	solutions, err := integrator.ImplicitMidpoint{Step: 0.5}.Solve(oscillator, [][]float64{{1, 0}}, []float64{0, 1000})
	if err != nil {
		log.Fatal(err)
	}
	end := solutions[0].States[1]
	fmt.Printf("%.10f\n", end[0]*end[0]+end[1]*end[1])
	// Output: 1.0000000000
}
