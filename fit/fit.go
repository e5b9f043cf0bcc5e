// Package fit learns a model from measured trajectories. It needs no derivatives: the losses compare steps and windows of trajectories. It
// scales the measurements. Predictions of validation trajectories, on which the model did not train, choose the form of the energy and of
// the friction.
package fit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"

	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/nets"
)

// Options say which model to train, and how. If Kinetic or Friction is empty, the validation chooses it. Other models than
// hamiltonian.Port have one form, and leave both empty.
type Options struct {
	Model       hamiltonian.Model `json:"-"`
	Seed        uint64
	Hidden      int // units of a hidden layer; 0 for 128 if H(q, p) is General, and for 64 otherwise
	Layers      int // hidden layers
	Activation  nets.Activation
	FieldType   hamiltonian.FieldType
	Kinetic     hamiltonian.Kinetic
	Friction    hamiltonian.Friction
	Loss        string // Midpoint, MIRK4 or Windows
	WeightDecay float64
	Effort      float64 // multiplies the numbers of gradient steps
	Threads     int     `json:"-"` // 0 for all processors
}

// The losses. Midpoint and MIRK4 compare symmetric steps, of second and fourth order, between successive rows. Windows compares the rows of a
// window with a solution, whose start is estimated too. The noise of the rows then stays out of the argument of the field. Training by Windows
// begins with MIRK4.
const (
	Midpoint = "midpoint"
	MIRK4    = "mirk4"
	Windows  = "windows"
)

// Losses lists the losses.
var Losses = []string{Midpoint, MIRK4, Windows}

// DefaultOptions returns the options of ./train for a model.
func DefaultOptions(model hamiltonian.Model) Options {
	return Options{Model: model, Layers: 2, Activation: "tanh", FieldType: hamiltonian.Solenoidal, Loss: Windows, Effort: 1}
}

// Check returns an error that names an invalid option and its valid values.
func (o Options) Check() error {
	switch {
	case !slices.Contains(Losses, o.Loss):
		return fmt.Errorf("there is no loss %q for measured trajectories; choose one of %s", o.Loss, strings.Join(Losses, ", "))
	case !slices.Contains([]hamiltonian.Kinetic{"", hamiltonian.Quadratic, hamiltonian.Configuration, hamiltonian.General}, o.Kinetic):
		return fmt.Errorf("there is no kinetic energy %q; choose quadratic, configuration or general", o.Kinetic)
	case !slices.Contains([]hamiltonian.Friction{"", hamiltonian.NoFriction, hamiltonian.ConstantFriction, hamiltonian.StateFriction}, o.Friction):
		return fmt.Errorf("there is no friction %q; choose none, constant or state", o.Friction)
	case o.Model.Name != hamiltonian.Port.Name && (o.Kinetic != "" || o.Friction != ""):
		return fmt.Errorf("a choice of the kinetic energy or the friction is for the model %s; the model %s has only one form", hamiltonian.Port.Name, o.Model.Name)
	case o.Hidden < 0 || o.Hidden > nets.MostUnits || o.Layers < 1 || o.Layers > nets.MostLayers:
		return fmt.Errorf("there are %d hidden layers of %d units; there must be from 1 to %d of at most %d", o.Layers, o.Hidden, nets.MostLayers, nets.MostUnits)
	case !(o.Effort > 0) || o.Effort > 1e4:
		return fmt.Errorf("the effort is %g; it must be above 0 and at most 10000", o.Effort)
	case !(o.WeightDecay >= 0) || math.IsInf(o.WeightDecay, 0):
		return fmt.Errorf("the weight decay is %g; it must be 0 or more", o.WeightDecay)
	case o.Threads < 0:
		return fmt.Errorf("there are %d threads; there must be 1 or more, or 0 for one per processor", o.Threads)
	}
	return errors.Join(o.Activation.Check(), o.FieldType.Check())
}

