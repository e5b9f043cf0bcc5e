package verdict

import (
	"cmp"
	"context"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/integrate"
	"gonum.org/v1/gonum/optimize"
	"gonum.org/v1/gonum/stat"

	"hnn/datasets"
	"hnn/hamiltonian"
)

// Energy is the balance of the port model's energy. Energies count from the lowest one in the range of the data. Rates are per unit of time.
type Energy struct {
	Class          string      `json:"class"` // conserved, lost, unclear (the data do not confirm the model), or untested (the validation compared no friction)
	Friction       string      `json:"friction"`
	Without        float64     `json:"validation_without_friction"` // scaled units, as With; both 0 if the validation did not compare the two
	With           float64     `json:"validation_with_friction"`
	LossRate       float64     `json:"loss_rate"`       // the dissipated energy over the integral of the energy
	LossError      float64     `json:"loss_rate_error"` // standard error, from that of the friction
	LossPerPeriod  float64     `json:"loss_per_period"`
	Measured       float64     `json:"measured_loss_rate"`      // fall of the energy of the measured states; 0 with inputs
	MeasuredBand   float64     `json:"measured_loss_rate_band"` // half of the interval of 95% over the trajectories
	FrictionRate   float64     `json:"friction_rate"`           // −div f/n
	FrictionSpread float64     `json:"friction_spread"`
	Matrix         [][]float64 `json:"friction_matrix"`        // R in dp/dt = −∂H/∂q − R·∂H/∂p
	MatrixErrors   [][]float64 `json:"friction_matrix_errors"` // standard errors (fit.Result.Friction); nil if there are too few data for them
	Driven         bool        `json:"driven"`
	Stored         float64     `json:"stored"` // over the trajectory that is drawn
	Supplied       float64     `json:"supplied"`
	Dissipated     float64     `json:"dissipated"`

	measured []float64 // energy of the measured states of the drawn trajectory
}

// conserve fills Energy.
func (s *study) conserve() error {
	c := s.port()
	if c == nil {
		return nil
	}
	e := &Energy{Friction: string(cmp.Or(c.Record.Friction, hamiltonian.NoFriction)), FrictionRate: c.Rate, FrictionSpread: c.RateSpread, Driven: len(s.train.Inputs) > 0}
	list := slices.Concat(some(s.test.Trajectories, mostStarts), some(s.train.Trajectories, mostStarts))
	predicted, err := s.run(c, list)
	if err != nil {
		return err
	}
	var lost, kept, lowest float64
	var falls []float64
	for i, t := range list {
		if i == 0 || len(t.Constants) > 0 {
			if lowest, err = s.lowest(c, t); err != nil {
				return err
			}
		}
		energies, err := c.energy(t, t.States, lowest)
		if err != nil {
			return err
		}
		if i == 0 {
			e.measured = energies
			for _, m := range s.given {
				if m.energies, err = c.energy(t, m.long[0].States, lowest); err != nil {
					return err
				}
			}
		}
		p, last := predicted[i], len(t.Times)-1
		if floats.AddConst(-lowest, p.H); math.IsNaN(p.H[last]) {
			continue
		}
		lost, kept = lost+p.Dissipated[last], kept+integrate.Trapezoidal(t.Times, p.H)
		if i == 0 {
			e.Stored, e.Supplied, e.Dissipated = p.H[last]-p.H[0], p.Supplied[last], p.Dissipated[last]
		}
		rows := slices.IndexFunc(p.H, func(h float64) bool { return h < p.H[0]/10 }) // where noise would hide the energy
		if rows < 7 {
			rows = len(energies)
		}
		third := rows / 3 // of an exponential, the means of two parts of equal lengths have the ratio of its values
		early, late := stat.Mean(energies[:third], nil), stat.Mean(energies[rows-third:rows], nil)
		if early > 0 && late > 0 && !e.Driven {
			falls = append(falls, math.Log(early/late)/(t.Times[rows-third]-t.Times[0]))
		}
	}
	if !(kept > 0) {
		return nil
	}
	s.Energy = e
	e.LossRate = lost / kept
	e.LossPerPeriod = 1 - math.Exp(-e.LossRate*s.period)
	if falls != nil {
		e.Measured, e.MeasuredBand = interval(falls)
	}
	return s.classify(c)
}

