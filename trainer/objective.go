package trainer

import (
	"fmt"
	"math"
	"slices"

	"github.com/sugarme/gotch/ts"
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
	// loss is the mean loss of a batch, for LibTorch to differentiate.
	loss(s *libtorch.Scope, batch kernels.Batch[float32], test bool) *ts.Tensor
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

func (d *derivatives) loss(s *libtorch.Scope, batch kernels.Batch[float32], test bool) *ts.Tensor {
	set := d.set(test)
	x, dx := set.xs, set.dxs
	if batch.Rows != nil {
		rows := s.Indices(batch.Rows)
		x, dx = s.Rows(x, rows), s.Rows(dx, rows)
	}
	var prediction *ts.Tensor
	if d.settings.UseRK4 && !test {
		prediction = d.network.RK4Increment(s, x, d.timeStep)
	} else { // the published script compares the derivatives in the test also when it trains through an increment
		prediction = d.network.TimeDerivative(s, x)
	}
	if batch.Noise != nil {
		prediction = s.Add(prediction, s.Scale(batch.NoiseScale, s.Slice(batch.Noise, len(batch.Noise)/batch.Count)))
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
	pictures datasets.Pictures
}

// Samples returns the samples with the given first frames, and their successors: float32 of 0..1, of shape (n, 2·Side²) each.
func Samples(s *libtorch.Scope, pictures datasets.Pictures, first []int64) (x, next *ts.Tensor) {
	pairs := func(shift int64) *ts.Tensor {
		size := 2 * pictures.Side * pictures.Side
		values := make([]float32, 0, len(first)*size)
		for _, f := range first {
			for _, frame := range pictures.Frames[f+shift : f+shift+2] {
				for _, v := range frame {
					values = append(values, brightness[v])
				}
			}
		}
		return s.Slice(values, size)
	}
	return pairs(0), pairs(1)
}

// brightness is that of a frame's bytes.
var brightness = func() (shares [256]float32) {
	for v := range shares {
		shares[v] = float32(float64(v) / 255)
	}
	return shares
}()

func newPixels(task datasets.Task, settings Settings) (objective, error) {
	if settings.File != "" {
		return nil, fmt.Errorf("the task %s draws its pictures and reads no file", task.Name)
	}
	network, err := settings.pixelNetwork(task)
	if err != nil {
		return nil, err
	}
	data, err := task.Pictures(settings.Seed)
	if err == nil {
		err = checkBatch(settings.BatchSize, len(data.Train), len(data.Test))
	}
	if err != nil {
		network.Free()
		return nil, err
	}
	return &pixels{settings: settings, network: network, latent: task.Dimension, pictures: data}, nil
}

func (p *pixels) model() model { return p.network }

func (p *pixels) free() { p.network.Free() }

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

func (p *pixels) loss(s *libtorch.Scope, batch kernels.Batch[float32], _ bool) *ts.Tensor {
	x, next := Samples(s, p.pictures, batch.Rows)
	var noise *ts.Tensor
	if batch.Noise != nil {
		noise = s.Scale(batch.NoiseScale, s.Slice(batch.Noise, p.latent))
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
func EvaluatePixels(network *autoencoder.PixelHNN, pictures datasets.Pictures) (Final, error) {
	var f Final
	for _, set := range []struct {
		samples             []int64
		mean, standardError *float64
	}{{pictures.Train, &f.Train, &f.TrainError}, {pictures.Test, &f.Test, &f.TestError}} {
		var losses []float64
		for first := 0; first < len(set.samples); first += evaluationRows / 10 {
			var s libtorch.Scope
			x, next := Samples(&s, pictures, set.samples[first:min(first+evaluationRows/10, len(set.samples))])
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
