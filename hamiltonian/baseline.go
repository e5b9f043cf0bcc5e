package hamiltonian

import "image/color"

// Baseline is a network of the same size that outputs the time derivative directly (Greydanus et al., 2019, section 3):
//
//	dx/dt = N(x)
var Baseline = Model{
	Name:        "baseline",
	Title:       "Baseline NN",
	Description: "network that learns the derivatives directly",
	Color:       color.NRGBA{213, 94, 0, 255}, // Okabe and Ito's vermilion
	Published:   true,
	Equation: func(c Config) Equation {
		e := c.equation(c.Dimension, "differentiable_model.")
		e.Terms = []Term{Outputs(0)}
		return e
	},
}
