// Package autoencoder holds the model of a system that a camera sees: an autoencoder, whose latent space a Hamiltonian neural
// network or its baseline moves (section 5 of the paper).
package autoencoder

import (
	"github.com/sugarme/gotch/ts"

	"hnn/hamiltonian"
	"hnn/integrator"
	"hnn/internal/kernels"
	"hnn/internal/libtorch"
	"hnn/nets"
)

// MLPAutoencoder maps pictures to latent states and back, by four layers each with relu and residual connections.
type MLPAutoencoder struct{ parameters []nets.Parameter }

// NewMLPAutoencoder draws the eight layers from LibTorch's random generator in the published order.
func NewMLPAutoencoder(in, hidden, latent int) (*MLPAutoencoder, error) {
	parameters, err := nets.Layers([][2]int{
		{in, hidden}, {hidden, hidden}, {hidden, hidden}, {hidden, latent},
		{latent, hidden}, {hidden, hidden}, {hidden, hidden}, {hidden, in},
	}, true)
	if err != nil {
		return nil, err
	}
	return &MLPAutoencoder{parameters}, nil
}

// Encode maps pictures of shape (batch, in) to latent states of shape (batch, latent).
func (a *MLPAutoencoder) Encode(s *libtorch.Scope, x *ts.Tensor) *ts.Tensor { return a.half(s, x, 0) }

// Decode maps latent states of shape (batch, latent) to pictures of shape (batch, in).
func (a *MLPAutoencoder) Decode(s *libtorch.Scope, z *ts.Tensor) *ts.Tensor { return a.half(s, z, 4) }

// half applies four layers from the given one on.
func (a *MLPAutoencoder) half(s *libtorch.Scope, x *ts.Tensor, first int) *ts.Tensor {
	const relu nets.Activation = "relu"
	linear := func(layer int, x *ts.Tensor) *ts.Tensor {
		i := 2 * (first + layer)
		return s.Linear(x, a.parameters[i].Tensor, a.parameters[i+1].Tensor)
	}
	h := relu.Apply(s, linear(0, x))
	h = s.Add(h, relu.Apply(s, linear(1, h)))
	h = s.Add(h, relu.Apply(s, linear(2, h)))
	return linear(3, h)
}

// Config describes a PixelHNN.
type Config struct {
	Pixels int                // of a picture: all of its frames'
	Latent hamiltonian.Config // the model of the latent state
}

// PixelHNN is the autoencoder with the model of its latent state. One step of the latent field is one frame.
type PixelHNN struct {
	MLPAutoencoder
	latent     *hamiltonian.Model
	half       int // of a latent state: its positions, and its velocities
	parameters []nets.Parameter
}

// New draws a model from LibTorch's random generator in the published order: the autoencoder, then the latent model.
func New(c Config) (*PixelHNN, error) {
	coder, err := NewMLPAutoencoder(c.Pixels, c.Latent.Hidden, c.Latent.Dimension)
	if err != nil {
		return nil, err
	}
	latent, err := hamiltonian.New(c.Latent)
	if err != nil {
		nets.Free(coder.parameters)
		return nil, err
	}
	m := &PixelHNN{MLPAutoencoder: *coder, latent: latent, half: c.Latent.Dimension / 2}
	for _, p := range coder.parameters {
		m.parameters = append(m.parameters, nets.Parameter{Name: "autoencoder." + p.Name, Tensor: p.Tensor})
	}
	for _, p := range latent.Parameters() {
		m.parameters = append(m.parameters, nets.Parameter{Name: "hnn." + hamiltonian.CheckpointPrefix + p.Name, Tensor: p.Tensor})
	}
	return m, nil
}

// Free drops the model's tensors.
func (m *PixelHNN) Free() {
	nets.Free(m.MLPAutoencoder.parameters)
	m.latent.Free()
}

// Parameters returns the parameters in PyTorch's order.
func (m *PixelHNN) Parameters() []nets.Parameter { return m.parameters }

// State returns the model's state dict, with the names of the published PixelHNN.
func (m *PixelHNN) State() ([]nets.Entry, error) { return nets.State("", m.parameters) }

// SetState loads a state dict of a model of the same configuration.
func (m *PixelHNN) SetState(c nets.Checkpoint) error { return nets.SetState("", m.parameters, c) }

// ClosedForm describes the latent model to package kernels, and is false where that has no closed form of it.
func (m *PixelHNN) ClosedForm() (kernels.Dynamics, bool) { return m.latent.ClosedForm() }

// Field returns the field of the latent state per frame, as hamiltonian.Model's.
func (m *PixelHNN) Field(threads int) (integrator.Field, error) { return m.latent.Field(threads) }

// Gradient returns the Riemann gradient of what the latent model has learned to conserve, as hamiltonian.Model's.
func (m *PixelHNN) Gradient(threads int) (integrator.Field, error) { return m.latent.Gradient(threads) }

// Hamiltonian returns what the latent model has learned to conserve at each of the latent states.
func (m *PixelHNN) Hamiltonian(latent [][]float64) ([]float64, error) {
	return m.latent.Hamiltonian(latent)
}

// Loss returns the loss of each row, of shape (batch), given pictures and those that follow them, of shape (batch, pixels):
// the mean squared error of the reconstruction, of the latent velocity against the change of the latent position, and a tenth
// of that of the field against the change of the latent state. The noise, of shape (batch, latent) or nil for none, is added to
// the states at which the field is taken.
func (m *PixelHNN) Loss(s *libtorch.Scope, x, next, noise *ts.Tensor) *ts.Tensor {
	z, zNext := m.Encode(s, x), m.Encode(s, next)
	reconstruction := s.RowMeans(s.SquaredError(x, m.Decode(s, z)))

	noisy := z
	if noise != nil {
		noisy = s.Add(z, noise)
	}
	field := s.RowMeans(s.SquaredError(zNext, s.Add(z, m.latent.TimeDerivative(s, noisy))))

	position, velocity, positionNext := s.Columns(z, 0, m.half), s.Columns(z, m.half, m.half), s.Columns(zNext, 0, m.half)
	canonical := s.RowMeans(s.SquaredError(velocity, s.Sub(positionNext, position)))

	return s.Add(s.Add(reconstruction, canonical), s.Scale(0.1, field))
}
