// Package kernelstest compares closed forms with LibTorch's automatic differentiation.
package kernelstest

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/sugarme/gotch"
	"github.com/sugarme/gotch/ts"

	"hnn/internal/kernels"
	"hnn/internal/libtorch"
	"hnn/nets"
)

// Convert replaces a model's parameters by copies of another number type, which the scope owns, and which require gradients.
func Convert(t *testing.T, s *libtorch.Scope, parameters []nets.Parameter, kind gotch.DType) {
	t.Helper()
	for i, p := range parameters {
		parameters[i].Tensor = s.Keep(s.Keep(p.Tensor.Totype(kind, false)).Detach(false))
		if err := parameters[i].Tensor.RequiresGrad_(true); err != nil {
			t.Fatal(err)
		}
	}
}

// Values returns a tensor's elements.
func Values[T kernels.Real](x *ts.Tensor) []T {
	list := make([]T, 0, x.Numel())
	for _, v := range x.Float64Values() {
		list = append(list, T(v))
	}
	return list
}

// Near reports numbers that are further from the wanted than a share of what is largest among these.
func Near[T kernels.Real](t *testing.T, what string, got, want []T, tolerance float64) {
	t.Helper()
	near(t, what, got, want, tolerance, 0)
}

// near is Near for numbers that are differences of ones of a given size, whose rounding they have.
func near[T kernels.Real](t *testing.T, what string, got, want []T, tolerance, size float64) {
	t.Helper()
	worst := 0.0
	for i := range want {
		worst = max(worst, math.Abs(float64(got[i]-want[i])))
	}
	if size = max(size, largest(want)); !(worst <= tolerance*size) {
		t.Errorf("%s in %T: off by %g, and the largest is %g", what, got, worst, size)
	}
}

func largest[T kernels.Real](values []T) float64 {
	size := 0.0
	for _, v := range values {
		size = max(size, math.Abs(float64(v)))
	}
	return size
}

// Check compares the loss of a batch, its gradient by each parameter and a step of Adam with the oracle's, of the same number type,
// and then the same at the weights that the step has left; and what models with other numbers of threads find with one another, bit
// for bit.
func Check[T kernels.Real](t *testing.T, models []*kernels.Model[T], batch kernels.Batch[T], parameters []nets.Parameter, oracle func(*libtorch.Scope) *ts.Tensor, tolerance float64) {
	t.Helper()
	for i := range 2 {
		check(t, models, batch, parameters, oracle, tolerance, i == 0)
	}
}

func check[T kernels.Real](t *testing.T, models []*kernels.Model[T], batch kernels.Batch[T], parameters []nets.Parameter, lossOf func(*libtorch.Scope) *ts.Tensor, tolerance float64, first bool) {
	t.Helper()
	const step, learningRate, weightDecay = 10, 1e-3, 1e-2
	var s libtorch.Scope
	defer s.Free()
	var oracle [4][]*ts.Tensor // by what is kept
	for _, p := range parameters {
		oracle[kernels.Value] = append(oracle[kernels.Value], s.Keep(p.Tensor.Detach(false)))
		for _, moment := range []kernels.Kept{kernels.Mean, kernels.Square} {
			oracle[moment] = append(oracle[moment], s.Keep(s.Keep(p.Tensor.Detach(false)).RandLike(false)))
		}
	}
	var differentiable []*ts.Tensor
	for _, p := range parameters {
		differentiable = append(differentiable, p.Tensor)
	}
	loss := lossOf(&s)
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	var err error
	if oracle[kernels.Gradient], err = libtorch.Gradient(loss, differentiable, false); err != nil {
		t.Fatal(err)
	}
	for _, g := range oracle[kernels.Gradient] {
		s.Keep(g, nil)
	}

	compare := func(what kernels.Kept, name string) {
		t.Helper()
		// A gradient that is a thousandth of another is what is left of sums that cancelled, and has their rounding.
		size := 0.0
		for _, x := range oracle[what] {
			size = max(size, 1e-3*largest(Values[T](x)))
		}
		each(parameters, oracle[what], func(layer, first int, weight, bias []T) {
			var one [2][]T
			for i, model := range models {
				got := [2][]T{make([]T, len(weight)), make([]T, len(bias))}
				model.Store(what, layer, got[0], got[1])
				if i == 0 {
					one = got
				}
				for k, want := range [2][]T{weight, bias} {
					if len(want) == 0 {
						continue
					}
					near(t, name+" of "+parameters[first+k].Name, got[k], want, tolerance, size)
					if !slices.Equal(got[k], one[k]) {
						t.Errorf("the %s of %s depends on the number of threads", name, parameters[first+k].Name)
					}
				}
			}
		})
	}
	for _, model := range models {
		moments := []kernels.Kept{kernels.Mean, kernels.Square}
		if first {
			moments = append(moments, kernels.Value) // later, the model's own step must have brought all up to date that is made of them
		}
		for _, what := range moments {
			each(parameters, oracle[what], func(layer, first int, weight, bias []T) { model.Load(what, layer, weight, bias) })
		}
		Near(t, "loss", []T{T(model.Loss(batch))}, Values[T](loss), tolerance)
		Near(t, "loss with the gradient", []T{T(model.Gradient(batch))}, Values[T](loss), tolerance)
	}
	compare(kernels.Gradient, "gradient")

	for _, model := range models {
		model.Step(batch, step, learningRate, weightDecay)
	}
	if err := libtorch.Adam(oracle[kernels.Value], oracle[kernels.Gradient], oracle[kernels.Mean], oracle[kernels.Square], step, learningRate, weightDecay); err != nil {
		t.Fatal(err)
	}
	compare(kernels.Value, "next value")
	compare(kernels.Mean, "next mean")
	compare(kernels.Square, "next square")
	after := models[0].Loss(batch)
	for _, model := range models {
		if got := model.Loss(batch); got != after {
			t.Errorf("the loss after a step is %g on one thread and %g on more", after, got)
		}
	}
}

// each calls f with the values of each layer's weight and bias, and the number of the former among the parameters.
func each[T kernels.Real](parameters []nets.Parameter, tensors []*ts.Tensor, f func(layer, first int, weight, bias []T)) {
	for i, layer := 0, 0; i < len(parameters); layer++ {
		first, weight, bias := i, Values[T](tensors[i]), []T(nil)
		i++
		if i < len(parameters) && strings.HasSuffix(parameters[i].Name, ".bias") {
			bias = Values[T](tensors[i])
			i++
		}
		f(layer, first, weight, bias)
	}
}
