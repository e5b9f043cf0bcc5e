// Package hamiltonian holds the models of a state's time derivative. A model is an equation, stated once, as data: a sum of terms,
// each the gradient of a scalar network times a matrix, or a network's outputs. Automatic differentiation (package trainer) and the
// closed form (docs/closed-form.md) both read that statement. One file holds one model; Models lists them.
package hamiltonian

import (
	"fmt"
	"slices"

	"hnn/nets"
)

// Equation states dx/dt as a function of the state x = (q1..qn, p1..pn):
//
//	dx/dt = Σ over the terms
//
// The terms are gradients of scalars that the networks give, and outputs of networks.
type Equation struct {
	Networks []nets.Network
	Terms    []Term
	// Hamiltonian is the scalar that stands for the energy; nil in a model that has none.
	Hamiltonian *Scalar
}

// Scalar is one output of one of an equation's networks.
type Scalar struct{ Network, Output int }

// Term is one summand of dx/dt. Gradient and Outputs make one.
type Term struct {
	Network int
	Output  int    // of the scalar whose gradient is taken; AllOutputs for the network's outputs
	Matrix  Matrix // M in M·∇F; nil in a term of outputs
}

// AllOutputs is the Output of a term that is a network's outputs.
const AllOutputs = -1

// Gradient is the term M·∇F of a scalar F(x).
func Gradient(f Scalar, m Matrix) Term { return Term{f.Network, f.Output, m} }

// Outputs is the term N(x) of a network with as many outputs as the state has components.
func Outputs(network int) Term { return Term{Network: network, Output: AllOutputs} }

// Matrix is a square matrix by rows.
type Matrix [][]float64

// Canonical returns J = [[0, I], [−I, 0]] of size n×n, so that J·∇H = (∂H/∂p, −∂H/∂q): Hamilton's equations.
func Canonical(n int) Matrix {
	m := zeros(n)
	for i := range n / 2 {
		m[i][n/2+i] = 1
		m[n/2+i][i] = -1
	}
	return m
}

// Identity returns the identity of size n×n.
func Identity(n int) Matrix {
	m := zeros(n)
	for i := range n {
		m[i][i] = 1
	}
	return m
}

func zeros(n int) Matrix {
	m := make(Matrix, n)
	for i := range m {
		m[i] = make([]float64, n)
	}
	return m
}

// Transposed returns Mᵀ in row-major order: the matrix that multiplies a gradient from the right; nil of no matrix.
func (m Matrix) Transposed() []float64 {
	var values []float64
	for j := range m {
		for i := range m {
			values = append(values, m[i][j])
		}
	}
	return values
}

// antisymmetric tells whether M = −Mᵀ, so that ∇F·M∇F = 0.
func (m Matrix) antisymmetric() bool {
	for i := range m {
		for j := range m {
			if m[i][j] != -m[j][i] {
				return false
			}
		}
	}
	return true
}

// Conserves tells whether the field leaves the Hamiltonian constant whatever the parameters are: d/dt H = ∇H·dx/dt vanishes if every term is
// ∇H times an antisymmetric matrix.
func (e Equation) Conserves() bool {
	return e.Hamiltonian != nil && !slices.ContainsFunc(e.Terms, func(t Term) bool {
		return (Scalar{t.Network, t.Output}) != *e.Hamiltonian || !t.Matrix.antisymmetric()
	})
}

// Dimension is the number of components of a state.
func (e Equation) Dimension() int { return e.Networks[0].Inputs() }

// Check returns an error that says which network or term is impossible.
func (e Equation) Check() error {
	if len(e.Networks) == 0 || len(e.Terms) == 0 {
		return fmt.Errorf("hamiltonian: an equation has %d networks and %d terms; it needs at least one of each", len(e.Networks), len(e.Terms))
	}
	for _, n := range e.Networks {
		if err := n.Check(); err != nil {
			return fmt.Errorf("hamiltonian: %w", err)
		}
	}
	n := e.Dimension()
	if n%2 != 0 {
		return fmt.Errorf("hamiltonian: a state of dimension %d cannot hold as many momenta as positions", n)
	}
	for i, t := range e.Terms {
		if t.Network < 0 || t.Network >= len(e.Networks) || e.Networks[t.Network].Inputs() != n {
			return fmt.Errorf("hamiltonian: term %d names network %d; there are %d networks, and each needs %d inputs", i, t.Network, len(e.Networks), n)
		}
		outputs := e.Networks[t.Network].Outputs()
		switch {
		case t.Output == AllOutputs && outputs != n:
			return fmt.Errorf("hamiltonian: term %d is the output of a network with %d outputs, and a state has %d components", i, outputs, n)
		case t.Output < AllOutputs || t.Output >= outputs:
			return fmt.Errorf("hamiltonian: term %d names output %d of a network that has %d", i, t.Output, outputs)
		case t.Output != AllOutputs && len(t.Matrix) != n:
			return fmt.Errorf("hamiltonian: term %d has a matrix of %d rows, and a state has %d components", i, len(t.Matrix), n)
		}
	}
	return nil
}

// Zeros returns the parameters of the equation's networks, all of them zero.
func (e Equation) Zeros() nets.Parameters {
	var parameters nets.Parameters
	for _, n := range e.Networks {
		parameters = append(parameters, n.Zeros()...)
	}
	return parameters
}
