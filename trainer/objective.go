package trainer

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/sugarme/gotch/ts"
	"golang.org/x/sync/errgroup"
	"gonum.org/v1/gonum/stat"

	"hnn/autoencoder"
	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/internal/kernels"
	"hnn/internal/libtorch"
	"hnn/nets"
)

// objective is what a run minimises: the loss of a model on the data of a task.
type objective interface {
	// draw takes the next random batch of the training set, or of the test set; it holds until the next draw.
	draw(test bool) (kernels.Batch[float32], error)
	// loss is the mean loss of a batch, for LibTorch to differentiate: of its rows and with its noise, nil for all and none.
	loss(s *libtorch.Scope, rows, noise *ts.Tensor, test bool) *ts.Tensor
	// closedForm returns the same loss in closed form, or nil where there is none of it.
	closedForm(threads int) (*kernels.Model[float32], error)
	final() (Final, error)
	model() model
	free()
}

// model is what the optimizer and the checkpoints see of a network.
type model interface {
	Parameters() []nets.Parameter
	State() ([]nets.Entry, error)
	SetState(nets.Checkpoint) error
	Free()
}

// newObjective draws the model and makes the data, in this order.
func newObjective(task datasets.Task, settings Settings) (objective, error) {
	if task.Pictures != nil {
		return newPixels(task, settings)
	}
	return newDerivatives(task, settings)
}

// checkBatch returns an error if a set has fewer rows than a batch.
func checkBatch(batch, train, test int) error {
	if batch > min(train, test) {
		return fmt.Errorf("the batch size is %d, and the task has only %d training and %d test rows", batch, train, test)
	}
	return nil
}

// evaluationRows bounds the memory that an evaluation takes.
const evaluationRows = 10_000

// summary returns the mean of errors over a set of rows, each of which has one or several, and their standard deviation over
// the square root of the number of rows, as the published scripts print them.
func summary(errors []float64, rows int) (mean, standardError float64) {
	mean, deviation := stat.MeanStdDev(errors, nil)
	return mean, deviation / math.Sqrt(float64(rows))
}

// draws are the random numbers of a batch, in memory that is used again.
type draws struct {
	rows  []int64
	noise []float32
}

// permutation returns the first size row numbers of a random permutation of so many.
func (d *draws) permutation(rows, size int) ([]int64, error) {
	d.rows = slices.Grow(d.rows[:0], size)[:size]
	return d.rows, libtorch.Permutation(rows, d.rows)
}

// normal returns so many numbers of the standard normal distribution.
func (d *draws) normal(count int) ([]float32, error) {
	d.noise = slices.Grow(d.noise[:0], count)[:count]
	return d.noise, libtorch.Normal(d.noise)
}

// derivatives compares the time derivatives of a model with observed ones.
type derivatives struct {
	draws
	settings    Settings
	timeStep    float64 // of the increment to train through
	drawNoise   bool
	network     *hamiltonian.Model
	data        datasets.Dataset
	train, test samples
	keep        libtorch.Scope // owns the tensors
}

// samples are states and their derivatives, by rows, and the same on LibTorch's side.
type samples struct {
	rows    int
	x, dx   []float32
	xs, dxs *ts.Tensor
}

func newDerivatives(task datasets.Task, settings Settings) (objective, error) {
	d := &derivatives{settings: settings, timeStep: task.TimeStep, drawNoise: task.InputNoise || settings.InputNoise > 0}
	var err error
	if d.network, err = settings.network(task); err != nil {
		return nil, err
	}
	if d.data, err = settings.Data(task); err == nil {
		err = checkBatch(settings.BatchSize, len(d.data.Train.X), len(d.data.Test.X))
	}
	if err == nil {
		d.train, d.test = d.samples(d.data.Train), d.samples(d.data.Test)
		err = d.keep.Err()
	}
	if err != nil {
		d.free()
		return nil, err
	}
	return d, nil
}

func (d *derivatives) samples(set datasets.Samples) samples {
	s := samples{rows: len(set.X), xs: d.keep.Variable(set.X), dxs: d.keep.Matrix(set.DX)}
	s.x, s.dx = d.keep.Values(s.xs), d.keep.Values(s.dxs)
	return s
}

