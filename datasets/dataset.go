// Package datasets holds the systems to learn. A Task is one system: its physics, its data, and the published training settings. A seed gives
// the same data as in the published Python code. The package does not need LibTorch.
package datasets

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/gonum/floats"

	"hnn/integrator"
	"hnn/internal/tables"
)

// Samples are states of a system and their time derivatives, one row each. A state of dimension 2n is (q1..qn, p1..pn).
type Samples struct {
	X     Matrix    // states
	DX    Matrix    // dx/dt, in the rows and columns of X
	Times []float64 // time of each row, if the rows are one measured trajectory; otherwise nil
}

// exact are samples in double precision. The tasks make them; Samples are what is observed of them.
type exact struct {
	x, dx [][]float64
	times []float64
}

func (e exact) slice(first, last int) exact {
	part := exact{x: e.x[first:last], dx: e.dx[first:last]}
	if e.times != nil {
		part.times = e.times[first:last]
	}
	return part
}

// samples returns the samples in single precision.
func (e exact) samples() Samples {
	return Samples{X: MatrixOf(e.x), DX: MatrixOf(e.dx), Times: e.times}
}

// generator makes the training and the test set of a seed in double precision.
type generator func(seed uint32) (train, test exact, err error)

// dataset makes them in single precision.
func (g generator) dataset(seed uint32) (Dataset, error) {
	train, test, err := g(seed)
	if err != nil {
		return Dataset{}, err
	}
	return Dataset{Train: train.samples(), Test: test.samples()}, nil
}

// Dataset is a training set and a test set. Treat it as read-only: some tasks return the same rows at every call.
type Dataset struct {
	Train Samples
	Test  Samples
	// Images holds the data of a task that is observed through a camera. Train and Test are then empty. It is nil for all other tasks.
	Images *Images
	// Share says which rows of a table Train and Test have; nil for all of them.
	Share *Share
}

// Rows returns the number of rows of the whole training set, or of the whole test set. For images, it is the number of samples.
func (d Dataset) Rows(test bool) int {
	switch {
	case d.Share != nil && test:
		return d.Share.Test
	case d.Share != nil:
		return d.Share.Train
	case d.Images != nil && test:
		return len(d.Images.Test)
	case d.Images != nil:
		return len(d.Images.Train)
	case test:
		return d.Test.rows()
	}
	return d.Train.rows()
}

// Images are frames of motions from random starts. Each frame is stored once. A sample is named by the number f of its first frame: its
// image shows frames f and f+1, its successor is sample f+1, and its coordinates are Coordinates[f+1].
type Images struct {
	Side        int         // rows and columns of a frame
	Frames      [][]byte    // of Side×Side shades each, row by row; the motions follow one another
	Coordinates [][]float64 // true state after the time step of each frame
	Train, Test []int64     // first frames of the samples
}

// Sample returns the image of the sample whose first frame is given: two frames one after the other, 2·Side² values from 0 to 1.
func (m Images) Sample(first int64) []float32 {
	return m.Pixels(first, 2)
}

// Pixels returns the pixels of count successive frames, Side² values from 0 to 1 for each.
func (m Images) Pixels(first, count int64) []float32 {
	pixels := make([]float32, 0, int(count)*m.Side*m.Side)
	for _, frame := range m.Frames[first : first+count] {
		for _, shade := range frame {
			pixels = append(pixels, float32(float64(shade)/255))
		}
	}
	return pixels
}

