package trainer

import (
	"fmt"
	"math"

	"github.com/sugarme/gotch/ts"
	"gonum.org/v1/gonum/stat"

	"hnn/autoencoder"
	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/internal/libtorch"
	"hnn/nets"
)

// objective is what a run minimises: the loss of a model on the data of a task.
type objective interface {
	// loss is the mean loss of a random batch of the training set, or of the test set.
	loss(s *libtorch.Scope, test bool) *ts.Tensor
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

// derivatives compares the time derivatives of a model with observed ones.
type derivatives struct {
	settings    Settings
	timeStep    float64 // of the increment to train through
	drawNoise   bool
	network     *hamiltonian.Model
	data        datasets.Dataset
	train, test tensors
	keep        libtorch.Scope // owns the tensors
}

// tensors are a set of samples on LibTorch's side.
type tensors struct{ x, dx *ts.Tensor }

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
		d.train = tensors{d.keep.Variable(d.data.Train.X), d.keep.Matrix(d.data.Train.DX)}
		d.test = tensors{d.keep.Variable(d.data.Test.X), d.keep.Matrix(d.data.Test.DX)}
		err = d.keep.Err()
	}
	if err != nil {
		d.free()
		return nil, err
	}
	return d, nil
}

func (d *derivatives) model() model { return d.network }

func (d *derivatives) free() {
	d.network.Free()
	d.keep.Free()
}

func (d *derivatives) loss(s *libtorch.Scope, test bool) *ts.Tensor {
	set := d.train
	if test {
		set = d.test
	}
	if d.settings.BatchSize > 0 {
		rows := s.Permutation(set.x, int64(d.settings.BatchSize))
		set = tensors{s.Rows(set.x, rows), s.Rows(set.dx, rows)}
	}
	var prediction *ts.Tensor
	if d.settings.UseRK4 && !test {
		prediction = d.network.RK4Increment(s, set.x, d.timeStep)
	} else { // the published script compares the derivatives in the test also when it trains through an increment
		prediction = d.network.TimeDerivative(s, set.x)
	}
	if d.drawNoise {
		prediction = s.Add(prediction, s.Scale(d.settings.InputNoise, s.Normal(set.x)))
	}
	return s.Mean(s.SquaredError(set.dx, prediction))
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
	settings Settings
	network  *autoencoder.PixelHNN
	pictures *Pictures
}

// Pictures are a task's pictures on LibTorch's side, each frame once.
type Pictures struct {
	datasets.Pictures
	frames      *ts.Tensor // float32 of 0..1, (frames, pixels)
	train, test *ts.Tensor // int64: the first frames of the samples
	keep        libtorch.Scope
}

// NewPictures moves pictures to LibTorch's side; the caller frees them.
func NewPictures(data datasets.Pictures) (*Pictures, error) {
	p := &Pictures{Pictures: data}
	var shades [256]float32
	for i := range shades {
		shades[i] = float32(float64(i) / 255)
	}
	size := data.Side * data.Side
	values := make([]float32, 0, len(data.Frames)*size)
	for _, frame := range data.Frames {
		for _, v := range frame {
			values = append(values, shades[v])
		}
	}
	p.frames = p.keep.Keep(libtorch.FromSlice(values, int64(len(data.Frames)), int64(size)))
	p.train, p.test = p.keep.Indices(data.Train), p.keep.Indices(data.Test)
	if p.keep.Err() != nil {
		p.Free()
		return nil, p.keep.Err()
	}
	return p, nil
}

// Free drops the tensors.
func (p *Pictures) Free() { p.keep.Free() }

// Samples returns the pictures of the samples that start at the given frames, and the ones that follow them: (n, 2·Side²) each.
func (p *Pictures) Samples(s *libtorch.Scope, first *ts.Tensor) (x, next *ts.Tensor) {
	a := s.Rows(p.frames, first)
	b := s.Rows(p.frames, s.Shift(first, 1))
	c := s.Rows(p.frames, s.Shift(first, 2))
	return s.Beside(a, b), s.Beside(b, c)
}

func newPixels(task datasets.Task, settings Settings) (objective, error) {
	if settings.File != "" {
		return nil, fmt.Errorf("the task %s draws its pictures and reads no file", task.Name)
	}
	network, err := settings.pixelNetwork(task)
	if err != nil {
		return nil, err
	}
	p := &pixels{settings: settings, network: network}
	data, err := task.Pictures(settings.Seed)
	if err == nil {
		err = checkBatch(settings.BatchSize, len(data.Train), len(data.Test))
	}
	if err == nil {
		p.pictures, err = NewPictures(data)
	}
	if err != nil {
		p.free()
		return nil, err
	}
	return p, nil
}

func (p *pixels) model() model { return p.network }

func (p *pixels) free() {
	p.network.Free()
	if p.pictures != nil {
		p.pictures.Free()
	}
}

func (p *pixels) loss(s *libtorch.Scope, test bool) *ts.Tensor {
	first := p.pictures.train
	if test {
		first = p.pictures.test
	}
	if p.settings.BatchSize > 0 {
		first = s.Rows(first, s.Permutation(first, int64(p.settings.BatchSize)))
	}
	x, next := p.pictures.Samples(s, first)
	return s.Mean(p.network.Loss(s, x, next, p.settings.InputNoise))
}

func (p *pixels) final() (Final, error) {
	return EvaluatePixels(p.network, p.pictures, p.settings.InputNoise)
}

// EvaluatePixels returns the loss of a model on the whole of both sets.
func EvaluatePixels(network *autoencoder.PixelHNN, pictures *Pictures, noise float64) (Final, error) {
	var f Final
	for _, set := range []struct {
		samples             []int
		mean, standardError *float64
	}{{pictures.Train, &f.Train, &f.TrainError}, {pictures.Test, &f.Test, &f.TestError}} {
		var losses []float64
		for first := 0; first < len(set.samples); first += evaluationRows / 10 {
			var s libtorch.Scope
			x, next := pictures.Samples(&s, s.Indices(set.samples[first:min(first+evaluationRows/10, len(set.samples))]))
			for _, v := range s.Values(network.Loss(&s, x, next, noise)) {
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
