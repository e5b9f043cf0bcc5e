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

// forms lists the forms of the energy and of the friction to compare.
func (f *fitter) forms() ([]hamiltonian.Kinetic, []hamiltonian.Friction) {
	kinetics, frictions := []hamiltonian.Kinetic{hamiltonian.Quadratic, hamiltonian.General}, []hamiltonian.Friction{hamiltonian.NoFriction, hamiltonian.ConstantFriction}
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

// FrictionGain is the ratio of the validation errors with and without friction below which friction stays. generalGain is that of a general and
// a separable energy: a separable energy continues better beyond the data.
const FrictionGain, generalGain = .95, .8

// choose trains each form of the model for a short time. It returns the form that predicts the validation trajectories best, with its
// parameters, and all forms that it tried.
func (f *fitter) choose(n schedule) (best trial, tried []Candidate, err error) {
	kinetics, frictions := f.forms()
	for _, k := range kinetics {
		list := []trial{}
		for _, r := range frictions {
			list = append(list, trial{Candidate: Candidate{Kinetic: k, Friction: r}})
		}
		if err := f.judgeAll(list, n); err != nil {
			return best, tried, err
		}
		better := list[0]
		for _, c := range list[1:] {
			if c.Validation < FrictionGain*better.Validation {
				better = c
			}
		}
		if best.validation == nil || better.Validation < generalGain*best.Validation {
			best = better
		}
		frictions = []hamiltonian.Friction{better.Friction}
		for _, c := range list {
			if finite(c.Validation) {
				tried = append(tried, c.Candidate)
			}
		}
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
