// Package trainer fits a model to a task's data in the order of operations of the published training scripts, so that a seed
// gives their numbers.
package trainer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"

	"hnn/autoencoder"
	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/internal/libtorch"
	"hnn/nets"
)

// Settings are what a run depends on; they are written beside its checkpoint.
type Settings struct {
	Task         string                `json:"task"`
	Baseline     bool                  `json:"baseline"`
	Seed         uint32                `json:"seed"`
	TotalSteps   int                   `json:"total_steps"` // steps run from 0 to TotalSteps, both included
	BatchSize    int                   `json:"batch_size"`  // 0 for all rows at every step
	HiddenDim    int                   `json:"hidden_dim"`
	LearnRate    float64               `json:"learn_rate"`
	WeightDecay  float64               `json:"weight_decay"`
	Nonlinearity nets.Activation       `json:"nonlinearity"`
	FieldType    hamiltonian.FieldType `json:"field_type"`
	UseRK4       bool                  `json:"use_rk4"`
	InputNoise   float64               `json:"input_noise"`    // of normal noise: on the predicted derivatives, or on the latent states
	TestEvery    int                   `json:"test_every"`     // steps between two evaluations of the test loss
	File         string                `json:"data,omitempty"` // of the user's data
	Autograd     bool                  `json:"autograd"`       // differentiate by LibTorch, in the order of the published code's operations
}

// publishedPrint is how often the published scripts print; the pixel script evaluates the test loss only then.
const publishedPrint = 200

// DefaultSettings are those of the published script of a task, for seed 0.
func DefaultSettings(task datasets.Task) Settings {
	testEvery := 1
	if task.Pictures != nil {
		testEvery = publishedPrint
	}
	return Settings{
		TestEvery: testEvery, File: task.File,
		Task: task.Name, TotalSteps: task.Steps, BatchSize: task.BatchSize, HiddenDim: 200, LearnRate: 1e-3,
		WeightDecay: task.WeightDecay, Nonlinearity: "tanh", FieldType: hamiltonian.Solenoidal,
	}
}

// Data makes the dataset of a run, or reads it from the file that the settings name. A task that was made of a file has its data.
func (s Settings) Data(task datasets.Task) (datasets.Dataset, error) {
	switch {
	case s.File == "" || task.File != "":
		return task.Generate(s.Seed)
	case task.Load == nil:
		return datasets.Dataset{}, fmt.Errorf("the task %s generates its data and reads no file", task.Name)
	default:
		return task.Load(s.File)
	}
}

func (s Settings) config(task datasets.Task) hamiltonian.Config {
	return hamiltonian.Config{
		Dimension: task.Dimension, Hidden: s.HiddenDim, Activation: s.Nonlinearity, FieldType: s.FieldType, Baseline: s.Baseline,
	}
}

// network draws the model of a run on vectors.
func (s Settings) network(task datasets.Task) (*hamiltonian.Model, error) {
	return hamiltonian.New(s.config(task))
}

// pixelNetwork draws the model of a run on pictures, whose samples are two frames side by side.
func (s Settings) pixelNetwork(task datasets.Task) (*autoencoder.PixelHNN, error) {
	return autoencoder.New(autoencoder.Config{Pixels: 2 * datasets.PictureSide * datasets.PictureSide, Latent: s.config(task)})
}

// Check returns an error that says which setting is wrong and what would be right.
func (s Settings) Check() error {
	if err := s.Nonlinearity.Check(); err != nil {
		return err
	}
	if err := s.FieldType.Check(); err != nil {
		return err
	}
	switch {
	case s.TotalSteps < 0:
		return fmt.Errorf("total steps are %d; they must be 0 or more", s.TotalSteps)
	case s.BatchSize < 0:
		return fmt.Errorf("the batch size is %d; it must be 1 or more, or 0 for all rows", s.BatchSize)
	case s.TestEvery < 1:
		return fmt.Errorf("the test loss is to be evaluated every %d steps; it must be 1 or more", s.TestEvery)
	case s.HiddenDim < 1:
		return fmt.Errorf("the hidden dimension is %d; it must be 1 or more", s.HiddenDim)
	case !(s.LearnRate > 0) || math.IsInf(s.LearnRate, 0):
		return fmt.Errorf("the learning rate is %g; it must be a positive number", s.LearnRate)
	case !(s.InputNoise >= 0) || math.IsInf(s.InputNoise, 0):
		return fmt.Errorf("the input noise is %g; it must be 0 or more", s.InputNoise)
	}
	return nil
}

// Label names the model of a run as the published scripts do: spring-hnn, spring-rk4-baseline.
func (s Settings) Label() string {
	label := s.Task
	if s.UseRK4 {
		label += "-rk4"
	}
	if s.Baseline {
		return label + "-baseline"
	}
	return label + "-hnn"
}

// Losses are the losses of every step so far: before the step's update on the training rows, after it on the test rows; NaN at a
// step without an evaluation on these.
type Losses struct {
	Train []float32
	Test  []float32
}

// Final is the mean over a whole set of the elementwise squared error of the derivatives, or of the loss of pictures, and its
// standard deviation over the square root of the number of rows, as the published scripts print them.
type Final struct {
	Train      float64 `json:"train_loss"`
	TrainError float64 `json:"train_loss_error"`
	Test       float64 `json:"test_loss"`
	TestError  float64 `json:"test_loss_error"`
}

// Trainer holds a model, its optimizer and its data. It must be made, used and freed on one goroutine, which it locks to its
// thread until Free.
type Trainer struct {
	Settings Settings
	Losses   Losses

	objective            objective
	values, mean, square []nets.Parameter // the model's parameters and Adam's moments of them
	engine               engine
}

