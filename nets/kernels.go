package nets

import (
	"strings"

	"hnn/internal/kernels"
	"hnn/internal/libtorch"
)

// ToKernel copies parameters, or what is kept of them under the same names, into the layers of a closed form, which are in the same
// order.
func ToKernel(model *kernels.Model[float32], what kernels.Kept, parameters []Parameter) error {
	return layers(parameters, func(layer int, weight, bias []float32) error {
		model.Load(what, layer, weight, bias)
		return nil
	})
}

// FromKernel copies what is kept in the layers of a closed form into parameters.
func FromKernel(model *kernels.Model[float32], what kernels.Kept, parameters []Parameter) error {
	next := 0
	return layers(parameters, func(layer int, weight, bias []float32) error {
		model.Store(what, layer, weight, bias)
		for _, values := range [][]float32{weight, bias} {
			if values == nil {
				continue
			}
			shape, err := parameters[next].Tensor.Size()
			if err != nil {
				return err
			}
			if err := copyInto(parameters[next].Tensor, values, shape); err != nil {
				return err
			}
			next++
		}
		return nil
	})
}

// layers calls f with the values of each layer's weight and bias, the latter nil where there is none.
func layers(parameters []Parameter, f func(layer int, weight, bias []float32) error) error {
	for i, layer := 0, 0; i < len(parameters); layer++ {
		weight, err := libtorch.Values(parameters[i].Tensor)
		if err != nil {
			return err
		}
		i++
		var bias []float32
		if i < len(parameters) && strings.HasSuffix(parameters[i].Name, ".bias") {
			if bias, err = libtorch.Values(parameters[i].Tensor); err != nil {
				return err
			}
			i++
		}
		if err := f(layer, weight, bias); err != nil {
			return err
		}
	}
	return nil
}
