// Package hamiltonian holds the models of dx/dt. A model is an equation, written as data: dx/dt is a sum of terms. A term is either a matrix
// times the gradient of a network's scalar output, or a network's outputs. Automatic differentiation (package trainer) and the closed form
// (docs/closed-form.md) both use this equation. One file holds one model. Models lists them.
package hamiltonian

import (
	"fmt"
	"slices"

	"hnn/internal/kernels"
	"hnn/nets"
)

// Equation gives dx/dt at the state x = (q1..qn, p1..pn):
//
//	dx/dt = sum of the terms
//
// A row that the networks read is x, followed by further columns: driving inputs u and constants of a trajectory.
type Equation struct {
	Networks []nets.Network
	// Features lists the inputs of each network. A nil list means the state, in its order.
	Features [][]Feature
	Terms    []Term
	// Hamiltonian lists the scalars whose sum is the learned energy. It is empty in a model without one.
	Hamiltonian []Scalar
	Columns     int // beside the state
}

// Feature is one input of a network: a function of a column. An angle enters as its cosine and its sine.
type Feature struct {
	Column   int
	Function Function
	Minus    int // the column that is subtracted in SineOfDifference and CosineOfDifference
}

// Function is a function of a column.
type Function int

// The functions of a column. One is 1 for every row: a layer on it holds constants.
const (
	Value Function = iota
	Sine
	Cosine
	One
	SineOfDifference
	CosineOfDifference
)

// Scalar is one output of one network, both given by index. With the Output MassMatrix, it is a part of a kinetic energy.
type Scalar struct{ Network, Output int }

// MassMatrix is the Output of the scalars that make up the kinetic energy ½ pᵀM(q)⁻¹p, whose momenta are p = M(q)·dq/dt (Goldstein, Poole and
// Safko, 2002, section 8.1). The outputs of their networks add up to the lower triangle of the mass matrix M, by rows: M₁₁, M₂₁, M₂₂, M₃₁ and so on.
const MassMatrix = kernels.Mass

// Term is one summand of dx/dt. Gradient, Damped, Outputs and Force make one.
type Term struct {
	Scalars []Scalar // F is their sum in M·∇F; nil in a term of outputs
	Matrix  Matrix   // M; nil in a term of outputs
	Network int      // of L in a damped term, −1 without friction; the network of a term of outputs
	Offset  int      // first component of dx/dt in a term of outputs
}

// Gradient is the term M·∇F of a scalar F(x).
func Gradient(f Scalar, m Matrix) Term { return Term{Scalars: []Scalar{f}, Matrix: m, Network: -1} }

// Damped is the term (J − R)·∇H of a Hamiltonian H, the sum of scalars, for states of the given dimension. R is LLᵀ in the rows and columns
// of the momenta and 0 elsewhere, so dH/dt = −∇H·R∇H ≤ 0. The network's outputs are L by rows. Network −1 means no friction.
func Damped(h []Scalar, dimension, network int) Term {
	return Term{Scalars: h, Matrix: Canonical(dimension), Network: network}
}

// Outputs is the term N(x). The network must have one output for each component of the state.
func Outputs(network int) Term { return Term{Network: network} }

// Force is the term (0, N): a network's outputs drive the momenta of a state of the given dimension.
func Force(network, dimension int) Term { return Term{Network: network, Offset: dimension / 2} }

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

// energyTerm returns the index of the term of ∇H, −1 without one.
func (e Equation) energyTerm() int {
	return slices.IndexFunc(e.Terms, func(t Term) bool { return t.Matrix != nil && slices.Equal(t.Scalars, e.Hamiltonian) })
}

// Exchanges reports what changes the Hamiltonian: friction, which is all that terms of gradients add to an antisymmetric matrix times ∇H, and
// inputs, which are terms of outputs. Both are false without a term of ∇H.
func (e Equation) Exchanges() (friction, inputs bool) {
	for _, t := range e.Terms {
		inputs = inputs || t.Matrix == nil
		friction = friction || t.Matrix != nil && (!slices.Equal(t.Scalars, e.Hamiltonian) || !t.Matrix.antisymmetric() || t.Network >= 0)
	}
	known := e.energyTerm() >= 0
	return known && friction, known && inputs
}

// Conserves reports whether the field conserves the Hamiltonian for all values of the parameters. This is so if every term is an
// antisymmetric matrix times ∇H: then dH/dt = ∇H·dx/dt = 0.
func (e Equation) Conserves() bool {
	friction, inputs := e.Exchanges()
	return e.energyTerm() >= 0 && !friction && !inputs
}

// Dimension returns the number of components of a state.
func (e Equation) Dimension() int {
	t := e.Terms[0]
	if t.Matrix != nil {
		return len(t.Matrix)
	}
	return t.Offset + e.Networks[t.Network].Outputs()
}