// Execution is how a run is computed. But for the last digits of gradients that LibTorch takes, no number depends on it.
type Execution struct {
	// Threads of the closed form, or of LibTorch where that takes the gradients; 0 for all processors.
	Threads int
	// Record the work of a step on a GPU in a CUDA graph and replay that.
	Record bool
}

// New seeds the random generators, draws the model and makes the data, in this order. The run is computed on the GPU if
// libtorch.UseCUDA was called before, and else on the processor.
func New(task datasets.Task, settings Settings, execution Execution) (*Trainer, error) {
	if err := settings.Check(); err != nil {
		return nil, err
	}
	if settings.UseRK4 && task.TimeStep == 0 {
		return nil, fmt.Errorf("the task %s has no RK4 increment to train through", task.Name)
	}
	runtime.LockOSThread()
	t := &Trainer{Settings: settings}
	if err := t.build(task, execution); err != nil {
		t.Free()
		return nil, err
	}
	return t, nil
}

func (t *Trainer) build(task datasets.Task, execution Execution) error {
	// With more threads LibTorch would draw other weights: the decomposition that makes them orthogonal adds up in another order.
	if err := libtorch.Configure(1); err != nil {
		return err
	}
	if err := libtorch.Seed(int64(t.Settings.Seed)); err != nil {
		return err
	}
	var err error
	if t.objective, err = newObjective(task, t.Settings); err != nil {
		return err
	}
	t.values = t.objective.model().Parameters()
	for _, p := range t.values {
		for _, moment := range []*[]nets.Parameter{&t.mean, &t.square} {
			zeros, err := p.Tensor.Detach(false)
			if err != nil {
				return err
			}
			zeros, err = zeros.ZerosLike(true)
			if err != nil {
				return err
			}
			*moment = append(*moment, nets.Parameter{Name: p.Name, Tensor: zeros})
		}
	}
	t.engine, err = t.newEngine(execution)
	return err
}

// ClosedForm tells whether training takes its gradients in closed form, and not from LibTorch's automatic differentiation.
func (t *Trainer) ClosedForm() bool {
	_, ok := t.engine.(*closedForm)
	return ok
}

// Model returns the model of a task on vectors, with the weights that the last Run left; nil of a task on pictures. It is the
// trainer's, and ends with Free.
func (t *Trainer) Model() *hamiltonian.Model {
	network, _ := t.objective.model().(*hamiltonian.Model)
	return network
}

// Free drops everything the trainer holds in LibTorch's memory, and the closed form.
func (t *Trainer) Free() {
	if t.objective != nil {
		t.objective.free()
	}
	nets.Free(t.mean)
	nets.Free(t.square)
	if t.engine != nil {
		t.engine.free()
	}
	runtime.UnlockOSThread()
}

// Run trains from the step after the last recorded one to Settings.TotalSteps and calls done, unless it is nil, after each, or, on a
// GPU, for many at a time. It stops early with the context's error, or with an error that names the step at which a loss was no number.
func (t *Trainer) Run(ctx context.Context, done func(step int, train, test float32)) (err error) {
	if err := t.engine.begin(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.engine.end()) }()
	steps := max(0, t.Settings.TotalSteps+1-len(t.Losses.Train))
	t.Losses.Train, t.Losses.Test = slices.Grow(t.Losses.Train, steps), slices.Grow(t.Losses.Test, steps)
	for first := len(t.Losses.Train); first <= t.Settings.TotalSteps; first = len(t.Losses.Train) {
		if err := ctx.Err(); err != nil {
			return err
		}
		count := min(t.engine.most(), t.Settings.TotalSteps+1-first)
		for i := range count {
			if err := t.step(first+i, i); err != nil {
				return err
			}
		}
		t.Losses.Train, t.Losses.Test = t.Losses.Train[:first+count], t.Losses.Test[:first+count]
		if err := t.engine.losses(t.Losses.Train[first:], t.Losses.Test[first:]); err != nil {
			return err
		}
		for step := first; step < first+count; step++ {
			train, test := t.Losses.Train[step], &t.Losses.Test[step]
			if step%t.Settings.TestEvery != 0 {
				*test = float32(math.NaN())
			}
			if done != nil {
				done(step, train, *test)
			}
			if !finite(train) || step%t.Settings.TestEvery == 0 && !finite(*test) {
				return fmt.Errorf("%w at step %d (train %g, test %g); a smaller learning rate than %g may help", ErrDiverged, step, train, *test, t.Settings.LearnRate)
			}
		}
	}
	return nil
}

// step makes a step of Adam and, where it is due, an evaluation of the test loss, as number i of those whose losses are not read yet.
func (t *Trainer) step(step, i int) error {
	batch, err := t.objective.draw(false)
	if err != nil {
		return err
	}
	if err := t.engine.update(step, i, batch); err != nil || step%t.Settings.TestEvery != 0 {
		return err
	}
	if batch, err = t.objective.draw(true); err != nil {
		return err
	}
	return t.engine.evaluate(i, batch)
}

func finite(loss float32) bool { return !math.IsNaN(float64(loss)) && !math.IsInf(float64(loss), 0) }

// ErrDiverged is wrapped by the error of a run whose loss is no longer a finite number.
var ErrDiverged = errors.New("the loss is not finite")

// Final evaluates the model on the whole of both sets.
func (t *Trainer) Final() (Final, error) { return t.objective.final() }
