package trainer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"hnn/datasets"
	"hnn/internal/distributed"
	"hnn/internal/kernels"
	"hnn/internal/libtorch"
	"hnn/nets"
)

// Losses holds the losses of every step so far. Each is the loss on a batch of that step: Train is computed before the update, Test after it.
// Test is NaN at steps without an evaluation.
type Losses struct {
	Train []float32
	Test  []float32
}

// Execution selects the device and the threads of a run. The results of the closed form do not depend on the number of threads. With
// automatic differentiation, the last digits depend on the threads and the device.
type Execution struct {
	Threads int  // 0 for all processors, or for the part of them that the group leaves to this process
	Record  bool // on a GPU, record a step's work in a CUDA graph and replay it; several processes do not record

	// CUDA trains on a GPU, with automatic differentiation: on the first GPU or, in a group, on that of the process's LocalRank. The first trainer of a
	// program must ask for it: once LibTorch has computed without CUDA, it cannot load it, and New returns an error.
	CUDA bool

	// Observe, unless nil, is called after every round of steps whose losses are read together: one step on the processor, a hundred on a GPU.
	Observe func(Round)

	// Group is the processes that train together, nil for this one alone. Each makes a trainer with the same task and settings, and calls Run. The losses
	// differ from those of one process by rounding.
	Group Group
}

// Round says how a round of steps went.
type Round struct {
	Steps int
	Given time.Duration // from the start of the round until the device had all its work
	Done  time.Duration // from the start of the round until the device had done the work
	Nodes int           // operations in all CUDA graphs that are recorded; 0 without graphs
}

// load makes the GPU ready if the run needs it.
func (e Execution) load() error {
	if !e.CUDA {
		return nil
	}
	if err := libtorch.LoadCUDA(e.group().LocalRank()); err != nil || !e.Record {
		return err
	}
	return libtorch.CheckRecording(os.LookupEnv)
}

// group returns the processes that train together.
func (e Execution) group() Group {
	if e.Group == nil {
		return (*distributed.Group)(nil)
	}
	return e.Group
}

// threads returns the number of threads of this process, 0 for all processors.
func (e Execution) threads() int {
	if local := e.group().LocalSize(); e.Threads == 0 && local > 1 {
		return max(1, runtime.GOMAXPROCS(0)/local)
	}
	return e.Threads
}

// Trainer trains a model. You may replace its fields, for example Loss or Optimizer, before the first Run. Each trainer has its own random
// generator, so several trainers may run at once. Only one goroutine at a time may use a trainer. A trainer needs no Close: it holds C memory
// only during Run.
type Trainer struct {
	Settings  Settings
	Data      datasets.Dataset
	Model     *Model
	Loss      Loss
	Optimizer Optimizer
	Execution Execution
	Losses    Losses

	rows      rows // of Data; set by Run and Final
	ranks     ranks
	drawNoise bool
	sampler   sampler
	state     []nets.Parameters // the optimizer's state vectors
	standIn   libtorch.Device   // stands in for a GPU in tests
}

