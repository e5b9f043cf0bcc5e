package fit

import (
	"math"

	"gonum.org/v1/gonum/stat"

	"hnn/datasets"
	"hnn/hamiltonian"
)

// scale returns the canonical scaling of observations. A scaled position has a standard deviation of 1, and a scaled angle is in radians. The
// scale of a position times that of its momentum is the same for all pairs, so Hamilton's equations keep their form. The time scale makes
// derivatives of order 1.
func scale(o datasets.Observations) *hamiltonian.Scaling {
	n := o.Positions
	s := hamiltonian.Unit(2*n, len(o.Inputs)+len(o.Constants))
	deviation, rate := make([]float64, 2*n), make([]float64, 2*n)
	for j := range 2 * n {
		var rates []float64
		for _, t := range o.Trajectories {
			for i := 1; i < len(t.Times); i++ {
				rates = append(rates, (t.States[i][j]-t.States[i-1][j])/(t.Times[i]-t.Times[i-1]))
			}
		}
		var mean float64
		mean, deviation[j] = stat.PopMeanStdDev(o.Component(j), nil)
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
				v := t.Columns(i)[j]
				square, count = square+v*v, count+1
			}
		}
		if square > 0 {
			s.Columns[j] = math.Sqrt(square / float64(count))
		}
	}
	return s
}
