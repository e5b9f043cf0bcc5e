// Package analysis holds the two models of a task against the truth: the trajectories that their fields give, and what the
// paper measures on them.
package analysis

import (
	"fmt"
	"math"
	"runtime"

	"golang.org/x/sync/errgroup"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"

	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/integrator"
	"hnn/trainer"
)

// Source is what a trajectory comes from.
type Source int

const (
	Truth Source = iota
	Baseline
	HNN
	sources
)

// Sources lists the sources in the order of the figures.
var Sources = [sources]Source{Truth, Baseline, HNN}

// String returns the source's name in the paper's figures.
func (s Source) String() string {
	return [sources]string{"Ground truth", "Baseline NN", "Hamiltonian NN"}[s]
}

// Comparison is a set of trajectories as each source gives them, from the same starts. Where nobody observed the true motion, the
// truth's paths are the starts alone.
type Comparison struct {
	Times    []float64
	Paths    [sources][][][]float64 // by source, trajectory and time: a state
	Energies [sources][][]float64   // of the states: the task's Hamiltonian, or where it has none the HNN's
}

// Observed tells whether the true motion is known beyond its starts.
func (c Comparison) Observed() bool { return len(c.Paths[Truth][0]) > 1 }

// Grid is a vector field on a rectangular grid of the phase plane.
type Grid struct {
	Points [][]float64
	Fields [sources][][]float64 // by source and point; none of the truth where it is not known
}

// Analysis is all that the figures of a task show.
type Analysis struct {
	Task      datasets.Task
	Data      datasets.Dataset
	Example   Comparison         // one trajectory
	Trials    Comparison         // those of the energy's mean squared error
	Conserved [sources][]float64 // what the HNN has learned to conserve, along the example
	Grid      *Grid              // nil for more than one degree of freedom
	// Landscapes are the true Hamiltonian and the HNN's over the phase plane; nil for the baseline, and for more than one degree of freedom.
	Landscapes [sources]*Landscape
	Reversals  [sources]Reversals
	Energy     *EnergyChange // nil where none was asked for and the HNN leads to none
	Metrics    Metrics
}

// Metrics are the figures of the paper's tables, and how they were obtained.
type Metrics struct {
	Task        string         `json:"task"`
	Baseline    ModelMetrics   `json:"baseline"`
	HNN         ModelMetrics   `json:"hnn"`
	Truth       *Reversibility `json:"truth,omitempty"` // nil where the true field is not known
	Energy      string         `json:"energy_from"`
	Integration Integration    `json:"integration"`
	Change      *EnergyMetrics `json:"energy_change,omitempty"`
}

// ModelMetrics are the figures of one model.
type ModelMetrics struct {
	Checkpoint string           `json:"checkpoint"`
	Settings   trainer.Settings `json:"settings"`
	trainer.Final
	// EnergyMSE is the mean over the trials and times of the squared difference of the energy along the model's and the true
	// trajectory, or its start where nobody observed the rest; its error is the standard deviation of five splits' means over √5,
	// as in the published notebooks.
	EnergyMSE       float64   `json:"energy_mse"`
	EnergyMSEError  float64   `json:"energy_mse_error"`
	EnergyMSETrials []float64 `json:"energy_mse_trials"`
	// CoordinateMSE is the mean over the trials, times and coordinates of the squared difference of the states; none where nobody
	// observed the true motion.
	CoordinateMSE float64 `json:"coordinate_mse,omitempty"`
	Reversibility
}

// Integration is how the trials were integrated.
type Integration struct {
	Method       string  `json:"method"`
	Relative     float64 `json:"relative_tolerance"`
	Absolute     float64 `json:"absolute_tolerance"`
	Until        float64 `json:"until"`
	Points       int     `json:"points"`
	Trials       int     `json:"trials"`
	MidpointStep float64 `json:"implicit_midpoint_step,omitempty"`
}

func integration(solver integrator.RK45, times []float64, trials int) Integration {
	relative, absolute := solver.Tolerances()
	return Integration{Method: "RK45", Relative: relative, Absolute: absolute, Until: last(times), Points: len(times), Trials: trials}
}

