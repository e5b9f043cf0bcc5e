// Package analysis compares trained models with the true system. It integrates the models' fields and computes the errors that the paper
// reports.
package analysis

import (
	"cmp"
	"errors"
	"fmt"
	"image/color"
	"math"
	"runtime"
	"sort"

	"golang.org/x/sync/errgroup"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"

	"hnn/autoencoder"
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

	notebook        datasets.Protocol     // of Task.Notebook
	example, trials datasets.Trajectories // for images, both are the film's, at the times of the latent fields
	film            datasets.Images
	energy          quantity // the true one or the reference's; nil if neither is known
}

// Source is the true system or a model.
type Source struct {
	Name, Title    string
	Color          color.NRGBA
	HasHamiltonian bool
	Example        Motion    // one trajectory
	Trials         Motion    // the trajectories for the mean squared errors
	Excerpt        Motion    // the example up to Task.Excerpt; empty for a task without one
	Learned        []float64 // the reference's Hamiltonian along the example; nil without a reference, and for images
	Fit            *Fit      // of a learned Hamiltonian; nil without one, and where the true one is unknown or the same at all states
	Losses         *Losses   // nil for the truth, and for a checkpoint that holds none
	// Plane is the phase plane, or a model's latent plane; nil for more than one degree of freedom.
	Plane  *Plane
	Film   [][]byte // a frame of ImageSide² bytes at each time of the example; nil where states are observed
	Volume *Volume  // carried along the field; nil if the field is not known

	field       integrator.Field // nil if it is not known
	hamiltonian quantity         // nil without one
	// The truth has none of these, and only models of images have the last two.
	metrics     *ModelMetrics
	model       *trainer.Model
	data        datasets.Dataset // on which the losses are computed
	evaluator   *hamiltonian.Evaluator
	coder       *autoencoder.Coder
	coordinates func(latent [][]float64) [][]float64 // a linear fit of the true ones
}

// Motion is a set of trajectories at common times. If the true trajectories are unknown, the truth has only the starts.
type Motion struct {
	Times  []float64
	States [][][]float64 // by trajectory and time; for images, coordinates that fit the latent states
	Energy [][]float64   // of these states; nil if no energy is known
}

// mostStates is the number of training states that figures and energies use at most.
const mostStates = 20_000

// Training returns the training states or, of more than 20,000, that many evenly spaced ones, for figures and for the levels of energy.
func (a *Analysis) Training() [][]float64 { return a.Data.Train.X.Float64(mostStates) }

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
	Truth       *Expansion               `json:"truth,omitempty"`       // nil if the true field is not known
	Energy      string                   `json:"energy_from,omitempty"` // empty if no energy is known
	Integration Integration              `json:"integration"`
	Change      *EnergyMetrics           `json:"energy_change,omitempty"`
}

