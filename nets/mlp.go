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

// NewMLP draws a network with in inputs, two hidden layers and out outputs from LibTorch's random generator, in the order of
// the published code: the default initialisation of the three layers, then an orthogonal redraw of each weight.
func NewMLP(in, hidden, out int, activation Activation) (*MLP, error) {
	if in < 1 || hidden < 1 || out < 1 {
		return nil, fmt.Errorf("nets: an MLP of %d inputs, %d hidden units and %d outputs; each must be at least 1", in, hidden, out)
	}
	if err := activation.Check(); err != nil {
		return nil, err
	}
	m := &MLP{activation: activation}
	for i, size := range [][2]int{{in, hidden}, {hidden, hidden}, {hidden, out}} {
		weight, bias, err := libtorch.NewLinear(int64(size[0]), int64(size[1]), i < 2)
		if err != nil {
			m.Free()
			return nil, err
		}
		layer := fmt.Sprintf("linear%d", i+1)
		m.parameters = append(m.parameters, Parameter{layer + ".weight", weight})
		if bias != nil {
			m.parameters = append(m.parameters, Parameter{layer + ".bias", bias})
		}
	}
	for _, i := range []int{0, 2, 4} {
		if err := libtorch.Orthogonal(m.parameters[i].Tensor); err != nil {
			m.Free()
			return nil, err
		}
	}
	return m, nil
}

// Free drops the network's parameters.
func (m *MLP) Free() {
	for _, p := range m.parameters {
		_ = p.Tensor.Drop()
	}
}

// Parameters returns the weights and biases in PyTorch's order.
func (m *MLP) Parameters() []Parameter { return m.parameters }

// Forward maps x of shape (batch, in) to (batch, out).
func (m *MLP) Forward(s *libtorch.Scope, x *ts.Tensor) *ts.Tensor {
	act, p := activations[m.activation], m.parameters
	h := act(s, s.Linear(x, p[0].Tensor, p[1].Tensor))
	h = act(s, s.Linear(h, p[2].Tensor, p[3].Tensor))
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
