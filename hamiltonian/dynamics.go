package hamiltonian

import (
	"errors"
	"fmt"
	"slices"

	"hnn/internal/closedform"
	"hnn/internal/kernels"
	"hnn/nets"
)

// Dynamics is an equation together with values of its parameters.
type Dynamics struct {
	Equation   Equation
	Parameters nets.Parameters // of the equation's networks, in the order of the networks
	Scaling    *Scaling        // of the quantities that the equation describes; nil for none
}

// Evaluator returns an Evaluator with a copy of the current parameters. It runs on the given number of threads, 0 for all processors. The
// caller closes it.
func (d Dynamics) Evaluator(threads int) (*Evaluator, error) {
	if err := d.Equation.Check(); err != nil {
		return nil, err
	}
	e := &Evaluator{Dynamics: d, threads: threads}
	if d.Scaling == nil {
		e.Scaling = Unit(d.Equation.Dimension(), d.Equation.Columns)
	}
	for _, scale := range e.Scaling.Scale {
		e.rates = append(e.rates, scale/e.Scaling.Time)
		e.slopes = append(e.slopes, e.Scaling.Energy()/scale)
	}
	power := e.Scaling.Energy() / e.Scaling.Time
	e.balance = append(slices.Clone(e.rates), power, power)
	var err error
	e.field, err = e.kernel(d.Equation)
	return e, err
}

// kernel returns the kernel of an equation with the parameters of the dynamics.
func (e *Evaluator) kernel(equation Equation) (*kernels.Model[float32], error) {
	config := equation.kernel()
	config.Threads = e.threads
	return closedform.New(config, equation.Networks, e.Parameters)
}

func init() {
	closedform.Equation = func(e any) kernels.Config { return e.(Equation).kernel() }
}

// kernel returns the equation as package kernels reads it.
func (e Equation) kernel() kernels.Config {
	c := kernels.Config{Networks: closedform.Layers(e.Networks), State: e.Dimension(), Columns: e.Width(), Energy: e.energyTerm()}
	for i := range e.Networks {
		var list []kernels.Feature
		for _, f := range e.features(i) {
			feature := kernels.Feature{Column: f.Column, Minus: -1, Function: map[Function]kernels.Function{Value: kernels.Value, Sine: kernels.Sine,
				Cosine: kernels.Cosine, One: kernels.One, SineOfDifference: kernels.Sine, CosineOfDifference: kernels.Cosine}[f.Function]}
			if f.Function == SineOfDifference || f.Function == CosineOfDifference {
				feature.Minus = f.Minus
			}
			list = append(list, feature)
		}
		c.Features = append(c.Features, list)
	}
	for _, t := range e.Terms {
		term := kernels.Term{Matrix: t.Matrix.Transposed(), Network: t.Network, Offset: t.Offset}
		for _, s := range t.Scalars {
			term.Scalars = append(term.Scalars, kernels.Scalar(s))
		}
		c.Terms = append(c.Terms, term)
	}
	return c
}

// Evaluator evaluates Dynamics in float32. Only one goroutine at a time may use it.
type Evaluator struct {
	Dynamics
	// Columns holds the further columns of each state's row: driving inputs and constants. One row serves all states.
	Columns [][]float64

	threads                int
	field                  *kernels.Model[float32]
	energy                 *kernels.Model[float32] // H, with ∇H as its field; made when it is needed
	double                 *kernels.Model[float64] // of the field, for Divergence; made when it is needed
	rates, slopes, balance []float64               // units of dx/dt, of ∇H, and of dx/dt with two powers
	states, result         []float32
}

// Close frees the evaluator's memory and ends its threads.
func (e *Evaluator) Close() {
	e.field.Close()
	if e.energy != nil {
		e.energy.Close()
	}
	if e.double != nil {
		e.double.Close()
	}
}

