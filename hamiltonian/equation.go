// Package hamiltonian holds the models of dx/dt. A model is an equation, written as data: dx/dt is a sum of terms. A term is either a matrix
// times the gradient of a network's scalar output, or a network's outputs. Automatic differentiation (package trainer) and the closed form
// (docs/closed-form.md) both use this equation. One file holds one model. Models lists them.
package hamiltonian

import (
	"fmt"
	"slices"

	"hnn/nets"
)

// Equation gives dx/dt at the state x = (q1..qn, p1..pn):
//
//	dx/dt = sum of the terms
//
// A term is M·∇F for a scalar output F of a network, or the outputs of a network.
type Equation struct {
	Networks []nets.Network
	Terms    []Term
	// Hamiltonian is the scalar that is the learned energy. It is nil in a model without one.
	Hamiltonian *Scalar
}

// Scalar is one output of one network, both given by index.
type Scalar struct{ Network, Output int }

// Term is one summand of dx/dt. Gradient and Outputs make one.
type Term struct {
	Network int
	Output  int    // index of the scalar output F; AllOutputs in a term of outputs
	Matrix  Matrix // M in M·∇F; nil in a term of outputs
}

// AllOutputs is the value of Output in a term of outputs.
const AllOutputs = -1

// Gradient is the term M·∇F of a scalar F(x).
func Gradient(f Scalar, m Matrix) Term { return Term{f.Network, f.Output, m} }

// Outputs is the term N(x). The network must have one output for each component of the state.
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

// Transposed returns Mᵀ in row-major order. A gradient is a row vector and is multiplied by Mᵀ from the right. Transposed of nil is nil.
func (m Matrix) Transposed() []float64 {
	var values []float64
	for j := range m {
		for i := range m {
			values = append(values, m[i][j])
		}
	}
	return values
}

// antisymmetric reports whether M = −Mᵀ. Then ∇F·M∇F = 0.
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

// Conserves reports whether the field conserves the Hamiltonian for all values of the parameters. This is so if every term is an
// antisymmetric matrix times ∇H: then dH/dt = ∇H·dx/dt = 0.
func (e Equation) Conserves() bool {
	return e.Hamiltonian != nil && !slices.ContainsFunc(e.Terms, func(t Term) bool {
		return (Scalar{t.Network, t.Output}) != *e.Hamiltonian || !t.Matrix.antisymmetric()
	})
}

// Dimension returns the number of components of a state.
func (e Equation) Dimension() int { return e.Networks[0].Inputs() }

// Check returns an error that names the first invalid network or term.
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
