package analysis

import (
	"slices"
	"testing"

	"hnn/datasets"
)

// A learned Hamiltonian of 2·(q² + p²) + 3 needs the factor 1/2 and the constant −3/2. States of one energy, or a learned constant, determine no factor.
func TestFitScale(t *testing.T) {
	learned := func(states [][]float64) ([]float64, error) {
		energies, err := squares(states)
		for i := range energies {
			energies[i] = 2*energies[i] + 3
		}
		return energies, err
	}
	fit := func(states ...[]float64) *Fit {
		t.Helper()
		model := &Source{hamiltonian: learned, metrics: &ModelMetrics{}}
		a := &Analysis{Sources: []*Source{{hamiltonian: squares}, model}}
		a.Data.Train.X = datasets.MatrixOf(states)
		if err := a.fitScale(model); err != nil {
			t.Fatal(err)
		}
		return model.metrics.Fit
	}
	f := fit([]float64{1, 0}, []float64{0, 2}, []float64{1.5, 0.5}, []float64{3, 1})
	relative(t, "factor", f.Factor, 0.5, 1e-9)
	relative(t, "constant", f.Constant, -1.5, 1e-9)
	relative(t, "R²", f.R2, 1, 1e-9)
	relative(t, "true energy of the learned 11", f.True(11), 4, 1e-9)
	if f := fit([]float64{1, 0}, []float64{0, 1}, []float64{0.6, 0.8}); f != nil || f.True(11) != 11 {
		t.Errorf("states of the energy 1 gave the fit %+v", f)
	}
	learned = func(states [][]float64) ([]float64, error) { return slices.Repeat([]float64{0.1}, len(states)), nil }
	if f := fit([]float64{1, 0}, []float64{0, 2}, []float64{3, 1}); f != nil {
		t.Errorf("a learned constant gave the fit %+v", f)
	}
}
