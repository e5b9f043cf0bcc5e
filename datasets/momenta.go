package datasets

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// Estimate says how momenta are estimated: each is a mass times the slope of a polynomial of the position, which is fitted by least squares to
// the rows around the row (Savitzky and Golay, 1964, where times are even). At an end of a trajectory or beside a gap, the polynomial of the
// first or last rows serves. A gap is a time step of more than 5 times the median.
type Estimate struct {
	Order, Rows int       // of the polynomial, and to which it is fitted; fewer where there are fewer between gaps
	Masses      []float64 // by position; nil for 1
}

// Mass returns the mass of a position.
func (e Estimate) Mass(position int) float64 {
	if e.Masses == nil {
		return 1
	}
	return e.Masses[position]
}

// fill sets the momenta of all trajectories, which have at least three rows each.
func (e Estimate) fill(o Observations) {
	for _, s := range o.Trajectories {
		e.fit(s.Times, false, func(row, first int, _, slope []float64) {
			for i := range o.Positions {
				p := 0.0
				for j, weight := range slope {
					p += weight * s.States[first+j][i]
				}
				s.States[row][o.Positions+i] = e.Mass(i) * p
			}
		})
	}
}

// Weights returns the weights of the positions in the slope that Estimate takes at a row, and the row of the first of them.
func (e Estimate) Weights(times []float64, row int) (first int, weights []float64) {
	e.fit(times, false, func(at, from int, _, slope []float64) {
		if at == row {
			first, weights = from, slope
		}
	})
	return first, weights
}

// fit calls use for each row, or only for those in the middle of e.Rows rows, with the weights of rows, from the first on, in the value and the
// slope of the row's polynomial.
func (e Estimate) fit(times []float64, middle bool, use func(row, first int, value, slope []float64)) {
	var offsets, value, slope []float64
	for _, segment := range segments(times) {
		rows := min(e.Rows, segment[1]-segment[0])
		order := min(e.Order, rows-1)
		for row := segment[0]; row < segment[1]; row++ {
			first := min(max(row-rows/2, segment[0]), segment[1]-rows)
			if middle && (rows < e.Rows || first != row-rows/2) {
				continue
			}
			now := slices.Clone(times[first : first+rows])
			floats.AddConst(-times[row], now)
			if span := now[rows-1] - now[0]; len(now) != len(offsets) || !floats.EqualApprox(now, offsets, 1e-9*span) {
				offsets = now
				value, slope = polynomialWeights(offsets, order)
			}
			use(row, first, value, slope)
		}
	}
}

// polynomialWeights returns the weights of observations in the value and the slope, at 0, of the polynomial fitted to them.
func polynomialWeights(times []float64, order int) (value, slope []float64) {
	span := times[len(times)-1] - times[0]
	powers := mat.NewDense(order+1, len(times), nil)
	powers.Apply(func(k, i int, _ float64) float64 { return math.Pow(times[i]/span, float64(k)) }, powers)
	var squares mat.SymDense
	squares.SymOuterK(1, powers)
	var normal mat.Cholesky
	var weights mat.Dense
	if !normal.Factorize(&squares) || normal.SolveTo(&weights, powers) != nil { // some times are nearly equal
		return polynomialWeights(times, order-1)
	}
	value, slope = mat.Row(nil, 0, &weights), mat.Row(nil, 1, &weights)
	floats.Scale(1/span, slope)
	return value, slope
}

// segments returns the first row and the row after the last between gaps. Fewer than three rows between gaps join their neighbours.
func segments(times []float64) (parts [][2]int) {
	steps := Observed{Times: times}.steps()
	longest := 5 * median(steps)
	first := 0
	for i := 1; i <= len(times); i++ {
		switch {
		case i < len(times) && steps[i-1] <= longest:
		case i-first >= 3:
			parts, first = append(parts, [2]int{first, i}), i
		case i == len(times) && len(parts) > 0:
			parts[len(parts)-1][1] = i
		}
	}
	return parts
}

// chooseEstimate returns the order and the number of rows whose polynomial best predicts the position in the middle row, if it is fitted without
// that row. On even times, orders 2 and 3 predict the same value, and 3 has the better slope. Of order 4, the slope is best over three quarters
// of the rows that are best for the value: so it was in simulations of four systems, with noise of 0 to 7% of a standard deviation.
func chooseEstimate(o Observations, masses []float64) Estimate {
	best, least := Estimate{Order: 2, Rows: 3, Masses: masses}, math.Inf(1)
	for _, order := range []int{3, 4, 2} {
		for rows := order + 3 - order%2; ; rows += 2 * max(1, rows/10) {
			e := Estimate{Order: order, Rows: rows, Masses: masses}
			score := e.leaveOneOut(o)
			if score < least*(1-1e-6) {
				best, least = e, score
			}
			if !(score < 4*least) {
				break
			}
		}
	}
	if best.Order == 4 {
		best.Rows = 3*best.Rows/8*2 + 1
	}
	return best
}

// leaveOneOut returns the mean squared error, in variances of the positions, of the position in the middle of the rows that is predicted from
// the others. It is the residual divided by 1 minus the row's own weight. Fewer than half of all rows in a middle give no error, NaN.
func (e Estimate) leaveOneOut(o Observations) float64 {
	variances, sum, count, total := make([]float64, o.Positions), 0.0, 0, 0
	for i := range variances {
		variances[i] = stat.Variance(o.Component(i), nil)
	}
	for _, s := range o.Trajectories {
		total += len(s.States)
		e.fit(s.Times, true, func(row, first int, value, _ []float64) {
			count++
			for i, variance := range variances {
				residual := s.States[row][i]
				for j, weight := range value {
					residual -= weight * s.States[first+j][i]
				}
				residual /= 1 - value[e.Rows/2]
				sum += residual * residual / variance
			}
		})
	}
	if 2*count < total {
		return math.NaN()
	}
	return sum / float64(count)
}

func median(values []float64) float64 {
	return stat.Quantile(0.5, stat.Empirical, slices.Sorted(slices.Values(values)), nil)
}
