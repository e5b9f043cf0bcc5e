package hamiltonian

import (
	"math"
	"testing"

	"hnn/integrator"
)

// In measured units, with columns, the divergence is 0 without friction, and otherwise that of coarse differences of the field in float32. The time's
// unit alone remains in it, as the scales of a component and of its rate cancel.
func TestDivergence(t *testing.T) {
	states := [][]float64{{0.3, -0.2, 0.5, 1}, {-1, 0.7, 0.1, 0.2}, {2, 0.1, -0.6, 0.4}}
	columns := [][]float64{{0.7, -0.4, 0.2}, {0.1, 0.3, 1}, {0.7, 0.5, 0.5}}
	for _, friction := range []Friction{NoFriction, ConstantFriction, StateFriction} {
		d := random(Port, Config{Dimension: 4, Hidden: 20, HiddenLayers: 2, Activation: "tanh", Angles: []bool{true, false}, Inputs: 1, Constants: 2,
			Kinetic: General, Friction: friction})
		d.Scaling = &Scaling{Center: []float64{0, 0.3, 0, 0}, Scale: []float64{1, 2, 3, 1.5}, Time: 0.5, Columns: []float64{2, 1, 3}}
		e := evaluator(t, d)
		e.Columns = columns
		got, err := e.Divergence(states)
		if err != nil {
			t.Fatal(err)
		}
		for i, state := range states {
			e.Columns = columns[i : i+1]
			want, err := integrator.Divergence(e.Field, [][]float64{state}, []float64{0.01, 0.02, 0.03, 0.015})
			if err != nil {
				t.Fatal(err)
			}
			if friction == NoFriction && math.Abs(got[i]) > 1e-9 || !(math.Abs(got[i]-want[0]) < 1e-3*max(1, math.Abs(want[0]))) {
				t.Errorf("friction %s: the divergence is %g at state %d, want %g", friction, got[i], i, want[0])
			}
			if friction != NoFriction && math.Abs(got[i]) < 1e-3 {
				t.Errorf("friction %s: the divergence is %g at state %d", friction, got[i], i)
			}
		}
	}
	e := evaluator(t, random(HNN, Config{Dimension: 4, Hidden: 20, HiddenLayers: 2, Activation: "tanh", FieldType: Solenoidal}))
	if _, err := e.Divergence([][]float64{{1, 2}}); err == nil {
		t.Error("a state of another dimension has a divergence")
	}
}
