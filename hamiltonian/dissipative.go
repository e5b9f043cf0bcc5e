package hamiltonian

import "image/color"

// Dissipative is the dissipative Hamiltonian neural network (Sosanya and Greydanus, 2022). One network learns the energy H, the other the
// Rayleigh dissipation function D:
//
//	dx/dt = J·∇H(x) + ∇D(x)
var Dissipative = Model{
	Name:        "dissipative",
	Title:       "Dissipative HNN",
	Description: "HNN with a second network whose gradient adds or removes energy",
	Color:       color.NRGBA{0, 158, 115, 255}, // Okabe and Ito's bluish green
	Equation: func(c Config) Equation {
		h, d := Scalar{Network: 0}, Scalar{Network: 1}
		e := c.equation(1, "mlp_h.", "mlp_d.")
		e.Terms = []Term{Gradient(h, Canonical(c.Dimension)), Gradient(d, Identity(c.Dimension))}
		e.Hamiltonian = []Scalar{h}
		return e
	},
}
