package analysis

import (
	"fmt"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"hnn/autoencoder"
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

// imageView is a model's encoder and decoder, and a linear map from latent states to true coordinates.
type imageView struct {
	coder *autoencoder.Coder
	fit   func(latent [][]float64) [][]float64
}

// filmed sets the truth from a film: its frames, its coordinates, and the coordinates of the test set. It returns the reference trajectory for
// the models. Its times are those of the latent field, and its solver has scipy's default tolerances, as in the published notebook. Each model
// starts from its own latent state instead of the true start.
func (a *Analysis) filmed(film datasets.Images) datasets.Trajectories {
	truth := a.Sources[0]
	for i, first := range film.Test {
		truth.Example.Times = append(truth.Example.Times, float64(i))
		truth.Film = append(truth.Film, film.Frames[first])
	}
	states := coordinates(film, film.Test)
	truth.Example.States = [][][]float64{states}
	truth.Trials = truth.Example
	truth.Plane = &Plane{Samples: coordinates(*a.Data.Images, a.Data.Images.Test), Path: states}
	n := len(states)
	return datasets.Trajectories{Times: floats.Span(make([]float64, n), 0, latentTime*float64(n)), States: truth.Example.States}
}

// coordinates returns the true coordinates of samples: those of their second frame.
func coordinates(images datasets.Images, samples []int64) [][]float64 {
	rows := make([][]float64, len(samples))
	for i, first := range samples {
		rows[i] = images.Coordinates[first+1]
	}
	return rows
}

// watch computes a model's latent plane, its film and the film's coordinates. It returns the latent start of the film.
func (a *Analysis) watch(s *subject, film datasets.Images, trial datasets.Trajectories) (starts [][]float64, err error) {
	coder, err := s.model.Coder(1)
	if err != nil {
		return nil, err
	}
	images, truth := *a.Data.Images, a.Sources[0]
	s.images = &imageView{coder: coder}
	trained, _, err := s.images.encode(images, images.Train)
	if err != nil {
		return nil, err
	}
	s.Plane, s.metrics.ImageErrors = &Plane{}, &ImageErrors{}
	if s.Plane.Samples, s.metrics.Reconstruction, err = s.images.encode(images, images.Test); err != nil {
		return nil, err
	}
	if s.images.fit, err = fitLinear(trained, coordinates(images, images.Train)); err != nil {
		return nil, err
	}
	fitted := s.images.fit(s.Plane.Samples)
	for axis := range s.metrics.R2 {
		s.metrics.R2[axis] = stat.RSquaredFrom(Column(fitted, axis), Column(truth.Plane.Samples, axis), nil)
	}
	if starts, _, err = s.images.encode(film, film.Test[:1]); err != nil {
		return nil, err
	}
	latent, err := solve(s, trial, starts)
	if err != nil {
		return nil, err
	}
	s.Plane.Path = latent.States[0]
	var decoded [][]float32
	if s.Film, decoded, err = s.images.decode(s.Plane.Path); err != nil {
		return nil, err
	}
	seen, err := coder.Encode(decoded)
	if err != nil {
		return nil, err
	}
	states := s.images.fit(seen)
	states[0] = truth.Example.States[0][0]
	s.Example = Motion{Times: truth.Example.Times, States: [][][]float64{states}}
	s.Trials = s.Example
	return starts, nil
}

// encode returns the latent states of samples, and the mean squared error of the images that are decoded from them.
func (v *imageView) encode(images datasets.Images, samples []int64) (latent [][]float64, reconstruction float64, err error) {
	const rows = 1000 // at a time, which bounds the memory
	pixels := 0
	for len(samples) > 0 {
		part := samples[:min(rows, len(samples))]
		samples = samples[len(part):]
		x := make([][]float32, len(part))
		for i, first := range part {
			x[i] = images.Sample(first)
		}
		z, err := v.coder.Encode(x)
		if err != nil {
			return nil, 0, err
		}
		decoded, err := v.coder.Decode(z)
		if err != nil {
			return nil, 0, err
		}
		latent = append(latent, z...)
		for i := range x {
			for j, shade := range x[i] {
				d := float64(decoded[i][j] - shade)
				reconstruction += d * d
			}
			pixels += len(x[i])
		}
	}
	return latent, reconstruction / float64(pixels), nil
}

// decode returns the images of latent states, and the first frame of each as bytes.
func (v *imageView) decode(latent [][]float64) (frames [][]byte, images [][]float32, err error) {
	if images, err = v.coder.Decode(latent); err != nil {
		return nil, nil, err
	}
	frames = make([][]byte, len(images))
	for i, image := range images {
		for _, shade := range image[:len(image)/2] {
			frames[i] = append(frames[i], byte(min(255, max(0, 255*shade+0.5))))
		}
	}
	return frames, images, nil
}

// fitLinear returns the affine map of latent states that fits coordinates best in the least-squares sense.
func fitLinear(latent, coordinates [][]float64) (func(latent [][]float64) [][]float64, error) {
	var coefficients mat.Dense
	if err := coefficients.Solve(withOnes(latent), dense(coordinates)); err != nil {
		return nil, fmt.Errorf("analysis: the latent states do not span a plane: %w", err)
	}
	return func(latent [][]float64) [][]float64 {
		var product mat.Dense
		product.Mul(withOnes(latent), &coefficients)
		rows := make([][]float64, len(latent))
		for i := range rows {
			rows[i] = mat.Row(nil, i, &product)
		}
		return rows
	}, nil
}

func withOnes(rows [][]float64) *mat.Dense {
	extended := make([][]float64, len(rows))
	for i, row := range rows {
		extended[i] = append([]float64{1}, row...)
	}
	return dense(extended)
}

func dense(rows [][]float64) *mat.Dense {
	m := mat.NewDense(len(rows), len(rows[0]), nil)
	for i, row := range rows {
		m.SetRow(i, row)
	}
	return m
}
