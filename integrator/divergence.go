package integrator

import "slices"

// Divergence returns Σ ∂fⱼ/∂yⱼ at each state: the rate at which the flow of a field expands a small volume. It takes central differences with
// a step for each component, from one call of the field with 2n neighbours of each state, one state after the other. It returns the field's error.
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
