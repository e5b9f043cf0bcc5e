package fit

import (
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"

	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/nets"
	"hnn/prediction"
)

// FrictionRate returns the rate at which the model's friction damps momenta, −Σ ∂(dpᵢ/dt)/∂pᵢ/n, per unit of time: its mean and its standard
// deviation over the rows of observations. The rate is minus the divergence of the field, divided by n, because the rest of a port-Hamiltonian
// field has no divergence.
func (r *Result) FrictionRate(o datasets.Observations) (mean, deviation float64, err error) {
	e, err := r.Evaluator(0)
	if err != nil {
		return 0, 0, err
	}
	defer e.Close()
	var states [][]float64
	for _, t := range o.Trajectories {
		states = append(states, t.States...)
		for row := range t.States {
			e.Columns = append(e.Columns, t.Columns(row))
		}
	}
	rates, err := e.Divergence(states)
	if err != nil {
		return 0, 0, err
	}
	floats.Scale(-1/float64(o.Positions), rates)
	mean, deviation = stat.MeanStdDev(rates, nil)
	return mean, deviation, nil
}

// InputMatrix returns G, by which inputs drive the momenta of a port-Hamiltonian model: dpᵢ/dt = … + Σ Gᵢⱼuⱼ, in the units of the observations.
// It is nil without inputs.
func (r *Result) InputMatrix() (matrix [][]float64) {
	n, list := r.Equation.Dimension()/2, weights(r.Equation, r.Parameters, hamiltonian.InputPrefix)
	if list == nil {
		return nil
	}
	for row := range slices.Chunk(list, len(list)/n) {
		scaled, scale := make([]float64, len(row)), r.Scaling.Scale[n+len(matrix)]
		for j, w := range row {
			scaled[j] = float64(w) * scale / r.Scaling.Time / r.Scaling.Columns[j]
		}
		matrix = append(matrix, scaled)
	}
	return matrix
}

// weights returns the weights of a network of one layer, row by row; nil if no network has the prefix.
func weights(e hamiltonian.Equation, p nets.Parameters, prefix string) (list []float32) {
	p.EachLayer(e.Networks, func(network, _ int, weight, _ []float32) {
		if e.Networks[network].Prefix == prefix {
			list = weight
		}
	})
	return list
}

// Unit composes the units in names such as "t [ms]": the product of those above, divided by those below, as in deg·kg m²/s/ms. It returns "" if
// a name has no unit. The unit of a model's energy is that of q1 and p1 over t.
func Unit(above []string, below ...string) (text string) {
	for i, name := range slices.Concat(above, below) {
		_, unit, _ := strings.Cut(strings.TrimSuffix(name, "]"), "[")
		switch {
		case unit == "":
			return ""
		case i == 0:
			text = unit
		case i < len(above):
			text = bracket(text, "/") + "·" + unit
		default:
			text += "/" + bracket(unit, "/·* ")
		}
	}
	return text
}

// bracket returns a unit, in brackets if it contains one of the signs.
func bracket(unit, signs string) string {
	if strings.ContainsAny(unit, signs) {
		return "(" + unit + ")"
	}
	return unit
}

// Score tells how a model predicts trajectories from their first rows.
type Score struct {
	Error    float64 // root mean square, in standard deviations of the observed components; a difference above 10 counts as 10
	Duration float64 // mean duration of a trajectory
	// The balance of the model's energy: Stored = H(end) − H(start) = Supplied − Dissipated. Each is a mean over the predicted trajectories, in the
	// unit of q1·p1/t. They are NaN if the model has no Hamiltonian, or if all predictions leave the data by far.
	Stored, Supplied, Dissipated float64
}

// Score predicts unseen trajectories from their first rows.
func (r *Result) Score(o datasets.Observations) (Score, error) {
	e, err := r.Evaluator(1)
	if err != nil {
		return Score{}, err
	}
	defer e.Close()
	p, err := prediction.Run([]*hamiltonian.Evaluator{e}, o, prediction.Options{})
	if err != nil {
		return Score{}, err
	}
	var score Score
	var squares, stored, supplied, dissipated []float64
	for j := range o.Seen() {
		deviation := stat.PopStdDev(o.Component(j), nil)
		for k, t := range o.Trajectories {
			for i, state := range t.States {
				e := math.Min(10, math.Abs(p.Trajectories[k].States[i][j]-state[j])/deviation)
				if math.IsNaN(e) {
					e = 10
				}
				squares = append(squares, e*e)
			}
		}
	}
	for k, t := range o.Trajectories {
		last := len(t.Times) - 1
		score.Duration += (t.Times[last] - t.Times[0]) / float64(len(o.Trajectories))
		if p := p.Trajectories[k]; !math.IsNaN(p.H[last]) {
			stored = append(stored, p.H[last]-p.H[0])
			supplied, dissipated = append(supplied, p.Supplied[last]), append(dissipated, p.Dissipated[last])
		}
	}
	score.Error = math.Sqrt(stat.Mean(squares, nil))
	score.Stored, score.Supplied, score.Dissipated = stat.Mean(stored, nil), stat.Mean(supplied, nil), stat.Mean(dissipated, nil)
	return score, nil
}
