// Package prediction integrates trained models from given starts, many trajectories at once, and follows their energies.
package prediction

import (
	"cmp"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	"gonum.org/v1/gonum/stat"

	"hnn/datasets"
	"hnn/hamiltonian"
)

// The integrators. RK45 is the adaptive method of Dormand and Prince. Leapfrog needs a separable energy without friction. Midpoint is the
// implicit midpoint rule, which is symplectic for every Hamiltonian.
const (
	RK45     = "rk45"
	Leapfrog = "leapfrog"
	Midpoint = "midpoint"
)

// Integrators lists the integrators.
var Integrators = []string{RK45, Leapfrog, Midpoint}

// Options say how trajectories are integrated.
type Options struct {
	Integrator string  // "" for RK45
	Step       float64 // longest step of Leapfrog and Midpoint, in the unit of the times; 0 for 1/50 of the time scale of the model's Scaling
	Threads    int     // 0 for all processors
}

// Prediction holds predicted trajectories, in the order of the observations.
type Prediction struct {
	Trajectories []Predicted
	Energy       bool     // whether the models have a Hamiltonian
	Friction     bool     // whether a model has a term, other than the inputs, that adds or removes energy
	Driven       bool     // whether a model has a term of the inputs that adds or removes energy
	Notes        []string // one line each for the user
}

// Predicted is one trajectory, a row for each time. All values are in the units of the observations. With several models, they are means, and
// so is the energy. From the row on where a state of a model leaves the data by far, all are NaN.
type Predicted struct {
	States     [][]float64 // rows of 2n
	Deviations [][]float64 // standard deviations of the states over the models, rows of 2n; nil for one model
	// H, and the energies that friction dissipated and inputs supplied since the start: H − H(start) = supplied − dissipated, up to the error
	// of the integrator. H is NaN without a Hamiltonian. An energy without friction or without inputs is 0.
	H, Dissipated, Supplied []float64
}

