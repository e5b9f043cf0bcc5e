package hamiltonian

import (
	"fmt"
	"image/color"
	"strings"

	"hnn/nets"
)

// Model is a kind of model: its equation, and how commands and figures present it.
type Model struct {
	Name        string      // for flags and files
	Title       string      // for figures and tables
	Description string      // one line for help texts
	Color       color.NRGBA // of its curves
	Published   bool        // whether the paper trains it
	// Equation returns the model's equation for a configuration.
	Equation func(Config) Equation
}

// Config holds the sizes and the options of an equation.
type Config struct {
	Dimension    int             // of a state: n positions and n momenta
	Hidden       int             // units of a hidden layer
	HiddenLayers int             // of each network
	Activation   nets.Activation // of the hidden layers
	FieldType    FieldType       // used by models with several field types; others ignore it
}

// mlp returns an MLP on the state. Its parameters are named prefix + "linear1.weight" and so on.
func (c Config) mlp(prefix string, outputs int) nets.Network {
	return nets.Network{Prefix: prefix, Layers: nets.MLP(c.Dimension, c.Hidden, c.HiddenLayers, outputs, c.Activation)}
}

// FieldType selects the field that a network with two scalar outputs represents: one part of the field's Helmholtz decomposition, or both
// parts (appendix A of the paper).
type FieldType string

const (
	// Solenoidal is the symplectic gradient J·∇F2, the field of a Hamiltonian neural network.
	Solenoidal FieldType = "solenoidal"
	// Conservative is the gradient ∇F1.
	Conservative FieldType = "conservative"
	// Both is the sum of the two.
	Both FieldType = "both"
)

// FieldTypes lists the field types.
var FieldTypes = []string{string(Solenoidal), string(Conservative), string(Both)}

// Check returns an error that lists the field types if f is none of them.
func (f FieldType) Check() error {
	switch f {
	case Solenoidal, Conservative, Both:
		return nil
	}
	return fmt.Errorf("there is no field type %q; choose one of %s", string(f), strings.Join(FieldTypes, ", "))
}

// Models lists the models in the order of tables and figures. To add a model, write a new file and add its variable here.
var Models = []Model{Baseline, HNN, Dissipative}

// Default is the model that ./train uses without the flag -model.
var Default = HNN

// Names lists the models' names.
func Names() []string {
	names := make([]string, len(Models))
	for i, m := range Models {
		names[i] = m.Name
	}
	return names
}

// Find returns the model with the given name, or an error that lists the names.
func Find(name string) (Model, error) {
	for _, m := range Models {
		if m.Name == name {
			return m, nil
		}
	}
	return Model{}, fmt.Errorf("there is no model %q; choose one of %s", name, strings.Join(Names(), ", "))
}
