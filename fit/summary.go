package fit

import (
	"math"

	"gonum.org/v1/gonum/stat"

	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/prediction"
)

// FrictionRate returns the rate at which the model's friction damps momenta, −Σ ∂(dpᵢ/dt)/∂pᵢ/n, per unit of time: its mean over the rows of
// observations and its standard deviation. It is minus the divergence of the field over n, since the rest of a port-Hamiltonian field has none.
func (r *Result) FrictionRate(o datasets.Observations) (mean, deviation float64, err error) {
	const relative = 1e-2 // step of the differences, in units of the scaling: float32 allows no smaller one
	e, err := r.Evaluator(0)
	if err != nil {
		return 0, 0, err
	}
	defer e.Close()
	var states [][]float64
	e.Columns = nil
	dimension := 2 * o.Positions
	for _, t := range o.Trajectories {
		for i, state := range t.States {
			for j := range state {
				for _, sign := range []float64{1, -1} {
					moved := append([]float64(nil), state...)
					moved[j] += sign * relative * r.Scaling.Scale[j]
					states, e.Columns = append(states, moved), append(e.Columns, columns(t, i))
				}
			}
		}
	}
	field := make([][]float64, len(states))
	for i := range field {
		field[i] = make([]float64, dimension)
	}
	if err := e.Field(nil, states, field); err != nil {
		return 0, 0, err
	}
	var rates []float64
	for first := 0; first < len(field); first += 2 * dimension {
		rate := 0.0
		for j := range dimension {
			k := first + 2*j
			rate -= (field[k][j] - field[k+1][j]) / (2 * relative * r.Scaling.Scale[j]) / float64(o.Positions)
		}
		rates = append(rates, rate)
	}
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
	seen := 2 * o.Positions
	if !o.Measured {
		seen = o.Positions
	}
	var score Score
	var squares []float64
	for j := range seen {
		var values []float64
		for _, t := range o.Trajectories {
			for _, state := range t.States {
				values = append(values, state[j])
			}
		}
		deviation := stat.PopStdDev(values, nil)
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
