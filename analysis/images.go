package analysis

import (
	"fmt"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"hnn/datasets"
)

// filmProtocol describes how the published notebook computes the energy of a latent state.
const filmProtocol = "one swing of 200 frames (gym seed 1, start angle between π/11 and π/10); the latent field is integrated from the " +
	"first sample's latent state, 0.98 units of latent time per frame; the latent states are decoded to images and encoded again; the linear " +
	"least-squares fit of the training set maps them to (angle, velocity/4), and the first state is the true one; the energy of these " +
	"coordinates, 1.9(1 − cos angle) + (velocity/4)², is compared with the true one frame by frame"

// latentTime is the integration time of the latent field per frame in the published notebook.
const latentTime = 0.98

// ImageErrors are the errors of an autoencoder on the test set.
type ImageErrors struct {
	Reconstruction float64    `json:"reconstruction_mse"` // of pixels of 0..1
	R2             [2]float64 `json:"r2"`                 // of the linear map from latent states to position and velocity
}

// recordFilm sets the truth from the task's film: its frames, its coordinates, and the coordinates of the test set. The times of the trials are
// those of the latent field, and their solver has scipy's default tolerances, as in the published notebook. Each model starts from its own
// latent state instead of the true start.
func (a *Analysis) recordFilm() (err error) {
	if a.film, err = a.Task.Film(); err != nil {
		return err
	}
	truth := a.Sources[0]
	for i, first := range a.film.Test {
		truth.Example.Times = append(truth.Example.Times, float64(i))
		truth.Film = append(truth.Film, a.film.Frames[first])
	}
	states := coordinates(a.film, a.film.Test)
	truth.Example.States = [][][]float64{states}
	truth.Trials = truth.Example
	truth.Plane = &Plane{Samples: coordinates(*a.Data.Images, a.Data.Images.Test), Path: states}
	n := len(states)
	a.trials = datasets.Trajectories{Times: floats.Span(make([]float64, n), 0, latentTime*float64(n)), States: truth.Example.States}
	a.example = a.trials
	return nil
}

// coordinates returns the true coordinates of samples: those of their second frame.
func coordinates(images datasets.Images, samples []int64) [][]float64 {
	rows := make([][]float64, len(samples))
	for i, first := range samples {
		rows[i] = images.Coordinates[first+1]
	}
	return rows
}

// watch computes a model's latent plane, its film and the film's coordinates. It returns the trials from the model's latent state.
func (a *Analysis) watch(s *Source) (trials datasets.Trajectories, err error) {
	trials = a.trials
	images, truth := *a.Data.Images, a.Sources[0]
	trained, err := s.encode(images, images.Train)
	if err != nil {
		return trials, err
	}
	if s.coordinates, err = fitLinear(trained, coordinates(images, images.Train)); err != nil {
		return trials, err
	}
	tested, err := s.encode(images, images.Test)
	if err != nil {
		return trials, err
	}
	decoded, err := s.coder.Decode(tested)
	if err != nil {
		return trials, err
	}
	s.metrics.ImageErrors = &ImageErrors{Reconstruction: reconstruction(decoded, images)}
	fitted := s.coordinates(tested)
	for axis := range s.metrics.R2 {
		s.metrics.R2[axis] = stat.RSquaredFrom(Column(fitted, axis), Column(truth.Plane.Samples, axis), nil)
	}
	start, err := s.encode(a.film, a.film.Test[:1])
	if err != nil {
		return trials, err
	}
	trials.States = [][][]float64{start}
	latent, err := s.solve(trials)
	if err != nil {
		return trials, err
	}
	s.Plane = &Plane{Samples: tested, Path: latent.States[0]}
	if decoded, err = s.coder.Decode(s.Plane.Path); err != nil {
		return trials, err
	}
	s.Film = frames(decoded)
	seen, err := s.coder.Encode(decoded)
	if err != nil {
		return trials, err
	}
	states := s.coordinates(seen)
	states[0] = truth.Example.States[0][0]
	s.Example = Motion{Times: truth.Example.Times, States: [][][]float64{states}}
	s.Trials = s.Example
	return trials, nil
}

func (s *Source) encode(images datasets.Images, samples []int64) (latent [][]float64, err error) {
	const rows = 1000 // at a time, which bounds the memory
	for part := range slices.Chunk(samples, rows) {
		x := make([][]float32, len(part))
		for i, first := range part {
			x[i] = images.Sample(first)
		}
		z, err := s.coder.Encode(x)
		if err != nil {
			return nil, err
		}
		latent = append(latent, z...)
	}
	return latent, nil
}

// reconstruction returns the mean squared error of the decoded test set.
func reconstruction(decoded [][]float32, images datasets.Images) float64 {
	sum := 0.0
	for i, first := range images.Test {
		for j, shade := range images.Sample(first) {
			d := float64(decoded[i][j] - shade)
			sum += d * d
		}
	}
	return sum / float64(len(decoded)*len(decoded[0]))
}

// frames returns the first frame of each decoded image as bytes.
func frames(images [][]float32) [][]byte {
	list := make([][]byte, len(images))
	for i, image := range images {
		for _, shade := range image[:len(image)/2] {
			list[i] = append(list[i], byte(min(255, max(0, 255*shade+0.5))))
		}
	}
	return list
}

// fitLinear returns the affine map of latent states that fits coordinates best in the least-squares sense.
func fitLinear(latent, coordinates [][]float64) (func(latent [][]float64) [][]float64, error) {
	var coefficients mat.Dense
	if err := coefficients.Solve(dense(latent, 1), dense(coordinates)); err != nil {
		return nil, fmt.Errorf("analysis: the latent states do not span a plane: %w", err)
	}
	return func(latent [][]float64) [][]float64 {
		var product mat.Dense
		product.Mul(dense(latent, 1), &coefficients)
		rows := make([][]float64, len(latent))
		for i := range rows {
			rows[i] = product.RawRowView(i)
		}
		return rows
	}, nil
}

// dense returns a matrix of rows, each with the same numbers before it.
func dense(rows [][]float64, before ...float64) *mat.Dense {
	m := mat.NewDense(len(rows), len(before)+len(rows[0]), nil)
	for i, row := range rows {
		m.SetRow(i, slices.Concat(before, row))
	}
	return m
}
