package fit

import (
	"math"

	"gonum.org/v1/gonum/stat"

	"hnn/datasets"
	"hnn/hamiltonian"
)

// scale returns the canonical scaling of observations. Positions have a standard deviation of 1, or are in radians if they are angles. One
// factor scales all momenta against their positions, and the time scale makes derivatives of order 1.
func scale(o datasets.Observations) *hamiltonian.Scaling {
	n := o.Positions
	s := hamiltonian.Unit(2*n, len(o.Inputs)+len(o.Constants))
	deviation, rate := make([]float64, 2*n), make([]float64, 2*n)
	for j := range 2 * n {
		var values, rates []float64
		for _, t := range o.Trajectories {
			for i, x := range t.States {
				values = append(values, x[j])
				if i > 0 {
					rates = append(rates, (x[j]-t.States[i-1][j])/(t.Times[i]-t.Times[i-1]))
				}
			}
		}
		var mean float64
		mean, deviation[j] = stat.PopMeanStdDev(values, nil)
		_, rate[j] = stat.PopMeanStdDev(rates, nil)
		if j < n {
			s.Center[j] = mean
		}
	}
	clock, product := 0.0, 0.0
	for j := range 2 * n {
		clock += deviation[j] / rate[j] / float64(2*n)
	}
	for i := range n {
		s.Scale[i] = deviation[i]
		if turn := o.Angles[i]; turn > 0 {
			s.Scale[i], s.Center[i] = turn/(2*math.Pi), 0
		}
		product += (math.Log(s.Scale[i]) + math.Log(deviation[n+i])) / float64(n)
	}
	for i := range n {
		s.Scale[n+i] = math.Exp(product) / s.Scale[i]
	}
	s.Time = clock
	for j := range s.Columns {
		square, count := 0.0, 0
		for _, t := range o.Trajectories {
			for i := range t.Times {
				v := columns(t, i)[j]
				square, count = square+v*v, count+1
			}
		}
		if square > 0 {
			s.Columns[j] = math.Sqrt(square / float64(count))
		}
	}
	return s
}

// columns returns the inputs at a row of a trajectory, followed by the trajectory's constants.
func columns(t datasets.Observed, row int) []float64 {
	var values []float64
	if t.Inputs != nil {
		values = append(values, t.Inputs[row]...)
	}
	return append(values, t.Constants...)
}
