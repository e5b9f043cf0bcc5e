package integrator

import "slices"

// Divergence returns Σ ∂fⱼ/∂yⱼ at each state, in 1/time: the rate at which the flow of a field expands a small volume. It takes central differences.
// steps has the step for each of the n components, in their units. It calls the field once, at the 2n neighbours of the first state, then those of
// the second, and so on, and at time 0. The error is the field's.
func Divergence(f Field, states [][]float64, steps []float64) ([]float64, error) {
	var moved [][]float64
	for _, state := range states {
		for j, step := range steps {
			for _, h := range []float64{step, -step} {
				near := slices.Clone(state)
				near[j] += h
				moved = append(moved, near)
			}
		}
	}
	out := zeros(len(moved), len(steps))
	err := f(make([]float64, len(moved)), moved, out)
	divergence := make([]float64, len(states))
	for i := range divergence {
		for j, step := range steps {
			k := 2 * (i*len(steps) + j)
			divergence[i] += (out[k][j] - out[k+1][j]) / (2 * step)
		}
	}
	return divergence, err
}
