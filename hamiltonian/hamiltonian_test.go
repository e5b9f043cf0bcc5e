package hamiltonian

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

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
			out := make([][]float64, len(x))
			for i := range out {
				out[i] = make([]float64, len(x[0]))
			}
			field, err := m.Field(1)
			if err != nil {
				t.Fatal(err)
			}
			if err := field(nil, x, out); err != nil {
				t.Fatal(err)
			}
			var values []float32
			for _, row := range out {
				for _, v := range row {
					values = append(values, float32(v))
				}
			}
			return values
		})
		if strings.HasSuffix(name, "baseline") {
			continue
		}
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
