package analysis

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"

	"hnn/integrator"
)

// EnergyChange is a path on which a model changes its energy and then restores it (section 6 of the paper). It has five stages: along the
// symplectic gradient of the learned Hamiltonian, along the gradient to another energy, along the symplectic gradient there, along the gradient
// back, and along the symplectic gradient again.
type EnergyChange struct {
	Source  *Source // the first model whose field conserves its Hamiltonian
	Stages  []Stage
	Film    [][]byte // a decoded frame of ImageSide² bytes at each of Moments; nil where states are observed
	Metrics EnergyMetrics
}

// Stage is the part of a path along one field.
type Stage struct {
	Times   []float64   // from the start of the path; a stage along the gradient uses its curve parameter as time
	States  [][]float64 // by time
	Energy  []float64   // by time: the true energy
	Learned []float64   // by time: the model's Hamiltonian
}

// EnergyMetrics are the numbers of an EnergyChange, in the units of the task's energy.
type EnergyMetrics struct {
	Model  string        `json:"model"`
	Change float64       `json:"requested_change"`
	Levels []EnergyLevel `json:"levels"` // at the start, changed, and changed back
}

// EnergyLevel describes a stage along the symplectic gradient. The contours of the learned Hamiltonian differ a little from those of the true
// one, so the true energy varies along the stage. The energy of a level is the mean.
type EnergyLevel struct {
	Requested float64 `json:"requested"` // for the first level, the energy reached
	Reached   float64 `json:"reached"`
	Deviation float64 `json:"standard_deviation"` // of the true energy along the stage
	Learned   float64 `json:"learned"`            // the model's Hamiltonian
}

// Adds reports whether the first change adds energy. The second change then removes it.
func (m EnergyMetrics) Adds() bool { return m.Change > 0 }

const (
	flows          = 3    // stages along the symplectic gradient; together they last as long as the example
	precision      = 1e-3 // of the reached energies, as a share of the change
	flowPoints     = 401  // of a stage along the symplectic gradient
	gradientPoints = 151  // of a stage along the gradient
)

// Moment is a time of a stage, both by index.
type Moment struct{ Stage, Time int }

// Moments are the times that a film of the path shows. The gradient's stages appear in slow motion.
func (e *EnergyChange) Moments() []Moment {
	const every = 10
	var list []Moment
	for stage, s := range e.Stages {
		for time := 0; time < len(s.Times)-1; time += every { // the last state is the next stage's first
			list = append(list, Moment{stage, time})
		}
	}
	return list
}

// changeEnergy changes the energy of the first model whose field conserves its Hamiltonian. The path starts at a sample or, for bodies, at the
// start of a trial: later the bodies come close to each other, and there a model is least accurate.
func (a *Analysis) changeEnergy(change float64) error {
	i := slices.IndexFunc(a.Sources, func(s *Source) bool { return s.model != nil && s.model.Equation.Conserves() })
	if i < 0 || a.energy == nil {
		if change != 0 {
			return errors.New("analysis: the energy cannot be changed: that needs a known energy, and a model whose field conserves its Hamiltonian")
		}
		return nil
	}
	s, energy, states := a.Sources[i], a.energy, a.Training()
	if a.Task.Bodies > 0 {
		states = a.trials.Starts()
	}
	if s.coder != nil {
		states = s.Plane.Samples
		energy = func(latent [][]float64) ([]float64, error) { return a.energy(s.coordinates(latent)) }
	}
	e, err := levels{s.evaluator, energy, last(a.example.Times) / flows}.change(states, change)
	if err != nil {
		if change == 0 {
			return nil // nobody asked for a change
		}
		return err
	}
	e.Source, e.Metrics.Model = s, s.Name
	a.Energy, a.Metrics.Change = e, &e.Metrics
	if s.coder == nil {
		return nil
	}
	var filmed [][]float64
	for _, m := range e.Moments() {
		filmed = append(filmed, e.Stages[m.Stage].States[m.Time])
	}
	decoded, err := s.coder.Decode(filmed)
	e.Film = frames(decoded)
	return err
}

// levels computes the stages of an EnergyChange.
type levels struct {
	model interface {
		Field(t []float64, x, out [][]float64) error    // the symplectic gradient of the Hamiltonian
		Gradient(t []float64, x, out [][]float64) error // its gradient
		Hamiltonian(states [][]float64) ([]float64, error)
	}
	energy   quantity // the true one, where it is known
	duration float64  // of a stage along the symplectic gradient
}

// levelSolver conserves four digits of the learned Hamiltonian. Its bound on evaluations stops a path along a gradient that diverges.
var levelSolver = integrator.RK45{Relative: 1e-8, MaxEvaluations: 100_000}

