package analysis

import (
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"
)

// Fit brings a learned Hamiltonian to the scale of the true one: H ≈ Constant + Factor·learned. A model learns only the gradient of H, so its
// constant is arbitrary. For images its factor is arbitrary too, as the model chooses the latent coordinates.
type Fit struct {
	Factor   float64 `json:"factor"`
	Constant float64 `json:"constant"`
	R2       float64 `json:"r2"` // the share of the true energy's variance that the fitted one explains
}

// True returns the learned Hamiltonian on the scale of the true one. A nil fit leaves it as it is.
func (f *Fit) True(learned float64) float64 {
	if f == nil {
		return learned
	}
	return f.Constant + f.Factor*learned
}

// fitScale fits the constant and the factor by least squares over the states of a.Training() or, for images, over the test samples. There is no fit
// if all states have one energy, such as those of a single exact trajectory: they determine no factor. Nor is there one if the model has learned a
// constant, which moves nothing.
func (a *Analysis) fitScale(s *Source) error {
	truth := a.Sources[0]
	if s.hamiltonian == nil || truth.hamiltonian == nil {
		return nil
	}
	observed := a.Training()
	states := observed
	if s.coder != nil {
		observed, states = truth.Plane.Samples, s.Plane.Samples
	}
	energy, err := truth.hamiltonian(observed)
	if err != nil {
		return err
	}
	learned, err := s.hamiltonian(states)
	if err != nil {
		return err
	}
	const (
		varies = 1e-5  // of the largest energy; a smaller spread may come from the rounding of the states alone
		learns = 1e-12 // of the largest learned value; a smaller spread is that of the sums
	)
	if constant(energy, varies) || constant(learned, learns) {
		return nil
	}
	offset, factor := stat.LinearRegression(learned, energy, nil, false)
	s.Fit = &Fit{factor, offset, stat.RSquared(learned, energy, nil, offset, factor)}
	s.metrics.Fit = s.Fit
	return nil
}

// constant reports whether the standard deviation of values is at most a share of the largest one.
func constant(values []float64, share float64) bool {
	return stat.PopStdDev(values, nil) <= share*floats.Norm(values, math.Inf(1))
}