// Width returns the number of columns of a row: the state and the further columns.
func (e Equation) Width() int { return e.Dimension() + e.Columns }

// features returns the inputs of a network, nil if these are the whole row.
func (e Equation) features(network int) []Feature {
	switch {
	case e.Features != nil && e.Features[network] != nil:
		return e.Features[network]
	case e.Columns > 0:
		return values(0, e.Dimension())
	}
	return nil
}

// Check returns an error that names the first invalid network or term.
func (e Equation) Check() error {
	if len(e.Networks) == 0 || len(e.Terms) == 0 {
		return fmt.Errorf("hamiltonian: an equation has %d networks and %d terms; it needs at least one of each", len(e.Networks), len(e.Terms))
	}
	outputs := func(s Scalar) int {
		if s.Network < 0 || s.Network >= len(e.Networks) {
			return 0
		}
		return e.Networks[s.Network].Outputs()
	}
	for _, n := range e.Networks {
		if err := n.Check(); err != nil {
			return fmt.Errorf("hamiltonian: %w", err)
		}
	}
	for i, t := range e.Terms {
		if t.Network < -1 || t.Network >= len(e.Networks) || t.Matrix == nil && t.Network < 0 {
			return fmt.Errorf("hamiltonian: term %d names network %d; there are %d networks", i, t.Network, len(e.Networks))
		}
	}
	n := e.Dimension()
	if n%2 != 0 {
		return fmt.Errorf("hamiltonian: a state of dimension %d cannot hold as many momenta as positions", n)
	}
	if e.Features != nil && len(e.Features) != len(e.Networks) {
		return fmt.Errorf("hamiltonian: there are features of %d networks, and %d networks", len(e.Features), len(e.Networks))
	}
	for i, network := range e.Networks {
		features, inputs := e.features(i), n
		if features != nil {
			inputs = len(features)
		}
		if network.Inputs() != inputs {
			return fmt.Errorf("hamiltonian: network %d has %d inputs; it needs %d", i, network.Inputs(), inputs)
		}
		for _, f := range features {
			if column := max(f.Column, f.Minus); min(f.Column, f.Minus) < 0 || column >= e.Width() {
				return fmt.Errorf("hamiltonian: network %d reads column %d; a row has %d", i, column, e.Width())
			}
		}
	}
	for i, t := range e.Terms {
		for _, s := range t.Scalars {
			if s.Output == MassMatrix {
				if err := e.checkMass(s.Network); err != nil {
					return err
				}
			} else if s.Output < 0 || s.Output >= outputs(s) {
				return fmt.Errorf("hamiltonian: term %d names output %d of network %d, which does not exist", i, s.Output, s.Network)
			}
		}
		have := outputs(Scalar{Network: t.Network})
		switch {
		case t.Matrix == nil && (t.Offset+have != n || t.Offset != 0 && t.Offset != n/2):
			return fmt.Errorf("hamiltonian: term %d is the output of a network with %d outputs, and a state has %d components", i, have, n)
		case t.Matrix != nil && (len(t.Matrix) != n || len(t.Scalars) == 0):
			return fmt.Errorf("hamiltonian: term %d has a matrix of %d rows and %d scalars; a state has %d components", i, len(t.Matrix), len(t.Scalars), n)
		case t.Matrix != nil && t.Network >= 0 && have != n*n/4:
			return fmt.Errorf("hamiltonian: the friction of term %d comes from a network with %d outputs; %d momenta need %d", i, have, n/2, n*n/4)
		}
	}
	return nil
}

// checkMass returns an error if a network cannot be a part of a mass matrix.
func (e Equation) checkMass(network int) error {
	half := e.Dimension() / 2
	if network < 0 || network >= len(e.Networks) || e.Networks[network].Outputs() != half*(half+1)/2 {
		return fmt.Errorf("hamiltonian: network %d is no part of a mass matrix: %d positions need %d outputs", network, half, half*(half+1)/2)
	}
	momentum := func(f Feature) bool {
		column := max(f.Column, f.Minus)
		return column >= half && column < 2*half && f.Function != One
	}
	if features := e.features(network); features == nil || slices.ContainsFunc(features, momentum) {
		return fmt.Errorf("hamiltonian: the mass matrix of network %d depends on momenta; it can depend on positions and further columns", network)
	}
	return nil
}

// Zeros returns the parameters of the equation's networks, all of them zero.
func (e Equation) Zeros() nets.Parameters {
	parameters := e.Shapes()
	parameters.Allocate()
	return parameters
}

// Shapes returns the parameters of the equation's networks without their values, which are nil.
func (e Equation) Shapes() nets.Parameters {
	var parameters nets.Parameters
	for _, n := range e.Networks {
		parameters = append(parameters, n.Shapes()...)
	}
	return parameters
}
