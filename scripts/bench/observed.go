package main

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"hnn/hamiltonian"
	"hnn/integrator"
	"hnn/internal/closedform"
	"hnn/internal/kernels"
	"hnn/nets"
)

// observedLoss is a loss of package fit on trajectories of a system, without scaling.
type observedLoss struct {
	window             int     // rows of a window of the loss windows; 0 for the loss mirk4
	trajectories, rows int     // rows of a trajectory
	step, spread       float64 // time between rows; standard deviation of the starts
	models             []hamiltonian.Model
	config             hamiltonian.Config
	derivative         integrator.Derivative
}

// damped is a loss on the pendulum with friction of docs/systems.md.
func damped(window int, models ...hamiltonian.Model) observedLoss {
	return observedLoss{window, 20, 101, .1, .8, models,
		hamiltonian.Config{Dimension: 2, Hidden: 64, HiddenLayers: 2, Activation: "tanh", Angles: []bool{true}, Kinetic: hamiltonian.Quadratic, Friction: hamiltonian.ConstantFriction},
		func(_ float64, y, out []float64) { out[0], out[1] = y[1], -math.Sin(y[0])-.05*y[1] }}
}

// observations holds the losses by name. windows4 is on the Hénon-Heiles system of docs/systems.md.
var observations = map[string]observedLoss{
	"mirk4":    damped(0, hamiltonian.Port, hamiltonian.HNN),
	"windows2": damped(31, hamiltonian.Port),
	"windows4": {31, 25, 201, .2, .15, []hamiltonian.Model{hamiltonian.Port},
		hamiltonian.Config{Dimension: 4, Hidden: 128, HiddenLayers: 2, Activation: "tanh", Kinetic: hamiltonian.General, Friction: hamiltonian.NoFriction},
		func(_ float64, y, out []float64) {
			out[0], out[1], out[2], out[3] = y[2], y[3], -y[0]-2*y[0]*y[1], -y[1]-y[0]*y[0]+y[1]*y[1]
		}},
}

// observedSteps prints the times of training steps of losses on observed steps beside the peers', which must reproduce the first gradient.
// The loss mirk4 solves no equation, so diffrax has no such run.
func observedSteps(o options, processors int) error {
	if len(o.observed) == 0 {
		return nil
	}
	peers := []string{"jax", "diffrax"}
	head(fmt.Sprintf("Training step on observed steps on %d of the processors, in ms", processors), "loss, model", peers)
	for _, name := range o.observed {
		loss, ok := observations[name]
		if !ok {
			return fmt.Errorf("there is no loss %q on observed steps; choose from %s", name, strings.Join(slices.Sorted(maps.Keys(observations)), ", "))
		}
		for _, model := range loss.models {
			if err := loss.dump(o.work, name, model); err != nil {
				return err
			}
			asked := peers
			if loss.window == 0 {
				asked = peers[:1]
			}
			taken, err := times(o, asked, name, model.Name, processors, 1, "step")
			if err != nil {
				return err
			}
			row(name+" "+model.Name, peers, taken[0], "%.3f")
		}
	}
	return nil
}

// observedRun trains a model.
type observedRun struct {
	equation   hamiltonian.Equation
	parameters nets.Parameters // at the start
	kernel     *kernels.Model[float32]
	random     *rand.Rand
	steps      int // done so far

	batch                  kernels.Batch[float32]   // of the loss mirk4
	windows                kernels.Windows[float32] // of the loss windows
	gradient, mean, square []float32                // by the starts of the windows; the moments of Adam
}

// start makes the data and the initial parameters, the same ones in each process. The caller closes the kernel.
func (l observedLoss) start(model hamiltonian.Model) (*observedRun, error) {
	if model.Name == hamiltonian.HNN.Name {
		l.config.Hidden = 128 // as in package fit
	}
	r := &observedRun{equation: model.Equation(l.config), random: rand.New(rand.NewPCG(1, 2))}
	r.parameters = r.equation.Zeros()
	nets.Initialise(r.equation.Networks, r.parameters, r.random)
	for _, p := range r.parameters { // so that no gradient is zero
		for i := range p.Values {
			p.Values[i] += float32(.02 * r.random.NormFloat64())
		}
	}
	if err := l.measure(r); err != nil {
		return nil, err
	}
	config := closedform.Equation(r.equation)
	config.Vectors = 2
	var err error
	r.kernel, err = closedform.New(config, r.equation.Networks, r.parameters)
	return r, err
}