// Run loads a task's models from the two checkpoints and compares them with the truth, both at once. change is the energy that the
// HNN is to add to a state, or, where it is negative, to remove; 0 leaves the choice to the training data. progress is called with
// what begins, from any goroutine. LibTorch should be configured to one thread.
func Run(task datasets.Task, baselinePath, hnnPath string, change float64, progress func(stage string)) (*Analysis, error) {
	a := &Analysis{Task: task}
	a.Metrics.Task, a.Metrics.Baseline.Checkpoint, a.Metrics.HNN.Checkpoint = task.Name, baselinePath, hnnPath
	var fields [sources]integrator.Field
	if task.Dynamics != nil {
		fields[Truth] = integrator.Each(task.Dynamics)
	}
	var models [sources]*hamiltonian.Model
	for s, m := range a.models() {
		model, settings, err := trainer.LoadModel(task, s == Baseline, m.Checkpoint)
		if err != nil {
			return nil, err
		}
		defer model.Free()
		if fields[s], err = model.Field(1); err != nil {
			return nil, err
		}
		models[s], m.Settings = model, settings
	}
	var err error
	if a.Data, err = a.Metrics.HNN.Settings.Data(task); err != nil {
		return nil, err
	}
	example, err := task.Example(a.Data)
	if err != nil {
		return nil, err
	}
	trials, err := task.Trials(a.Data)
	if err != nil {
		return nil, err
	}
	a.Example.Times, a.Example.Paths[Truth] = example.Times, example.States
	a.Trials.Times, a.Trials.Paths[Truth] = trials.Times, trials.States

	var group errgroup.Group
	for s, m := range a.models() {
		group.Go(func() error {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			progress(fmt.Sprintf("%s: losses", s))
			data, err := m.Settings.Data(task)
			if err != nil {
				return err
			}
			if m.Final, err = trainer.Evaluate(models[s], data); err != nil {
				return err
			}
			for _, path := range []struct {
				truth datasets.Trajectories
				paths *[][][]float64
				what  string
			}{{example, &a.Example.Paths[s], "the example"}, {trials, &a.Trials.Paths[s], "the trials"}} {
				progress(fmt.Sprintf("%s: %s", s, path.what))
				solutions, err := path.truth.Solver.Solve(fields[s], path.truth.Starts(), path.truth.Times)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", s, path.what, err)
				}
				for _, solution := range solutions {
					*path.paths = append(*path.paths, solution.States)
				}
			}
			progress(fmt.Sprintf("%s: forward and back", s))
			a.Reversals[s], err = reverse(fields[s], trials.Starts(), last(trials.Times), trials.Solver)
			m.Reversibility = a.Reversals[s].metrics()
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if fields[Truth] != nil {
		if a.Reversals[Truth], err = reverse(fields[Truth], trials.Starts(), last(trials.Times), trials.Solver); err != nil {
			return nil, err
		}
		truth := a.Reversals[Truth].metrics()
		a.Metrics.Truth = &truth
	}
	if err := a.energies(models[HNN]); err != nil {
		return nil, err
	}
	for s, m := range a.models() {
		a.measure(s, m)
	}
	a.Metrics.Integration = integration(trials.Solver, trials.Times, len(trials.States))
	a.Metrics.Integration.MidpointStep = midpoint(last(trials.Times)).Step
	for _, s := range Sources {
		if a.Conserved[s], err = models[HNN].Hamiltonian(a.Example.Paths[s][0]); err != nil {
			return nil, err
		}
	}
	if task.Dimension == 2 {
		if err := a.plane(fields, models[HNN]); err != nil {
			return nil, err
		}
	}
	progress("adding and removing energy")
	return a, a.changeEnergy(models[HNN], fields[HNN], trials, change)
}

func (a *Analysis) models() map[Source]*ModelMetrics {
	return map[Source]*ModelMetrics{Baseline: &a.Metrics.Baseline, HNN: &a.Metrics.HNN}
}

// gridLines is the number of a grid's points in either direction.
const gridLines = 13

// gridPoints are those of a grid over the rectangle between two corners.
func gridPoints(low, high [2]float64) [][]float64 {
	var points [][]float64
	for _, x := range floats.Span(make([]float64, gridLines), low[0], high[0]) {
		for _, y := range floats.Span(make([]float64, gridLines), low[1], high[1]) {
			points = append(points, []float64{x, y})
		}
	}
	return points
}

// plane evaluates the fields and the learned Hamiltonian around the training data.
func (a *Analysis) plane(fields [sources]integrator.Field, model *hamiltonian.Model) error {
	low, high := corners(a.Data.Train.X)
	for axis := range low {
		margin := 0.025 * (high[axis] - low[axis])
		low[axis], high[axis] = low[axis]-margin, high[axis]+margin
	}
	a.Grid = &Grid{Points: gridPoints(low, high)}
	for _, s := range Sources {
		if fields[s] == nil {
			continue
		}
		a.Grid.Fields[s] = make([][]float64, len(a.Grid.Points))
		for i := range a.Grid.Fields[s] {
			a.Grid.Fields[s][i] = make([]float64, 2)
		}
		if err := fields[s](make([]float64, len(a.Grid.Points)), a.Grid.Points, a.Grid.Fields[s]); err != nil {
			return err
		}
	}
	for s, hamiltonian := range hamiltonians(a.Task, model) {
		var err error
		if a.Landscapes[s], err = NewLandscape(low, high, hamiltonian); err != nil {
			return err
		}
	}
	return nil
}

// hamiltonians are the true Hamiltonian, where it is known, and the learned one.
func hamiltonians(task datasets.Task, model conserving) map[Source]func([][]float64) ([]float64, error) {
	list := map[Source]func([][]float64) ([]float64, error){HNN: model.Hamiltonian}
	if task.Hamiltonian != nil {
		list[Truth] = energyOf(task, model)
	}
	return list
}

// changeEnergy lets the HNN change the energy of a state of the training data, where it has learned one. Bodies come close to each
// other in the course of time, where what was learned is least exact; they begin from a trial's start.
func (a *Analysis) changeEnergy(model *hamiltonian.Model, field integrator.Field, trials datasets.Trajectories, change float64) error {
	states := a.Data.Train.X
	if a.Task.Bodies > 0 {
		states = trials.Starts()
	}
	var err error
	a.Energy, err = changeEnergy(model, levels{
		field:    field,
		energy:   energyOf(a.Task, model),
		duration: last(a.Example.Times) / flows,
	}, states, change)
	if err == nil && a.Energy != nil {
		a.Metrics.Change = &a.Energy.Metrics
	}
	return err
}

// energyOf is the energy by which models are compared: the task's Hamiltonian, or, where none is known, the learned one.
func energyOf(task datasets.Task, model conserving) func(states [][]float64) ([]float64, error) {
	if task.Hamiltonian == nil {
		return model.Hamiltonian
	}
	return func(states [][]float64) ([]float64, error) {
		energies := make([]float64, len(states))
		for i, state := range states {
			energies[i] = task.Hamiltonian(state)
		}
		return energies, nil
	}
}

// energies fills in the energies of all states.
func (a *Analysis) energies(hnn *hamiltonian.Model) error {
	a.Metrics.Energy = "the task's Hamiltonian"
	if a.Task.Hamiltonian == nil {
		a.Metrics.Energy = "the Hamiltonian that the HNN has learned, for both models and the observed states"
	}
	energy := energyOf(a.Task, hnn)
	for _, c := range []*Comparison{&a.Example, &a.Trials} {
		for s, paths := range c.Paths {
			for _, path := range paths {
				energies, err := energy(path)
				if err != nil {
					return err
				}
				c.Energies[s] = append(c.Energies[s], energies)
			}
		}
	}
	return nil
}

// measure fills in what a model's trials give.
func (a *Analysis) measure(s Source, m *ModelMetrics) {
	energy, coordinates := a.squaredErrors(s)
	var all []float64
	for _, errors := range energy {
		m.EnergyMSETrials = append(m.EnergyMSETrials, stat.Mean(errors, nil))
		all = append(all, errors...)
	}
	m.EnergyMSE = stat.Mean(all, nil)
	if a.Trials.Observed() {
		m.CoordinateMSE = stat.Mean(coordinates, nil)
	}
	if len(energy) > 1 {
		all = m.EnergyMSETrials
	}
	m.EnergyMSEError = bootstrap(all)
}

// squaredErrors returns the squared errors of a model's energy, by trial and time, and of all its coordinates.
func (a *Analysis) squaredErrors(s Source) (energy [][]float64, coordinates []float64) {
	for i, path := range a.Trials.Paths[s] {
		var errors []float64
		truths, energies := a.Trials.Paths[Truth][i], a.Trials.Energies[Truth][i]
		for j, state := range path {
			known := min(j, len(truths)-1) // the start, where nobody observed more
			truth := truths[known]
			d := a.Trials.Energies[s][i][j] - energies[known]
			errors = append(errors, d*d)
			for axis := range state {
				d := state[axis] - truth[axis]
				coordinates = append(coordinates, d*d)
			}
		}
		energy = append(energy, errors)
	}
	return energy, coordinates
}

// bootstrap returns the standard deviation of the means of five consecutive splits, over √5; of fewer values, each is a split.
func bootstrap(values []float64) float64 {
	splits := min(5, len(values))
	means := make([]float64, splits)
	for i := range means {
		means[i] = stat.Mean(values[i*len(values)/splits:(i+1)*len(values)/splits], nil)
	}
	return stat.PopStdDev(means, nil) / math.Sqrt(float64(splits))
}

// Column returns one component of each row.
func Column(rows [][]float64, i int) []float64 {
	values := make([]float64, len(rows))
	for j, row := range rows {
		values[j] = row[i]
	}
	return values
}

func last(times []float64) float64 { return times[len(times)-1] }
