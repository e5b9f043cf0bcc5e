// Package nets describes networks as data, holds their parameters, and reads and writes checkpoints in PyTorch's format. It does not evaluate
// networks: package trainer differentiates them, and packages hamiltonian and autoencoder evaluate them.
package nets

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// Activation is the name of an elementwise activation function σ, as in the published code. The empty Activation is the identity.
type Activation string

// Activations lists the activation functions in alphabetical order. They equal those of torch.nn.functional with default arguments. swish is
// torch.nn.functional.silu.
var Activations = []string{"elu", "relu", "selu", "sigmoid", "softplus", "swish", "tanh"}

// Square is the activation a²/2. A layer without a bias, Square and a sum are a quadratic form.
const Square Activation = "square"

// Check returns an error that lists the activation functions if a is none of them.
func (a Activation) Check() error {
	if slices.Contains(Activations, string(a)) {
		return nil
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

// Network is a sequence of layers. Its parameters are named Prefix + "linear1.weight", Prefix + "linear1.bias" and so on. First is the number
// of the first layer in these names; 0 means 1.
type Network struct {
	Prefix string
	First  int
	Layers []Layer
	// Start holds the initial weights of each layer by rows. A nil Start, or a nil list in it, means random orthogonal weights.
	Start [][]float32
	Fixed bool // whether training leaves the parameters as they are
}

// Inputs returns the number of components of the network's input.
func (n Network) Inputs() int { return n.Layers[0].Inputs }

// Outputs returns the number of components of the network's output.
func (n Network) Outputs() int { return n.Layers[len(n.Layers)-1].Outputs }

// MLP returns hiddenLayers layers of hidden units with the given activation, and a linear output layer without a bias. With two hidden
// layers, this is the network of Greydanus et al. (2019), section 3.
func MLP(inputs, hidden, hiddenLayers, outputs int, activation Activation) []Layer {
	var layers []Layer
	for range hiddenLayers {
		layers = append(layers, Layer{Inputs: inputs, Outputs: hidden, Bias: true, Activation: activation})
		inputs = hidden
	}
	return append(layers, Layer{Inputs: inputs, Outputs: outputs})
}

// ResidualMLP returns three hidden layers with relu and a linear output layer. The second and the third hidden layer are residual. The
// encoder and the decoder of Greydanus et al. (2019), section 5, have this form.
func ResidualMLP(inputs, hidden, outputs int) []Layer {
	return []Layer{
		{Inputs: inputs, Outputs: hidden, Bias: true, Activation: "relu"},
		{Inputs: hidden, Outputs: hidden, Bias: true, Activation: "relu", Residual: true},
		{Inputs: hidden, Outputs: hidden, Bias: true, Activation: "relu", Residual: true},
		{Inputs: hidden, Outputs: outputs, Bias: true},
	}
}

// Check returns an error that names the first invalid layer.
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
		if l.Activation != "" && l.Activation != Square {
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

// Parameter is a trainable array in row-major order. Name is its name in a checkpoint.
type Parameter struct {
	Name   string
	Shape  []int64
	Values []float32
}

// Parameters are the parameters of one or several networks, in PyTorch's order. Several goroutines may read them at the same time if none
// writes.
type Parameters []Parameter

// Zeros returns a network's parameters, all of them zero.
func (n Network) Zeros() Parameters {
	parameters := n.Shapes()
	parameters.Allocate()
	return parameters
}

// Shapes returns a network's parameters without their values: the Values are nil, so that a network of any size takes no memory.
func (n Network) Shapes() Parameters {
	var parameters Parameters
	for i, l := range n.Layers {
		parameters = append(parameters, Parameter{Name: n.layerName(i) + ".weight", Shape: []int64{int64(l.Outputs), int64(l.Inputs)}})
		if l.Bias {
			parameters = append(parameters, Parameter{Name: n.layerName(i) + ".bias", Shape: []int64{int64(l.Outputs)}})
		}
	}
	return parameters
}

// EachLayer calls visit with the weight and the bias of every layer of networks. p must be the parameters of these networks. The bias is nil
// if the layer has none.
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

// Entries returns the parameters as entries of a checkpoint. The entries share the parameters' memory.
func (p Parameters) Entries() []Entry {
	entries := make([]Entry, len(p))
	for i, parameter := range p {
		entries[i] = Entry{Name: parameter.Name, Shape: parameter.Shape, Data: parameter.Values}
	}
	return entries
}

// Load sets the parameters to the values of a checkpoint, which must hold these arrays and no others. It copies the values, or shares the
// checkpoint's memory where Values is nil. An error names the arrays that are missing or unknown, the first one of another type or shape, or the
// first one with a value that is NaN or infinite. The parameters then stay as they were.
func (p Parameters) Load(c Checkpoint) error {
	if err := p.compareNames(c); err != nil {
		return err
	}
	arrays := make([][]float32, len(p))
	for i, parameter := range p {
		entry := c.Entries[parameter.Name]
		values, ok := entry.Data.([]float32)
		if count, _, fits := layout(entry.Shape); !ok || !fits || !slices.Equal(entry.Shape, parameter.Shape) || count != int64(len(values)) {
			return fmt.Errorf("the checkpoint's %s is %T of shape %s, and the model needs []float32 of shape %s",
				quoted(parameter.Name), entry.Data, list(entry.Shape), list(parameter.Shape))
		}
		arrays[i] = values
	}
	for i, values := range arrays {
		if bad := slices.IndexFunc(values, notFinite); bad >= 0 {
			return fmt.Errorf("the checkpoint's %s holds %v at position %d; weights are finite numbers", quoted(p[i].Name), values[bad], bad)
		}
	}
	for i, values := range arrays {
		if p[i].Values == nil {
			p[i].Values = values
		}
		copy(p[i].Values, values)
	}
	return nil
}

func notFinite(v float32) bool { return math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) }

// compareNames returns an error unless a checkpoint holds exactly the parameters.
func (p Parameters) compareNames(c Checkpoint) error {
	var missing, unknown []string
	known := make(map[string]bool, len(p))
	for _, parameter := range p {
		known[parameter.Name] = true
		if _, ok := c.Entries[parameter.Name]; !ok {
			missing = append(missing, parameter.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Entries)) {
		if !known[name] {
			unknown = append(unknown, name)
		}
	}
	switch {
	case missing == nil && unknown == nil:
		return nil
	case unknown == nil:
		return fmt.Errorf("the checkpoint lacks %s", firstNames(missing))
	case missing == nil:
		return fmt.Errorf("the checkpoint holds %s, which the model lacks", firstNames(unknown))
	}
	return fmt.Errorf("the checkpoint lacks %s, and holds %s", firstNames(missing), firstNames(unknown))
}

// firstNames lists up to three names, and counts the others.
func firstNames(names []string) string {
	const most, length = 3, 38
	var listed []string
	for _, name := range names[:min(most, len(names))] {
		listed = append(listed, shortened(quoted(name), length))
	}
	text := strings.Join(listed, ", ")
	if more := len(names) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
