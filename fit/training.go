package fit

import (
	"errors"
	"math"
	"math/rand/v2"

	"hnn/hamiltonian"
	"hnn/internal/closedform"
	"hnn/internal/kernels"
	"hnn/nets"
)

// attempt is a candidate in training.
type attempt struct {
	config     hamiltonian.Config
	equation   hamiltonian.Equation
	parameters nets.Parameters
	kernel     *kernels.Model[float32]
	random     *rand.Rand
	only       string // prefix of the only network that trains; "" for all
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

// start returns a candidate with random initial parameters, which trains on the given number of threads. The caller closes its kernel.
func (f *fitter) start(c Candidate, threads int) (*attempt, error) {
	a := &attempt{config: f.config(c), random: rand.New(rand.NewPCG(f.Seed, 0))}
	a.equation = f.Model.Equation(a.config)
	if err := a.equation.Check(); err != nil {
		return nil, err
	}
	a.parameters = a.equation.Shapes()
	if err := a.parameters.Check(); err != nil {
		return nil, err
	}
	a.parameters.Allocate()
	nets.Initialise(a.equation.Networks, a.parameters, a.random)
	return a, a.open(threads)
}

// open makes the kernel with the parameters.
func (a *attempt) open(threads int) (err error) {
	config := closedform.Equation(a.equation)
	config.Vectors, config.Threads = 2, threads
	a.kernel, err = closedform.New(config, a.equation.Networks, a.parameters)
	return err
}

// set copies parameters to the kernel, in the layout of Vector(kernels.Values).
func (a *attempt) set(values []float32) error {
	copy(a.kernel.Vector(kernels.Values), values)
	return a.kernel.Updated()
}

// store copies the kernel's parameters to a.parameters.
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

// mask clears the gradient of networks that do not train, and adds the weight decay of the first network, the energy's.
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
const choosing, training, stopping = "forms", "model", "early stopping"

// train trains a candidate on trajectories. With a validation, L-BFGS ends when the validation error has risen for good, and after such a rise
// the next part begins with the best parameters.
func (f *fitter) train(a *attempt, s series, n schedule, v *validation) error {
	parts := []func() error{
		func() error { return f.bySteps(a, s, n.symmetric, v) },
		func() error { return f.through(a, s, shortWindow, n.windows) },
		func() error { return f.refine(a, s, mediumWindow, n.short, v) },
		func() error { return f.refine(a, s, longWindow, n.long, v) },
	}
	for i, count := range []int{n.symmetric, n.windows, n.short, n.long} {
		if count == 0 {
			continue
		}
		if err := parts[i](); err != nil {
			return err
		}
		if v == nil {
			continue
		}
		if err := f.look(a, v); err != nil {
			return err
		}
		if v.stop() {
			v.risen = true
			if err := v.restore(a); err != nil {
				return err
			}
		}
	}
	return nil
}

// bySteps trains on symmetric steps between successive observed rows, by Adam.
func (f *fitter) bySteps(a *attempt, s series, steps int, v *validation) error {
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
		if v != nil && (i+1)%max(1, steps/5) == 0 {
			if err := f.look(a, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// through trains on windows by Adam, and estimates their starts. If the loss is not finite, it ends at the best parameters.
func (f *fitter) through(a *attempt, s series, rows, steps int) error {
	const rate, startRate = 3e-3, 5e-3
	b := s.windows(min(rows, s.longest()), f.seen)
	a.reset()
	lowest, best := math.Inf(1), []float32(nil)
	for i := range steps {
		loss, err := a.kernel.WindowLoss(b.Windows, b.gradient)
		if err != nil {
			return err
		}
		switch {
		case loss < lowest:
			lowest, best = loss, append(best[:0], a.kernel.Vector(kernels.Values)...)
		case !finite(loss) && best != nil:
			return a.set(best)
		}
		clip(a.kernel.Vector(kernels.Gradient))
		b.move(i+1, cosine(startRate, startRate/30, i, steps))
		if err := f.progress(a.update(cosine(rate, rate/30, i, steps), f.WeightDecay), loss); err != nil {
			return err
		}
	}
	return nil
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

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

// errDiverged is the error of a training whose loss is not finite.
var errDiverged = errors.New("fit: the loss is not finite; try another seed, or data with less noise and smaller steps")

// progress counts a step and reports it, unless the step failed.
func (f *fitter) progress(err error, loss float64) error {
	switch {
	case err != nil:
		return err
	case !finite(loss):
		return errDiverged
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
