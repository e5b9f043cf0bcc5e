// Package verdict says in words what measured trajectories and the models that were trained on them show: whether something is conserved, which
// model predicts best and for how long, what the noise allows, where data are missing, and what to do next. Each sentence comes from a test, and
// its number stands beside it.
package verdict

import (
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"

	"hnn/datasets"
	"hnn/fit"
	"hnn/hamiltonian"
	"hnn/prediction"
)

// Verdict is what Examine found. Write writes it. Quantities are in the units of the observations. An error is a root mean square over the
// components of a state, each in standard deviations of the training data.
type Verdict struct {
	System    string     `json:"system"` // the task of the models
	Data      Data       `json:"data"`
	Energy    *Energy    `json:"energy"` // nil without a port model that predicts
	Models    []Model    `json:"models"` // the best first
	Noise     Noise      `json:"noise"`
	Coverage  Coverage   `json:"coverage"`
	Residuals *Residuals `json:"residuals"` // nil with fewer than 20 steps
	Sections  []Section  `json:"sections"`

	pictures []*picture
}

// Section is a part of the page.
type Section struct {
	Title     string     `json:"title"`
	Sentences []Sentence `json:"sentences"`
}

// Sentence is a finding. Class names it for programs, such as "missing input"; it is empty for a plain fact.
type Sentence struct {
	Text   string `json:"text"`
	Number string `json:"number,omitempty"` // on which the sentence rests
	Class  string `json:"class,omitempty"`
}

// study is an examination under way.
type study struct {
	train, test datasets.Observations
	given       []*candidate // in the order of Examine's argument
	models      []*candidate // the best first, after compare
	seen        int          // components of a state that errors compare: the measured ones
	scales      []float64    // by component: standard deviations of the training data
	noise       []float64    // by component
	columns     []float64    // scales of the inputs and constants
	period      float64
	starts      []datasets.Observed // whose rows the models predict
	long        []datasets.Observed // test trajectories; without inputs, their times are continued to three times the duration
	scratch     []float64           // of apart
	*Verdict
}

// candidate is a model under examination.
type candidate struct {
	Model
	*fit.Result
	color     color.NRGBA
	evaluator *hamiltonian.Evaluator
	predicted []prediction.Predicted // of the starts, from states that fit their first period
	long      []prediction.Predicted // of study.long, from the same states
	distances [][]float64            // by start and row: the error
	energies  []float64              // of the port model along the first of long; nil without one
}

const (
	mostStarts   = 64    // trajectories that are predicted
	mostRows     = 20000 // of all of them
	mostDrawn    = 2000  // rows in a picture
	farthest     = 10    // standard deviations; larger errors, and lost states, count as this
	smallest     = 1e-4  // standard deviations; float32 holds smaller errors badly
	tolerated    = 0.2   // standard deviations of a valid prediction, beyond what noise explains
	noisy        = 1.5   // errors up to this multiple of what noise explains are those of noise
	mostStates   = 2000  // that are compared for coverage
	mostSteps    = 2500  // that are compared for residuals
	fewPerPeriod = 12    // rows
	fewPeriods   = 2     // of a trajectory
	fewStarts    = 10    // training trajectories
)

// Examine compares models with the test trajectories and with the training data, and draws conclusions. The models are trained on train. Both
// observations describe one system. Examine returns an error if there is no model, if a trajectory has fewer than three rows, or if a model is of
// another system.
func Examine(train, test datasets.Observations, models []*fit.Result) (*Verdict, error) {
	s := &study{train: train, test: test, Verdict: &Verdict{}}
	if len(models) == 0 || len(train.Trajectories) == 0 || len(test.Trajectories) == 0 {
		return nil, fmt.Errorf("verdict: %d models, %d training and %d test trajectories; at least one of each is needed",
			len(models), len(train.Trajectories), len(test.Trajectories))
	}
	for _, t := range s.all() {
		if len(t.Times) < 3 {
			return nil, fmt.Errorf("verdict: trajectory %q has %d rows; at least 3 are needed", t.Label, len(t.Times))
		}
	}
	for _, m := range models {
		e, err := m.Evaluator(1)
		if err != nil {
			return nil, err
		}
		defer e.Close()
		known, err := hamiltonian.Find(m.Record.Model)
		if err != nil {
			return nil, err
		}
		s.given = append(s.given, &candidate{Model: Model{Name: m.Record.Model, Seed: m.Record.Seed}, Result: m, evaluator: e, color: known.Color})
	}
	s.System = models[0].Record.Task
	s.measure()
	s.chooseStarts()
	for _, step := range []func() error{s.compare, s.conserve, s.residuals} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("verdict: %w", err)
		}
	}
	s.cover()
	s.Sections = []Section{s.aboutData(), s.aboutEnergy(), s.aboutModels(), s.aboutNoise(), s.aboutCoverage(), s.advice()}
	s.draw()
	return s.Verdict, nil
}

// all returns the trajectories, those for training first.
func (s *study) all() []datasets.Observed {
	return slices.Concat(s.train.Trajectories, s.test.Trajectories)
}

// run predicts trajectories from their first states.
func (s *study) run(c *candidate, observed []datasets.Observed) ([]prediction.Predicted, error) {
	at := s.train
	at.Trajectories = observed
	p, err := prediction.Run([]*hamiltonian.Evaluator{c.evaluator}, at, prediction.Options{})
	return p.Trajectories, err
}

// port returns the port model with the smallest error, nil if there is none.
func (s *study) port() *candidate {
	if i := slices.IndexFunc(s.models, func(c *candidate) bool { return c.Name == hamiltonian.Port.Name }); i >= 0 {
		return s.models[i]
	}
	return nil
}

// distances returns the error of each state in the measured components. Angles that differ by full turns are equal.
func (s *study) distances(a, b [][]float64) []float64 {
	list := make([]float64, len(a))
	for k := range a {
		parts := make([]float64, s.seen)
		for j := range parts {
			parts[j] = s.difference(j, a[k][j], b[k][j]) / s.scales[j]
		}
		if list[k] = rms(parts); !(list[k] < farthest) {
			list[k] = farthest
		}
	}
	return list
}

func (s *study) difference(j int, a, b float64) float64 {
	if turn := s.turn(j); turn > 0 {
		return math.Remainder(a-b, turn)
	}
	return a - b
}

// name returns the name of a component with its unit.
func (s *study) name(j int) string { return s.Data.Components[j].Name }

// turn returns a full turn of a component in its unit, 0 if it is no angle.
func (s *study) turn(j int) float64 {
	if j < s.train.Positions {
		return s.train.Angles[j]
	}
	return 0
}

// some returns at most count elements, evenly spaced.
func some[T any](list []T, count int) []T {
	if len(list) <= count {
		return list
	}
	chosen := make([]T, count)
	for i := range chosen {
		chosen[i] = list[i*len(list)/count]
	}
	return chosen
}

func duration(t datasets.Observed) float64 { return t.Times[len(t.Times)-1] - t.Times[0] }

func median(values []float64) float64 {
	return stat.Quantile(0.5, stat.Empirical, slices.Sorted(slices.Values(values)), nil)
}

func rms(values []float64) float64 { return floats.Norm(values, 2) / math.Sqrt(float64(len(values))) }
