// Package nets states networks as data, holds their parameters, and reads and writes checkpoints in PyTorch's format. It computes
// nothing: package trainer differentiates a network, and packages hamiltonian and autoencoder evaluate it.
package nets

import (
	"errors"
	"fmt"
	"strings"
)

// Activation is an elementwise nonlinearity σ by the name that the published code gives it. The empty Activation is the identity.
type Activation string

// Activations lists the nonlinearities in alphabetical order, as torch.nn.functional defines them with its default arguments.
var Activations = []string{"elu", "relu", "selu", "sigmoid", "softplus", "swish", "tanh"}

// Check returns an error that names the nonlinearities unless a is one of them.
func (a Activation) Check() error {
	for _, name := range Activations {
		if string(a) == name {
			return nil
		}
	}
	return fmt.Errorf("there is no nonlinearity %q; choose one of %s", string(a), strings.Join(Activations, ", "))
}

// Layer maps x of shape (rows, Inputs) to σ(xWᵀ + b), or to x + σ(xWᵀ + b) if it is residual. W has the shape (Outputs, Inputs), and b
// the shape (Outputs).
type Layer struct {
	Inputs, Outputs int
	Bias            bool
	Activation      Activation
	Residual        bool
}

// Network is a chain of layers. Its parameters are called Prefix + "linear1.weight", "linear1.bias" and so on; First is the number of
// its first layer, 0 for 1.
type Network struct {
	Prefix string
	First  int
	Layers []Layer
}

// Inputs is the number of components of the network's input.
func (n Network) Inputs() int { return n.Layers[0].Inputs }

// Outputs is the number of components of the network's output.
func (n Network) Outputs() int { return n.Layers[len(n.Layers)-1].Outputs }

// MLP has hiddenLayers layers of hidden units with the same activation, and a linear layer without a bias on top: the network of
// Greydanus et al. (2019), section 3, with two hidden layers.
func MLP(inputs, hidden, hiddenLayers, outputs int, activation Activation) []Layer {
	var layers []Layer
	for range hiddenLayers {
		layers = append(layers, Layer{Inputs: inputs, Outputs: hidden, Bias: true, Activation: activation})
		inputs = hidden
	}
	return append(layers, Layer{Inputs: inputs, Outputs: outputs})
}

// ResidualMLP has three hidden layers with relu, of which the second and the third are residual, and a linear layer on top: either half
// of the autoencoder of Greydanus et al. (2019), section 5.
func ResidualMLP(inputs, hidden, outputs int) []Layer {
	return []Layer{
		{Inputs: inputs, Outputs: hidden, Bias: true, Activation: "relu"},
		{Inputs: hidden, Outputs: hidden, Bias: true, Activation: "relu", Residual: true},
		{Inputs: hidden, Outputs: hidden, Bias: true, Activation: "relu", Residual: true},
		{Inputs: hidden, Outputs: outputs, Bias: true},
	}
}

// Check returns an error that names the first layer whose size is impossible.
func (n Network) Check() error {
	if len(n.Layers) == 0 {
		return errors.New("a network has no layer; it needs at least one")
	}
	for i, l := range n.Layers {
		name := n.layerName(i)
		switch {
		case l.Inputs < 1 || l.Outputs < 1:
			return fmt.Errorf("layer %s has %d inputs and %d outputs; each must be 1 or more", name, l.Inputs, l.Outputs)
		case i > 0 && l.Inputs != n.Layers[i-1].Outputs:
			return fmt.Errorf("layer %s has %d inputs, and the layer before it has %d outputs", name, l.Inputs, n.Layers[i-1].Outputs)
		case l.Residual && l.Inputs != l.Outputs:
			return fmt.Errorf("layer %s is residual and has %d inputs and %d outputs; they must be equal", name, l.Inputs, l.Outputs)
		}
		if l.Activation != "" {
			if err := l.Activation.Check(); err != nil {
				return fmt.Errorf("layer %s: %w", name, err)
			}
		}
	}
	return nil
}

func (n Network) layerName(i int) string {
	return fmt.Sprintf("%slinear%d", n.Prefix, max(1, n.First)+i)
}

// Parameter is an array that training changes, in row-major order, under its name in a checkpoint.
type Parameter struct {
	Name   string
	Shape  []int64
	Values []float32
}

// Parameters are those of one or several networks, in PyTorch's order. Several goroutines may read them while none writes.
type Parameters []Parameter

// Zeros returns a network's parameters, all of them zero.
func (n Network) Zeros() Parameters {
	var parameters Parameters
	for i, l := range n.Layers {
		parameters = append(parameters, Parameter{n.layerName(i) + ".weight", []int64{int64(l.Outputs), int64(l.Inputs)}, make([]float32, l.Outputs*l.Inputs)})
		if l.Bias {
			parameters = append(parameters, Parameter{n.layerName(i) + ".bias", []int64{int64(l.Outputs)}, make([]float32, l.Outputs)})
		}
	}
	return parameters
}

// EachLayer calls visit with the weight and the bias of every layer of some networks, whose parameters p are. The bias is nil where the
// layer has none.
func (p Parameters) EachLayer(networks []Network, visit func(network, layer int, weight, bias []float32)) {
	for i, n := range networks {
		for j, l := range n.Layers {
			weight, bias := p[0].Values, []float32(nil)
			p = p[1:]
			if l.Bias {
				bias = p[0].Values
				p = p[1:]
			}
			visit(i, j, weight, bias)
		}
	}
}

// WithPrefix returns the same arrays, their names behind a prefix.
func (p Parameters) WithPrefix(prefix string) Parameters {
	named := make(Parameters, len(p))
	for i, parameter := range p {
		named[i] = Parameter{prefix + parameter.Name, parameter.Shape, parameter.Values}
	}
	return named
}

// Entries returns the parameters as entries of a checkpoint, which share their memory.
func (p Parameters) Entries() []Entry {
	entries := make([]Entry, len(p))
	for i, parameter := range p {
		entries[i] = Entry{Name: parameter.Name, Shape: parameter.Shape, Data: parameter.Values}
	}
	return entries
}

// Load copies the values of a checkpoint into the parameters. The error says which name or shape does not fit.
func (p Parameters) Load(c Checkpoint) error {
	for _, parameter := range p {
		entry, ok := c.Entries[parameter.Name]
		if !ok {
			return fmt.Errorf("the checkpoint holds no %s", parameter.Name)
		}
		values, ok := entry.Data.([]float32)
		if !ok || fmt.Sprint(entry.Shape) != fmt.Sprint(parameter.Shape) || len(values) != len(parameter.Values) {
			return fmt.Errorf("the checkpoint's %s is %T of shape %v, and the model needs []float32 of shape %v", entry.Name, entry.Data, entry.Shape, parameter.Shape)
		}
		copy(parameter.Values, values)
	}
	return nil
}
