// Package nets holds the networks and their checkpoints.
package nets

import (
	"fmt"
	"slices"

	"github.com/sugarme/gotch"
	"github.com/sugarme/gotch/ts"

	"hnn/internal/libtorch"
)

// MLP is the network of every vector task: linear1, activation, linear2, activation, linear3 without a bias.
type MLP struct {
	activation Activation
	parameters []Parameter
}

// Parameter is a tensor that training changes, under its name in a checkpoint.
type Parameter struct {
	Name   string
	Tensor *ts.Tensor
}

// NewMLP draws a network with in inputs, two hidden layers and out outputs from LibTorch's random generator.
func NewMLP(in, hidden, out int, activation Activation) (*MLP, error) {
	if err := activation.Check(); err != nil {
		return nil, err
	}
	parameters, err := Layers([][2]int{{in, hidden}, {hidden, hidden}, {hidden, out}}, false)
	if err != nil {
		return nil, err
	}
	return &MLP{activation: activation, parameters: parameters}, nil
}

// Layers draws linear1, linear2, … of the given numbers of inputs and outputs, in the order of the published code: the default
// initialisation of each, then an orthogonal redraw of each weight. The last has a bias only if lastBias says so. The caller
// frees them.
func Layers(sizes [][2]int, lastBias bool) ([]Parameter, error) {
	var parameters, weights []Parameter
	for i, size := range sizes {
		if size[0] < 1 || size[1] < 1 {
			Free(parameters)
			return nil, fmt.Errorf("nets: layer %d has %d inputs and %d outputs; each must be at least 1", i+1, size[0], size[1])
		}
		weight, bias, err := libtorch.NewLinear(int64(size[0]), int64(size[1]), lastBias || i < len(sizes)-1)
		if err != nil {
			Free(parameters)
			return nil, err
		}
		layer := fmt.Sprintf("linear%d", i+1)
		weights = append(weights, Parameter{layer + ".weight", weight})
		parameters = append(parameters, weights[i])
		if bias != nil {
			parameters = append(parameters, Parameter{layer + ".bias", bias})
		}
	}
	for _, weight := range weights {
		if err := libtorch.Orthogonal(weight.Tensor); err != nil {
			Free(parameters)
			return nil, err
		}
	}
	for i, p := range parameters {
		placed, err := libtorch.Place(p.Tensor)
		if err != nil {
			Free(parameters)
			return nil, err
		}
		parameters[i].Tensor = placed
	}
	return parameters, nil
}

// Free drops parameters.
func Free(parameters []Parameter) {
	for _, p := range parameters {
		_ = p.Tensor.Drop()
	}
}

// Free drops the network's parameters.
func (m *MLP) Free() { Free(m.parameters) }

// Parameters returns the weights and biases in PyTorch's order.
func (m *MLP) Parameters() []Parameter { return m.parameters }

// Forward maps x of shape (batch, in) to (batch, out).
func (m *MLP) Forward(s *libtorch.Scope, x *ts.Tensor) *ts.Tensor {
	p := m.parameters
	h := m.activation.Apply(s, s.Linear(x, p[0].Tensor, p[1].Tensor))
	h = m.activation.Apply(s, s.Linear(h, p[2].Tensor, p[3].Tensor))
	return s.Linear(h, p[4].Tensor, nil)
}

// State returns copies of the parameters' values, their names behind prefix.
func State(prefix string, parameters []Parameter) ([]Entry, error) {
	entries := make([]Entry, len(parameters))
	for i, p := range parameters {
		values, err := libtorch.Values(p.Tensor)
		if err != nil {
			return nil, err
		}
		shape, err := p.Tensor.Size()
		if err != nil {
			return nil, err
		}
		entries[i] = Entry{Name: prefix + p.Name, Shape: shape, Data: values}
	}
	return entries, nil
}

// SetState copies the values of a checkpoint into parameters, and says which name or shape does not fit.
func SetState(prefix string, parameters []Parameter, checkpoint Checkpoint) error {
	for _, p := range parameters {
		entry, ok := checkpoint.Entries[prefix+p.Name]
		if !ok {
			return fmt.Errorf("the checkpoint holds no %s%s", prefix, p.Name)
		}
		shape, err := p.Tensor.Size()
		if err != nil {
			return err
		}
		values, ok := entry.Data.([]float32)
		if !ok || !slices.Equal(shape, entry.Shape) {
			return fmt.Errorf("the checkpoint's %s is %T of shape %v, and the model's is []float32 of shape %v", entry.Name, entry.Data, entry.Shape, shape)
		}
		if err := copyInto(p.Tensor, values, shape); err != nil {
			return err
		}
	}
	return nil
}

func copyInto(target *ts.Tensor, values []float32, shape []int64) error {
	source, err := libtorch.FromSlice(values, shape...)
	if err != nil {
		return err
	}
	defer source.MustDrop()
	if target.DType() != gotch.Float {
		return fmt.Errorf("nets: a parameter is %v, and a checkpoint holds float32", target.DType())
	}
	// The detached tensor shares the parameter's memory and lets it be written outside the graph.
	detached, err := target.Detach(false)
	if err != nil {
		return err
	}
	defer detached.MustDrop()
	detached.Copy_(source)
	return nil
}
