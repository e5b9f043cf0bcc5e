// Package closedform builds kernels (package kernels) from the networks and parameters of package nets.
package closedform

import (
	"hnn/internal/kernels"
	"hnn/nets"
)

// Equation returns the description of a hamiltonian.Equation for package kernels. Package hamiltonian sets it: package trainer needs the same
// description, and no exported function of hamiltonian may return a type of an internal package.
var Equation func(equation any) kernels.Config

// Layers converts networks to the types of package kernels.
func Layers(networks []nets.Network) [][]kernels.Layer {
	list := make([][]kernels.Layer, len(networks))
	for i, n := range networks {
		for _, l := range n.Layers {
			list[i] = append(list[i], kernels.Layer{Inputs: l.Inputs, Outputs: l.Outputs, Bias: l.Bias, Residual: l.Residual, Activation: string(l.Activation)})
		}
	}
	return list
}

// Load copies the parameters of networks, or a state vector of the optimizer, into a kernel.
func Load(m *kernels.Model[float32], what kernels.Kept, networks []nets.Network, p nets.Parameters) {
	p.EachLayer(networks, func(network, layer int, weight, bias []float32) { m.Load(what, network, layer, weight, bias) })
}

// New returns a kernel with a copy of the parameters of networks, which the configuration describes. The caller closes it.
func New(c kernels.Config, networks []nets.Network, p nets.Parameters) (*kernels.Model[float32], error) {
	m, err := kernels.New[float32](c)
	if err != nil {
		return nil, err
	}
	Load(m, kernels.Values, networks, p)
	return m, nil
}