// Run integrates every trajectory of at from its first state, at its times. Its inputs are held from each row to the next. The models are an
// ensemble for the system that at describes. Run evaluates copies of them, one for each thread. Trajectories with a state beyond a million
// standard deviations of the training data become NaN, with a note. Run returns an error that names an unknown integrator, a model or a
// trajectory of another dimension, or the reason why leapfrog does not fit a model.
func Run(models []*hamiltonian.Evaluator, at datasets.Observations, o Options) (Prediction, error) {
	o.Integrator, o.Threads = cmp.Or(o.Integrator, RK45), cmp.Or(o.Threads, runtime.GOMAXPROCS(0))
	if err := check(models, at, o); err != nil {
		return Prediction{}, err
	}
	count := len(at.Trajectories)
	p := Prediction{Trajectories: make([]Predicted, count), Energy: true}
	for _, m := range models {
		friction, inputs := m.Equation.Exchanges()
		p.Energy, p.Friction, p.Driven = p.Energy && m.Equation.Hamiltonian != nil, p.Friction || friction, p.Driven || inputs
	}
	lost := make([]int, count) // first row of NaN
	chunk := min(256, max((count+4*o.Threads-1)/(4*o.Threads), min(16, (count+o.Threads-1)/o.Threads)))
	firsts := make(chan int, count)
	for first := 0; first < count; first += chunk {
		firsts <- first
	}
	close(firsts)
	var workers errgroup.Group
	for range o.Threads {
		workers.Go(func() error {
			systems := make([]*system, len(models))
			for i, m := range models {
				var err error
				if systems[i], err = newSystem(m.Dynamics, at.Angles); err != nil {
					return err
				}
				defer systems[i].model.Close()
			}
			for first := range firsts {
				last := min(first+chunk, count)
				if err := predict(systems, at.Trajectories[first:last], o, p.Trajectories[first:last], lost[first:last]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := workers.Wait(); err != nil {
		return Prediction{}, err
	}
	p.note(at, lost)
	return p, nil
}

func check(models []*hamiltonian.Evaluator, at datasets.Observations, o Options) error {
	switch {
	case len(models) == 0 || len(at.Trajectories) == 0:
		return fmt.Errorf("prediction: %d models and %d trajectories; at least one of each is needed", len(models), len(at.Trajectories))
	case !slices.Contains(Integrators, o.Integrator):
		return fmt.Errorf("prediction: there is no integrator %q; choose one of %s", o.Integrator, strings.Join(Integrators, ", "))
	case o.Threads < 0:
		return fmt.Errorf("prediction: %d threads; 1 or more are needed, or 0 for one per processor", o.Threads)
	case o.Step < 0 || math.IsNaN(o.Step):
		return fmt.Errorf("prediction: the step is %g; it must be above 0, or 0 for the default", o.Step)
	}
	if len(at.Angles) != at.Positions {
		return fmt.Errorf("prediction: %d full turns are given for %d positions; each needs one, 0 if it is no angle", len(at.Angles), at.Positions)
	}
	for i, m := range models {
		n, columns := m.Equation.Dimension(), len(at.Inputs)+len(at.Constants)
		if n != 2*at.Positions || m.Equation.Columns != columns {
			return fmt.Errorf("prediction: model %d has states of %d components and %d inputs and constants; the trajectories have %d and %d",
				i, n, m.Equation.Columns, 2*at.Positions, columns)
		}
		if o.Integrator == Leapfrog {
			if reason := notSeparable(m.Equation); reason != "" {
				return fmt.Errorf("prediction: leapfrog needs a separable energy without friction, but %s; choose %s or %s", reason, RK45, Midpoint)
			}
		}
	}
	for i, t := range at.Trajectories {
		if len(t.States) == 0 || len(t.Times) == 0 || len(t.States[0]) != 2*at.Positions || len(t.Constants) != len(at.Constants) ||
			len(at.Inputs) > 0 && len(t.Inputs) != len(t.Times) {
			return fmt.Errorf("prediction: trajectory %d needs a first state of %d components, times, inputs at each time and %d constants",
				i, 2*at.Positions, len(at.Constants))
		}
	}
	return nil
}

// predict fills the predictions of some trajectories.
func predict(systems []*system, observed []datasets.Observed, o Options, predicted []Predicted, lost []int) error {
	ensemble := make([][]Predicted, len(systems))
	for i, t := range observed {
		lost[i] = len(t.Times)
	}
	for m, s := range systems {
		paths := s.start(observed)
		if err := s.integrate(paths, o); err != nil {
			return err
		}
		for i, path := range paths {
			lost[i] = min(lost[i], path.lost)
		}
		var err error
		if ensemble[m], err = s.finish(paths, observed); err != nil {
			return err
		}
	}
	if len(ensemble) == 1 {
		copy(predicted, ensemble[0])
		return nil
	}
	for i := range predicted {
		predicted[i] = combine(ensemble, i)
	}
	return nil
}

// combine returns the means and the standard deviations of a trajectory over an ensemble.
func combine(ensemble [][]Predicted, trajectory int) Predicted {
	p := ensemble[0][trajectory]
	values := make([]float64, len(ensemble))
	reduce := func(value func(Predicted) float64) (mean, deviation float64) {
		for m := range ensemble {
			values[m] = value(ensemble[m][trajectory])
		}
		return stat.MeanStdDev(values, nil)
	}
	mean := Predicted{States: newMatrix(len(p.H), len(p.States[0])).rows, Deviations: newMatrix(len(p.H), len(p.States[0])).rows,
		H: make([]float64, len(p.H)), Dissipated: make([]float64, len(p.H)), Supplied: make([]float64, len(p.H))}
	for k := range p.H {
		for j := range p.States[k] {
			mean.States[k][j], mean.Deviations[k][j] = reduce(func(p Predicted) float64 { return p.States[k][j] })
		}
		mean.H[k], _ = reduce(func(p Predicted) float64 { return p.H[k] })
		mean.Dissipated[k], _ = reduce(func(p Predicted) float64 { return p.Dissipated[k] })
		mean.Supplied[k], _ = reduce(func(p Predicted) float64 { return p.Supplied[k] })
	}
	return mean
}

// note says which trajectories end in NaN.
func (p *Prediction) note(at datasets.Observations, lost []int) {
	count, first := 0, 0
	for i, t := range slices.Backward(at.Trajectories) {
		if lost[i] < len(t.Times) {
			count, first = count+1, i
		}
	}
	if count > 0 {
		t := at.Trajectories[first]
		p.Notes = append(p.Notes, fmt.Sprintf("%d of %d trajectories leave the training data by more than %g standard deviations, or cannot be continued; "+
			"the first is trajectory %s, which is NaN from %s = %g on", count, len(lost), float64(farthest), label(t, first), at.TimeName, t.Times[lost[first]]))
	}
}

// label returns the label of a trajectory, or its number from 1 on if it has none.
func label(t datasets.Observed, i int) string { return cmp.Or(t.Label, fmt.Sprint(i+1)) }

// matrix is rows of numbers, which are also one list.
type matrix struct {
	numbers []float64
	rows    [][]float64
}

// newMatrix returns zeros of size count×width.
func newMatrix(count, width int) matrix {
	m := matrix{make([]float64, count*width), make([][]float64, count)}
	for i := range m.rows {
		m.rows[i] = m.numbers[i*width : (i+1)*width : (i+1)*width]
	}
	return m
}
