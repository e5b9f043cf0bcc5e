package hamiltonian

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/sugarme/gotch"
	"github.com/sugarme/gotch/ts"

	"hnn/internal/kernels"
	"hnn/internal/kernels/kernelstest"
	"hnn/internal/libtorch"
	"hnn/nets"
)

// The closed form's loss, field and every gradient are those of LibTorch's automatic differentiation, for random sizes, weights,
// activations, field types and batches, in 32 bits and in 64.
func TestClosedFormEqualsAutomaticDifferentiation(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 40 {
		c := Config{
			Dimension:  2 * (1 + random.IntN(7)),
			Hidden:     1 + random.IntN(230),
			Activation: []nets.Activation{"tanh", "sigmoid", "relu"}[i%3],
			FieldType:  []FieldType{Solenoidal, Conservative}[i/3%2],
			Baseline:   i%4 == 3,
			LeviCivita: i%5 == 4,
		}
		rows, all := 1+random.IntN(300), 400
		if i == 7 {
			c.Hidden, rows, all = 20, 5000, 5000 // more than a chunk
		}
		t.Run(fmt.Sprintf("%+v, %d rows", c, rows), func(t *testing.T) {
			compare[float32](t, c, rows, all, gotch.Float, 1e-5)
			compare[float64](t, c, rows, all, gotch.Double, 1e-12)
		})
	}
}

func compare[T kernels.Real](t *testing.T, c Config, rows, all int, kind gotch.DType, tolerance float64) {
	m, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Free()
	dynamics, ok := m.ClosedForm()
	if !ok {
		t.Fatal("there is no closed form")
	}
	models := make([]*kernels.Model[T], 3)
	for threads := range models {
		if models[threads], err = kernels.NewDynamics[T](threads+1, dynamics); err != nil {
			t.Fatal(err)
		}
		defer models[threads].Free()
	}

	// The oracle, in the same number type.
	var s libtorch.Scope
	defer s.Free()
	original := slices.Clone(m.network.Parameters())
	defer copy(m.network.Parameters(), original)
	kernelstest.Convert(t, &s, m.network.Parameters(), kind)
	draw := func(n int) *ts.Tensor {
		return s.Keep(ts.Randn([]int64{int64(n), int64(c.Dimension)}, kind, gotch.CPU))
	}
	x, dx, noise := draw(all), draw(all), draw(rows)
	chosen := make([]int64, rows)
	if err := libtorch.Permutation(all, chosen); err != nil {
		t.Fatal(err)
	}
	batch := kernels.Batch[T]{X: kernelstest.Values[T](x), DX: kernelstest.Values[T](dx), Rows: chosen, Count: rows, Noise: kernelstest.Values[T](noise), NoiseScale: 0.1}
	if err := x.RequiresGrad_(true); err != nil {
		t.Fatal(err)
	}
	index := s.Indices(chosen)
	loss := func(s *libtorch.Scope) *ts.Tensor {
		return s.Mean(s.SquaredError(s.Rows(dx, index), s.Add(m.TimeDerivative(s, s.Rows(x, index)), s.Scale(0.1, noise))))
	}
	kernelstest.Check(t, models, batch, m.network.Parameters(), loss, tolerance)

	// Of the weights that Check's step of Adam has left, in the oracle too.
	field := m.TimeDerivative(&s, s.Rows(x, index))
	states := kernelstest.Values[T](s.Rows(x, index))
	got := make([]T, len(states))
	for _, model := range models {
		model.Field(states, got, rows)
		kernelstest.Near(t, "field", got, kernelstest.Values[T](field), tolerance)
	}
}

func TestClosedFormLeavesTheRestToAutomaticDifferentiation(t *testing.T) {
	for _, c := range []Config{
		{Dimension: 2, Hidden: 10, Activation: "tanh", FieldType: Both},
		{Dimension: 2, Hidden: 10, Activation: "swish"},
		{Dimension: 66, Hidden: 10, Activation: "tanh"},
	} {
		m, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Free()
		if _, ok := m.ClosedForm(); ok {
			t.Errorf("%+v has a closed form", c)
		}
		field, err := m.Field(1)
		if err != nil {
			t.Fatal(err)
		}
		state, out := make([]float64, c.Dimension), make([]float64, c.Dimension)
		state[0] = 0.5
		if err := field(nil, [][]float64{state}, [][]float64{out}); err != nil || out[1] == 0 {
			t.Errorf("%+v: the field is %v, the error %v", c, out, err)
		}
	}
}
