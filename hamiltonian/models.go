package hamiltonian

import (
	"fmt"
	"image/color"
	"strings"

	"hnn/nets"
)

// Model is an entry of the list of models.
type Model struct {
	Name        string      // for flags and files
	Title       string      // for figures and tables
	Description string      // one line for help texts
	Color       color.NRGBA // of its curves
	Published   bool        // whether the paper trains it on every task
	// Equation states the model for a configuration.
	Equation func(Config) Equation
}

// Config is what an equation depends on beside its model.
type Config struct {
	Dimension    int             // of a state: n positions and n momenta
	Hidden       int             // units of a hidden layer
	HiddenLayers int             // of each network
	Activation   nets.Activation // of the hidden layers
	FieldType    FieldType       // the terms of a model that offers a choice
}

// mlp is the network of a model on vectors: its parameters are called prefix + "linear1.weight" and so on.
func (c Config) mlp(prefix string, outputs int) nets.Network {
	return nets.Network{Prefix: prefix, Layers: nets.MLP(c.Dimension, c.Hidden, c.HiddenLayers, outputs, c.Activation)}
}

// FieldType names the part of a vector field that a network's two scalars give (Helmholtz decomposition; appendix A of the paper).
type FieldType string

const (
	// Solenoidal is the symplectic gradient J·∇F2: the Hamiltonian neural network proper.
	Solenoidal FieldType = "solenoidal"
	// Conservative is the gradient ∇F1.
	Conservative FieldType = "conservative"
	// Both is the sum of the two.
	Both FieldType = "both"
)

// FieldTypes lists the field types.
var FieldTypes = []string{string(Solenoidal), string(Conservative), string(Both)}

// Check returns an error that names the field types unless f is one of them.
func (f FieldType) Check() error {
	switch f {
	case Solenoidal, Conservative, Both:
		return nil
	}
	return fmt.Errorf("there is no field type %q; choose one of %s", string(f), strings.Join(FieldTypes, ", "))
}

// Models lists the models in the order of tables and figures. A new model is a new file and its name here.
var Models = []Model{Baseline, HNN, Dissipative}

// Default is the model that is trained unless another one is asked for.
var Default = HNN

// Names lists the models' names.
func Names() []string {
	names := make([]string, len(Models))
	for i, m := range Models {
		names[i] = m.Name
	}
	return names
}

// Find returns the model of a name, or an error that lists the names.
func Find(name string) (Model, error) {
	for _, m := range Models {
		if m.Name == name {
			return m, nil
		}
	}
	return Model{}, fmt.Errorf("there is no model %q; choose one of %s", name, strings.Join(Names(), ", "))
}
