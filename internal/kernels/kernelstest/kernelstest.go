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
	largest, worst := 0.0, 0.0
	for i := range want {
		largest = max(largest, math.Abs(float64(want[i])))
		worst = max(worst, math.Abs(float64(got[i]-want[i])))
	}
	if !(worst <= tolerance*largest) {
		t.Errorf("%s in %T: off by %g, and the largest is %g", what, got, worst, largest)
	}
}

// Check compares the loss of a batch and its gradient by each parameter with the oracle's loss, and the gradients that models with
// other numbers of threads find with one another, bit for bit.
func Check[T kernels.Real](t *testing.T, models []*kernels.Model[T], batch kernels.Batch[T], parameters []nets.Parameter, loss *ts.Tensor, tolerance float64) {
	t.Helper()
	var tensors []*ts.Tensor
	for _, p := range parameters {
		tensors = append(tensors, p.Tensor)
	}
	oracle, err := libtorch.Gradient(loss, tensors, false)
	if err != nil {
		t.Fatal(err)
	}
	for i, model := range models {
		each(parameters, tensors, func(layer, first int, weight, bias []T) { model.Load(kernels.Value, layer, weight, bias) })
		Near(t, "loss", []T{T(model.Loss(batch))}, Values[T](loss), tolerance)
		Near(t, "loss with the gradient", []T{T(model.Gradient(batch))}, Values[T](loss), tolerance)
		each(parameters, oracle, func(layer, first int, weight, bias []T) {
			found := func(model *kernels.Model[T]) [2][]T {
				both := [2][]T{make([]T, len(weight)), make([]T, len(bias))}
				model.Store(kernels.Gradient, layer, both[0], both[1])
				return both
			}
			got, one := found(model), found(models[0])
			for k, want := range [2][]T{weight, bias} {
				if len(want) == 0 {
					continue
				}
				Near(t, "gradient of "+parameters[first+k].Name, got[k], want, tolerance)
				if !slices.Equal(got[k], one[k]) {
					t.Errorf("the gradient of %s depends on the number of threads (model %d)", parameters[first+k].Name, i)
				}
			}
		})
	}
	for _, g := range oracle {
		g.MustDrop()
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