func (d *derivatives) model() model { return d.network }

func (d *derivatives) free() {
	d.network.Free()
	d.keep.Free()
}

func (d *derivatives) set(test bool) samples {
	if test {
		return d.test
	}
	return d.train
}

func (d *derivatives) draw(test bool) (kernels.Batch[float32], error) {
	set := d.set(test)
	batch := kernels.Batch[float32]{X: set.x, DX: set.dx, Count: set.rows, NoiseScale: d.settings.InputNoise}
	var err error
	if d.settings.BatchSize > 0 {
		batch.Count = d.settings.BatchSize
		if batch.Rows, err = d.permutation(set.rows, batch.Count); err != nil {
			return batch, err
		}
	}
	if d.drawNoise {
		var noise []float32
		if noise, err = d.normal(batch.Count * len(set.x) / set.rows); d.settings.InputNoise > 0 {
			batch.Noise = noise
		}
	}
	return batch, err
}

func (d *derivatives) loss(s *libtorch.Scope, rows, noise *ts.Tensor, test bool) *ts.Tensor {
	set := d.set(test)
	x, dx := set.xs, set.dxs
	if rows != nil {
		x, dx = s.Rows(x, rows), s.Rows(dx, rows)
	}
	var prediction *ts.Tensor
	if d.settings.UseRK4 && !test {
		prediction = d.network.RK4Increment(s, x, d.timeStep)
	} else { // the published script compares the derivatives in the test also when it trains through an increment
		prediction = d.network.TimeDerivative(s, x)
	}
	if noise != nil {
		prediction = s.Add(prediction, s.Scale(d.settings.InputNoise, noise))
	}
	return s.Mean(s.SquaredError(dx, prediction))
}

func (d *derivatives) closedForm(threads int) (*kernels.Model[float32], error) {
	dynamics, ok := d.network.ClosedForm()
	if !ok || d.settings.UseRK4 {
		return nil, nil
	}
	return kernels.NewDynamics[float32](threads, dynamics)
}

func (d *derivatives) final() (Final, error) { return Evaluate(d.network, d.data) }

// Evaluate compares a model's derivatives with those of a dataset.
func Evaluate(network *hamiltonian.Model, data datasets.Dataset) (Final, error) {
	var f Final
	var err error
	if f.Train, f.TrainError, err = distance(network, data.Train); err != nil {
		return f, err
	}
	f.Test, f.TestError, err = distance(network, data.Test)
	return f, err
}

func distance(network *hamiltonian.Model, set datasets.Samples) (mean, standardError float64, err error) {
	var errors []float64
	for first := 0; first < len(set.X); first += evaluationRows {
		last := min(first+evaluationRows, len(set.X))
		var s libtorch.Scope
		for _, v := range s.Values(s.SquaredError(s.Matrix(set.DX[first:last]), network.TimeDerivative(&s, s.Variable(set.X[first:last])))) {
			errors = append(errors, float64(v))
		}
		s.Free()
		if s.Err() != nil {
			return 0, 0, s.Err()
		}
	}
	mean, standardError = summary(errors, len(set.X))
	return mean, standardError, nil
}

// pixels is the loss of a PixelHNN on pictures.
type pixels struct {
	draws
	settings Settings
	network  *autoencoder.PixelHNN
	latent   int // the dimension of a latent state
	pictures *Pictures
}

// Pictures are a task's pictures, which are LibTorch's too once samples of them are asked for. The caller frees them.
type Pictures struct {
	datasets.Pictures
	once   sync.Once
	frames *ts.Tensor // each once: float32 of 0..1, (frames, pixels)
	err    error
}

// load makes the tensor, of 65 MB, which training in closed form does without.
func (p *Pictures) load() {
	var shades [256]float32
	for i := range shades {
		shades[i] = float32(float64(i) / 255)
	}
	size := p.Side * p.Side
	values := make([]float32, 0, len(p.Frames)*size)
	for _, frame := range p.Frames {
		for _, v := range frame {
			values = append(values, shades[v])
		}
	}
	p.frames, p.err = libtorch.FromSlice(values, int64(len(p.Frames)), int64(size))
}