// ModelMetrics are the numbers of one model.
type ModelMetrics struct {
	Checkpoint string           `json:"checkpoint"`
	Settings   trainer.Settings `json:"settings"`
	trainer.Evaluation
	Fit             *Fit `json:"learned_energy_fit,omitempty"` // nil if the model or the task has no Hamiltonian
	*EnergyErrors        // nil if no energy is known
	*NotebookErrors      // nil for a task without a protocol of a notebook
	// CoordinateMSE is the mean squared difference between the model's states and the true ones, over all trials, times and coordinates. It
	// is 0 if the true trajectories are unknown.
	CoordinateMSE float64 `json:"coordinate_mse,omitempty"`
	*ImageErrors          // nil where states are observed
	Expansion
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

// NotebookErrors are the same errors by the published notebook's own protocol (datasets.Task.Notebook). EnergyErrors are the better measure: they
// compare the task's own energy, over one duration for all trials, with a finer solver.
type NotebookErrors struct {
	NotebookEnergyMSE      float64   `json:"notebook_energy_mse"`
	NotebookEnergyMSEError float64   `json:"notebook_energy_mse_error"`
	NotebookEnergyTrials   []float64 `json:"notebook_energy_mse_trials"` // by trial
}

// Integration says how the trials were integrated.
type Integration struct {
	Method   string  `json:"method"`
	Relative float64 `json:"relative_tolerance"`
	Absolute float64 `json:"absolute_tolerance"`
	Until    float64 `json:"until"`
	Points   int     `json:"points"`
	Trials   int     `json:"trials"`
}

// Run loads one or more models of a task and compares them with the truth. No model may occur twice. change is the energy that a model adds to
// a state, in the units of the task's energy; a negative change removes energy, and 0 stands for the difference between the quartiles of the
// data's energies. Run calls progress at the beginning of each stage, from any goroutine.
func Run(task datasets.Task, checkpoints []Checkpoint, change float64, progress func(stage string)) (_ *Analysis, err error) {
	truth := &Source{Name: "truth", Title: "Ground truth", Color: color.NRGBA{A: 255}, HasHamiltonian: task.Hamiltonian != nil}
	if task.Hamiltonian != nil {
		truth.hamiltonian = each(task.Hamiltonian)
	}
	if task.Dynamics != nil {
		truth.field = integrator.Each(task.Dynamics)
	}
	a := &Analysis{Task: task, Sources: []*Source{truth}, Metrics: Metrics{Task: task.Name, Models: map[string]*ModelMetrics{}}}
	defer a.close()
	if err := a.load(checkpoints, progress); err != nil {
		return nil, err
	}
	if task.ImageSide > 0 {
		err = a.recordFilm()
	} else if a.example, err = task.Example(a.Data); err == nil {
		if a.trials, err = task.Trials(a.Data); err == nil {
			truth.Example, truth.Trials = observed(a.example), observed(a.trials)
		}
	}
	if err == nil && task.Notebook != nil {
		a.notebook, err = task.Notebook(a.Data)
	}
	if err != nil {
		return nil, err
	}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, s := range a.Sources {
		group.Go(func() error {
			if err := a.follow(s, progress); err != nil {
				return fmt.Errorf("%s: %w", s.Title, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	relative, absolute := a.trials.Solver.Tolerances()
	a.Metrics.Integration = Integration{"RK45", relative, absolute, last(a.trials.Times), len(a.trials.Times), len(truth.Trials.States)}
	if err := a.energies(); err != nil {
		return nil, err
	}
	for _, s := range a.Sources {
		s.Excerpt = s.Example.until(a.Task.Excerpt)
	}
	progress("adding and removing energy")
	return a, a.changeEnergy(change)
}

// load adds the models as sources. Models with the same seed and loss share one dataset.
func (a *Analysis) load(checkpoints []Checkpoint, progress func(string)) error {
	if len(checkpoints) == 0 {
		return errors.New("analysis: no checkpoint is given; at least one is needed")
	}
	made := map[trainer.Settings]datasets.Dataset{}
	for i, c := range checkpoints {
		if a.Metrics.Models[c.Model.Name] != nil {
			return fmt.Errorf("analysis: the model %s is given twice; each can be compared once", c.Model.Name)
		}
		model, settings, err := trainer.LoadModel(a.Task, c.Model, c.Path)
		if err != nil {
			return err
		}
		evaluator, err := model.Dynamics().Evaluator(1)
		if err != nil {
			return fmt.Errorf("%s: %w", c.Path, err)
		}
		s := &Source{
			Name: c.Model.Name, Title: c.Model.Title, Color: c.Model.Color, HasHamiltonian: model.Equation.Hamiltonian != nil,
			metrics: &ModelMetrics{Checkpoint: c.Path, Settings: settings}, model: model, evaluator: evaluator, field: evaluator.Field,
		}
		if s.Losses, err = readLosses(c.Path); err != nil {
			return err
		}
		a.Sources, a.Metrics.Models[s.Name] = append(a.Sources, s), s.metrics
		if a.Task.ImageSide > 0 {
			if s.coder, err = model.Coder(1); err != nil {
				return err
			}
		}
		from := trainer.Settings{Seed: settings.Seed, Loss: settings.Loss}
		data, ok := made[from]
		if !ok {
			progress("making the data")
			if data, err = settings.Data(a.Task); err != nil {
				return err
			}
			made[from] = data
		}
		s.data = data
		if i == 0 {
			a.Data = data
		}
		if s.HasHamiltonian {
			s.hamiltonian = evaluator.Hamiltonian
			if a.Reference == nil {
				a.Reference, a.Data = s, data
			}
		}
	}
	return nil
}

func (a *Analysis) close() {
	for _, s := range a.Sources[1:] {
		s.evaluator.Close()
		if s.coder != nil {
			s.coder.Close()
		}
	}
}

// observed returns reference trajectories as a motion.
func observed(t datasets.Trajectories) Motion {
	return Motion{Times: t.Times[:min(len(t.Times), len(t.States[0]))], States: t.States}
}

// follow computes the losses of a model and its trajectories from the true starts, and the plane and the volume of any source.
func (a *Analysis) follow(s *Source, progress func(string)) (err error) {
	example := a.example
	if s.model != nil {
		progress(s.Title + ": losses")
		if s.metrics.Evaluation, err = trainer.Evaluate(a.Task, s.metrics.Settings, s.model, s.data, 1); err != nil {
			return err
		}
		progress(s.Title + ": trajectories")
		if s.coder != nil {
			example, err = a.watch(s)
		} else if s.Example, err = s.solve(example); err == nil {
			s.Trials, err = s.solve(a.trials)
		}
		if err != nil {
			return err
		}
	}
	if err := a.fillPlane(s); err != nil {
		return err
	}
	if s.field == nil {
		return nil
	}
	progress(s.Title + ": volume")
	expansion, err := a.expand(s, example.Starts()[0], last(example.Times))
	if err != nil {
		return err
	}
	if s.model == nil {
		a.Metrics.Truth = &expansion
		return nil
	}
	s.metrics.Expansion = expansion
	return cmp.Or(a.fitScale(s), a.repeatNotebook(s))
}

// repeatNotebook compares a model's energies as the published notebook does.
func (a *Analysis) repeatNotebook(s *Source) error {
	if a.Task.Notebook == nil {
		return nil
	}
	var model, truth [][]float64
	for _, trials := range a.notebook.Trials {
		motion, err := s.solve(trials)
		if err != nil {
			return err
		}
		for i, states := range motion.States {
			model, truth = append(model, values(a.notebook.Energy, states)), append(truth, values(a.notebook.Energy, trials.States[i]))
		}
	}
	e := energyErrors(model, truth)
	s.metrics.NotebookErrors = &NotebookErrors{e.EnergyMSE, e.EnergyMSEError, e.EnergyMSETrials}
	return nil
}

// fillPlane makes the phase plane of a source where states are observed, and evaluates its field and its Hamiltonian there. The truth of measurements
// shows the measured derivatives in place of a fitted field.
func (a *Analysis) fillPlane(s *Source) error {
	if a.Task.Dimension != 2 {
		return nil
	}
	field := s.field
	if a.Task.ImageSide == 0 {
		s.Plane = &Plane{Samples: a.Training(), Path: s.Example.States[0]}
		if s.model == nil && (s.field == nil || a.Task.Fitted != "") {
			field, s.Plane.Rates = nil, a.Data.Train.DX.Float64(mostStates)
		}
	}
	return s.Plane.fill(field, s.hamiltonian)
}

// until returns the part of a motion up to a time, and nothing for the time 0.
func (m Motion) until(time float64) (part Motion) {
	if time == 0 {
		return part
	}
	n := sort.SearchFloat64s(m.Times, math.Nextafter(time, math.Inf(1)))
	part.Times = m.Times[:n]
	for i, states := range m.States {
		part.States, part.Energy = append(part.States, states[:n]), append(part.Energy, m.Energy[i][:n])
	}
	return part
}

// solve integrates a model's field from the starts of reference trajectories, with their solver and times.
func (s *Source) solve(reference datasets.Trajectories) (Motion, error) {
	motion := Motion{Times: reference.Times}
	solutions, err := reference.Solver.Solve(s.field, reference.Starts(), reference.Times)
	for _, solution := range solutions {
		motion.States = append(motion.States, solution.States)
	}
	return motion, err
}

// quantity is a scalar function, evaluated at each of many states.
type quantity func(states [][]float64) ([]float64, error)

func each(f func(state []float64) float64) quantity {
	return func(states [][]float64) ([]float64, error) { return values(f, states), nil }
}

// values returns a function's value at each state.
func values(f func(state []float64) float64, states [][]float64) []float64 {
	list := make([]float64, len(states))
	for i, state := range states {
		list[i] = f(state)
	}
	return list
}

// energies chooses the energy, computes it along all trajectories, and compares the models with the truth.
func (a *Analysis) energies() (err error) {
	truth := a.Sources[0]
	var learned quantity
	if a.Reference != nil && a.Task.ImageSide == 0 {
		learned = a.Reference.hamiltonian
	}
	a.energy = truth.hamiltonian
	switch {
	case a.energy != nil && a.Task.ImageSide > 0:
		a.Metrics.Energy = filmProtocol
	case a.energy != nil:
		a.Metrics.Energy = "the task's Hamiltonian"
	case learned != nil:
		a.energy, a.Metrics.Energy = learned, "the Hamiltonian of the "+a.Reference.Title+", for every source"
	}
	for _, s := range a.Sources {
		if learned != nil {
			if s.Learned, err = learned(s.Example.States[0]); err != nil {
				return err
			}
		}
		for _, motion := range []*Motion{&s.Example, &s.Trials} {
			for _, path := range motion.States {
				if a.energy == nil {
					break
				}
				energies, err := a.energy(path)
				if err != nil {
					return err
				}
				motion.Energy = append(motion.Energy, energies)
			}
		}
		if s == truth {
			continue
		}
		s.metrics.EnergyErrors = energyErrors(s.Trials.Energy, truth.Trials.Energy)
		if len(truth.Trials.Times) > 1 {
			s.metrics.CoordinateMSE = coordinateMSE(s.Trials.States, truth.Trials.States)
		}
	}
	return nil
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
