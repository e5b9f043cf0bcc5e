// Package hamiltonian holds the Hamiltonian neural network of Greydanus, Dzamba and Yosinski (2019) and its baseline: models
// of the time derivative of a state.
package hamiltonian

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sugarme/gotch/ts"

	"hnn/integrator"
	"hnn/internal/kernels"
	"hnn/internal/libtorch"
	"hnn/nets"
)

// FieldType says which part of a vector field the two scalars of a network give (Helmholtz decomposition, appendix A).
type FieldType string

const (
	// Solenoidal is the symplectic gradient of F2, which then is the Hamiltonian.
	Solenoidal FieldType = "solenoidal"
	// Conservative is the gradient of F1.
	Conservative FieldType = "conservative"
	// Both is the sum of the two.
	Both FieldType = "both"
)

// FieldTypes lists the field types there are.
var FieldTypes = []string{string(Solenoidal), string(Conservative), string(Both)}

// Check returns an error that names the allowed field types unless f is one of them.
func (f FieldType) Check() error {
	switch f {
	case Solenoidal, Conservative, Both:
		return nil
	}
	return fmt.Errorf("there is no field type %q; there are %s", string(f), strings.Join(FieldTypes, ", "))
}

// Config describes a model. The zero FieldType is Solenoidal, and the zero Activation is not allowed.
type Config struct {
	Dimension  int // of a state: n positions and n momenta
	Hidden     int
	Activation nets.Activation
	FieldType  FieldType
	Baseline   bool // learn the derivatives directly
	LeviCivita bool // the permutation tensor of coordinates that are not canonical
}

// Model is a Hamiltonian neural network, or the baseline of the same size.
type Model struct {
	config      Config
	network     *nets.MLP
	transposed  [][]float32               // Mᵀ
	permutation *ts.Tensor                // Mᵀ
	kernels     []*kernels.Model[float32] // of the fields that were given out
}

// CheckpointPrefix stands before the network's parameter names in a checkpoint, as in the published HNN class.
const CheckpointPrefix = "differentiable_model."

// New draws a model from LibTorch's random generator, in the published order.
func New(c Config) (*Model, error) {
	if c.FieldType == "" {
		c.FieldType = Solenoidal
	}
	if err := c.FieldType.Check(); err != nil {
		return nil, err
	}
	if c.Dimension < 2 || c.Dimension%2 != 0 {
		return nil, fmt.Errorf("hamiltonian: a state of dimension %d has no equal number of positions and momenta", c.Dimension)
	}
	outputs := 2
	if c.Baseline {
		outputs = c.Dimension
	}
	network, err := nets.NewMLP(c.Dimension, c.Hidden, outputs, c.Activation)
	if err != nil {
		return nil, err
	}
	m := CanonicalPermutation(c.Dimension)
	if c.LeviCivita {
		m = LeviCivitaPermutation(c.Dimension)
	}
	transposed := square(c.Dimension)
	for i, row := range m {
		for j, v := range row {
			transposed[j][i] = v
		}
	}
	permutation, err := libtorch.FromSlice(slices.Concat(transposed...), int64(c.Dimension), int64(c.Dimension))
	if err != nil {
		network.Free()
		return nil, err
	}
	return &Model{config: c, network: network, transposed: transposed, permutation: permutation}, nil
}

// Free drops the model's tensors.
func (m *Model) Free() {
	m.network.Free()
	_ = m.permutation.Drop()
	for _, k := range m.kernels {
		k.Free()
	}
}

// Parameters returns the network's parameters in PyTorch's order.
func (m *Model) Parameters() []nets.Parameter { return m.network.Parameters() }

// State returns the model's state dict.
func (m *Model) State() ([]nets.Entry, error) { return nets.State(CheckpointPrefix, m.Parameters()) }

// SetState loads a state dict of a model of the same configuration.
func (m *Model) SetState(c nets.Checkpoint) error {
	return nets.SetState(CheckpointPrefix, m.Parameters(), c)
}

// Scalars returns F1 and F2 at x, each of shape (batch, 1). F2 is the learned Hamiltonian of a solenoidal model.
func (m *Model) Scalars(s *libtorch.Scope, x *ts.Tensor) (f1, f2 *ts.Tensor) {
	y := m.network.Forward(s, x)
	return s.Columns(y, 0, 1), s.Columns(y, 1, 1)
}

// TimeDerivative returns dx/dt at the states x, of shape (batch, dimension): ∂F1/∂x + (∂F2/∂x)·Mᵀ, or the terms of it that
// the field type names; for a baseline the network's output. Unless the model is a baseline, x must require gradients; the
// result can be differentiated by the parameters.
func (m *Model) TimeDerivative(s *libtorch.Scope, x *ts.Tensor) *ts.Tensor {
	if m.config.Baseline {
		return m.network.Forward(s, x)
	}
	f1, f2 := m.Scalars(s, x)
	switch m.config.FieldType {
	case Conservative:
		return s.Gradient(f1, x)
	case Both:
		return s.Add(s.Gradient(f1, x), m.turn(s, s.Gradient(f2, x)))
	default:
		return m.turn(s, s.Gradient(f2, x))
	}
}