// Progress is the state of a training after a step.
type Progress struct {
	Step, Total int
	Part        string  // "forms" while forms are compared; then "model", or "early stopping" if the validation ends the training
	Loss        float64 // mean squared difference in scaled units
	Validation  float64 // root mean square error of the validation trajectories in scaled units; 0 where it was not computed
}

// Result is a trained model.
type Result struct {
	hamiltonian.Dynamics
	Record Record
	Losses []Progress // of the chosen form
}

// Fit trains a model on observations. It calls done, which may be nil, after every step. If ctx ends after the form is chosen, Fit returns the
// model so far and the error of ctx.
func Fit(ctx context.Context, o Options, observed datasets.Observations, done func(Progress)) (*Result, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if len(observed.Trajectories) == 0 {
		return nil, errors.New("fit: there is no trajectory")
	}
	request, err := request(o, observed)
	if err != nil {
		return nil, err
	}
	f := &fitter{Options: o, request: request, scaling: scale(observed), seen: observed.Seen(), ctx: ctx, done: done, observed: observed}
	for _, turn := range observed.Angles {
		f.angles = append(f.angles, turn > 0)
	}
	train, validation := observed.Split(.2)
	f.training, f.held, f.all = newSeries(train.Trajectories, f.scaling), newSeries(validation.Trajectories, f.scaling), newSeries(observed.Trajectories, f.scaling)
	return f.fit()
}

type fitter struct {
	Options
	request             string
	ctx                 context.Context
	done                func(Progress)
	observed            datasets.Observations
	scaling             *hamiltonian.Scaling
	angles              []bool
	seen                int // components of a state that were measured
	training, held, all series
	mutex               sync.Mutex
	now                 Progress
	losses              []Progress
}

// processors returns the number of threads to use.
func (f *fitter) processors() int {
	if f.Threads > 0 {
		return f.Threads
	}
	return runtime.GOMAXPROCS(0)
}

func (f *fitter) fit() (*Result, error) {
	rows := 0
	for _, p := range f.all {
		rows += len(p.state)
	}
	// With more rows, a step teaches more and takes longer, so there are fewer steps.
	effort := f.Effort * math.Min(1, math.Max(.4, 2500/float64(rows)))
	steps := func(n int) int { return max(1, int(float64(n)*effort)) }
	first, whole := schedule{steps(800), steps(80), steps(100), 0}, schedule{steps(1500), steps(150), steps(400), steps(600)}
	rest := schedule{0, 0, whole.short, whole.long}
	if f.Loss != Windows {
		first, whole, rest = schedule{symmetric: steps(1500)}, schedule{symmetric: steps(5000)}, schedule{symmetric: steps(3500)}
	}
	kinetics, frictions := f.forms()
	forms := len(kinetics) + len(frictions) - 1
	f.now.Total = forms*first.total() + whole.total()
	f.now.Part = choosing
	best, tried, err := f.choose(first)
	if err != nil {
		return nil, err
	}
	a, err := f.start(best.Candidate, f.processors())
	if err != nil {
		return nil, err
	}
	defer a.kernel.Close()
	f.now.Part = training
	if best.risen {
		// The model learns the noise of these data. Its training goes on from the best parameters, and ends at those with the lowest validation error.
		f.now.Part = stopping
		err = f.stopEarly(a, best.validation, rest)
	} else {
		err = f.train(a, f.all, whole, nil)
	}
	if err != nil && !errors.Is(err, f.ctx.Err()) {
		return nil, err
	}
	a.store()
	return &Result{
		Dynamics: hamiltonian.Dynamics{Equation: a.equation, Parameters: a.parameters, Scaling: f.scaling},
		Record:   Record{Origin: nets.Origin{Hash: f.observed.Hash}, Model: f.Model.Name, Loss: f.Loss, Seed: f.Seed, Request: f.request, Candidate: best.Candidate, Candidates: tried, Config: a.config, Scaling: f.scaling},
		Losses:   f.losses,
	}, err
}
