package analysis

import (
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"hnn/autoencoder"
	"hnn/datasets"
	"hnn/integrator"
	"hnn/internal/libtorch"
	"hnn/trainer"
)

// Pixels is all that the figures of a task on pictures show. A model's latent states are compared with the true coordinates
// through the linear map that fits the training set's best.
type Pixels struct {
	Task    datasets.Task
	Frames  []float64            // the example's times, in frames
	Film    [sources][][]byte    // the example's pictures, of Side×Side bytes: the truth's, and those decoded from latent states
	Side    int                  // of a picture
	Example [sources][][]float64 // by time: the true coordinates, and what the pictures decoded from latent states say of them
	Latent  [sources][][]float64 // by time: the true coordinates, and the models' latent states
	Cloud   [sources][][]float64 // of the test samples: the true coordinates, and their latent states
	Grids   [sources]*Grid       // each model's latent field; nil for the truth
	// Landscapes are the true Hamiltonian over the phase plane and the HNN's over its latent plane; nil for the baseline.
	Landscapes [sources]*Landscape
	// Reversals are those of the models' latent fields, from the film's first latent state.
	Reversals [sources]Reversals
	Energy    *EnergyChange // in latent states; nil as an Analysis's
	Metrics   PixelMetrics
}

// PixelMetrics are the figures of the paper's table for pictures, and how they were obtained.
type PixelMetrics struct {
	Task        string            `json:"task"`
	Baseline    PixelModelMetrics `json:"baseline"`
	HNN         PixelModelMetrics `json:"hnn"`
	Protocol    string            `json:"energy_protocol"`
	Integration Integration       `json:"integration"`
	Change      *EnergyMetrics    `json:"energy_change,omitempty"`
}

// PixelModelMetrics are the figures of one model.
type PixelModelMetrics struct {
	Checkpoint string           `json:"checkpoint"`
	Settings   trainer.Settings `json:"settings"`
	trainer.Final
	// EnergyMSE is the mean over the frames of the film; its error is the standard deviation of five splits' means over √5.
	EnergyMSE      float64    `json:"energy_mse"`
	EnergyMSEError float64    `json:"energy_mse_error"`
	CoordinateMSE  float64    `json:"coordinate_mse"`
	Reconstruction float64    `json:"reconstruction_mse"` // of the test samples' pixels
	R2             [2]float64 `json:"r2"`                 // of the linear map, for angle and velocity, on the test set
	Reversibility             // in units of the latent state
}

// pixelProtocol is the published notebook's way to an energy of latent states, which have none by themselves.
const pixelProtocol = "one swing of 200 frames (gym seed 1, from an angle between π/11 and π/10); the latent field integrated from " +
	"the first sample's latent state, 0.98 frames of latent time for each frame, decoded to pictures and encoded again; their latent " +
	"states mapped to (angle, velocity/4) by the linear least-squares fit of the training set, the first one taken from the truth; " +
	"1.9(1 − cos angle) + (velocity/4)² of them against that of the true coordinates, frame by frame"

// latentTime is the time of the latent field that the published notebook lets pass per frame of the film.
const latentTime = 0.98

// pixelSolver has scipy's default tolerances, as in the published notebook.
var pixelSolver integrator.RK45

