// Package autograd evaluates networks and equations with LibTorch operations, in the published order. LibTorch can then differentiate them.
package autograd

import (
	"github.com/sugarme/gotch/ts"

	"hnn/hamiltonian"
	"hnn/internal/libtorch"
	"hnn/nets"
)

// Network is a network with its parameters as tensors.
type Network struct {
	layers          []nets.Layer
	weights, biases []*ts.Tensor
}

// Bind combines networks with their parameters, which must be in PyTorch's order.
func Bind(networks []nets.Network, parameters []*ts.Tensor) []Network {
	bound := make([]Network, len(networks))
	for i, n := range networks {
		bound[i].layers = n.Layers
		for _, l := range n.Layers {
			weight, bias := parameters[0], (*ts.Tensor)(nil)
			parameters = parameters[1:]
			if l.Bias {
				bias, parameters = parameters[0], parameters[1:]
			}
			bound[i].weights, bound[i].biases = append(bound[i].weights, weight), append(bound[i].biases, bias)
		}
	}
	return bound
}

// Forward maps x of shape (rows, inputs) to (rows, outputs).
func (n Network) Forward(s *libtorch.Scope, x *ts.Tensor) *ts.Tensor {
	for i, l := range n.layers {
		h := s.Linear(x, n.weights[i], n.biases[i])
		if l.Activation != "" {
			h = s.Activation(string(l.Activation), h)
		}
		if l.Residual {
			h = s.Add(x, h)
		}
		x = h
	}
	return x
}

// Equation is an equation with its networks' parameters and its terms' matrices as tensors.
type Equation struct {
	hamiltonian.Equation
	networks []Network
	matrices []*ts.Tensor // Mᵀ by term; nil in a term of outputs
}

// NewEquation combines an equation with its parameters. The scope keep owns the matrices.
func NewEquation(keep *libtorch.Scope, e hamiltonian.Equation, parameters []*ts.Tensor) *Equation {
	bound := &Equation{Equation: e, networks: Bind(e.Networks, parameters), matrices: make([]*ts.Tensor, len(e.Terms))}
	for i, term := range e.Terms {
		if term.Matrix == nil {
			continue
		}
		var values []float32
		for _, v := range term.Matrix.Transposed() {
			values = append(values, float32(v))
		}
		bound.matrices[i] = keep.Matrix(values, e.Dimension())
	}
	return bound
}

// TimeDerivative returns dx/dt at the states x of shape (rows, dimension). x must require gradients. columns holds the further columns of the
// rows; it is nil if the equation has none. The result can be differentiated with respect to the parameters and to x.
func (e *Equation) TimeDerivative(s *libtorch.Scope, x, columns *ts.Tensor) *ts.Tensor {
	row := x
	if columns != nil {
		row = s.Concat(x, columns)
	}
	outputs := make([]*ts.Tensor, len(e.networks))
	output := func(network int) *ts.Tensor {
		if outputs[network] == nil {
			outputs[network] = e.networks[network].Forward(s, e.features(s, network, x, row))
		}
		return outputs[network]
	}
	var sum *ts.Tensor
	for i, term := range e.Terms {
		sum = plus(s, sum, e.term(s, term, e.matrices[i], x, output))
	}
	return sum
}

// plus returns sum + part, or part if sum is nil.
func plus(s *libtorch.Scope, sum, part *ts.Tensor) *ts.Tensor {
	if sum == nil {
		return part
	}
	return s.Add(sum, part)
}

// term returns one summand of dx/dt.
func (e *Equation) term(s *libtorch.Scope, term hamiltonian.Term, matrix, x *ts.Tensor, output func(network int) *ts.Tensor) *ts.Tensor {
	half := e.Dimension() / 2
	if term.Matrix == nil {
		if term.Offset == 0 {
			return output(term.Network)
		}
		force := output(term.Network)
		return s.Concat(s.Scale(0, force), force)
	}
	var gradient, mass *ts.Tensor
	for _, scalar := range term.Scalars {
		if scalar.Output == hamiltonian.MassMatrix {
			mass = plus(s, mass, output(scalar.Network))
		} else {
			gradient = plus(s, gradient, s.Gradient(s.Columns(output(scalar.Network), scalar.Output, 1), x))
		}
	}
	if mass != nil {
		gradient = plus(s, gradient, s.Gradient(kineticEnergy(s, mass, s.Columns(x, half, half), half), x))
	}
	field := s.Matmul(gradient, matrix)
	if term.Network < 0 {
		return field
	}
	// R∇H = L(Lᵀ·∂H/∂p), where L is given by rows.
	l := output(term.Network)
	product := func(a *ts.Tensor, transposed bool) *ts.Tensor {
		var columns *ts.Tensor
		for i := range half {
			var sum *ts.Tensor
			for k := range half {
				index := i*half + k
				if transposed {
					index = k*half + i
				}
				sum = plus(s, sum, s.Multiply(s.Columns(l, index, 1), s.Columns(a, k, 1)))
			}
			if columns == nil {
				columns = sum
			} else {
				columns = s.Concat(columns, sum)
			}
		}
		return columns
	}
	drag := product(product(s.Columns(gradient, half, half), true), false)
	return s.Sub(field, s.Concat(s.Scale(0, drag), drag))
}

