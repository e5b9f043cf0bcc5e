package fit

import (
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"

	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/prediction"
)

// FrictionRate returns the rate at which the model's friction damps momenta, −Σ ∂(dpᵢ/dt)/∂pᵢ/n, per unit of time: its mean over the rows of
// observations and its standard deviation. It is minus the divergence of the field over n, since the rest of a port-Hamiltonian field has none.
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
	rates, err := e.Divergence(states, floats.ScaleTo(make([]float64, 2*o.Positions), 1e-2, r.Scaling.Scale))
	if err != nil {
		return 0, 0, err
	}
	floats.Scale(-1/float64(o.Positions), rates)
	mean, deviation = stat.MeanStdDev(rates, nil)
	return mean, deviation, nil
}

// Score is the error of predictions from the first rows of trajectories.
type Score struct {
	Error    float64 // root mean square, in standard deviations of the observed components; at most 10 for each row
	Duration float64 // mean duration of a trajectory
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
	var squares []float64
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
	for _, t := range o.Trajectories {
		score.Duration += (t.Times[len(t.Times)-1] - t.Times[0]) / float64(len(o.Trajectories))
	}
	score.Error = math.Sqrt(stat.Mean(squares, nil))
	return score, nil
}
