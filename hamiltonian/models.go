package hamiltonian

import (
	"errors"
	"fmt"
	"image/color"
	"slices"
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
	Angles       []bool          // by position: whether it is an angle in radians; nil for none
	Inputs       int             // driving inputs, the first columns after the state
	Constants    int             // constants of a trajectory, the columns after the inputs
	Kinetic      Kinetic         // used by models that offer it
	Inverse      []float32       // 1/mᵢ of the kinetic energy Given
	Friction     Friction        // used by models that offer it
}

// Kinetic selects the form of the energy's dependence on the momenta.
type Kinetic string

const (
	// General means a network H(q, p).
	General Kinetic = "general"
	// Quadratic means a separable energy ½ pᵀAp + V(q), with a learned matrix A of inverse masses.
	Quadratic Kinetic = "quadratic"
	// Configuration means ½ pᵀM(q)⁻¹p + V(q), with a learned mass matrix M that depends on the configuration, as in linked bodies.
	Configuration Kinetic = "configuration"
	// Given means ½ Σ pᵢ²/mᵢ + V(q) with given masses. Momenta that were not measured need them: they are m·dq/dt.
	Given Kinetic = "given"
)

// Friction selects the form of the matrix R.
type Friction string

const (
	// NoFriction means R = 0.
	NoFriction Friction = "none"
	// ConstantFriction means that R does not depend on the state.
	ConstantFriction Friction = "constant"
	// StateFriction means that a network gives R at each state.
	StateFriction Friction = "state"
)

// mostColumns bounds the columns of a row.
const mostColumns = 10_000

// Check returns an error that names the first number that no equation can have.
func (c Config) Check() error {
	n := c.Dimension / 2
	switch {
	case n < 1 || c.Dimension != 2*n || c.Dimension > mostColumns:
		return fmt.Errorf("a state has %d components; they must be from 2 to %d, an even number", c.Dimension, mostColumns)
	case min(c.Inputs, c.Constants) < 0 || max(c.Inputs, c.Constants) > mostColumns:
		return fmt.Errorf("there are %d inputs and %d constants; both must be from 0 to %d", c.Inputs, c.Constants, mostColumns)
	case c.Hidden < 1 || c.Hidden > nets.MostUnits:
		return fmt.Errorf("the hidden layers have %d units; they must have from 1 to %d", c.Hidden, nets.MostUnits)
	case c.HiddenLayers < 1 || c.HiddenLayers > nets.MostLayers:
		return fmt.Errorf("there are %d hidden layers; there must be from 1 to %d", c.HiddenLayers, nets.MostLayers)
	case c.Angles != nil && len(c.Angles) != n:
		return fmt.Errorf("%d positions are said to be angles or not; there are %d", len(c.Angles), n)
	case c.Kinetic == Given && len(c.Inverse) != n:
		return fmt.Errorf("there are %d masses of %d positions", len(c.Inverse), n)
	}
	return errors.Join(c.Activation.Check(), c.FieldType.Check())
}

// columns returns the number of columns beside the state.
func (c Config) columns() int { return c.Inputs + c.Constants }

// values returns features that are columns as they are.
func values(first, count int) []Feature {
	var list []Feature
	for i := range count {
		list = append(list, Feature{Column: first + i})
	}
	return list
}

// positions returns the features of the positions: the cosine and the sine of each angle, and the other positions.
func (c Config) positions() []Feature {
	list := c.free()
	for i, angle := range c.Angles {
		if angle {
			list = append(list, Feature{Column: i, Function: Cosine}, Feature{Column: i, Function: Sine})
		}
	}
	return list
}

// configuration returns the features of the positions, and the cosine and the sine of the difference of each pair of angles. The masses of linked
// bodies depend on these.
func (c Config) configuration() []Feature {
	list := c.positions()
	for i, angle := range c.Angles {
		for j := range i {
			if angle && c.Angles[j] {
				list = append(list, Feature{Column: i, Minus: j, Function: CosineOfDifference}, Feature{Column: i, Minus: j, Function: SineOfDifference})
			}
		}
	}
	return list
}

// free returns the positions that are no angles.
func (c Config) free() []Feature {
	return slices.DeleteFunc(values(0, c.Dimension/2), func(f Feature) bool { return c.Angles != nil && c.Angles[f.Column] })
}

// features returns the features of a network that reads the whole row, nil if the row is the state and has no angles.
func (c Config) features() []Feature {
	if c.columns() == 0 && !slices.Contains(c.Angles, true) {
		return nil
	}
	return append(append(c.positions(), values(c.Dimension/2, c.Dimension/2)...), values(c.Dimension, c.columns())...)
}

// equation returns an equation whose networks, of the given prefixes and numbers of outputs, are MLPs on the whole row.
func (c Config) equation(outputs int, prefixes ...string) Equation {
	e, inputs := Equation{Columns: c.columns()}, c.Dimension
	features := c.features()
	if features != nil {
		inputs = len(features)
	}
	for _, prefix := range prefixes {
		e.Networks = append(e.Networks, nets.Network{Prefix: prefix, Layers: nets.MLP(inputs, c.Hidden, c.HiddenLayers, outputs, c.Activation)})
		e.Features = append(e.Features, features)
	}
	return e
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
var Models = []Model{Baseline, HNN, Dissipative, Port}

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