// kineticEnergy returns ½ pᵀM⁻¹p of n momenta p, from the lower triangle of M by rows. With M = LDLᵀ and z = L⁻¹p, it is ½ Σ zᵢ²/Dᵢ.
func kineticEnergy(s *libtorch.Scope, mass, momenta *ts.Tensor, n int) *ts.Tensor {
	l, z, d := make([][]*ts.Tensor, n), make([]*ts.Tensor, n), make([]*ts.Tensor, n)
	var energy *ts.Tensor
	for i := range n {
		z[i] = s.Columns(momenta, i, 1)
		for j := range i + 1 {
			m := s.Columns(mass, i*(i+1)/2+j, 1)
			for k := range j {
				m = s.Sub(m, s.Multiply(s.Multiply(l[i][k], l[j][k]), d[k]))
			}
			if i == j {
				d[i] = m
				continue
			}
			l[i] = append(l[i], s.Divide(m, d[j]))
			z[i] = s.Sub(z[i], s.Multiply(l[i][j], z[j]))
		}
		energy = plus(s, energy, s.Scale(0.5, s.Divide(s.Multiply(z[i], z[i]), d[i])))
	}
	return energy
}

// features returns the inputs of a network for states x and the rows that begin with them.
func (e *Equation) features(s *libtorch.Scope, network int, x, row *ts.Tensor) *ts.Tensor {
	if e.Features == nil || e.Features[network] == nil {
		return x
	}
	var inputs *ts.Tensor
	for _, f := range e.Features[network] {
		input := s.Columns(row, f.Column, 1)
		switch f.Function {
		case hamiltonian.SineOfDifference, hamiltonian.CosineOfDifference:
			input = s.Sub(input, s.Columns(row, f.Minus, 1))
		}
		switch f.Function {
		case hamiltonian.Sine, hamiltonian.SineOfDifference:
			input = s.Activation("sine", input)
		case hamiltonian.Cosine, hamiltonian.CosineOfDifference:
			input = s.Activation("cosine", input)
		case hamiltonian.One:
			input = s.Activation("one", input)
		}
		if inputs == nil {
			inputs = input
		} else {
			inputs = s.Concat(inputs, input)
		}
	}
	return inputs
}

// RK4Increment returns x(t + h) − x(t) by one step of the classical Runge-Kutta method (Kutta, 1901).
func (e *Equation) RK4Increment(s *libtorch.Scope, x *ts.Tensor, h float64) *ts.Tensor {
	k1 := e.TimeDerivative(s, x, nil)
	k2 := e.TimeDerivative(s, s.Add(x, s.Scale(h/2, k1)), nil)
	k3 := e.TimeDerivative(s, s.Add(x, s.Scale(h/2, k2)), nil)
	k4 := e.TimeDerivative(s, s.Add(x, s.Scale(h, k3)), nil)
	return s.Scale(h/6, s.Add(s.Add(s.Add(k1, s.Scale(2, k2)), s.Scale(2, k3)), k4))
}

// ImageLoss returns the loss of each row, of shape (rows), for images x and their successors next, both of shape (rows, pixels). The loss is a
// sum of three mean squared errors: of the decoded image; of the latent velocity as the change of the latent position; and, times 0.1, of the
// latent field as the change of the latent state (Greydanus et al., 2019, section 5). noise, of shape (rows, latent), is added to the latent
// states before the field is evaluated; nil means no noise.
func (e *Equation) ImageLoss(s *libtorch.Scope, encoder, decoder Network, x, next, noise *ts.Tensor) *ts.Tensor {
	z, zNext := encoder.Forward(s, x), encoder.Forward(s, next)
	reconstruction := s.RowMeans(s.SquaredError(x, decoder.Forward(s, z)))
	noisy := z
	if noise != nil {
		noisy = s.Add(z, noise)
	}
	field := s.RowMeans(s.SquaredError(zNext, s.Add(z, e.TimeDerivative(s, noisy, nil))))
	half := e.Dimension() / 2
	position, velocity, positionNext := s.Columns(z, 0, half), s.Columns(z, half, half), s.Columns(zNext, 0, half)
	canonical := s.RowMeans(s.SquaredError(velocity, s.Sub(positionNext, position)))
	return s.Add(s.Add(reconstruction, canonical), s.Scale(0.1, field))
}
