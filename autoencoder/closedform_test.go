package autoencoder

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/sugarme/gotch"
	"github.com/sugarme/gotch/ts"

	"hnn/hamiltonian"
	"hnn/internal/kernels"
	"hnn/internal/kernels/kernelstest"
	"hnn/internal/libtorch"
	"hnn/nets"
)

// The closed form's loss of pictures and every gradient are those of LibTorch's automatic differentiation, for random sizes, weights
// and pictures, of which some pixels are always dark.
func TestClosedFormEqualsAutomaticDifferentiation(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for i := range 12 {
		size, frames, samples := 20+random.IntN(200), 40, 1+random.IntN(37)
		if i == 5 {
			frames, samples = 700, 650 // more than a chunk
		}
		c := hamiltonian.Config{
			Dimension:  2 * (1 + i%2),
			Hidden:     1 + random.IntN(120),
			Activation: []nets.Activation{"tanh", "sigmoid", "relu"}[i%3],
			FieldType:  []hamiltonian.FieldType{hamiltonian.Solenoidal, hamiltonian.Conservative}[i/3%2],
			Baseline:   i%4 == 3,
		}
		pictures := make([][]byte, frames)
		for f := range pictures {
			pictures[f] = make([]byte, size)
			for p := range pictures[f] {
				if p%5 != 0 && random.IntN(3) == 0 {
					pictures[f][p] = byte(random.IntN(256))
				}
			}
		}
		t.Run(fmt.Sprintf("%+v, %d samples of %d pixels", c, samples, size), func(t *testing.T) {
			compare[float32](t, c, pictures, samples, gotch.Float, 1e-5)
			compare[float64](t, c, pictures, samples, gotch.Double, 1e-12)
		})
	}
}

func compare[T kernels.Real](t *testing.T, c hamiltonian.Config, pictures [][]byte, samples int, kind gotch.DType, tolerance float64) {
	m, err := New(Config{Pixels: 2 * len(pictures[0]), Latent: c})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Free()
	latent, ok := m.ClosedForm()
	if !ok {
		t.Fatal("there is no closed form")
	}
	models := make([]*kernels.Model[T], 3)
	for threads := range models {
		if models[threads], err = kernels.NewPixels[T](threads+1, latent, pictures); err != nil {
			t.Fatal(err)
		}
		defer models[threads].Free()
	}

	// The oracle, in the same number type.
	var s libtorch.Scope
	defer s.Free()
	for _, list := range [][]nets.Parameter{m.MLPAutoencoder.parameters, m.latent.Parameters()} {
		original := slices.Clone(list)
		defer copy(list, original)
		kernelstest.Convert(t, &s, list, kind)
	}
	parameters := slices.Concat(m.MLPAutoencoder.parameters, m.latent.Parameters())
	noise := s.Keep(ts.Randn([]int64{int64(samples), int64(c.Dimension)}, kind, gotch.CPU))
	first := make([]int64, samples)
	if err := libtorch.Permutation(len(pictures)-2, first); err != nil {
		t.Fatal(err)
	}
	show := func(shift int64) *ts.Tensor {
		var values []float64
		for _, f := range first {
			for _, v := range slices.Concat(pictures[f+shift], pictures[f+shift+1]) {
				values = append(values, float64(v)/255)
			}
		}
		return s.Keep(s.Keep(s.Keep(ts.OfSlice(values)).Reshape([]int64{int64(samples), 2 * int64(len(pictures[0]))}, false)).Totype(kind, false))
	}
	loss := func(s *libtorch.Scope) *ts.Tensor {
		return s.Mean(m.Loss(s, show(0), show(1), s.Scale(0.1, noise)))
	}
	batch := kernels.Batch[T]{Rows: first, Count: samples, Noise: kernelstest.Values[T](noise), NoiseScale: 0.1}
	kernelstest.Check(t, models, batch, parameters, loss, tolerance)
}
