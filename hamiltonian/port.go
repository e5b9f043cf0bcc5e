package hamiltonian

import (
	"image/color"
	"slices"

	"hnn/nets"
)

// Port is a port-Hamiltonian neural network (van der Schaft and Jeltsema, 2014):
//
//	dx/dt = (J − R)·∇H(x) + (0, G·u)
//
// R = LLᵀ acts on the momenta. It has no negative eigenvalue, so friction never adds energy. The inputs u drive the momenta. The energy H is the
// sum of a network and of linear, quadratic and quartic forms, which continue it beyond the data.
var Port = Model{
	Name:        "port",
	Title:       "Port-Hamiltonian NN",
	Description: "HNN with friction that only removes energy, and with driving inputs",
	Color:       color.NRGBA{180, 60, 255, 255},
	Equation: func(c Config) Equation {
		e, n := Equation{Columns: c.columns()}, c.Dimension/2
		add := func(network nets.Network, features []Feature) int {
			e.Networks, e.Features = append(e.Networks, network), append(e.Features, features)
			return len(e.Networks) - 1
		}
		scalar := func(output int, prefix string, layers []nets.Layer, features []Feature, start ...[]float32) {
			e.Hamiltonian = append(e.Hamiltonian, Scalar{add(nets.Network{Prefix: prefix, Layers: layers, Start: start}, features), output})
		}
		energy := func(prefix string, layers []nets.Layer, features []Feature, start ...[]float32) {
			scalar(0, prefix, layers, features, start...)
		}
		positions, momenta, constants := c.positions(), values(n, n), values(c.Dimension+c.Inputs, c.Constants)
		if c.Kinetic == Configuration {
			positions = c.configuration()
		}
		state := slices.Concat(positions, constants)
		if c.Kinetic == General {
			state = slices.Concat(positions, momenta, constants)
		}
		energy("energy.", nets.MLP(len(state), c.Hidden, c.HiddenLayers, 1, c.Activation), state)
		energy("linear.", []nets.Layer{{Inputs: len(positions), Outputs: 1}}, positions, make([]float32, len(positions)))
		if c.Kinetic == Configuration {
			// M = 1 at the start. A form linear in sines and cosines, as in a plane chain of bodies, continues M beyond the data.
			one := append(slices.Clone(state), Feature{Function: One})
			last := make([][]float32, c.HiddenLayers+1)
			last[c.HiddenLayers] = make([]float32, c.Hidden*n*(n+1)/2)
			scalar(MassMatrix, "mass.", []nets.Layer{{Inputs: len(one), Outputs: n * (n + 1) / 2}}, one, triangle(n, len(one)))
			scalar(MassMatrix, "inertia.", nets.MLP(len(state), c.Hidden, c.HiddenLayers, n*(n+1)/2, c.Activation), state, last...)
		} else {
			inverse := c.Inverse
			if c.Kinetic != Given {
				inverse = slices.Repeat([]float32{1}, n)
			}
			energy("kinetic.", quadratic(n), momenta, eye(n, 1), inverse)
			e.Networks[len(e.Networks)-1].Fixed = c.Kinetic == Given
		}
		if free := c.free(); len(free) > 0 {
			energy("elastic.", quadratic(len(free)), free, eye(len(free), 1), make([]float32, len(free)))
			energy("stiffening.", quartic(len(free)), free, eye(len(free), 1), eye(len(free), 1), make([]float32, len(free)))
		}
		friction := -1
		switch c.Friction {
		case ConstantFriction:
			layers := []nets.Layer{{Inputs: 1, Outputs: n * n}}
			friction = add(nets.Network{Prefix: FrictionPrefix, Layers: layers, Start: [][]float32{eye(n, 0.2)}}, []Feature{{Function: One}})
		case StateFriction:
			features := slices.Concat(positions, momenta)
			friction = add(nets.Network{Prefix: FrictionPrefix, Layers: nets.MLP(len(features), 16, 1, n*n, c.Activation)}, features)
		}
		e.Terms = []Term{Damped(e.Hamiltonian, c.Dimension, friction)}
		if c.Inputs > 0 {
			layers := []nets.Layer{{Inputs: c.Inputs, Outputs: n}}
			e.Terms = append(e.Terms, Force(add(nets.Network{Prefix: InputPrefix, Layers: layers, Start: [][]float32{make([]float32, c.Inputs*n)}},
				values(c.Dimension, c.Inputs)), c.Dimension))
		}
		return e
	},
}

// The names of the parameters of L and of G begin with these prefixes.
const FrictionPrefix, InputPrefix = "friction.", "input."

// quadratic returns the layers of ½ Σ wᵢ(Wx)ᵢ².
func quadratic(n int) []nets.Layer {
	return []nets.Layer{{Inputs: n, Outputs: n, Activation: nets.Square}, {Inputs: n, Outputs: 1}}
}

// quartic returns the layers of ⅛ Σ wᵢ(Σⱼ Vᵢⱼ(Wx)ⱼ²)². The factor is that of Square, a²/2, twice.
func quartic(n int) []nets.Layer {
	return []nets.Layer{{Inputs: n, Outputs: n, Activation: nets.Square}, {Inputs: n, Outputs: n, Activation: nets.Square}, {Inputs: n, Outputs: 1}}
}

// triangle returns the weights of a layer. If its last input is 1, its outputs are the lower triangle of the n×n identity, by rows.
func triangle(n, inputs int) []float32 {
	weights := make([]float32, n*(n+1)/2*inputs)
	for i := range n {
		weights[(i*(i+3)/2+1)*inputs-1] = 1
	}
	return weights
}

// eye returns s times the identity matrix of size n×n, row by row.
func eye(n int, s float32) []float32 {
	weights := make([]float32, n*n)
	for i := range n {
		weights[i*(n+1)] = s
	}
	return weights
}