// change changes the energy of one of the states and then restores it. It adds energy to the state at the first quartile of the states'
// energies, or removes energy from the state at the third. A change of 0 stands for the difference between the quartiles. If the gradient does
// not reach the requested energy, the error says which energy it reaches.
func (l levels) change(states [][]float64, change float64) (*EnergyChange, error) {
	energies, err := l.energy(states)
	if err != nil {
		return nil, err
	}
	order := make([]int, len(energies))
	floats.Argsort(slices.Clone(energies), order)
	low, high := order[len(order)/4], order[3*len(order)/4]
	start := states[low]
	if change == 0 {
		change = energies[high] - energies[low]
	}
	if change < 0 {
		start = states[high]
	}
	e := &EnergyChange{Metrics: EnergyMetrics{Change: change}}
	if err := l.append(e, l.model.Field, start, l.duration, flowPoints); err != nil {
		return nil, err
	}
	first := e.level(stat.Mean(e.Stages[0].Energy, nil))
	for _, requested := range []float64{first + change, first} {
		if err := l.approach(e, requested); err != nil {
			return nil, err
		}
		if err := l.append(e, l.model.Field, e.end(), l.duration, flowPoints); err != nil {
			return nil, err
		}
		if reached := e.level(requested); !(math.Abs(reached-requested) <= precision*math.Abs(change)) {
			return nil, fmt.Errorf("analysis: the energy %.6g cannot be reached from %.6g: the gradient of the learned Hamiltonian leads to %.6g",
				requested, first, reached)
		}
	}
	return e, nil
}

// level appends the level of the last stage to the metrics, and returns its energy.
func (e *EnergyChange) level(requested float64) float64 {
	flow := e.Stages[len(e.Stages)-1]
	mean, deviation := stat.PopMeanStdDev(flow.Energy, nil)
	e.Metrics.Levels = append(e.Metrics.Levels, EnergyLevel{requested, mean, deviation, flow.Learned[0]})
	return mean
}

func (e *EnergyChange) end() []float64 {
	states := e.Stages[len(e.Stages)-1].States
	return states[len(states)-1]
}

// append adds a stage along a field to the path.
func (l levels) append(e *EnergyChange, field integrator.Field, start []float64, duration float64, points int) error {
	begin := 0.0
	if n := len(e.Stages); n > 0 {
		begin = last(e.Stages[n-1].Times)
	}
	s := Stage{Times: floats.Span(make([]float64, points), begin, begin+duration)}
	solutions, err := levelSolver.Solve(field, [][]float64{start}, s.Times)
	if err != nil {
		return fmt.Errorf("changing the energy: %w", err)
	}
	s.States = solutions[0].States
	if s.Energy, err = l.energy(s.States); err != nil {
		return err
	}
	s.Learned, err = l.model.Hamiltonian(s.States)
	e.Stages = append(e.Stages, s)
	return err
}

// mean returns the mean true energy along the symplectic gradient from a state.
func (l levels) mean(state []float64) (float64, error) {
	var flow EnergyChange
	if err := l.append(&flow, l.model.Field, state, l.duration, flowPoints); err != nil {
		return 0, err
	}
	return stat.Mean(flow.Stages[0].Energy, nil), nil
}

// approach follows the gradient of the learned Hamiltonian up or down to a requested energy, or until the energy no longer changes. The learned
// Hamiltonian has an arbitrary scale, so approach compares the true energy with the request.
func (l levels) approach(e *EnergyChange, requested float64) error {
	const (
		share    = 0.1  // the first step changes the energy by about this share
		growth   = 1.5  // factor from one step to the next
		standing = 1e-4 // stop if a step changes the energy by less than this share of the whole change
		halvings = 20   // bisections of the step that passes the requested energy
	)
	start, gap := e.end(), math.Abs(e.Metrics.Change)
	energy, err := l.mean(start)
	if err != nil {
		return err
	}
	direction := math.Copysign(1, requested-energy)
	field := func(t []float64, y, out [][]float64) error {
		err := l.model.Gradient(t, y, out)
		for i := range out {
			floats.Scale(direction, out[i])
		}
		return err
	}
	slope := [][]float64{make([]float64, len(start))}
	if err := l.model.Gradient([]float64{0}, [][]float64{start}, slope); err != nil {
		return err
	}
	step := share * gap / floats.Dot(slope[0], slope[0])
	duration, state := 0.0, start
	for halved := 0; halved < halvings; {
		var path EnergyChange
		if err := l.append(&path, field, state, step, 2); err != nil {
			return err
		}
		next, err := l.mean(path.end())
		if err != nil {
			return err
		}
		passed, ends := direction*(next-requested) >= 0, direction*(next-energy) < standing*gap
		if !passed {
			duration, state, energy = duration+step, path.end(), next
		}
		switch {
		case passed || halved > 0:
			step, halved = step/2, halved+1
		case ends:
			halved = halvings
		default:
			step *= growth
		}
	}
	return l.append(e, field, start, duration, gradientPoints)
}