// New makes a trainer: a model with random initial parameters, and its data.
func New(task datasets.Task, settings Settings, execution Execution) (*Trainer, error) {
	if err := settings.Check(); err != nil {
		return nil, err
	}
	if settings.File != task.File || settings.Hash != task.Hash {
		return nil, fmt.Errorf("the settings name the data %q, and the task has %q", settings.File, task.File)
	}
	if err := execution.load(); err != nil {
		return nil, err
	}
	loss, err := FindLoss(settings.Loss)
	if err != nil {
		return nil, err
	}
	loss.Step = task.TimeStep
	if task.ImageSide > 0 && loss.Increments {
		return nil, fmt.Errorf("the task %s has a loss of its own; give it no other", task.Name)
	}
	t := &Trainer{
		Settings: settings, Loss: loss, Optimizer: Adam{LearnRate: settings.LearnRate, WeightDecay: settings.WeightDecay}, Execution: execution,
		drawNoise: task.InputNoise || settings.InputNoise > 0,
	}
	var generating errgroup.Group // the data have a random stream of their own
	generating.Go(func() error {
		var err error
		if t.Data, err = settings.Data(task); err == nil {
			err = cmp.Or(check(t.Data, settings.BatchSize), t.checkShare())
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
	t.Model.Parameters.Allocate()
	return t.Model.init(t.sampler.generator)
}

// newEngine returns automatic differentiation if Settings.Autograd is set or the run uses a GPU, and otherwise the closed form.
func (t *Trainer) newEngine() (engine, error) {
	if t.Settings.Autograd || t.Execution.CUDA {
		return newAutomatic(t)
	}
	return newClosedForm(t)
}

// newState makes the optimizer's state vectors, all zero.
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

// vectors returns the parameters and the optimizer's state vectors.
func (t *Trainer) vectors() []nets.Parameters {
	return append([]nets.Parameters{t.Model.Parameters}, t.state...)
}

// Run trains from the step after the last recorded one up to Settings.TotalSteps. It calls done with the losses of every step; done may be nil.
// If the context ends, Run stops after the present step with the context's error, and another Run continues. After any other error, the model and
// the losses are as they were before Run. If a loss is not finite, the error names the step.
//
// Several processes begin with the state of rank 0. If the context of one ends, all stop after the same step, with the same error. If one is lost, the
// error of the others names it. On a GPU, done is called on another goroutine than Run.
func (t *Trainer) Run(ctx context.Context, done func(step int, train, test float32)) (err error) {
	if t.Execution.CUDA {
		libtorch.OnThread(func() { err = t.runOnThread(ctx, done) })
		return err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return t.runOnThread(ctx, done)
}

// runOnThread is Run on a thread of the operating system that does nothing else meanwhile.
func (t *Trainer) runOnThread(ctx context.Context, done func(step int, train, test float32)) error {
	t.ranks = ranks{group: t.Execution.group(), ended: ctx.Err, share: t.Data.Share}
	if t.state == nil {
		t.newState()
	}
	if err := t.share(); err != nil {
		return err
	}
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
	err = t.run(e, done)
	if err == nil || errors.Is(err, t.ranks.stop()) {
		if failure := e.store(); failure != nil {
			err = failure
		} else {
			return cmp.Or(e.close(), err)
		}
	}
	t.Losses = Losses{t.Losses.Train[:begin], t.Losses.Test[:begin]}
	return cmp.Or(err, t.sampler.generator.SetState(generator), e.close())
}

func (t *Trainer) run(e engine, done func(step int, train, test float32)) error {
	for first := len(t.Losses.Train); first <= t.Settings.TotalSteps; first = len(t.Losses.Train) {
		begin := time.Now()
		count := min(e.unread(), t.Settings.TotalSteps+1-first)
		for i := range count {
			if err := t.step(e, first+i, i); err != nil {
				return fmt.Errorf("step %d: %w", first+i, err)
			}
		}
		given := time.Since(begin)
		t.Losses.Train, t.Losses.Test = slices.Grow(t.Losses.Train, count)[:first+count], slices.Grow(t.Losses.Test, count)[:first+count]
		if err := e.losses(t.Losses.Train[first:], t.Losses.Test[first:]); err != nil {
			return fmt.Errorf("steps %d to %d: %w", first, first+count-1, err)
		}
		if t.Execution.Observe != nil {
			t.Execution.Observe(Round{Steps: count, Given: given, Done: time.Since(begin), Nodes: e.nodes()})
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
				return t.diverged(step, train, *test)
			}
		}
		if err := t.ranks.stop(); err != nil {
			return err
		}
	}
	return nil
}

// step makes one optimizer step. Every TestEvery steps it also evaluates the test loss.
func (t *Trainer) step(e engine, step, i int) error {
	batch, err := t.drawPart(false)
	if err != nil {
		return err
	}
	evaluated := step%t.Settings.TestEvery == 0
	if err := e.update(step, i, batch, evaluated); err != nil || !evaluated {
		return err
	}
	if batch, err = t.drawPart(true); err != nil {
		return err
	}
	return e.evaluate(i, batch)
}

// drawPart draws a batch and returns the rows that this process computes.
func (t *Trainer) drawPart(test bool) (kernels.Batch[float32], error) {
	batch, err := t.draw(test)
	if err != nil {
		return batch, err
	}
	return t.ranks.part(batch, test)
}

// diverged explains a loss that is not finite. No update precedes the training loss of step 0.
func (t *Trainer) diverged(step int, train, test float32) error {
	advice := fmt.Sprintf("a smaller learning rate than %g may help", t.Settings.LearnRate)
	if step == 0 && !finite(train) {
		advice = "the squares of the data's derivatives, or of the noise, are too large for 32-bit numbers; choose other units"
	}
	return fmt.Errorf("%w at step %d (train %g, test %g); %s", ErrDiverged, step, train, test, advice)
}

func finite(loss float32) bool { return !math.IsNaN(float64(loss)) && !math.IsInf(float64(loss), 0) }

// ErrDiverged says that a loss is infinite or NaN. The error of Run wraps it.
var ErrDiverged = errors.New("the loss is not finite")
