// Package analysis compares trained models with the true system. It integrates the models' fields and computes the errors that the paper
// reports.
package analysis

import (
	"errors"
	"fmt"
	"image/color"
	"math"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"

	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/integrator"
	"hnn/trainer"
)

// Checkpoint names a trained model: its kind, and the file with its parameters.
type Checkpoint struct {
	Model hamiltonian.Model
	Path  string
}

// Analysis holds everything that the figures of a task show.
type Analysis struct {
	Task datasets.Task
	Data datasets.Dataset // the training data of the reference or, without a reference, of the first model
	// Sources are the truth and then the models, in the order of the checkpoints.
	Sources []*Source
	// Reference is the first model with a Hamiltonian, or nil. If the true Hamiltonian is unknown, the reference's Hamiltonian replaces it in
	// all energies.
	Reference *Source
	Energy    *EnergyChange // nil if no change was requested and no model reaches another energy
	Metrics   Metrics
}

// Source is the true system or a model.
type Source struct {
	Name, Title    string
	Color          color.NRGBA
	HasHamiltonian bool
	Example        Motion    // one trajectory
	Trials         Motion    // the trajectories for the mean squared errors
	Learned        []float64 // the reference's Hamiltonian along the example; nil without a reference, and for images
	// Plane is the phase plane, or a model's latent plane; nil for more than one degree of freedom.
	Plane     *Plane
	Film      [][]byte // a frame of ImageSide² bytes at each time of the example; nil where states are observed
	Reversals []Reversal
}

// Motion is a set of trajectories at common times. If the true trajectories are unknown, the truth has only the starts.
type Motion struct {
	Times  []float64
	States [][][]float64 // by trajectory and time; for images, coordinates that fit the latent states
	Energy [][]float64   // of these states; nil if no energy is known
}

// Moving returns the sources with known trajectories: all models, and the truth if more than its starts is known.
func (a *Analysis) Moving() []*Source {
	if truth := a.Sources[0]; len(truth.Example.Times) > 1 {
		return a.Sources
	}
	return a.Sources[1:]
}

// Metrics holds the numbers of the paper's tables and the settings behind them.
type Metrics struct {
	Task        string                   `json:"task"`
	Models      map[string]*ModelMetrics `json:"models"`                // by name
	Truth       *Reversibility           `json:"truth,omitempty"`       // nil if the true field is not known
	Energy      string                   `json:"energy_from,omitempty"` // empty if no energy is known
	Integration Integration              `json:"integration"`
	Change      *EnergyMetrics           `json:"energy_change,omitempty"`
}

// ModelMetrics are the numbers of one model.
type ModelMetrics struct {
	Checkpoint string           `json:"checkpoint"`
	Settings   trainer.Settings `json:"settings"`
	trainer.Final
	*EnergyErrors // nil if no energy is known
	// CoordinateMSE is the mean squared difference between the model's states and the true ones, over all trials, times and coordinates. It
	// is 0 if the true trajectories are unknown.
	CoordinateMSE float64 `json:"coordinate_mse,omitempty"`
	*ImageErrors          // nil where states are observed
	Reversibility
}

// EnergyErrors compare the energy along a model's trajectories with the energy along the true ones. If only the true starts are known, they
// compare with the energy of the starts.
type EnergyErrors struct {
	EnergyMSE float64 `json:"energy_mse"` // mean squared difference over all trials and times
	// EnergyMSEError is the published notebooks' standard error: split the trials (the times of a single trial) into five parts, and divide
	// the standard deviation of the parts' means by √5.
	EnergyMSEError  float64   `json:"energy_mse_error"`
	EnergyMSETrials []float64 `json:"energy_mse_trials"` // by trial
}

// Integration says how the trials were integrated.
type Integration struct {
	Method       string  `json:"method"`
	Relative     float64 `json:"relative_tolerance"`
	Absolute     float64 `json:"absolute_tolerance"`
	Until        float64 `json:"until"`
	Points       int     `json:"points"`
	Trials       int     `json:"trials"`
	MidpointStep float64 `json:"implicit_midpoint_step"`
}

// subject is a loaded model and its source.
type subject struct {
	*Source
	metrics   *ModelMetrics
	model     *trainer.Model
	data      datasets.Dataset // on which the losses are computed
	evaluator *hamiltonian.Evaluator
	images    *imageView // nil where states are observed
}

func (s *subject) close() {
	s.evaluator.Close()
	if s.images != nil {
		s.images.coder.Close()
	}
}

