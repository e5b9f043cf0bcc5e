package trainer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
	"gonum.org/v1/gonum/stat"

	"hnn/datasets"
	"hnn/internal/closedform"
	"hnn/internal/kernels"
	"hnn/internal/libtorch"
	"hnn/nets"
)

// Losses are the losses of every step so far, on the rows that the step drew: before the step's update on training rows, and after it on test
// rows. The test loss is NaN at a step without an evaluation.
type Losses struct {
	Train []float32
	Test  []float32
}

// Final is the mean over a whole set of the elementwise squared error of the prediction, or of the loss of images, and its
// standard deviation over the square root of the number of rows, as the published scripts print them.
type Final struct {
	Train      float64 `json:"train_loss"`
	TrainError float64 `json:"train_loss_error"`
	Test       float64 `json:"test_loss"`
	TestError  float64 `json:"test_loss_error"`
}

// Execution is where a run is computed. The numbers of the closed form do not depend on it; the last digits of automatic differentiation do.
type Execution struct {
	Threads int  // 0 for all processors
	CUDA    bool // on the first GPU, by automatic differentiation
	Record  bool // on a GPU, record a step's work in a CUDA graph and replay it
}

// Trainer trains a model. Its values may be replaced before the first Run: another Loss, another Optimizer. Each trainer has a random
// generator of its own, so that several may run at once. One goroutine at a time may use a trainer. It needs no Close: memory outside of
// Go's is held during Run only.
type Trainer struct {
	Settings  Settings
	Data      datasets.Dataset
	Model     *Model
	Loss      Loss
	Optimizer Optimizer
	Execution Execution
	Losses    Losses

	rows      rows // of Data, while the trainer works
	drawNoise bool
	sampler   sampler
	state     []nets.Parameters                      // the optimizer's vectors
	record    func(work func() error) (graph, error) // stands in for CUDA's graphs in tests
}

// New draws the model that settings describe and generates its data.
func New(task datasets.Task, settings Settings, execution Execution) (*Trainer, error) {
	if err := settings.Check(); err != nil {
		return nil, err
	}
	if execution.CUDA {
		if err := libtorch.LoadCUDA(); err != nil {
			return nil, err
		}
	}
	loss, err := findLoss(settings.Loss, task)
	if err != nil {
		return nil, err
	}
	if task.ImageSide > 0 && (settings.File != "" || loss.Increments) {
		return nil, fmt.Errorf("the task %s draws its own images and has a loss of its own; give it no data file and no other loss", task.Name)
	}
	t := &Trainer{
		Settings: settings, Loss: loss, Optimizer: Adam{LearnRate: settings.LearnRate, WeightDecay: settings.WeightDecay}, Execution: execution,
		drawNoise: task.InputNoise || settings.InputNoise > 0,
	}
	var generating errgroup.Group // the data have a random stream of their own
	generating.Go(func() error {
		var err error
		if t.Data, err = settings.Data(task); err == nil {
			err = check(t.Data, settings.BatchSize)
		}
		return err
	})
	err = t.initialise(task)
	if err := errors.Join(err, generating.Wait()); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *Trainer) initialise(task datasets.Task) (err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if t.sampler.generator, err = libtorch.NewGenerator(t.Settings.Seed); err != nil {
		return err
	}
	if t.Model, err = newModel(task, t.Settings); err != nil {
		return err
	}
	return t.Model.init(t.sampler.generator)
}

// newEngine chooses automatic differentiation where the settings ask for it and on a GPU, and the closed form elsewhere.
func (t *Trainer) newEngine() (engine, error) {
	if t.state == nil {
		t.newState()
	}
	if t.Settings.Autograd || t.Execution.CUDA {
		return newAutomatic(t)
	}
	return newClosedForm(t)
}

// newState makes the optimizer's vectors.
func (t *Trainer) newState() {
	t.state = []nets.Parameters{}
	for _, name := range t.Optimizer.State() {
		var vector nets.Parameters
		for _, p := range t.Model.Parameters {
			vector = append(vector, nets.Parameter{Name: name + "." + p.Name, Shape: p.Shape, Values: make([]float32, len(p.Values))})
		}
		t.state = append(t.state, vector)
	}
}

// Run trains from the step after the last recorded one to Settings.TotalSteps. It calls done, unless that is nil, with every step's losses. It
// stops early with the context's error, after which another Run goes on. After any other error, which names the step at which a loss was not
// finite, the model and the losses are those from before Run.
func (t *Trainer) Run(ctx context.Context, done func(step int, train, test float32)) (err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	begin := len(t.Losses.Train)
	if err := check(t.Data, t.Settings.BatchSize); err != nil {
		return err
	}
	t.rows = newRows(t.Data)
	generator, err := t.sampler.generator.State()
	if err != nil {
		return err
	}
	e, err := t.newEngine()
	if err != nil {
		return err
	}
	err = t.run(ctx, e, done)
	if err == nil || errors.Is(err, ctx.Err()) {
		err = errors.Join(err, e.store())
	} else {
		t.Losses = Losses{t.Losses.Train[:begin], t.Losses.Test[:begin]}
		err = errors.Join(err, t.sampler.generator.SetState(generator))
	}
	return errors.Join(err, e.close())
}