// measure sets the observed steps, or the windows, of noisy trajectories.
func (l observedLoss) measure(r *observedRun) error {
	times, starts := make([]float64, l.rows), random(l.trajectories, l.config.Dimension)
	for i := range times {
		times[i] = float64(i) * l.step
	}
	for _, start := range starts {
		for j := range start {
			start[j] *= l.spread
		}
	}
	solutions, err := integrator.RK45{Relative: 1e-9, Absolute: 1e-9}.Solve(integrator.Each(l.derivative), starts, times)
	if err != nil {
		return err
	}
	h, b, w := float32(l.step), &r.batch, &r.windows
	for _, s := range solutions {
		rows := make([][]float32, l.rows)
		for i, state := range s.States {
			for _, v := range state {
				rows[i] = append(rows[i], float32(v+.01*r.random.NormFloat64()))
			}
		}
		for i := 0; i < l.rows-1 && l.window == 0; i++ {
			b.X, b.Steps = append(b.X, rows[i]...), append(b.Steps, h)
			for j, v := range rows[i+1] {
				b.DX = append(b.DX, (v-rows[i][j])/h)
			}
		}
		for first, last := 0, l.rows-l.window; l.window > 0; first = min(first+l.window-1, last) { // neighbours share a row
			w.Count++
			w.Starts, w.Observed = append(w.Starts, rows[first]...), append(w.Observed, slices.Concat(rows[first:first+l.window]...)...)
			if first == last {
				break
			}
		}
	}
	if l.window == 0 {
		b.Scheme, b.Count = kernels.MIRK4, 512
		for i := range b.Count {
			b.Rows = append(b.Rows, int64(i))
		}
		return nil
	}
	w.Steps = l.window - 1
	w.Lengths = slices.Repeat([]float32{h}, w.Count*w.Steps)
	w.Weights = slices.Repeat([]float32{1 / float32(len(w.Observed))}, len(w.Observed))
	w.Path = make([]float32, len(w.Observed))
	for _, list := range []*[]float32{&r.gradient, &r.mean, &r.square} {
		*list = make([]float32, len(w.Starts))
	}
	return nil
}

// loss returns the loss and computes its gradient.
func (r *observedRun) loss() (float64, error) {
	if r.windows.Count > 0 {
		return r.kernel.WindowLoss(r.windows, r.gradient)
	}
	return r.kernel.Gradient(r.batch)
}

// step makes a step of Adam with the parameters and the starts.
func (r *observedRun) step() error {
	const rate = 1e-3
	for k := range r.batch.Rows {
		r.batch.Rows[k] = r.random.Int64N(int64(len(r.batch.Steps)))
	}
	loss, err := r.loss()
	if err != nil {
		return err
	}
	if math.IsNaN(loss) {
		return errors.New("the loss is not a number")
	}
	r.steps++
	first, second := 1-math.Pow(.9, float64(r.steps)), 1-math.Pow(.999, float64(r.steps))
	for i, g := range r.gradient {
		r.mean[i] += .1 * (g - r.mean[i])
		r.square[i] += .001 * (g*g - r.square[i])
		r.windows.Starts[i] -= float32(rate * float64(r.mean[i]) / first / (math.Sqrt(float64(r.square[i])/second) + 1e-8))
	}
	return r.kernel.Adam(r.steps, rate, 0)
}

// dump writes the data for the peers, the initial parameters, and the loss and its gradient there.
func (l observedLoss) dump(folder, name string, model hamiltonian.Model) error {
	r, err := l.start(model)
	if err != nil {
		return err
	}
	defer r.kernel.Close()
	loss, err := r.loss()
	write := writer(folder, name+"-"+model.Name)
	add := func(what string, rows int, values []float32) { err = errors.Join(err, write(what, rows, values)) }
	add("loss", 1, []float32{float32(loss)})
	if b, w := r.batch, r.windows; w.Count == 0 {
		add("x", len(b.Steps), b.X)
		add("dx", len(b.Steps), b.DX)
		add("lengths", len(b.Steps), b.Steps)
	} else {
		add("starts", w.Count, w.Starts)
		add("lengths", w.Count, w.Lengths)
		add("observed", w.Count, w.Observed)
		add("weights", w.Count, w.Weights)
		add("gradient.starts", w.Count, r.gradient)
	}
	for _, what := range []string{"parameter.", "gradient."} {
		for _, p := range r.parameters {
			add(what+p.Name, int(p.Shape[0]), p.Values)
		}
		r.parameters.EachLayer(r.equation.Networks, func(network, layer int, weight, bias []float32) {
			r.kernel.Store(kernels.Gradient, network, layer, weight, bias)
		})
	}
	return err
}

// answer answers the requests of peers.py, "step REPETITIONS", until they end.
func (l observedLoss) answer(name string) error {
	model, err := hamiltonian.Find(name)
	if err != nil {
		return err
	}
	r, err := l.start(model)
	if err != nil {
		return err
	}
	defer r.kernel.Close()
	for repetitions := 0; ; {
		if _, err := fmt.Scanf("step %d\n", &repetitions); err != nil {
			return nil
		}
		begin := time.Now()
		for range repetitions {
			if err := r.step(); err != nil {
				return err
			}
		}
		fmt.Println(time.Since(begin).Seconds())
	}
}
