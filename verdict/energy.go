package verdict

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/integrate"
	"gonum.org/v1/gonum/stat"

	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/prediction"
)

// Energy is the balance of the port model's energy. Energies count from the lowest one in the range of the data. Rates are per unit of time.
type Energy struct {
	Class          string  `json:"class"` // conserved, lost, unclear (the measured states do not confirm the model), or untested (the validation compared no friction)
	Friction       string  `json:"friction"`
	Without        float64 `json:"validation_without_friction"` // scaled units, as With; 0 if the validation compared none
	With           float64 `json:"validation_with_friction"`
	LossRate       float64 `json:"loss_rate"`   // the dissipated energy over the integral of the energy
	RateSpread     float64 `json:"loss_spread"` // standard deviation over the trajectories
	LossPerPeriod  float64 `json:"loss_per_period"`
	Measured       float64 `json:"measured_loss_rate"` // fall of the energy of the measured states; 0 with inputs
	MeasuredError  float64 `json:"measured_loss_rate_error"`
	FrictionRate   float64 `json:"friction_rate"` // −div f/n
	FrictionSpread float64 `json:"friction_spread"`
	Driven         bool    `json:"driven"`
	Stored         float64 `json:"stored"` // over the trajectory that is drawn
	Supplied       float64 `json:"supplied"`
	Dissipated     float64 `json:"dissipated"`

	shown     datasets.Observed
	predicted prediction.Predicted
	measured  []float64 // energy of the measured states of the shown trajectory
}

// conserve fills Energy.
func (s *study) conserve() error {
	c := s.port()
	if c == nil {
		return nil
	}
	e := &Energy{Friction: string(c.Record.Friction), FrictionRate: c.Rate, FrictionSpread: c.RateSpread, Driven: len(s.train.Inputs) > 0}
	list := slices.Concat(s.test.Trajectories, some(s.train.Trajectories, mostStarts))
	list = list[:min(len(list), 2*mostStarts)]
	predicted, err := s.run(c, list)
	if err != nil {
		return err
	}
	lowest, err := s.lowest(c, list)
	if err != nil {
		return err
	}
	var lost, kept float64
	var rates, measured []float64
	for i, t := range list {
		p, last := predicted[i], len(t.Times)-1
		c.evaluator.Columns = nil
		for k := range t.Times {
			c.evaluator.Columns = append(c.evaluator.Columns, t.Columns(k))
		}
		energies, err := c.evaluator.Hamiltonian(t.States)
		if err != nil {
			return err
		}
		floats.AddConst(-lowest[i], energies)
		if floats.AddConst(-lowest[i], p.H); math.IsNaN(p.H[last]) {
			continue
		}
		area := integrate.Trapezoidal(t.Times, p.H)
		if !(area > 0) {
			continue
		}
		lost, kept = lost+p.Dissipated[last], kept+area
		rates = append(rates, p.Dissipated[last]/area)
		end := len(energies) // or where noise would hide the energy
		for k := range energies {
			if p.H[k] < p.H[0]/10 && k > 6 {
				end = k
				break
			}
		}
		h := energies[:end]
		third := end / 3 // of an exponential, the means of two parts of equal lengths have the ratio of its values
		if early, late := stat.Mean(h[:third], nil), stat.Mean(h[len(h)-third:], nil); early > 0 && late > 0 && !e.Driven {
			measured = append(measured, math.Log(early/late)/(t.Times[len(h)-third]-t.Times[0]))
		}
		if e.predicted.H == nil {
			e.shown, e.predicted, e.measured = t.Slice(0, min(len(t.Times), mostDrawn)), p, energies
			e.Stored, e.Supplied, e.Dissipated = p.H[last]-p.H[0], p.Supplied[last], p.Dissipated[last]
		}
	}
	if len(rates) == 0 {
		return nil
	}
	e.LossRate = lost / kept
	e.LossPerPeriod = 1 - math.Exp(-e.LossRate*s.period)
	if len(rates) > 1 {
		e.RateSpread = stat.StdDev(rates, nil)
	}
	if len(measured) > 1 {
		var deviation float64
		e.Measured, deviation = stat.MeanStdDev(measured, nil)
		e.MeasuredError = deviation / math.Sqrt(float64(len(measured)))
	}
	e.Without, e.With = math.Inf(1), math.Inf(1)
	for _, tried := range c.Record.Candidates {
		if tried.Friction == hamiltonian.NoFriction {
			e.Without = min(e.Without, tried.Validation)
		} else {
			e.With = min(e.With, tried.Validation)
		}
	}
	compared := !math.IsInf(e.Without, 1) && !math.IsInf(e.With, 1)
	if !compared {
		e.Without, e.With = 0, 0
	}
	none := e.Friction == string(hamiltonian.NoFriction) || e.Friction == ""
	trend, spread := e.Measured*s.period, 2*e.MeasuredError*s.period
	agrees := spread < 0.1 && math.Abs(trend) <= max(spread, 0.005)
	if !none {
		agrees = trend > spread
	}
	if e.Driven {
		agrees = compared && max(e.With, e.Without) > 1.25*min(e.With, e.Without) && c.Error < tolerated
	}
	switch {
	case none && !compared:
		e.Class = "untested"
	case !agrees:
		e.Class = "unclear"
	case none:
		e.Class = "conserved"
	default:
		e.Class = "lost"
	}
	s.Energy = e
	return nil
}

// lowest returns the lowest energy in the box of the training states, by trajectory, for its constants. Without constants it is that of all.
func (s *study) lowest(c *candidate, list []datasets.Observed) ([]float64, error) {
	n := 2 * s.train.Positions
	low, high := s.box()
	x, next, slopes, columns := make([][]float64, len(list)), make([][]float64, len(list)), make([][]float64, len(list)), make([][]float64, len(list))
	for i, t := range list {
		columns[i] = slices.Concat(make([]float64, len(s.train.Inputs)), t.Constants)
		c.evaluator.Columns = columns[i : i+1]
		h, err := c.evaluator.Hamiltonian(t.States)
		if err != nil {
			return nil, err
		}
		x[i], next[i], slopes[i] = slices.Clone(t.States[floats.MinIdx(h)]), make([]float64, n), make([]float64, n)
	}
	c.evaluator.Columns = columns
	h, err := c.evaluator.Hamiltonian(x)
	rates := make([]float64, len(list))
	for i := range rates {
		rates[i] = 0.1
	}
	for range 300 {
		if err == nil {
			err = c.evaluator.Gradient(nil, x, slopes)
		}
		if err != nil {
			return nil, err
		}
		for i := range x {
			for j := range x[i] {
				step := rates[i] * s.scales[j] * s.scales[j] * slopes[i][j] / c.evaluator.Scaling.Energy()
				next[i][j] = min(max(x[i][j]-step, min(low[j], x[i][j])), max(high[j], x[i][j]))
			}
		}
		var now []float64
		if now, err = c.evaluator.Hamiltonian(next); err != nil {
			return nil, err
		}
		for i := range x {
			if now[i] < h[i] {
				copy(x[i], next[i])
				h[i], rates[i] = now[i], 1.5*rates[i]
			} else {
				rates[i] /= 3
			}
		}
	}
	if len(s.train.Constants) == 0 {
		for i, least := 0, floats.Min(h); i < len(h); i++ {
			h[i] = least
		}
	}
	return h, nil
}

// box returns the smallest and the largest training value of each component.
func (s *study) box() (low, high []float64) {
	for j := range 2 * s.train.Positions {
		values := s.train.Component(j)
		low, high = append(low, floats.Min(values)), append(high, floats.Max(values))
	}
	return low, high
}