// RunPixels loads the models of a task on pictures from the two checkpoints and compares them with the truth, both at once.
// The other arguments are those of Run.
func RunPixels(task datasets.Task, baselinePath, hnnPath string, change float64, progress func(stage string)) (*Pixels, error) {
	a := &Pixels{Task: task}
	a.Metrics.Task, a.Metrics.Baseline.Checkpoint, a.Metrics.HNN.Checkpoint = task.Name, baselinePath, hnnPath
	metrics := map[Source]*PixelModelMetrics{Baseline: &a.Metrics.Baseline, HNN: &a.Metrics.HNN}
	var models [sources]*autoencoder.PixelHNN
	for s, m := range metrics {
		var err error
		if models[s], m.Settings, err = trainer.LoadPixelModel(task, s == Baseline, m.Checkpoint); err != nil {
			return nil, err
		}
		defer models[s].Free()
	}
	progress("photographing the pendulum")
	data, err := task.Pictures(a.Metrics.HNN.Settings.Seed)
	if err != nil {
		return nil, err
	}
	film, err := task.Film()
	if err != nil {
		return nil, err
	}
	a.truth(data, film)
	pictures := &trainer.Pictures{Pictures: data}
	defer pictures.Free()
	filmed := &trainer.Pictures{Pictures: film}
	defer filmed.Free()
	var group errgroup.Group
	for s, m := range metrics {
		group.Go(func() error {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			return a.follow(s, models[s], pictures, filmed, m, change, progress)
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	a.Metrics.Protocol = pixelProtocol
	a.Metrics.Integration = integration(pixelSolver, a.latentTimes(), 1)
	a.Metrics.Integration.MidpointStep = midpoint(last(a.latentTimes())).Step
	return a, nil
}

// truth fills in what the film shows, and the coordinates of the test samples.
func (a *Pixels) truth(data, film datasets.Pictures) {
	a.Side = film.Side
	for i, first := range film.Test {
		a.Frames = append(a.Frames, float64(i))
		a.Film[Truth] = append(a.Film[Truth], film.Frames[first])
	}
	a.Example[Truth] = coordinates(film, film.Test)
	a.Latent[Truth] = a.Example[Truth]
	a.Cloud[Truth] = coordinates(data, data.Test)
}

// latentTimes are the times of the latent field at which its states are held against the frames of the film.
func (a *Pixels) latentTimes() []float64 {
	n := len(a.Frames)
	return floats.Span(make([]float64, n), 0, latentTime*float64(n))
}

// coordinates returns the true coordinates of samples.
func coordinates(data datasets.Pictures, samples []int64) [][]float64 {
	rows := make([][]float64, len(samples))
	for i, first := range samples {
		rows[i] = data.Coordinates[first+1]
	}
	return rows
}

// follow fills in what one model makes of the pictures and of the film.
func (a *Pixels) follow(
	s Source, model *autoencoder.PixelHNN, pictures, film *trainer.Pictures, m *PixelModelMetrics, change float64, progress func(string),
) error {
	progress(fmt.Sprintf("%s: losses", s))
	var err error
	if m.Final, err = trainer.EvaluatePixels(model, pictures); err != nil {
		return err
	}
	progress(fmt.Sprintf("%s: latent states", s))
	trained, _, err := encode(model, pictures, pictures.Train)
	if err != nil {
		return err
	}
	if a.Cloud[s], m.Reconstruction, err = encode(model, pictures, pictures.Test); err != nil {
		return err
	}
	fit, err := fitLinear(trained, coordinates(pictures.Pictures, pictures.Train))
	if err != nil {
		return err
	}
	fitted := fit.apply(a.Cloud[s])
	for axis := range m.R2 {
		m.R2[axis] = stat.RSquaredFrom(Column(fitted, axis), Column(a.Cloud[Truth], axis), nil)
	}

	progress(fmt.Sprintf("%s: the example", s))
	start, _, err := encode(model, film, film.Test[:1])
	if err != nil {
		return err
	}
	field, err := model.Field(1)
	if err != nil {
		return err
	}
	solutions, err := pixelSolver.Solve(field, start, a.latentTimes())
	if err != nil {
		return fmt.Errorf("%s, the example: %w", s, err)
	}
	a.Latent[s] = solutions[0].States
	var seen [][]float64
	if a.Film[s], seen, err = decode(model, a.Latent[s], a.Side*a.Side); err != nil {
		return err
	}
	a.Example[s] = fit.apply(seen)
	a.Example[s][0] = a.Example[Truth][0]
	a.measure(s, m)
	if a.Grids[s], err = latentGrid(field, s, a.Cloud[s]); err != nil {
		return err
	}
	progress(fmt.Sprintf("%s: forward and back", s))
	if a.Reversals[s], err = reverse(field, start, last(a.latentTimes()), pixelSolver); err != nil {
		return err
	}
	m.Reversibility = a.Reversals[s].metrics()
	if s == Baseline {
		return nil
	}
	progress("adding and removing energy")
	for s, hamiltonian := range hamiltonians(a.Task, model) {
		low, high := corners(a.Cloud[s])
		if a.Landscapes[s], err = NewLandscape(low, high, hamiltonian); err != nil {
			return err
		}
	}
	return a.changeEnergy(model, field, fit, change)
}

// changeEnergy lets the HNN change the energy of a test sample's latent state, where it has learned one. The energy is that of the
// coordinates that the linear map makes of a latent state.
func (a *Pixels) changeEnergy(model *autoencoder.PixelHNN, field integrator.Field, fit *linear, change float64) error {
	var err error
	a.Energy, err = changeEnergy(model, levels{
		field:    field,
		energy:   func(latent [][]float64) ([]float64, error) { return energyOf(a.Task, model)(fit.apply(latent)) },
		duration: last(a.latentTimes()) / flows,
	}, a.Cloud[HNN], change)
	if err != nil || a.Energy == nil {
		return err
	}
	a.Metrics.Change = &a.Energy.Metrics
	var filmed [][]float64
	for _, m := range a.Energy.Moments() {
		filmed = append(filmed, a.Energy.Stages[m.Stage].States[m.Time])
	}
	a.Energy.Film, _, err = decode(model, filmed, a.Side*a.Side)
	return err
}

// measure fills in what a model's example gives.
func (a *Pixels) measure(s Source, m *PixelModelMetrics) {
	var energy, coordinates []float64
	for i, truth := range a.Example[Truth] {
		state := a.Example[s][i]
		d := a.Task.Hamiltonian(state) - a.Task.Hamiltonian(truth)
		energy = append(energy, d*d)
		for axis := range state {
			d := state[axis] - truth[axis]
			coordinates = append(coordinates, d*d)
		}
	}
	m.EnergyMSE, m.EnergyMSEError, m.CoordinateMSE = stat.Mean(energy, nil), bootstrap(energy), stat.Mean(coordinates, nil)
}

// encode returns the latent states of samples, and the mean squared error of what is decoded from them.
func encode(model *autoencoder.PixelHNN, pictures *trainer.Pictures, samples []int64) (latent [][]float64, reconstruction float64, err error) {
	const rows = 1000
	for first := 0; first < len(samples); first += rows {
		part := samples[first:min(first+rows, len(samples))]
		var s libtorch.Scope
		x, _ := pictures.Samples(&s, s.Indices(part))
		z := model.Encode(&s, x)
		deviation := s.Values(s.Mean(s.SquaredError(x, model.Decode(&s, z))))
		values := s.Values(z)
		s.Free()
		if s.Err() != nil {
			return nil, 0, s.Err()
		}
		reconstruction += float64(deviation[0]) * float64(len(part)) / float64(len(samples))
		latent = append(latent, pairs(values)...)
	}
	return latent, reconstruction, nil
}

// decode returns the first frame of the pictures that latent states stand for, as bytes, and the latent states that the pictures
// are encoded to.
func decode(model *autoencoder.PixelHNN, latent [][]float64, size int) (frames [][]byte, seen [][]float64, err error) {
	var s libtorch.Scope
	defer s.Free()
	decoded := model.Decode(&s, s.Matrix(latent))
	values, encoded := s.Values(decoded), s.Values(model.Encode(&s, decoded))
	if s.Err() != nil {
		return nil, nil, s.Err()
	}
	frames = make([][]byte, len(latent))
	for i := range frames {
		for _, v := range values[i*2*size : i*2*size+size] {
			frames[i] = append(frames[i], byte(min(255, max(0, 255*v+0.5))))
		}
	}
	return frames, pairs(encoded), nil
}

// pairs are rows of two numbers each.
func pairs(values []float32) [][]float64 {
	var rows [][]float64
	for i := 0; i < len(values); i += 2 {
		rows = append(rows, []float64{float64(values[i]), float64(values[i+1])})
	}
	return rows
}

// corners are those of the smallest rectangle around points of a plane.
func corners(points [][]float64) (low, high [2]float64) {
	for axis := range low {
		values := Column(points, axis)
		low[axis], high[axis] = floats.Min(values), floats.Max(values)
	}
	return low, high
}

// latentGrid evaluates a latent field over the region of the latent states.
func latentGrid(field integrator.Field, s Source, cloud [][]float64) (*Grid, error) {
	var g Grid
	g.Points = gridPoints(corners(cloud))
	for range g.Points {
		g.Fields[s] = append(g.Fields[s], make([]float64, 2))
	}
	return &g, field(nil, g.Points, g.Fields[s])
}

// linear is an affine map of latent states to coordinates.
type linear struct{ coefficients mat.Dense }

// fitLinear fits coordinates by an affine map of latent states in the least-squares sense.
func fitLinear(latent, coordinates [][]float64) (*linear, error) {
	var l linear
	if err := l.coefficients.Solve(withOnes(latent), dense(coordinates)); err != nil {
		return nil, fmt.Errorf("analysis: the latent states do not span a plane: %w", err)
	}
	return &l, nil
}

func (l *linear) apply(latent [][]float64) [][]float64 {
	var product mat.Dense
	product.Mul(withOnes(latent), &l.coefficients)
	rows := make([][]float64, len(latent))
	for i := range rows {
		rows[i] = mat.Row(nil, i, &product)
	}
	return rows
}

func withOnes(rows [][]float64) *mat.Dense {
	m := mat.NewDense(len(rows), len(rows[0])+1, nil)
	for i, row := range rows {
		m.SetRow(i, append([]float64{1}, row...))
	}
	return m
}

func dense(rows [][]float64) *mat.Dense {
	m := mat.NewDense(len(rows), len(rows[0]), nil)
	for i, row := range rows {
		m.SetRow(i, row)
	}
	return m
}