// Free drops the pictures' tensor.
func (p *Pictures) Free() {
	if p.frames != nil {
		_ = p.frames.Drop()
	}
}

// Samples returns the pictures of the samples that start at the given frames, and the ones that follow them: (n, 2·Side²) each. Any
// goroutine may call it.
func (p *Pictures) Samples(s *libtorch.Scope, first *ts.Tensor) (x, next *ts.Tensor) {
	p.once.Do(p.load)
	if p.err != nil {
		return s.Keep(nil, p.err), nil
	}
	a := s.Rows(p.frames, first)
	b := s.Rows(p.frames, s.Shift(first, 1))
	c := s.Rows(p.frames, s.Shift(first, 2))
	return s.Beside(a, b), s.Beside(b, c)
}

func newPixels(task datasets.Task, settings Settings) (objective, error) {
	if settings.File != "" {
		return nil, fmt.Errorf("the task %s draws its pictures and reads no file", task.Name)
	}
	var data datasets.Pictures
	var camera errgroup.Group // whose random draws are its own, so that it works while the model is drawn
	camera.Go(func() (err error) {
		data, err = task.Pictures(settings.Seed)
		return err
	})
	network, err := settings.pixelNetwork(task)
	if err = errors.Join(err, camera.Wait()); err == nil {
		err = checkBatch(settings.BatchSize, len(data.Train), len(data.Test))
	}
	if err != nil {
		if network != nil {
			network.Free()
		}
		return nil, err
	}
	return &pixels{settings: settings, network: network, latent: task.Dimension, pictures: &Pictures{Pictures: data}}, nil
}

func (p *pixels) model() model { return p.network }

func (p *pixels) free() {
	p.network.Free()
	p.pictures.Free()
}

func (p *pixels) draw(test bool) (kernels.Batch[float32], error) {
	first := p.pictures.Train
	if test {
		first = p.pictures.Test
	}
	batch := kernels.Batch[float32]{Rows: first, Count: len(first), NoiseScale: p.settings.InputNoise}
	if p.settings.BatchSize > 0 {
		rows, err := p.permutation(len(first), p.settings.BatchSize)
		if err != nil {
			return batch, err
		}
		for i, row := range rows {
			rows[i] = first[row]
		}
		batch.Rows, batch.Count = rows, len(rows)
	}
	noise, err := p.normal(batch.Count * p.latent) // also where its size is 0, as in the published code
	if p.settings.InputNoise > 0 {
		batch.Noise = noise
	}
	return batch, err
}

func (p *pixels) loss(s *libtorch.Scope, rows, noise *ts.Tensor, _ bool) *ts.Tensor {
	x, next := p.pictures.Samples(s, rows)
	if noise != nil {
		noise = s.Scale(p.settings.InputNoise, noise)
	}
	return s.Mean(p.network.Loss(s, x, next, noise))
}

func (p *pixels) closedForm(threads int) (*kernels.Model[float32], error) {
	latent, ok := p.network.ClosedForm()
	if !ok {
		return nil, nil
	}
	return kernels.NewPixels[float32](threads, latent, p.pictures.Frames)
}

func (p *pixels) final() (Final, error) {
	return EvaluatePixels(p.network, p.pictures)
}

// EvaluatePixels returns the loss of a model on the whole of both sets, without noise.
func EvaluatePixels(network *autoencoder.PixelHNN, pictures *Pictures) (Final, error) {
	var f Final
	for _, set := range []struct {
		samples             []int64
		mean, standardError *float64
	}{{pictures.Train, &f.Train, &f.TrainError}, {pictures.Test, &f.Test, &f.TestError}} {
		var losses []float64
		for first := 0; first < len(set.samples); first += evaluationRows / 10 {
			var s libtorch.Scope
			x, next := pictures.Samples(&s, s.Indices(set.samples[first:min(first+evaluationRows/10, len(set.samples))]))
			for _, v := range s.Values(network.Loss(&s, x, next, nil)) {
				losses = append(losses, float64(v))
			}
			s.Free()
			if s.Err() != nil {
				return f, s.Err()
			}
		}
		*set.mean, *set.standardError = summary(losses, len(losses))
	}
	return f, nil
}