// Trajectories are reference trajectories at common times. A model is integrated from their first states with the same solver and compared
// with them.
type Trajectories struct {
	Times  []float64     // the first is 0
	States [][][]float64 // by trajectory and time; only the start if nothing else is known
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

// Protocol is a comparison of a model's energies with the true ones, state by state. A model is integrated from the starts of each entry of Trials,
// at its Times. Its States are the true ones with which the model's are compared, one by one, even where the notebook took them at other times.
type Protocol struct {
	Trials []Trajectories
	Energy func(state []float64) float64
}

// Task is a system to learn. Its functions may be called from several goroutines. A task of your own is a Task value, or what FromTable or
// FromHamiltonian returns.
type Task struct {
	Name        string // for flags and files
	Aliases     []string
	Description string // one line for help texts
	Dimension   int    // of a state: n positions and n momenta
	Bodies      int    // bodies that move in a plane; 0 for any other system
	Labels      Labels
	Note        string // whole sentences: what a reader of the task's figures and numbers should know beyond their captions
	File        string // absolute path of the user's data; empty for a task that has its own
	Hash        string // SHA-256 of File in hexadecimal digits: runs know their data by it
	// Observed holds all trajectories of a table with times and without derivatives. It is nil for all other tasks.
	Observed *Observations

	// Hamiltonian returns the true energy of a state. Dynamics is the true field. Both are nil where only observations are known.
	Hamiltonian func(state []float64) float64
	Dynamics    integrator.Derivative
	// Fitted names the system that Hamiltonian and Dynamics describe if they were fitted to measurements, such as "fitted pendulum". It is empty if
	// they are exact.
	Fitted string
	// Kinetic and Potential return the two parts of the energy of bodies. They are nil for any other system.
	Kinetic   func(state []float64) float64
	Potential func(state []float64) float64

	// Generate makes the dataset of a seed.
	Generate func(seed uint32) (Dataset, error)
	// Increments makes the dataset with mean derivatives: X is as in Generate, and DX is (x(t+TimeStep) − x(t)) / TimeStep along the
	// trajectory without noise. It is nil for tasks without such data.
	Increments func(seed uint32) (Dataset, error)
	// Parse reads a text in the task's own format, for Generate or for Increments. Errors name the text by the given name. It is nil where there
	// is no such format.
	Parse func(name, content string, increments bool) (Dataset, error)

	// ImageSide is the number of rows and columns of a frame; 0 where states are observed. A task with images has no Dynamics, no Example
	// and no Trials.
	ImageSide int
	// Film makes the images of the one motion that the figures show; all its samples are in Test. It is nil where states are observed.
	Film func() (Images, error)

	// Example returns the trajectory that the figures show. Trials returns the trajectories of the energy's mean squared error. Both take
	// the dataset because measured trajectories come from its test set.
	Example func(Dataset) (Trajectories, error)
	Trials  func(Dataset) (Trajectories, error)
	// Notebook returns the published notebook's own comparison of energies. It is nil if the notebook compares Hamiltonian over Trials, and for a task
	// that is not in the paper.
	Notebook func(Dataset) (Protocol, error)
	// Excerpt is the time, in units of t, up to which a separate figure shows the example; 0 for no such figure.
	Excerpt float64

	Steps       int     // gradient steps after step 0
	BatchSize   int     // rows per step; 0 for all
	WeightDecay float64 // L2: this times the parameters is added to the gradient
	InputNoise  bool    // whether the published script draws input noise, even with standard deviation 0
	TimeStep    float64 // of Increments, in units of t; 0 where Increments is nil

	// Published holds the published results by model name, for these settings. It is nil for a task that is not in the paper.
	Published map[string]PublishedModel
}

// Labels name the axes of a task's figures, with units where there are any.
type Labels struct{ Position, Momentum, Time, Energy string }

var dimensionless = Labels{Position: "q", Momentum: "p", Time: "t", Energy: "H"}

// tasks lists the tasks in the paper's order. To add a task, write a new file and add its variable here.
var tasks = []Task{Spring, Pendulum, Real, TwoBody, ThreeBody, Pixel}

// Tasks returns every task, in the paper's order.
func Tasks() []Task { return slices.Clone(tasks) }

// Find returns the task with the given name or alias, or an error that lists the names.
func Find(name string) (Task, error) {
	var names []string
	for _, t := range tasks {
		if name == t.Name || slices.Contains(t.Aliases, name) {
			return t, nil
		}
		names = append(names, t.Name)
	}
	return Task{}, fmt.Errorf("there is no task %q; the tasks are %s", name, strings.Join(names, ", "))
}

// WithFile returns the task with the data of a file in the task's own format, in place of its own data.
func (t Task) WithFile(path string) (Task, error) {
	if t.Parse == nil {
		return Task{}, fmt.Errorf("the task %s generates its data and reads no file", t.Name)
	}
	content, hash, err := tables.ReadText(path)
	if err != nil {
		return Task{}, err
	}
	if _, err := t.Parse(path, string(content), false); err != nil {
		return Task{}, err
	}
	t.File, t.Hash = absolute(path), hash
	t.Generate = func(uint32) (Dataset, error) { return t.Parse(path, string(content), false) }
	if t.Increments != nil {
		t.Increments = func(uint32) (Dataset, error) { return t.Parse(path, string(content), true) }
	}
	return t, nil
}

// absolute returns the absolute path of a file, which names it from every folder.
func absolute(path string) string {
	if whole, err := filepath.Abs(path); err == nil {
		return whole
	}
	return path // the working folder is gone
}

// linspace returns n values from start to stop, both included, rounded as numpy.linspace rounds them.
func linspace(start, stop float64, n int) []float64 {
	values := floats.Span(make([]float64, n), start, stop)
	values[n-1] = stop
	return values
}