// Run loads one or more models of a task and compares them with the truth. No model may occur twice. change is the energy that a model adds to
// a state, in the units of the task's energy; a negative change removes energy, and 0 stands for the difference between the quartiles of the
// data's energies. Run calls progress at the beginning of each stage, from any goroutine.
func Run(task datasets.Task, checkpoints []Checkpoint, change float64, progress func(stage string)) (*Analysis, error) {
	a := &Analysis{Task: task, Metrics: Metrics{Task: task.Name, Models: map[string]*ModelMetrics{}}}
	subjects, err := a.load(checkpoints, progress)
	for _, s := range subjects {
		defer s.close()
	}
	if err != nil {
		return nil, err
	}
	truth := a.Sources[0]
	var field integrator.Field
	if task.Dynamics != nil {
		field = integrator.Each(task.Dynamics)
	}
	var example, trials datasets.Trajectories
	var film datasets.Images
	if task.ImageSide > 0 {
		if film, err = task.Film(); err != nil {
			return nil, err
		}
		trials = a.filmed(film)
		example = trials
	} else {
		if example, err = task.Example(a.Data); err != nil {
			return nil, err
		}
		if trials, err = task.Trials(a.Data); err != nil {
			return nil, err
		}
		truth.Example, truth.Trials = observed(example), observed(trials)
	}

	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, s := range subjects {
		group.Go(func() error {
			if err := a.follow(s, example, trials, film, progress); err != nil {
				return fmt.Errorf("%s: %w", s.Title, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	relative, absolute := trials.Solver.Tolerances()
	until := last(trials.Times)
	a.Metrics.Integration = Integration{"RK45", relative, absolute, until, len(trials.Times), len(truth.Trials.States), midpoint(until).Step}
	if field != nil {
		if truth.Reversals, err = reverse(field, trials.Starts(), until, trials.Solver); err != nil {
			return nil, err
		}
		metrics := reversibility(truth.Reversals)
		a.Metrics.Truth = &metrics
	}
	energy, err := a.energies(subjects)
	if err != nil {
		return nil, err
	}
	if task.Dimension == 2 {
		if err := a.planes(subjects, field); err != nil {
			return nil, err
		}
	}
	progress("adding and removing energy")
	return a, a.changeEnergy(subjects, energy, trials.Starts(), last(example.Times)/flows, change)
}

// load makes the sources and loads the models. Models with the same seed, file and loss share one dataset.
func (a *Analysis) load(checkpoints []Checkpoint, progress func(string)) (subjects []*subject, err error) {
	if len(checkpoints) == 0 {
		return nil, errors.New("analysis: no checkpoint is given; at least one is needed")
	}
	type origin struct {
		seed       uint32
		file, loss string
	}
	made := map[origin]datasets.Dataset{}
	a.Sources = []*Source{{Name: "truth", Title: "Ground truth", Color: color.NRGBA{A: 255}, HasHamiltonian: a.Task.Hamiltonian != nil}}
	for _, c := range checkpoints {
		if a.Metrics.Models[c.Model.Name] != nil {
			return subjects, fmt.Errorf("analysis: the model %s is given twice; each can be compared once", c.Model.Name)
		}
		model, settings, err := trainer.LoadModel(a.Task, c.Model, c.Path)
		if err != nil {
			return subjects, err
		}
		evaluator, err := model.Dynamics().Evaluator(1)
		if err != nil {
			return subjects, fmt.Errorf("%s: %w", c.Path, err)
		}
		s := &subject{
			Source: &Source{
				Name: c.Model.Name, Title: c.Model.Title, Color: c.Model.Color, HasHamiltonian: model.Equation.Hamiltonian != nil,
			},
			metrics: &ModelMetrics{Checkpoint: c.Path, Settings: settings}, model: model, evaluator: evaluator,
		}
		subjects, a.Sources, a.Metrics.Models[s.Name] = append(subjects, s), append(a.Sources, s.Source), s.metrics
		from := origin{settings.Seed, settings.File, settings.Loss}
		data, ok := made[from]
		if !ok {
			progress("making the data")
			if data, err = settings.Data(a.Task); err != nil {
				return subjects, err
			}
			made[from] = data
		}
		s.data = data
		first := a.Reference == nil && s.HasHamiltonian
		if first {
			a.Reference = s.Source
		}
		if first || len(subjects) == 1 {
			a.Data = data
		}
	}
	return subjects, nil
}

// observed returns reference trajectories as a motion.
func observed(t datasets.Trajectories) Motion {
	return Motion{Times: t.Times[:min(len(t.Times), len(t.States[0]))], States: t.States}
}

// follow computes the losses of a model and its trajectories from the true starts.
func (a *Analysis) follow(s *subject, example, trials datasets.Trajectories, film datasets.Images, progress func(string)) (err error) {
	progress(s.Title + ": losses")
	if s.metrics.Final, err = trainer.Evaluate(a.Task, s.metrics.Settings, s.model, s.data, 1); err != nil {
		return err
	}
	starts := trials.Starts()
	progress(s.Title + ": trajectories")
	if a.Task.ImageSide > 0 {
		starts, err = a.watch(s, film, trials)
	} else if s.Example, err = solve(s, example, example.Starts()); err == nil {
		s.Trials, err = solve(s, trials, starts)
	}
	if err != nil {
		return err
	}
	progress(s.Title + ": forward and back")
	s.Reversals, err = reverse(s.evaluator.Field, starts, last(trials.Times), trials.Solver)
	if err == nil {
		s.metrics.Reversibility = reversibility(s.Reversals)
	}
	return err
}

// solve integrates a model's field from starts, with the solver and the times of the true trajectories.
func solve(s *subject, truth datasets.Trajectories, starts [][]float64) (Motion, error) {
	motion := Motion{Times: truth.Times}
	solutions, err := truth.Solver.Solve(s.evaluator.Field, starts, truth.Times)
	for _, solution := range solutions {
		motion.States = append(motion.States, solution.States)
	}
	return motion, err
}

// quantity is a scalar function, evaluated at each of many states.
type quantity func(states [][]float64) ([]float64, error)

// energies computes the energies along all trajectories and the energy errors of the models. It returns the energy as a function of the state,
// or nil if no energy is known.
func (a *Analysis) energies(subjects []*subject) (energy quantity, err error) {
	var learned quantity
	if i := slices.IndexFunc(subjects, func(s *subject) bool { return s.Source == a.Reference }); i >= 0 && a.Task.ImageSide == 0 {
		learned = subjects[i].evaluator.Hamiltonian
	}
	switch {
	case a.Task.Hamiltonian != nil && a.Task.ImageSide > 0:
		energy, a.Metrics.Energy = each(a.Task.Hamiltonian), filmProtocol
	case a.Task.Hamiltonian != nil:
		energy, a.Metrics.Energy = each(a.Task.Hamiltonian), "the task's Hamiltonian"
	case learned != nil:
		energy, a.Metrics.Energy = learned, "the Hamiltonian of the "+a.Reference.Title+", for every source"
	}
	for _, s := range a.Sources {
		if learned != nil {
			if s.Learned, err = learned(s.Example.States[0]); err != nil {
				return nil, err
			}
		}
		for _, motion := range []*Motion{&s.Example, &s.Trials} {
			for _, path := range motion.States {
				if energy == nil {
					break
				}
				energies, err := energy(path)
				if err != nil {
					return nil, err
				}
				motion.Energy = append(motion.Energy, energies)
			}
		}
	}
	for _, s := range subjects {
		s.metrics.EnergyErrors = energyErrors(s.Trials.Energy, a.Sources[0].Trials.Energy)
		if len(a.Sources[0].Trials.Times) > 1 {
			s.metrics.CoordinateMSE = coordinateMSE(s.Trials.States, a.Sources[0].Trials.States)
		}
	}
	return energy, nil
}

// each evaluates a function of one state at each of many.
func each(f func(state []float64) float64) quantity {
	return func(states [][]float64) ([]float64, error) {
		values := make([]float64, len(states))
		for i, state := range states {
			values[i] = f(state)
		}
		return values, nil
	}
}

// energyErrors compares energies by trial and time. The truth may be known at the starts only.
func energyErrors(model, truth [][]float64) *EnergyErrors {
	if model == nil {
		return nil
	}
	var all []float64
	e := &EnergyErrors{}
	for i, energies := range model {
		first := len(all)
		for j, energy := range energies {
			d := energy - truth[i][min(j, len(truth[i])-1)]
			all = append(all, d*d)
		}
		e.EnergyMSETrials = append(e.EnergyMSETrials, stat.Mean(all[first:], nil))
	}
	e.EnergyMSE = stat.Mean(all, nil)
	if len(model) > 1 {
		all = e.EnergyMSETrials
	}
	e.EnergyMSEError = bootstrap(all)
	return e
}

// coordinateMSE compares states by trial and time.
func coordinateMSE(model, truth [][][]float64) float64 {
	sum, n := 0.0, 0
	for i, path := range model {
		for j, state := range path {
			d := floats.Distance(state, truth[i][j], 2)
			sum, n = sum+d*d, n+len(state)
		}
	}
	return sum / float64(n)
}

// bootstrap splits values into five consecutive parts and returns the standard deviation of the parts' means, divided by √5. Fewer than five
// values are one part each, and the divisor is the square root of their number.
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
