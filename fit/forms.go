package fit

import (
	"errors"
	"math"

	"golang.org/x/sync/errgroup"

	"hnn/hamiltonian"
)

// Candidate is a form of the model, with its error on the validation trajectories.
type Candidate struct {
	Kinetic    hamiltonian.Kinetic  `json:"kinetic,omitempty"`
	Friction   hamiltonian.Friction `json:"friction,omitempty"`
	Validation float64              `json:"validation"` // root mean square error in scaled units
}

// forms lists the forms of the energy and of the friction to compare, the simplest first.
func (f *fitter) forms() ([]hamiltonian.Kinetic, []hamiltonian.Friction) {
	kinetics, frictions := []hamiltonian.Kinetic{hamiltonian.Quadratic, hamiltonian.Configuration, hamiltonian.General}, []hamiltonian.Friction{hamiltonian.NoFriction, hamiltonian.ConstantFriction}
	if f.Model.Name != hamiltonian.Port.Name {
		kinetics, frictions = []hamiltonian.Kinetic{""}, []hamiltonian.Friction{""}
	} else if !f.observed.Measured {
		kinetics = []hamiltonian.Kinetic{hamiltonian.Given}
	}
	if f.Kinetic != "" {
		kinetics = []hamiltonian.Kinetic{f.Kinetic}
	}
	if f.Friction != "" {
		frictions = []hamiltonian.Friction{f.Friction}
	}
	return kinetics, frictions
}

// FrictionGain bounds the validation error with friction, as a share of that without. generalGain bounds that of a more general energy, as a
// share of the lowest so far. A simple one continues better beyond the data.
const FrictionGain, generalGain = .95, .8

// choose trains each form of the model for a short time. It returns the form that predicts the validation trajectories best, with its
// parameters, and all forms that it tried. The simplest energy chooses the friction.
func (f *fitter) choose(n schedule) (best trial, tried []Candidate, err error) {
	kinetics, frictions := f.forms()
	list := []trial{}
	for _, r := range frictions {
		list = append(list, trial{Candidate: Candidate{Kinetic: kinetics[0], Friction: r}})
	}
	try := func(list []trial, gain float64) error {
		if err := f.judgeAll(list, n); err != nil {
			return err
		}
		for _, c := range list {
			if best.validation == nil || c.Validation < gain*best.Validation {
				best = c
			}
			if finite(c.Validation) {
				tried = append(tried, c.Candidate)
			}
		}
		return nil
	}
	if err := try(list, FrictionGain); err != nil {
		return best, tried, err
	}
	list = nil
	for _, k := range kinetics[1:] {
		list = append(list, trial{Candidate: Candidate{Kinetic: k, Friction: best.Friction}})
	}
	if err := try(list, generalGain); err != nil {
		return best, tried, err
	}
	if !finite(best.Validation) {
		return best, tried, errDiverged
	}
	return best, tried, nil
}

// trial is a candidate after a short training.
type trial struct {
	Candidate
	*validation
}

// judgeAll trains candidates for a short time, and sets their errors and parameters. It trains several at once, because a small network gains
// little from a second thread.
func (f *fitter) judgeAll(list []trial, n schedule) error {
	var group errgroup.Group
	group.SetLimit(f.processors())
	for i := range list {
		group.Go(func() error {
			a, err := f.start(list[i].Candidate, max(1, f.processors()/len(list)))
			if err != nil {
				return err
			}
			defer a.kernel.Close()
			v, err := f.validation()
			if err != nil {
				return err
			}
			err = f.train(a, f.training, n, v)
			list[i].Validation, list[i].validation = v.error, v
			if errors.Is(err, errDiverged) {
				list[i].Validation, err = math.Inf(1), nil
			}
			return err
		})
	}
	return group.Wait()
}
