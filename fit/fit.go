// Package fit learns a model from measured trajectories. It needs no derivatives: the losses compare steps and windows of trajectories. It
// scales the measurements, and chooses the form of the energy and of the friction by predictions of trajectories that it did not train on.
package fit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/internal/closedform"
	"hnn/internal/kernels"
	"hnn/nets"
)

// Options select a model and how it is trained. The zero value of Kinetic and Friction lets the validation choose.
type Options struct {
	Model       hamiltonian.Model
	Seed        uint64
	Hidden      int // units of a hidden layer; 0 for 64 in an energy of the positions alone, and 128 otherwise
	Layers      int // hidden layers
	Activation  nets.Activation
	FieldType   hamiltonian.FieldType
	Kinetic     hamiltonian.Kinetic
	Friction    hamiltonian.Friction
	Loss        string // Midpoint, MIRK4 or Windows
	WeightDecay float64
	Effort      float64 // factor of the number of gradient steps
	Threads     int     // 0 for all processors
}

// The losses. Midpoint and MIRK4 are symmetric steps of second and fourth order between observed neighbours. Windows integrates many steps from
// a start that is estimated too, so noise in the states stays out of the inputs; it begins with MIRK4.
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
	case !slices.Contains([]hamiltonian.Kinetic{"", hamiltonian.Quadratic, hamiltonian.General}, o.Kinetic):
		return fmt.Errorf("there is no kinetic energy %q; choose quadratic or general", o.Kinetic)
	case !slices.Contains([]hamiltonian.Friction{"", hamiltonian.NoFriction, hamiltonian.ConstantFriction, hamiltonian.StateFriction}, o.Friction):
		return fmt.Errorf("there is no friction %q; choose none, constant or state", o.Friction)
	case o.Hidden < 0 || o.Layers < 1:
		return fmt.Errorf("there are %d hidden layers of %d units; both must be 1 or more", o.Layers, o.Hidden)
	case !(o.Effort > 0) || o.Effort > 1e4:
		return fmt.Errorf("the effort is %g; it must be above 0 and at most 10000", o.Effort)
	case !(o.WeightDecay >= 0) || math.IsInf(o.WeightDecay, 0):
		return fmt.Errorf("the weight decay is %g; it must be 0 or more", o.WeightDecay)
	case o.Threads < 0:
		return fmt.Errorf("there are %d threads; there must be 1 or more, or 0 for one per processor", o.Threads)
	}
	return errors.Join(o.Activation.Check(), o.FieldType.Check())
}

// Candidate is a form of the model with its error on the validation trajectories.
type Candidate struct {
	Kinetic    hamiltonian.Kinetic  `json:"kinetic,omitempty"`
	Friction   hamiltonian.Friction `json:"friction,omitempty"`
	Validation float64              `json:"validation"` // root mean square error in scaled units
}

// Progress is the state of a training after a step.
type Progress struct {
	Step, Total int
	Part        string  // what is in training: the forms of the model that are compared, or the chosen one
	Loss        float64 // mean square in scaled units
}

// Result is a trained model.
type Result struct {
	hamiltonian.Dynamics
	Record Record
	Losses []Progress // of the chosen form
}

// Fit trains on observations. done receives every step; it may be nil. If ctx ends after the form is chosen, Fit returns the model so far, with
// the error of ctx.
func Fit(ctx context.Context, o Options, observed datasets.Observations, done func(Progress)) (*Result, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if len(observed.Trajectories) == 0 {
		return nil, errors.New("fit: there is no trajectory")
	}
	f := &fitter{Options: o, scaling: scale(observed), seen: observed.Seen(), ctx: ctx, done: done, observed: observed}
	for _, turn := range observed.Angles {
		f.angles = append(f.angles, turn > 0)
	}
	train, validation := observed.Split(.2)
	f.training, f.validation, f.all = newSeries(train.Trajectories, f.scaling), newSeries(validation.Trajectories, f.scaling), newSeries(observed.Trajectories, f.scaling)
	return f.fit()
}