// classify fills the friction of the energy's balance and its class.
func (s *study) classify(c *candidate) (err error) {
	e := s.Energy
	for _, tried := range c.Record.Candidates {
		switch { // the simplest energy chose the friction; the others tried only that one
		case tried.Kinetic != c.Record.Candidates[0].Kinetic:
		case tried.Friction == hamiltonian.NoFriction:
			e.Without = tried.Validation
		default:
			e.With = tried.Validation
		}
	}
	compared := e.Without > 0 && e.With > 0
	if !compared {
		e.Without, e.With = 0, 0
	}
	trend, band := e.Measured*s.period, e.MeasuredBand*s.period
	if e.Friction == string(hamiltonian.NoFriction) {
		switch {
		case !compared:
			e.Class = "untested"
		case e.Driven && c.Error < tolerated, !e.Driven && band < 0.1 && math.Abs(trend) <= max(band, 0.005):
			e.Class = "conserved"
		default:
			e.Class = "unclear"
		}
		return nil
	}
	if e.Class = "unclear"; e.Driven && compared || trend > band {
		e.Class = "lost"
	}
	if e.Matrix, e.MatrixErrors, err = c.Result.Friction(context.Background(), s.train); err != nil || e.Matrix == nil {
		return err
	}
	var trace, variance float64
	for i, row := range e.Matrix {
		trace, variance = trace+row[i], variance+e.MatrixErrors[i][i]*e.MatrixErrors[i][i]
	}
	e.LossError = e.LossRate * math.Sqrt(variance) / trace
	switch {
	case !(variance > 0): // there are too few parts of the data
		e.MatrixErrors, e.LossError = nil, 0
	case trace < 2*math.Sqrt(variance):
		e.Class = "unclear"
	}
	return nil
}

// energy returns the model's energies of states of a trajectory, above the lowest one; those of states that are not numbers are not.
func (c *candidate) energy(t datasets.Observed, states [][]float64, lowest float64) ([]float64, error) {
	c.evaluator.Columns = nil
	for k := range states {
		c.evaluator.Columns = append(c.evaluator.Columns, t.Columns(k))
	}
	energies, err := c.evaluator.Hamiltonian(states)
	if err == nil {
		floats.AddConst(-lowest, energies)
	}
	return energies, err
}

// lowest returns the lowest energy in the box of the training states, for the constants of a trajectory.
func (s *study) lowest(c *candidate, t datasets.Observed) (float64, error) {
	c.evaluator.Columns = [][]float64{slices.Concat(make([]float64, len(s.train.Inputs)), t.Constants)}
	var states [][]float64
	for _, x := range s.places(s.train.Trajectories) {
		states = append(states, x.state)
	}
	energies, err := c.evaluator.Hamiltonian(states)
	if err != nil {
		return 0, err
	}
	low, high := s.box()
	problem := optimize.Problem{Func: func(scaled []float64) float64 {
		x := floats.MulTo(make([]float64, len(scaled)), scaled, s.scales)
		for j := range x {
			x[j] = min(max(x[j], low[j]), high[j])
		}
		h, failed := c.evaluator.Hamiltonian([][]float64{x})
		if failed != nil {
			err = failed
			return math.Inf(1)
		}
		return h[0]
	}}
	start := floats.DivTo(make([]float64, len(low)), states[floats.MinIdx(energies)], s.scales)
	settings := optimize.Settings{FuncEvaluations: 1000 * len(start)}
	result, _ := optimize.Minimize(problem, start, &settings, &optimize.NelderMead{}) // where rounding ends it, the lowest energy found counts
	if err != nil {
		return 0, err
	}
	return min(floats.Min(energies), result.F), nil
}

// box returns the smallest and the largest training value of each component.
func (s *study) box() (low, high []float64) {
	for j := range 2 * s.train.Positions {
		values := s.train.Component(j)
		low, high = append(low, floats.Min(values)), append(high, floats.Max(values))
	}
	return low, high
}