// Field writes dx/dt at each state of x into the same row of out. It is an integrator.Field and ignores the times.
func (e *Evaluator) Field(_ []float64, x, out [][]float64) error {
	return e.rows(e.field.Field, e.rates, x, out)
}

// Balance writes dx/dt at each state of x into the same row of out, followed by the energies that friction dissipates and that inputs supply per
// unit of time: dH/dt = supplied − dissipated. Friction is all that changes H through gradients, and inputs are terms of outputs
// (Equation.Exchanges).
func (e *Evaluator) Balance(x, out [][]float64) error {
	if e.Equation.energyTerm() < 0 {
		return errors.New("hamiltonian: no term of this model is a matrix times the gradient of its Hamiltonian")
	}
	return e.rows(e.field.Balance, e.balance, x, out)
}

// Gradient writes ∇H = (∂H/∂q, ∂H/∂p) at each state of x into the same row of out. A trajectory along ∇H gains energy (section 6 of the
// paper). It is an integrator.Field and ignores the times.
func (e *Evaluator) Gradient(_ []float64, x, out [][]float64) error {
	if err := e.needEnergy(); err != nil {
		return err
	}
	return e.rows(e.energy.Field, e.slopes, x, out)
}

// needEnergy makes the kernel of H.
func (e *Evaluator) needEnergy() (err error) {
	if e.Equation.Hamiltonian == nil {
		return ErrNoHamiltonian
	}
	if e.energy == nil {
		equation := e.Equation
		equation.Terms = []Term{{Scalars: e.Equation.Hamiltonian, Matrix: Identity(e.Equation.Dimension()), Network: -1}}
		e.energy, err = e.kernel(equation)
	}
	return err
}

// ErrNoHamiltonian is the error of Gradient and Hamiltonian for a model without a Hamiltonian.
var ErrNoHamiltonian = errors.New("hamiltonian: this model has no Hamiltonian")

// Hamiltonian returns H at each state of x.
func (e *Evaluator) Hamiltonian(x [][]float64) ([]float64, error) {
	if err := e.needEnergy(); err != nil {
		return nil, err
	}
	if err := e.evaluate(e.energy.Energy, 1, x); err != nil {
		return nil, err
	}
	energies := make([]float64, len(x))
	for i := range energies {
		energies[i] = e.Scaling.Energy() * float64(e.result[i])
	}
	return energies, nil
}

// flatten copies scaled rows into the float32 array that the kernel reads.
func (e *Evaluator) flatten(x [][]float64) error {
	e.states = e.states[:0]
	for i, state := range x {
		var columns []float64
		if e.Equation.Columns > 0 {
			if len(e.Columns) != 1 && len(e.Columns) != len(x) {
				return fmt.Errorf("hamiltonian: there are columns for %d states, and %d states", len(e.Columns), len(x))
			}
			columns = e.Columns[i%len(e.Columns)]
		}
		if len(state) != e.Equation.Dimension() || len(columns) != e.Equation.Columns {
			return fmt.Errorf("hamiltonian: state %d has %d components and %d columns, and the model needs %d and %d",
				i, len(state), len(columns), e.Equation.Dimension(), e.Equation.Columns)
		}
		e.states = e.Scaling.Row(e.states, state, columns)
	}
	return nil
}

// evaluate writes width numbers for each of the states x into e.result.
func (e *Evaluator) evaluate(kernel func(x, y []float32, rows int) error, width int, x [][]float64) error {
	if err := e.flatten(x); err != nil {
		return err
	}
	e.result = grow(e.result, len(x)*width)
	return kernel(e.states, e.result, len(x))
}

// rows evaluates a kernel at the states x and copies its rows to out in the given units.
func (e *Evaluator) rows(kernel func(x, y []float32, rows int) error, units []float64, x, out [][]float64) error {
	if err := e.evaluate(kernel, len(units), x); err != nil {
		return err
	}
	for i := range out {
		for j, unit := range units {
			out[i][j] = unit * float64(e.result[i*len(units)+j])
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
