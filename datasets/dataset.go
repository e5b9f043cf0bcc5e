// Package datasets holds the tasks: for each, its physics and the data that a seed gives, in the published order of random
// draws. A task is one value, declared in one file; nothing else needs to change for a new one.
package datasets

import (
	"fmt"
	"math"
	"sort"
	"strings"

	"hnn/integrator"
	"hnn/internal/numpy"
)

// Samples are states of a system and their time derivatives, a row each: a state of dimension 2n is (q1..qn, p1..pn).
type Samples struct {
	X  [][]float64
	DX [][]float64
}

// Dataset is a training and a test set.
type Dataset struct {
	Train Samples
	Test  Samples
}

// Task names a system to learn: its data, its physics and the settings of the published training script.
type Task struct {
	Name        string
	Description string
	Dimension   int // of a state, q and p together

	// Generate makes the dataset of a seed. Noise, where the task is noisy, is the standard deviation of the normal noise
	// added to q and p.
	Generate func(seed uint32, noise float64) (Dataset, error)
	Noise    float64 // the published default; 0 where the data are measured

	// Load reads the dataset from a file that the user gives; nil where the task generates its data.
	Load func(path string) (Dataset, error)

	// Hamiltonian is the true (or, for measurements, the fitted) energy at a state.
	Hamiltonian func(state []float64) float64

	Steps       int     // gradient steps after the first
	WeightDecay float64 // L2, added to the gradient
	TimeStep    float64 // of the RK4 increment, when training through one
}

var tasks = map[string]Task{}

func register(t Task) Task {
	tasks[t.Name] = t
	return t
}

// Tasks returns every task, by name.
func Tasks() []Task {
	list := make([]Task, 0, len(tasks))
	for _, t := range tasks {
		list = append(list, t)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return list
}

// Find returns the task of a name, or an error that lists the names there are.
func Find(name string) (Task, error) {
	if t, ok := tasks[name]; ok {
		return t, nil
	}
	var names []string
	for _, t := range Tasks() {
		names = append(names, t.Name)
	}
	return Task{}, fmt.Errorf("there is no task %q; the tasks are %s", name, strings.Join(names, ", "))
}

// oscillator describes a set of noisy trajectories of a system with one degree of freedom.
type oscillator struct {
	dynamics     integrator.Derivative
	points       int     // per trajectory, over t = 0..3
	radius, span float64 // the start lies at a radius in [radius, radius+span)
}

const (
	trajectories = 50
	duration     = 3.0
)

// generate draws, per trajectory, a direction, a radius and the noise of all q and of all p. Half of the rows are the test
// set. The derivatives are those of the noiseless states.
func (o oscillator) generate(seed uint32, noise float64) (Dataset, error) {
	random := numpy.NewRandom(seed)
	times := linspace(0, duration, o.points)
	var all Samples
	for range trajectories {
		y := []float64{random.Float64()*2 - 1, random.Float64()*2 - 1}
		radius := random.Float64()*o.span + o.radius
		length := math.Sqrt(y[0]*y[0] + y[1]*y[1])
		y[0], y[1] = y[0]/length*radius, y[1]/length*radius
		path, err := integrator.RK45(o.dynamics, y, times, integrator.Tolerance{Relative: 1e-10, Absolute: 1e-6})
		if err != nil {
			return Dataset{}, err
		}
		first := len(all.X)
		for _, state := range path.Y {
			dx := make([]float64, 2)
			o.dynamics(0, state, dx)
			all.X, all.DX = append(all.X, state), append(all.DX, dx)
		}
		for axis := range 2 {
			for _, state := range all.X[first:] {
				state[axis] += random.Normal() * noise
			}
		}
	}
	half := len(all.X) / 2
	return Dataset{
		Train: Samples{all.X[:half], all.DX[:half]},
		Test:  Samples{all.X[half:], all.DX[half:]},
	}, nil
}

// linspace returns n values from start to stop, both included, as numpy.linspace rounds them.
func linspace(start, stop float64, n int) []float64 {
	values := make([]float64, n)
	step := (stop - start) / float64(n-1)
	for i := range values {
		values[i] = float64(i)*step + start
	}
	values[n-1] = stop
	return values
}
