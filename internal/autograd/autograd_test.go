package autograd_test

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/sugarme/gotch/ts"

	"hnn/hamiltonian"
	"hnn/internal/autograd"
	"hnn/internal/libtorch"
	"hnn/nets"
)

// The field of the ten published models on vectors, of every field type, and their Runge-Kutta increment, are those of the published code.
func TestFieldsEqualThePublishedCodes(t *testing.T) {
	content, err := os.ReadFile("../../hamiltonian/testdata/fields.json")
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]map[string][][]float64
	if err := json.Unmarshal(content, &fields); err != nil {
		t.Fatal(err)
	}
	models := 0
	for name, field := range fields {
		_, modelName, found := strings.Cut(name, "-")
		if !found {
			continue // the matrices
		}
		models++
		kind, err := hamiltonian.Find(modelName)
		if err != nil {
			t.Fatal(err)
		}
		checkpoint, err := nets.ReadCheckpoint("../../hamiltonian/testdata/" + name + ".tar")
		if err != nil {
			t.Fatal(err)
		}
		var x []float32
		n := len(field["x"][0])
		for _, row := range field["x"] {
			for _, v := range row {
				x = append(x, float32(v))
			}
		}
		evaluate := func(what string, fieldType hamiltonian.FieldType, f func(e *autograd.Equation, s *libtorch.Scope, x *ts.Tensor) *ts.Tensor) {
			equation := kind.Equation(hamiltonian.Config{Dimension: n, Hidden: 200, HiddenLayers: 2, Activation: "tanh", FieldType: fieldType})
			parameters := equation.Zeros()
			if err := parameters.Load(checkpoint); err != nil {
				t.Fatal(err)
			}
			var s libtorch.Scope
			defer s.Free()
			var tensors []*ts.Tensor
			for _, p := range parameters {
				tensors = append(tensors, s.Tensor(p.Values, p.Shape, true))
			}
			got := s.Values(f(autograd.NewEquation(&s, equation, tensors), &s, s.Variable(x, n)))
			if s.Err() != nil {
				t.Fatal(s.Err())
			}
			want, ok := field[what]
			if !ok {
				t.Fatalf("%s has no reference %s", name, what)
			}
			for i, row := range want {
				for j, v := range row {
					if g := float64(got[i*n+j]); !(math.Abs(g-v) <= 1e-5*max(1, math.Abs(v))) {
						t.Errorf("%s %s, state %d, component %d: got %g, want %g", name, what, i, j, g, v)
					}
				}
			}
		}
		derivative := func(e *autograd.Equation, s *libtorch.Scope, x *ts.Tensor) *ts.Tensor {
			return e.TimeDerivative(s, x, nil)
		}
		evaluate("dx", hamiltonian.Solenoidal, derivative)
		if modelName == "baseline" {
			continue
		}
		evaluate("dx_conservative", hamiltonian.Conservative, derivative)
		evaluate("dx_both", hamiltonian.Both, derivative)
		evaluate("rk4_dt0.1", hamiltonian.Solenoidal, func(e *autograd.Equation, s *libtorch.Scope, x *ts.Tensor) *ts.Tensor {
			return e.RK4Increment(s, x, 0.1)
		})
	}
	if models != 10 {
		t.Errorf("%d models were compared, want 10", models)
	}
}
