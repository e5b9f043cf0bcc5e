package hamiltonian

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"hnn/integrator"
	"hnn/internal/libtorch"
	"hnn/nets"
)

func readFields(t *testing.T) map[string]map[string][][]float64 {
	t.Helper()
	content, err := os.ReadFile("testdata/fields.json")
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]map[string][][]float64
	if err := json.Unmarshal(content, &fields); err != nil {
		t.Fatal(err)
	}
	return fields
}

// The ten published models of the vector tasks, every field type and the RK4 increment.
func TestFieldsEqualThePublishedCodes(t *testing.T) {
	models := 0
	for name, field := range readFields(t) {
		if name == "permutation" {
			continue
		}
		models++
		checkpoint, err := nets.ReadCheckpoint("testdata/" + name + ".tar")
		if err != nil {
			t.Fatal(err)
		}
		x := field["x"]
		evaluate := func(what string, fieldType FieldType, f func(m *Model, s *libtorch.Scope) []float32) {
			want, ok := field[what]
			if !ok {
				t.Fatalf("%s has no reference %s", name, what)
			}
			m, err := New(Config{Dimension: len(x[0]), Hidden: 200, Activation: "tanh", FieldType: fieldType, Baseline: strings.HasSuffix(name, "baseline")})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Free()
			if err := m.SetState(checkpoint); err != nil {
				t.Fatal(err)
			}
			var s libtorch.Scope
			defer s.Free()
			got := f(m, &s)
			if s.Err() != nil {
				t.Fatal(s.Err())
			}
			for i, row := range want {
				for j, v := range row {
					if g := float64(got[i*len(row)+j]); !(math.Abs(g-v) <= 1e-5*max(1, math.Abs(v))) {
						t.Errorf("%s %s, state %d, component %d: got %g, want %g", name, what, i, j, g, v)
					}
				}
			}
		}
		derivative := func(m *Model, s *libtorch.Scope) []float32 {
			return s.Values(m.TimeDerivative(s, s.Variable(x)))
		}
		evaluate("dx", Solenoidal, derivative)
		evaluate("dx", Solenoidal, func(m *Model, _ *libtorch.Scope) []float32 {
			field, err := m.Field(1)
			if err != nil {
				t.Fatal(err)
			}
			return slices.Concat(rows(t, field, x)...)
		})
		if strings.HasSuffix(name, "baseline") {
			continue
		}
		// The symplectic gradient is (∂H/∂p, −∂H/∂q).
		evaluate("dx", Solenoidal, func(m *Model, _ *libtorch.Scope) []float32 {
			gradient, err := m.Gradient(1)
			if err != nil {
				t.Fatal(err)
			}
			half := len(x[0]) / 2
			var values []float32
			for _, row := range rows(t, gradient, x) {
				values = append(values, row[half:]...)
				for _, v := range row[:half] {
					values = append(values, -v)
				}
			}
			return values
		})
		evaluate("dx_conservative", Conservative, derivative)
		evaluate("dx_both", Both, derivative)
		evaluate("rk4_dt0.1", Solenoidal, func(m *Model, s *libtorch.Scope) []float32 {
			return s.Values(m.RK4Increment(s, s.Variable(x), 0.1))
		})
		evaluate("F", Solenoidal, func(m *Model, s *libtorch.Scope) []float32 {
			f1, f2 := m.Scalars(s, s.Matrix(x))
			first, second := s.Values(f1), s.Values(f2)
			var both []float32
			for i := range first {
				both = append(both, first[i], second[i])
			}
			return both
		})
	}
	if models != 10 {
		t.Errorf("%d models were compared, want 10", models)
	}
}

// rows evaluates a field.
func rows(t *testing.T, field integrator.Field, states [][]float64) [][]float32 {
	t.Helper()
	out := make([][]float64, len(states))
	for i := range out {
		out[i] = make([]float64, len(states[i]))
	}
	if err := field(nil, states, out); err != nil {
		t.Fatal(err)
	}
	values := make([][]float32, len(out))
	for i, row := range out {
		for _, v := range row {
			values[i] = append(values[i], float32(v))
		}
	}
	return values
}

// Where there is no closed form, the gradient is the symplectic one turned back too; and what has learned no Hamiltonian has none.
func TestGradient(t *testing.T) {
	m, err := New(Config{Dimension: 4, Hidden: 10, Activation: "swish"})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Free()
	field, err := m.Field(1)
	if err != nil {
		t.Fatal(err)
	}
	gradient, err := m.Gradient(1)
	if err != nil {
		t.Fatal(err)
	}
	state := [][]float64{{0.3, -0.2, 0.5, 1}}
	s, r := rows(t, field, state)[0], rows(t, gradient, state)[0]
	for i := range 2 {
		if s[i] == 0 || s[i] != r[2+i] || s[2+i] != -r[i] {
			t.Errorf("the symplectic gradient is %v, the gradient %v", s, r)
		}
	}
	for _, c := range []Config{{Baseline: true}, {FieldType: Conservative}} {
		c.Dimension, c.Hidden, c.Activation = 2, 5, "tanh"
		m, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Free()
		if _, err := m.Gradient(1); !errors.Is(err, errNothingConserved) {
			t.Errorf("%+v: the error is %v", c, err)
		}
	}
}

func TestPermutationTensors(t *testing.T) {
	reference := readFields(t)["permutation"]
	for name, m := range map[string][][]float32{"canonical8": CanonicalPermutation(8), "levi_civita8": LeviCivitaPermutation(8)} {
		for i, row := range reference[name] {
			for j, want := range row {
				if float64(m[i][j]) != want {
					t.Errorf("%s[%d][%d] is %g, want %g", name, i, j, m[i][j], want)
				}
			}
		}
	}
}

func TestConfigErrors(t *testing.T) {
	for want, c := range map[string]Config{
		"solenoidal, conservative, both": {Dimension: 2, Hidden: 5, Activation: "tanh", FieldType: "rotational"},
		"dimension 3":                    {Dimension: 3, Hidden: 5, Activation: "tanh"},
		"no nonlinearity":                {Dimension: 2, Hidden: 5},
	} {
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got the error %v, want one with %q", c, err, want)
		}
	}
	small, err := New(Config{Dimension: 2, Hidden: 5, Activation: "tanh"})
	if err != nil {
		t.Fatal(err)
	}
	defer small.Free()
	checkpoint, err := nets.ReadCheckpoint("testdata/spring-hnn.tar")
	if err != nil {
		t.Fatal(err)
	}
	if err := small.SetState(checkpoint); err == nil || !strings.Contains(err.Error(), "shape [200 2]") {
		t.Errorf("a checkpoint of another size gave the error %v", err)
	}
}

// The field inside an integrator: one call per stage.
func BenchmarkField(b *testing.B) {
	if err := libtorch.Configure(1); err != nil {
		b.Fatal(err)
	}
	for _, batch := range []int{1, 15, 100, 10_000} {
		b.Run(fmt.Sprint(batch), func(b *testing.B) {
			m, err := New(Config{Dimension: 2, Hidden: 200, Activation: "tanh"})
			if err != nil {
				b.Fatal(err)
			}
			defer m.Free()
			x, out := make([][]float64, batch), make([][]float64, batch)
			for i := range x {
				x[i], out[i] = []float64{0.1, float64(i) / 1e4}, make([]float64, 2)
			}
			field, err := m.Field(0)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := field(nil, x, out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
