package hamiltonian

import (
	"errors"
	"fmt"

	"hnn/internal/closedform"
	"hnn/internal/kernels"
	"hnn/nets"
)

// Dynamics is an equation together with values of its parameters.
type Dynamics struct {
	Equation   Equation
	Parameters nets.Parameters // of the equation's networks, in the order of the networks
}

// Evaluator returns an Evaluator with a copy of the current parameters. It runs on the given number of threads, 0 for all processors. The
// caller closes it.
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

// Evaluator evaluates Dynamics in float32. Only one goroutine at a time may use it.
type Evaluator struct {
	equation       Equation
	kernel         *kernels.Model[float32]
	states, result []float32
}

// Close frees the evaluator's memory and ends its threads.
func (e *Evaluator) Close() { e.kernel.Close() }

// Field writes dx/dt at each state of x into the same row of out. It is an integrator.Field and ignores the times.
func (e *Evaluator) Field(_ []float64, x, out [][]float64) error {
	return e.rows(x, out, func(rows int) error { return e.kernel.Field(e.states, e.result, rows) })
}

// Gradient writes ∇H = (∂H/∂q, ∂H/∂p) at each state of x into the same row of out. A trajectory along ∇H gains energy (section 6 of the
// paper). It is an integrator.Field and ignores the times.
func (e *Evaluator) Gradient(_ []float64, x, out [][]float64) error {
	h := e.equation.Hamiltonian
	if h == nil {
		return ErrNoHamiltonian
	}
	return e.rows(x, out, func(rows int) error { return e.kernel.ScalarGradient(h.Network, h.Output, e.states, e.result, rows) })
}

// ErrNoHamiltonian is the error of Gradient and Hamiltonian for a model without a Hamiltonian.
var ErrNoHamiltonian = errors.New("hamiltonian: this model has no Hamiltonian")

// Hamiltonian returns H at each state of x.
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

// flatten copies states into the float32 array that the kernel reads.
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

// rows calls evaluate, which fills e.result for the states x, and copies the result to out.
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