type fitter struct {
	Options
	ctx                       context.Context
	done                      func(Progress)
	observed                  datasets.Observations
	scaling                   *hamiltonian.Scaling
	angles                    []bool
	seen                      int // components of a state that are observed
	training, validation, all series
	mutex                     sync.Mutex
	now                       Progress
	losses                    []Progress
}

// attempt is a candidate in training.
type attempt struct {
	config     hamiltonian.Config
	equation   hamiltonian.Equation
	parameters nets.Parameters
	kernel     *kernels.Model[float32]
	random     *rand.Rand
	only       string // prefix of the one network that trains; "" for all
	adam       int    // steps of Adam since its state was reset
}

func (f *fitter) config(c Candidate) hamiltonian.Config {
	var inverse []float32
	for i := range f.observed.Positions {
		inverse = append(inverse, float32(f.scaling.Time*f.scaling.Scale[f.observed.Positions+i]/f.scaling.Scale[i]/f.observed.Estimate.Mass(i)))
	}
	hidden := f.Hidden
	if hidden == 0 {
		hidden = 64
		if c.Kinetic == hamiltonian.General || c.Kinetic == "" {
			hidden = 128
		}
	}
	return hamiltonian.Config{Inverse: inverse, Dimension: 2 * f.observed.Positions, Hidden: hidden, HiddenLayers: f.Layers, Activation: f.Activation, FieldType: f.FieldType,
		Angles: f.angles, Inputs: len(f.observed.Inputs), Constants: len(f.observed.Constants), Kinetic: c.Kinetic, Friction: c.Friction}
}

// start makes a candidate with random initial parameters, to train on a number of threads. The caller closes its kernel.
func (f *fitter) start(c Candidate, threads int) (*attempt, error) {
	a := &attempt{config: f.config(c), random: rand.New(rand.NewPCG(f.Seed, 0))}
	a.equation = f.Model.Equation(a.config)
	if err := a.equation.Check(); err != nil {
		return nil, err
	}
	a.parameters = a.equation.Zeros()
	nets.Initialise(a.equation.Networks, a.parameters, a.random)
	return a, a.open(threads)
}

// open makes the kernel from the parameters.
func (a *attempt) open(threads int) (err error) {
	config := closedform.Equation(a.equation)
	config.Vectors, config.Threads = 2, threads
	a.kernel, err = closedform.New(config, a.equation.Networks, a.parameters)
	return err
}

// store copies the kernel's parameters back.
func (a *attempt) store() {
	a.parameters.EachLayer(a.equation.Networks, func(network, layer int, weight, bias []float32) {
		a.kernel.Store(kernels.Values, network, layer, weight, bias)
	})
}

// reset clears the state of Adam.
func (a *attempt) reset() {
	for i := range 2 {
		clear(a.kernel.Vector(kernels.FirstState + kernels.Kept(i)))
	}
	a.adam = 0
}

// mask clears the gradient of fixed networks and adds the weight decay of the energy's network.
func (a *attempt) mask(decay float64) {
	for i, n := range a.equation.Networks {
		if n.Fixed || a.only != "" && n.Prefix != a.only {
			clear(a.kernel.Vector(kernels.Gradient)[a.kernel.Size(i):a.kernel.Size(i+1)])
		}
	}
	if decay > 0 {
		values, gradient := a.kernel.Vector(kernels.Values), a.kernel.Vector(kernels.Gradient)
		for i := range a.kernel.Size(1) {
			gradient[i] += float32(decay) * values[i]
		}
	}
}

// update makes a step of Adam.
func (a *attempt) update(rate, decay float64) error {
	a.adam++
	a.mask(decay)
	return a.kernel.Adam(a.adam, rate, 0)
}

func cosine(first, last float64, i, n int) float64 {
	return last + (first-last)*(1+math.Cos(math.Pi*float64(i)/float64(n)))/2
}

