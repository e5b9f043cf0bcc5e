package hamiltonian

import (
	"errors"
	"fmt"

	"hnn/internal/closedform"
	"hnn/internal/kernels"
	"hnn/nets"
)

// Dynamics is an equation with parameters: a model of dx/dt that can be evaluated.
type Dynamics struct {
	Equation   Equation
	Parameters nets.Parameters // those of the equation's networks, in their order
}

// Evaluator evaluates the dynamics with the present parameters, on a number of threads (0 for all processors). The caller closes it.
func (d Dynamics) Evaluator(threads int) (*Evaluator, error) {
	if err := d.Equation.Check(); err != nil {
		return nil, err
	}
	var terms []kernels.Term
	for _, t := range d.Equation.Terms {
		terms = append(terms, t.kernel())
	}
	kernel, err := closedform.New(d.Equation.Networks, terms, d.Parameters, threads)
	if err != nil {
		return nil, err
	}
	return &Evaluator{equation: d.Equation, kernel: kernel}, nil
}

func (t Term) kernel() kernels.Term {
	return kernels.Term{Network: t.Network, Output: t.Output, Matrix: t.Matrix.Transposed()}
}

// Evaluator holds a copy of the parameters of Dynamics. One goroutine at a time may use it. States are rounded to float32.
type Evaluator struct {
	equation       Equation
	kernel         *kernels.Model[float32]
	states, result []float32
}

// Close frees the evaluator's memory and ends its threads.
func (e *Evaluator) Close() { e.kernel.Close() }

// Field writes dx/dt at each of the states x into out, rows of the state's dimension. It is an integrator.Field; the times play no part.
func (e *Evaluator) Field(_ []float64, x, out [][]float64) error {
	return e.rows(x, out, func(rows int) error { return e.kernel.Field(e.states, e.result, rows) })
}

// Gradient writes ∇H = (∂H/∂q, ∂H/∂p) at each of the states x into out. Whoever follows it adds energy to a state (section 6 of the paper).
// It is an integrator.Field.
func (e *Evaluator) Gradient(_ []float64, x, out [][]float64) error {
	h := e.equation.Hamiltonian
	if h == nil {
		return ErrNoHamiltonian
	}
	return e.rows(x, out, func(rows int) error { return e.kernel.ScalarGradient(h.Network, h.Output, e.states, e.result, rows) })
}

// ErrNoHamiltonian is the error of asking a model for a Hamiltonian that has none.
var ErrNoHamiltonian = errors.New("hamiltonian: this model has no Hamiltonian")

// Hamiltonian returns H at each of the states x.
func (e *Evaluator) Hamiltonian(x [][]float64) ([]float64, error) {
	h := e.equation.Hamiltonian
	if h == nil {
		return nil, ErrNoHamiltonian
	}
	if err := e.flatten(x); err != nil {
		return nil, err
	}
	outputs := e.equation.Networks[h.Network].Outputs()
	e.result = grow(e.result, len(x)*outputs)
	if err := e.kernel.Forward(h.Network, e.states, e.result, len(x)); err != nil {
		return nil, err
	}
	energies := make([]float64, len(x))
	for i := range energies {
		energies[i] = float64(e.result[i*outputs+h.Output])
	}
	return energies, nil
}

// flatten rounds states to the rows of float32 that a kernel reads.
func (e *Evaluator) flatten(x [][]float64) error {
	e.states = e.states[:0]
	for i, state := range x {
		if len(state) != e.equation.Dimension() {
			return fmt.Errorf("hamiltonian: state %d has %d components, and the model needs %d", i, len(state), e.equation.Dimension())
		}
		for _, v := range state {
			e.states = append(e.states, float32(v))
		}
	}
	return nil
}

// rows lets evaluate fill the result of the states x, and copies it to out.
func (e *Evaluator) rows(x, out [][]float64, evaluate func(rows int) error) error {
	if err := e.flatten(x); err != nil {
		return err
	}
	e.result = grow(e.result, len(e.states))
	if err := evaluate(len(x)); err != nil {
		return err
	}
	n := e.equation.Dimension()
	for i := range out {
		for j := range out[i] {
			out[i][j] = float64(e.result[i*n+j])
		}
	}
	return nil
}

func grow(values []float32, n int) []float32 {
	if cap(values) < n {
		return make([]float32, n)
	}
	return values[:n]
}
