// Package datasets holds the tasks: for each, its physics and the data that a seed gives, in the published order of random
// draws. A task is one value, declared in one file; nothing else needs to change for a new one.
package datasets

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"hnn/integrator"
)

// Samples are states of a system and their time derivatives, a row each: a state of dimension 2n is (q1..qn, p1..pn).
type Samples struct {
	X     [][]float64
	DX    [][]float64
	Times []float64 // of the rows, where they were measured one after another; nil where they were generated
}

// Dataset is a training and a test set.
type Dataset struct {
	Train Samples
	Test  Samples
}

// Trajectories are true trajectories at common times, for the predictions of a model to be held against. A model starts from
// their first states and is integrated with their solver.
type Trajectories struct {
	Times  []float64
	States [][][]float64 // by trajectory and time; of a motion that was not observed, its start alone
	Solver integrator.RK45
}

// Starts returns the first state of each trajectory.
func (t Trajectories) Starts() [][]float64 {
	starts := make([][]float64, len(t.States))
	for i, states := range t.States {
		starts[i] = states[0]
	}
	return starts
}

// Task names a system to learn: its physics, its data, the settings of the published training script, and the trajectories
// on which the paper compares the models.
type Task struct {
	Name        string
	Number      string // in the paper
	Aliases     []string
	Description string
	Dimension   int    // of a state, q and p together
	Bodies      int    // that move in a plane; 0 for any other system
	Labels      Labels // of its figures' axes
	File        string // the table that FromTable made the task of; empty for all others

	// Hamiltonian is the true energy of a state, for measurements a fitted one, and Dynamics its field. Both are nil where
	// nothing but observations is known.
	Hamiltonian func(state []float64) float64
	Dynamics    integrator.Derivative
	// Kinetic and Potential energy of bodies, whose sum is the Hamiltonian; nil for any other system.
	Kinetic   func(state []float64) float64
	Potential func(state []float64) float64

	// Generate makes the dataset of a seed; nil where the data are pictures.
	Generate func(seed uint32) (Dataset, error)
	// Load reads a dataset in place of that from a file in the task's own format; nil where there is no such format.
	Load func(path string) (Dataset, error)

	// Pictures makes the data of a system that a camera sees; nil for all others. Such a task has no Dynamics, no Example and
	// no Trials: its state is known by its pictures only.
	Pictures func(seed uint32) (Pictures, error)
	// Film makes the pictures of the one swing of the figures and of the energy's mean squared error, all of them test samples.
	Film func() (Pictures, error)

	// Example is the trajectory of the figures, and Trials are those of the energy's mean squared error. Where the data are
	// observed, both are of the test set.
	Example func(Dataset) (Trajectories, error)
	Trials  func(Dataset) (Trajectories, error)

	Steps       int     // gradient steps after the first
	BatchSize   int     // rows drawn at a step; 0 for all
	WeightDecay float64 // L2, added to the gradient
	InputNoise  bool    // the published script draws noise for the predictions, also where its size is 0
	TimeStep    float64 // of the RK4 increment, when training through one; 0 where the published code offers none

	Published Published // what to hold a run with these settings and seed 0 against
}

// Published are the figures of a task's two models in print.
type Published struct{ Baseline, HNN PublishedModel }

// PublishedModel are the figures of a model as the paper's authors give them, to more digits than in its tables 1 and 2, and those
// of their code when it is run with PyTorch 2.15.0.
type PublishedModel struct{ Paper, Code Figures }

// Figures are the mean squared errors of a trained model: of the derivatives (for pictures: the loss), on the training and on the
// test set, and of the energy along trajectories. 0 stands for one that is not known.
type Figures struct{ Train, Test, Energy float64 }

// Labels are the quantities on a figure's axes, with their units where they have any.
type Labels struct{ Position, Momentum, Time, Energy string }

// dimensionless labels the quantities of a system whose masses and constants are pure numbers.
var dimensionless = Labels{Position: "q", Momentum: "p", Time: "t", Energy: "H"}

var tasks = map[string]Task{}

func register(t Task) Task {
	tasks[t.Name] = t
	return t
}

// Tasks returns every task, in the paper's order.
func Tasks() []Task {
	list := make([]Task, 0, len(tasks))
	for _, t := range tasks {
		list = append(list, t)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Number < list[j].Number })
	return list
}

// Find returns the task of a name, or an error that lists the names there are.
func Find(name string) (Task, error) {
	var names []string
	for _, t := range Tasks() {
		if name == t.Name || slices.Contains(t.Aliases, name) {
			return t, nil
		}
		names = append(names, t.Name)
	}
	return Task{}, fmt.Errorf("there is no task %q; the tasks are %s", name, strings.Join(names, ", "))
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