func (t *Trainer) run(ctx context.Context, e engine, done func(step int, train, test float32)) error {
	steps := max(0, t.Settings.TotalSteps+1-len(t.Losses.Train))
	t.Losses.Train, t.Losses.Test = slices.Grow(t.Losses.Train, steps), slices.Grow(t.Losses.Test, steps)
	for first := len(t.Losses.Train); first <= t.Settings.TotalSteps; first = len(t.Losses.Train) {
		if err := ctx.Err(); err != nil {
			return err
		}
		count := min(e.unread(), t.Settings.TotalSteps+1-first)
		for i := range count {
			if err := t.step(e, first+i, i); err != nil {
				return fmt.Errorf("step %d: %w", first+i, err)
			}
		}
		t.Losses.Train, t.Losses.Test = t.Losses.Train[:first+count], t.Losses.Test[:first+count]
		if err := e.losses(t.Losses.Train[first:], t.Losses.Test[first:]); err != nil {
			return fmt.Errorf("steps %d to %d: %w", first, first+count-1, err)
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

// step makes an optimizer's step and, where it is due, evaluates the test loss.
func (t *Trainer) step(e engine, step, i int) error {
	batch, err := t.draw(false)
	if err != nil {
		return err
	}
	if err := e.update(step, i, batch); err != nil || step%t.Settings.TestEvery != 0 {
		return err
	}
	if batch, err = t.draw(true); err != nil {
		return err
	}
	return e.evaluate(i, batch)
}

func finite(loss float32) bool { return !math.IsNaN(float64(loss)) && !math.IsInf(float64(loss), 0) }

// ErrDiverged is wrapped by the error of a run whose loss is no longer a finite number.
var ErrDiverged = errors.New("the loss is not finite")

// Final evaluates the model on the whole of both sets, without noise, by the engine that trained it.
func (t *Trainer) Final() (Final, error) {
	if t.Settings.Autograd {
		return t.automaticFinal()
	}
	return t.closedFinal()
}

// Evaluate compares a model with a dataset by the loss that its settings name, in closed form on a number of threads, 0 for all processors.
func Evaluate(task datasets.Task, s Settings, m *Model, set datasets.Dataset, threads int) (Final, error) {
	loss, err := findLoss(s.Loss, task)
	if err != nil {
		return Final{}, err
	}
	return (&Trainer{Settings: s, Data: set, Model: m, Loss: loss, Execution: Execution{Threads: threads}}).closedFinal()
}

func (t *Trainer) closedFinal() (Final, error) {
	t.rows = newRows(t.Data)
	model, err := t.Model.kernel(t.rows, 0, t.Execution.Threads)
	if err != nil {
		return Final{}, err
	}
	defer model.Close()
	closedform.Load(model, kernels.Values, t.Model.networks(), t.Model.Parameters)
	return t.summarise(func(batch kernels.Batch[float32], test bool) ([]float64, error) {
		errors := make([]float64, batch.Count*max(1, t.rows.set(test).columns))
		return errors, model.Errors(batch, errors)
	})
}

// evaluationRows bounds the memory that LibTorch takes for an evaluation.
const evaluationRows = 10_000

func (t *Trainer) automaticFinal() (Final, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := libtorch.Configure(t.Execution.Threads); err != nil {
		return Final{}, err
	}
	t.rows = newRows(t.Data)
	o, err := newOracle(t.Model, t.rows, t.Execution.CUDA)
	if err != nil {
		return Final{}, err
	}
	defer o.keep.Free()
	most := evaluationRows
	if t.rows.images != nil {
		most /= 10
	}
	return t.summarise(func(batch kernels.Batch[float32], test bool) ([]float64, error) {
		var errors []float64
		for first := 0; first < batch.Count; first += most {
			var rows []int64
			for row := first; row < min(first+most, batch.Count); row++ {
				if batch.Rows == nil {
					rows = append(rows, int64(row))
				} else {
					rows = append(rows, batch.Rows[row])
				}
			}
			s := libtorch.Scope{CUDA: t.Execution.CUDA}
			for _, v := range s.Values(o.errors(&s, batch, s.Indices(rows), nil, test)) {
				errors = append(errors, float64(v))
			}
			s.Free()
			if s.Err() != nil {
				return nil, s.Err()
			}
		}
		return errors, nil
	})
}

// summarise takes the errors of both sets. The published scripts divide their standard deviation by the square root of the number of rows,
// and not of elements.
func (t *Trainer) summarise(errorsOf func(batch kernels.Batch[float32], test bool) ([]float64, error)) (f Final, err error) {
	for _, set := range []struct {
		test                bool
		mean, standardError *float64
	}{{false, &f.Train, &f.TrainError}, {true, &f.Test, &f.TestError}} {
		batch := t.whole(set.test)
		if !t.Loss.Mean { // the published script evaluates derivatives even where it trains through increments
			batch.Step = 0
		}
		errors, err := errorsOf(batch, set.test)
		if err != nil {
			return f, err
		}
		mean, deviation := stat.MeanStdDev(errors, nil)
		*set.mean, *set.standardError = mean, deviation/math.Sqrt(float64(batch.Count))
	}
	return f, nil
}
