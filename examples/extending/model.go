package extending

import (
	"image/color"

	"hnn/hamiltonian"
	"hnn/nets"
)

// KnownFriction is a Hamiltonian neural network with a friction that need not be learned:
//
//	dx/dt = (J − R)·∇H(x)
//
// R is Friction on the momenta and 0 elsewhere. Append it to hamiltonian.Models before its name is used in trainer.Settings.
var KnownFriction = hamiltonian.Model{
	Name:        "known-friction",
	Title:       "HNN with known friction",
	Description: "the symplectic gradient of a learned Hamiltonian, and a given friction",
	Color:       color.NRGBA{45, 150, 165, 255},
	Equation: func(c hamiltonian.Config) hamiltonian.Equation {
		h := hamiltonian.Scalar{Network: 0, Output: 0}
		matrix := hamiltonian.Canonical(c.Dimension)
		for i := c.Dimension / 2; i < c.Dimension; i++ {
			matrix[i][i] = -Friction
		}
		return hamiltonian.Equation{
			Networks:    []nets.Network{{Prefix: "h.", Layers: nets.MLP(c.Dimension, c.Hidden, c.HiddenLayers, 1, c.Activation)}},
			Terms:       []hamiltonian.Term{hamiltonian.Gradient(h, matrix)},
			Hamiltonian: []hamiltonian.Scalar{h},
		}
	},
}