// bySteps trains on symmetric steps between observed neighbours.
func (f *fitter) bySteps(a *attempt, s series, steps int) error {
	const rows, rate = 512, 3e-3
	batch := s.steps()
	batch.Scheme = kernels.MIRK4
	if f.Loss == Midpoint {
		batch.Scheme = kernels.Midpoint
	}
	count := batch.Count
	if count > rows {
		batch.Rows, batch.Count = make([]int64, rows), rows
	}
	a.reset()
	for i := range steps {
		for k := range batch.Rows {
			batch.Rows[k] = a.random.Int64N(int64(count))
		}
		loss, err := a.kernel.Gradient(batch)
		if err == nil {
			err = a.update(cosine(rate, rate/10, i, steps), f.WeightDecay)
		}
		if err := f.progress(err, loss); err != nil {
			return err
		}
	}
	return nil
}

// progress counts a step.
func (f *fitter) progress(err error, loss float64) error {
	switch {
	case err != nil:
		return err
	case math.IsNaN(loss) || math.IsInf(loss, 0):
		return errors.New("fit: the loss is not finite")
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.now.Step++
	f.now.Loss = loss
	if f.now.Part != choosing {
		f.losses = append(f.losses, f.now)
	}
	if f.done != nil {
		f.done(f.now)
	}
	return f.ctx.Err()
}

// through trains through windows by Adam, and estimates their starts.
func (f *fitter) through(a *attempt, s series, rows, steps int) error {
	const rate, startRate = 3e-3, 5e-3
	b := s.windows(min(rows, s.longest()), f.seen)
	a.reset()
	for i := range steps {
		loss, err := a.kernel.WindowLoss(b.Windows, b.gradient)
		if err != nil {
			return err
		}
		clip(a.kernel.Vector(kernels.Gradient))
		b.move(i+1, cosine(startRate, startRate/30, i, steps))
		if err := f.progress(a.update(cosine(rate, rate/30, i, steps), f.WeightDecay), loss); err != nil {
			return err
		}
	}
	return nil
}

// clip scales a gradient to a norm of at most 1.
func clip(gradient []float32) {
	sum := 0.0
	for _, g := range gradient {
		sum += float64(g) * float64(g)
	}
	if norm := math.Sqrt(sum); norm > 1 {
		for i := range gradient {
			gradient[i] /= float32(norm)
		}
	}
}

// judge returns the error of predictions of the validation trajectories from their best starts.
func (f *fitter) judge(a *attempt, rows int) (float64, error) {
	b := f.validation.windows(min(rows, f.validation.longest()), f.seen)
	if b.Count == 0 {
		return 0, errors.New("fit: the validation trajectories are too short")
	}
	var loss float64
	const steps = 60
	best := math.Inf(1)
	for i := range steps {
		var err error
		if loss, err = a.kernel.WindowLoss(b.Windows, b.gradient); err != nil {
			return 0, err
		}
		best = min(best, loss)
		b.move(i+1, cosine(1e-2, 1e-3, i, steps))
	}
	if math.IsNaN(best) {
		best = math.Inf(1)
	}
	return math.Sqrt(best), nil
}

// forms lists the forms of the energy and of the friction to compare.
func (f *fitter) forms() ([]hamiltonian.Kinetic, []hamiltonian.Friction) {
	kinetics, frictions := []hamiltonian.Kinetic{hamiltonian.Quadratic, hamiltonian.General}, []hamiltonian.Friction{hamiltonian.NoFriction, hamiltonian.ConstantFriction}
	if f.Model.Name != hamiltonian.Port.Name {
		kinetics, frictions = []hamiltonian.Kinetic{""}, []hamiltonian.Friction{""}
	} else if !f.observed.Measured {
		kinetics = []hamiltonian.Kinetic{hamiltonian.Given}
	}
	if f.Kinetic != "" {
		kinetics = []hamiltonian.Kinetic{f.Kinetic}
	}
	if f.Friction != "" {
		frictions = []hamiltonian.Friction{f.Friction}
	}
	return kinetics, frictions
}

// schedule is the number of steps of each part of a training.
type schedule struct {
	symmetric   int // steps of Adam on symmetric steps
	windows     int // steps of Adam through windows of shortWindow rows
	short, long int // evaluations of L-BFGS through windows of mediumWindow and of longWindow rows
}

func (s schedule) total() int { return s.symmetric + s.windows + s.short + s.long }

// The lengths of windows, in rows. Short windows come first, since a poor model leaves a long trajectory at once.
const shortWindow, mediumWindow, longWindow = 11, 31, 101

// The parts of a training.
const choosing, training = "forms", "model"

// train trains a candidate on trajectories.
func (f *fitter) train(a *attempt, s series, n schedule) error {
	if err := f.bySteps(a, s, n.symmetric); err != nil || f.Loss != Windows {
		return err
	}
	if err := f.through(a, s, shortWindow, n.windows); err != nil {
		return err
	}
	if err := f.refine(a, s, mediumWindow, n.short); err != nil || n.long == 0 {
		return err
	}
	return f.refine(a, s, longWindow, n.long)
}

// processors returns the number of trainings at once. A training of a small network gains little from a second thread.
func (f *fitter) processors() int {
	if f.Threads > 0 {
		return f.Threads
	}
	return runtime.GOMAXPROCS(0)
}

// choose returns the form of the model that predicts the validation trajectories best after a short training, and all forms that it tried.
// Friction must make the error smaller by 2%, and a general energy by 20%: a separable one continues beyond the data better.
func (f *fitter) choose(n schedule) (best Candidate, tried []Candidate, err error) {
	kinetics, frictions := f.forms()
	for _, k := range kinetics {
		list := []Candidate{}
		for _, r := range frictions {
			list = append(list, Candidate{Kinetic: k, Friction: r})
		}
		if err := f.judgeAll(list, n); err != nil {
			return best, tried, err
		}
		better := list[0]
		for _, c := range list[1:] {
			if c.Validation < .98*better.Validation {
				better = c
			}
		}
		if tried == nil || better.Validation < .8*best.Validation {
			best = better
		}
		frictions, tried = []hamiltonian.Friction{better.Friction}, append(tried, list...)
	}
	return best, tried, nil
}

// judgeAll trains candidates for a short time, several at once, and sets their errors.
func (f *fitter) judgeAll(list []Candidate, n schedule) error {
	var group errgroup.Group
	group.SetLimit(f.processors())
	for i := range list {
		group.Go(func() error {
			a, err := f.start(list[i], max(1, f.processors()/len(list)))
			if err != nil {
				return err
			}
			defer a.kernel.Close()
			if err := f.train(a, f.training, n); err != nil {
				return err
			}
			list[i].Validation, err = f.judge(a, 51)
			return err
		})
	}
	return group.Wait()
}

func (f *fitter) fit() (*Result, error) {
	rows := 0
	for _, p := range f.all {
		rows += len(p.state)
	}
	// A pass over more rows teaches more, and takes longer.
	effort := f.Effort * math.Min(1, math.Max(.4, 2500/float64(rows)))
	steps := func(n int) int { return max(1, int(float64(n)*effort)) }
	trial, whole := schedule{steps(800), steps(80), steps(100), 0}, schedule{steps(1500), steps(150), steps(400), steps(600)}
	if f.Loss != Windows {
		trial, whole = schedule{symmetric: steps(1500)}, schedule{symmetric: steps(5000)}
	}
	kinetics, frictions := f.forms()
	best, tried := Candidate{Kinetic: kinetics[0], Friction: frictions[0]}, []Candidate(nil)
	forms := len(kinetics) + len(frictions) - 1
	if f.now.Total = whole.total(); forms > 1 {
		f.now.Total += forms * trial.total()
		f.now.Part = choosing
		var err error
		if best, tried, err = f.choose(trial); err != nil {
			return nil, err
		}
	}
	a, err := f.start(best, f.processors())
	if err != nil {
		return nil, err
	}
	defer a.kernel.Close()
	f.now.Part = training
	err = f.train(a, f.all, whole)
	if err != nil && !errors.Is(err, f.ctx.Err()) {
		return nil, err
	}
	a.store()
	return &Result{
		Dynamics: hamiltonian.Dynamics{Equation: a.equation, Parameters: a.parameters, Scaling: f.scaling},
		Record:   Record{Model: f.Model.Name, Loss: f.Loss, Seed: f.Seed, Candidate: best, Candidates: tried, Config: a.config, Scaling: f.scaling},
		Losses:   f.losses,
	}, err
}
