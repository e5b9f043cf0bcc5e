package hamiltonian

import "image/color"

// HNN is the Hamiltonian neural network of Greydanus, Dzamba and Yosinski (2019), equations 1 to 3:
//
//	dx/dt = J·∇H(x)
//
// One network outputs two scalars, F1 and F2. H is F2. The field type Conservative uses ∇F1 in place of J·∇F2, and Both uses the sum.
var HNN = Model{
	Name:        "hnn",
	Title:       "Hamiltonian NN",
	Description: "Hamiltonian neural network: the symplectic gradient of a learned Hamiltonian",
	Color:       color.NRGBA{0, 114, 178, 255}, // Okabe and Ito's blue
	Published:   true,
	Equation: func(c Config) Equation {
		f1, f2 := Scalar{0, 0}, Scalar{0, 1}
		e := c.equation(2, "differentiable_model.")
		e.Hamiltonian = []Scalar{f2}
		solenoidal, conservative := Gradient(f2, Canonical(c.Dimension)), Gradient(f1, Identity(c.Dimension))
		switch c.FieldType {
		case Conservative:
			e.Terms, e.Hamiltonian = []Term{conservative}, nil
		case Both:
			e.Terms = []Term{conservative, solenoidal}
		default:
			e.Terms = []Term{solenoidal}
		}
		return e
	},
}
