// Package closedform builds kernels (package kernels) from the networks and parameters of package nets.
package closedform

import (
	"hnn/internal/kernels"
	"hnn/nets"
)

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

// New returns a kernel for networks and terms, with a copy of the parameters. The caller closes it.
func New(networks []nets.Network, terms []kernels.Term, p nets.Parameters, threads int) (*kernels.Model[float32], error) {
	m, err := kernels.New[float32](kernels.Config{Networks: Layers(networks), Terms: terms, Threads: threads})
	if err != nil {
		return nil, err
	}
	Load(m, kernels.Values, networks, p)
	return m, nil
}