// turn multiplies rows by Mᵀ, in their type of number.
func (m *Model) turn(s *libtorch.Scope, rows *ts.Tensor) *ts.Tensor {
	convert := func(m *ts.Tensor) (*ts.Tensor, error) { return m.Totype(rows.DType(), false) }
	return s.Matmul(rows, s.Apply(convert, m.permutation))
}

// RK4Increment returns x(t + dt) − x(t) by one step of the classical Runge-Kutta method along the model's field.
func (m *Model) RK4Increment(s *libtorch.Scope, x *ts.Tensor, dt float64) *ts.Tensor {
	k1 := m.TimeDerivative(s, x)
	k2 := m.TimeDerivative(s, s.Add(x, s.Scale(dt/2, k1)))
	k3 := m.TimeDerivative(s, s.Add(x, s.Scale(dt/2, k2)))
	k4 := m.TimeDerivative(s, s.Add(x, s.Scale(dt, k3)))
	return s.Scale(dt/6, s.Add(s.Add(s.Add(k1, s.Scale(2, k2)), s.Scale(2, k3)), k4))
}

// ClosedForm describes the model to package kernels, and is false where that has no closed form of it: for the sum of two fields,
// and for activations whose derivatives are no functions of their value.
func (m *Model) ClosedForm() (kernels.Dynamics, bool) {
	d := m.dynamics()
	switch {
	case m.config.Baseline:
		d.Scalar = -1
	case m.config.FieldType == Conservative:
		d.Scalar, d.Matrix = 0, identity(d.Inputs)
	case m.config.FieldType == Both:
		return d, false
	}
	return d, kernels.Covers(d.Activation, d.Inputs)
}

// dynamics describes the symplectic gradient of F2.
func (m *Model) dynamics() kernels.Dynamics {
	return kernels.Dynamics{
		Inputs: m.config.Dimension, Hidden: m.config.Hidden, Activation: string(m.config.Activation),
		Scalar: 1, Matrix: m.transposed,
	}
}

// Field returns the vector field of the model's present weights for an integrator, in closed form where there is one, on a number
// of threads (0 for all processors). States are rounded to float32 on their way in. The field is the model's memory and ends with it.
func (m *Model) Field(threads int) (integrator.Field, error) {
	dynamics, ok := m.ClosedForm()
	return m.field(threads, dynamics, ok, m.TimeDerivative)
}

// Gradient returns the Riemann gradient (∂F2/∂q, ∂F2/∂p) of what a solenoidal model has learned to conserve, as Field returns the
// symplectic one. Who follows it, or its opposite, adds energy to a state, or takes it away (section 6 of the paper).
func (m *Model) Gradient(threads int) (integrator.Field, error) {
	if m.config.Baseline || m.config.FieldType == Conservative {
		return nil, errNothingConserved
	}
	dynamics := m.dynamics()
	dynamics.Matrix = identity(dynamics.Inputs)
	return m.field(threads, dynamics, kernels.Covers(dynamics.Activation, dynamics.Inputs), func(s *libtorch.Scope, x *ts.Tensor) *ts.Tensor {
		_, f2 := m.Scalars(s, x)
		return s.Gradient(f2, x)
	})
}

var errNothingConserved = errors.New("hamiltonian: neither a baseline nor a conservative field has learned a conserved quantity")

// field evaluates dynamics in closed form, or the same derivative of x by LibTorch where there is no closed form.
func (m *Model) field(
	threads int, dynamics kernels.Dynamics, closed bool, derivative func(s *libtorch.Scope, x *ts.Tensor) *ts.Tensor,
) (integrator.Field, error) {
	if !closed {
		return func(_ []float64, y, out [][]float64) error {
			var s libtorch.Scope
			defer s.Free()
			for i, v := range s.Values(derivative(&s, s.Variable(y))) {
				out[i/m.config.Dimension][i%m.config.Dimension] = float64(v)
			}
			return s.Err()
		}, nil
	}
	kernel, err := kernels.NewDynamics[float32](threads, dynamics)
	if err != nil {
		return nil, err
	}
	m.kernels = append(m.kernels, kernel)
	if err := nets.ToKernel(kernel, kernels.Value, m.Parameters()); err != nil {
		return nil, err
	}
	var states, derivatives []float32
	return func(_ []float64, y, out [][]float64) error {
		states = states[:0]
		for _, row := range y {
			for _, v := range row {
				states = append(states, float32(v))
			}
		}
		derivatives = slices.Grow(derivatives[:0], len(states))[:len(states)]
		kernel.Field(states, derivatives, len(y))
		for i, row := range out {
			for j := range row {
				row[j] = float64(derivatives[i*len(row)+j])
			}
		}
		return nil
	}, nil
}

// Hamiltonian returns F2, the quantity that a solenoidal model has learned to conserve, at each of the states.
func (m *Model) Hamiltonian(states [][]float64) ([]float64, error) {
	if m.config.Baseline {
		return nil, errNothingConserved
	}
	var s libtorch.Scope
	defer s.Free()
	_, f2 := m.Scalars(&s, s.Matrix(states))
	energies := make([]float64, 0, len(states))
	for _, v := range s.Values(f2) {
		energies = append(energies, float64(v))
	}
	return energies, s.Err()
}
