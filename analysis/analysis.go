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
	Metrics   Metrics
}

// Metrics are the figures of the paper's tables, and how they were obtained.
type Metrics struct {
	Task        string         `json:"task"`
	Baseline    ModelMetrics   `json:"baseline"`
	HNN         ModelMetrics   `json:"hnn"`
	Truth       *Reversibility `json:"truth,omitempty"` // nil where the true field is not known
	Energy      string         `json:"energy_from"`
	Integration Integration    `json:"integration"`
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

// Reversibility is the mean distance from the start after a field was integrated over the trials' time and back again.
type Reversibility struct {
	RK45             float64 `json:"reversal_distance_rk45"`
	ImplicitMidpoint float64 `json:"reversal_distance_implicit_midpoint"`
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

// Run loads a task's models from the two checkpoints and compares them with the truth, both at once. progress is called with
// what begins, from any goroutine. LibTorch should be configured to one thread.
func Run(task datasets.Task, baselinePath, hnnPath string, progress func(stage string)) (*Analysis, error) {
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
			m.Reversibility, err = reversibility(fields[s], trials)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if fields[Truth] != nil {
		truth, err := reversibility(fields[Truth], trials)
		if err != nil {
			return nil, err
		}
		a.Metrics.Truth = &truth
	}
	if err := a.energies(models[HNN]); err != nil {
		return nil, err
	}
	for s, m := range a.models() {
		a.measure(s, m)
	}
	a.Metrics.Integration = integration(trials.Solver, trials.Times, len(trials.States))
	a.Metrics.Integration.MidpointStep = midpoint(trials).Step
	for _, s := range Sources {
		if a.Conserved[s], err = models[HNN].Hamiltonian(a.Example.Paths[s][0]); err != nil {
			return nil, err
		}
	}
	if task.Dimension == 2 {
		a.Grid, err = grid(a, fields)
	}
	return a, err
}

func (a *Analysis) models() map[Source]*ModelMetrics {
	return map[Source]*ModelMetrics{Baseline: &a.Metrics.Baseline, HNN: &a.Metrics.HNN}
}

// gridLines is the number of a grid's points in either direction.
const gridLines = 13

// grid evaluates the fields around the training data.
func grid(a *Analysis, fields [sources]integrator.Field) (*Grid, error) {
	var ticks [2][]float64
	for axis := range ticks {
		values := Column(a.Data.Train.X, axis)
		low, high := floats.Min(values), floats.Max(values)
		margin := 0.025 * (high - low)
		ticks[axis] = floats.Span(make([]float64, gridLines), low-margin, high+margin)
	}
	var g Grid
	for _, q := range ticks[0] {
		for _, p := range ticks[1] {
			g.Points = append(g.Points, []float64{q, p})
		}
	}
	for _, s := range Sources {
		if fields[s] == nil {
			continue
		}
		g.Fields[s] = make([][]float64, len(g.Points))
		for i := range g.Fields[s] {
			g.Fields[s][i] = make([]float64, 2)
		}
		if err := fields[s](make([]float64, len(g.Points)), g.Points, g.Fields[s]); err != nil {
			return nil, err
		}
	}
	return &g, nil
}

// energies fills in the energies of all states.
func (a *Analysis) energies(hnn *hamiltonian.Model) error {
	a.Metrics.Energy = "the Hamiltonian that the HNN has learned, for both models and the observed states"
	energy := hnn.Hamiltonian
	if a.Task.Hamiltonian != nil {
		a.Metrics.Energy = "the task's Hamiltonian"
		energy = func(states [][]float64) ([]float64, error) {
			energies := make([]float64, len(states))
			for i, state := range states {
				energies[i] = a.Task.Hamiltonian(state)
			}
			return energies, nil
		}
	}
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

// reversibility integrates a field over the trials' time and back, by the trials' solver and by a symplectic one.
func reversibility(field integrator.Field, trials datasets.Trajectories) (Reversibility, error) {
	var r Reversibility
	for _, method := range []struct {
		solver   integrator.Solver
		distance *float64
	}{{trials.Solver, &r.RK45}, {midpoint(trials), &r.ImplicitMidpoint}} {
		starts, until := trials.Starts(), last(trials.Times)
		there, err := method.solver.Solve(field, starts, []float64{0, until})
		if err != nil {
			return r, fmt.Errorf("forward: %w", err)
		}
		ends := make([][]float64, len(there))
		for i, solution := range there {
			ends[i] = solution.States[1]
		}
		back, err := method.solver.Solve(field, ends, []float64{until, 0})
		if err != nil {
			return r, fmt.Errorf("back: %w", err)
		}
		for i, solution := range back {
			*method.distance += floats.Distance(solution.States[1], starts[i], 2) / float64(len(back))
		}
	}
	return r, nil
}

// midpoint is the symplectic solver of the trials, in 250 steps.
func midpoint(trials datasets.Trajectories) integrator.ImplicitMidpoint {
	return integrator.ImplicitMidpoint{Step: last(trials.Times) / 250}
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
