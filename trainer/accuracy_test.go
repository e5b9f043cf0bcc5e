package trainer

import (
	"math"
	"testing"

	"hnn/datasets"
	"hnn/internal/closedform"
	"hnn/internal/kernels"
	"hnn/internal/libtorch"
	"hnn/nets"
)

// The closed form's 32-bit gradient is no further from the 64-bit gradient than LibTorch's 32-bit gradient is. The error of an array is the norm
// of the difference over the norm. After 400 steps the gradient is small, and its sums cancel. The errors are rounding, so that the test
// compares their geometric mean over the arrays, and each array's within a factor of two.
func TestGradientIsAsAccurateAsLibTorchs(t *testing.T) {
	for _, model := range []string{"hnn", "baseline"} {
		s := settings(datasets.Spring, 400)
		s.Model, s.Seed = model, 1
		trainer := start(t, datasets.Spring, s)
		run(t, trainer)
		batch := trainer.whole(false, false)
		networks := trainer.Model.networks()

		closed, err := newClosedForm(trainer)
		if err != nil {
			t.Fatal(err)
		}
		defer closed.close()
		if _, err := closed.model.Gradient(batch); err != nil {
			t.Fatal(err)
		}
		single := trainer.Model.Equation.Zeros()
		single.EachLayer(networks, func(network, layer int, weight, bias []float32) {
			closed.model.Store(kernels.Gradient, network, layer, weight, bias)
		})

		config := closedform.Equation(trainer.Model.Equation)
		config.Threads = 1
		double, err := kernels.New[float64](config)
		if err != nil {
			t.Fatal(err)
		}
		defer double.Close()
		trainer.Model.Parameters.EachLayer(networks, func(network, layer int, weight, bias []float32) {
			double.Load(kernels.Values, network, layer, doubles(weight), doubles(bias))
		})
		if _, err := double.Gradient(kernels.Batch[float64]{X: doubles(batch.X), DX: doubles(batch.DX), Count: batch.Count}); err != nil {
			t.Fatal(err)
		}
		var exact [][]float64
		trainer.Model.Equation.Zeros().EachLayer(networks, func(network, layer int, weight, bias []float32) {
			w, b := doubles(weight), doubles(bias)
			double.Store(kernels.Gradient, network, layer, w, b)
			exact = append(exact, w)
			if b != nil {
				exact = append(exact, b)
			}
		})

		oracle, err := newOracle(trainer.Model, trainer.rows, false)
		if err != nil {
			t.Fatal(err)
		}
		defer oracle.keep.Free()
		var scope libtorch.Scope
		defer scope.Free()
		gradients := scope.Gradients(scope.Mean(oracle.errors(&scope, batch, nil, nil, false)), oracle.values, false)
		if scope.Err() != nil {
			t.Fatal(scope.Err())
		}
		ratio := 1.0
		for i, p := range single {
			ours, theirs := distance(p, exact[i]), distance(nets.Parameter{Values: scope.Values(gradients[i])}, exact[i])
			t.Logf("%s, %s: closed form %.1e, LibTorch %.1e", model, p.Name, ours, theirs)
			if ratio *= ours / theirs; !(ours <= 2*theirs) {
				t.Errorf("%s: the error of the gradient by %s is %.2e, and LibTorch's is %.2e", model, p.Name, ours, theirs)
			}
		}
		if mean := math.Pow(ratio, 1/float64(len(single))); !(mean <= 1) {
			t.Errorf("%s: the errors are %.2f times LibTorch's", model, mean)
		}
	}
}

func doubles(values []float32) []float64 {
	if values == nil {
		return nil
	}
	list := make([]float64, len(values))
	for i, v := range values {
		list[i] = float64(v)
	}
	return list
}

func distance(p nets.Parameter, exact []float64) float64 {
	difference, norm := 0.0, 0.0
	for i, v := range exact {
		d := float64(p.Values[i]) - v
		difference, norm = difference+d*d, norm+v*v
	}
	return math.Sqrt(difference / norm)
}
