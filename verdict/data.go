package verdict

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"hnn/fit"
)

// Data are facts of the observations. Steps, durations and the period are in the unit of the times.
type Data struct {
	Train         int         `json:"train_trajectories"`
	Test          int         `json:"test_trajectories"`
	Rows          int         `json:"rows"` // of all trajectories
	Step          float64     `json:"step"` // median
	LongestStep   float64     `json:"longest_step"`
	Gaps          int         `json:"gaps"`    // steps of more than one and a half times the median
	Regular       bool        `json:"regular"` // whether nine tenths of the steps are within a tenth of the median, so that gaps are missing rows
	Duration      float64     `json:"duration"`
	Shortest      float64     `json:"shortest"`
	Longest       float64     `json:"longest"`
	Period        float64     `json:"period"`
	Crossings     bool        `json:"period_from_crossings"` // otherwise it is the longest duration
	RowsPerPeriod float64     `json:"rows_per_period"`
	Periods       float64     `json:"periods"` // of the median duration
	TimeUnit      string      `json:"time_unit"`
	Components    []Component `json:"components"`
}

// Component is a component of the state with its unit, and the standard deviations of the training data and of the noise.
type Component struct {
	Name      string  `json:"name"`
	Deviation float64 `json:"standard_deviation"`
	Noise     float64 `json:"noise"`
}

// measure fills Data, the scales, the noise and the period.
func (s *study) measure() {
	n := s.train.Positions
	s.seen = s.train.Seen()
	var steps, durations []float64
	for _, t := range s.all() {
		durations = append(durations, duration(t))
		for k := range len(t.Times) - 1 {
			steps = append(steps, t.Times[k+1]-t.Times[k])
		}
	}
	d := &s.Data
	d.Rows = rowsOf(s.all())
	d.Train, d.Test, d.TimeUnit = len(s.train.Trajectories), len(s.test.Trajectories), fit.Unit([]string{s.train.TimeName})
	d.Step, d.Duration, d.Shortest, d.Longest = median(steps), median(durations), floats.Min(durations), floats.Max(durations)
	even := 0
	for _, step := range steps {
		if step > 1.5*d.Step {
			d.Gaps++
		}
		if math.Abs(step-d.Step) < d.Step/10 {
			even++
		}
	}
	d.LongestStep, d.Regular = floats.Max(steps), even*10 >= 9*len(steps)
	for j := range 2 * n {
		_, scale := stat.MeanStdDev(s.train.Component(j), nil)
		if j < n && s.train.Angles[j] > 0 {
			scale = min(scale, s.train.Angles[j]/(2*math.Pi))
		}
		if !(scale > 0) {
			scale = 1
		}
		s.scales = append(s.scales, scale)
	}
	for j := range len(s.train.Inputs) + len(s.train.Constants) {
		var values []float64
		for _, t := range s.train.Trajectories {
			for k := range t.Times {
				values = append(values, t.Columns(k)[j])
			}
		}
		s.columns = append(s.columns, max(stat.StdDev(values, nil), math.SmallestNonzeroFloat64))
	}
	s.noise = s.estimateNoise()
	s.period, d.Crossings = s.estimatePeriod()
	d.Period, d.RowsPerPeriod, d.Periods = s.period, s.period/d.Step, d.Duration/s.period
	for j := range 2 * n {
		name := fmt.Sprint([]string{"q", "p"}[j/n], j%n+1)
		if s.train.Names != nil {
			name = s.train.Names[j]
		}
		d.Components = append(d.Components, Component{name, s.scales[j], s.noise[j]})
	}
}

func component(states [][]float64, j int) (values []float64) {
	for _, x := range states {
		values = append(values, x[j])
	}
	return values
}

// estimatePeriod returns the shortest period of a component, the median time between every other crossing of its mean. Where no trajectory has
// three of them, it is the longest duration.
func (s *study) estimatePeriod() (period float64, crossed bool) {
	pairs := make([][]float64, s.seen)
	for _, t := range s.all() {
		for j := range pairs {
			list := crossings(t.Times, component(t.States, j))
			for k := 2; k < len(list); k++ {
				pairs[j] = append(pairs[j], list[k]-list[k-2])
			}
		}
	}
	most := len(slices.MaxFunc(pairs, func(a, b []float64) int { return len(a) - len(b) }))
	period = s.Data.Longest
	for _, list := range pairs {
		if len(list) > 0 && 2*len(list) >= most {
			period, crossed = min(period, median(list)), true
		}
	}
	return period, crossed
}

// crossings returns the times of crossings of the mean between excursions of more than half a standard deviation.
func crossings(times, values []float64) (list []float64) {
	mean, deviation := stat.MeanStdDev(values, nil)
	side, last := 0., 0.
	for k, v := range values {
		if k > 0 && v != values[k-1] && (v-mean)*(values[k-1]-mean) <= 0 {
			last = times[k-1] + (mean-values[k-1])/(v-values[k-1])*(times[k]-times[k-1])
		}
		if now := math.Copysign(1, v-mean); math.Abs(v-mean) > deviation/2 && now != side {
			if side != 0 {
				list = append(list, last)
			}
			side = now
		}
	}
	return list
}

// estimateNoise returns the standard deviation of the noise of each component. A divided difference of high order removes a smooth motion and
// keeps noise. Differences of the orders 2 to 8 are scaled to the variance of the noise, and freed from what held inputs explain; the least
// estimate counts. The noise of estimated momenta follows from that of the positions.
func (s *study) estimateNoise() []float64 {
	list := s.all()
	noise := make([]float64, 2*s.train.Positions)
	for j := range noise {
		noise[j] = math.Inf(1)
	}
	for order := 2; order <= 8; order++ {
		values, inputs := make([][]float64, len(noise)), [][]float64(nil)
		for _, t := range list {
			for first := range max(0, len(t.Times)-order) {
				w, even := differences(t.Times[first:first+order+1], 5*s.Data.Step)
				if !even {
					continue
				}
				for j := range values {
					difference := 0.0
					for k, weight := range w {
						difference += weight * (t.States[first+k][j] - t.States[first][j])
					}
					values[j] = append(values[j], difference)
				}
				if t.Inputs != nil {
					inputs = append(inputs, slices.Concat(t.Inputs[first:first+order]...))
				}
			}
		}
		for j, r := range values {
			if len(r) < 20 {
				continue
			}
			r = regress(r, inputs)
			for k := range r {
				r[k] = math.Abs(r[k])
			}
			slices.Sort(r)
			noise[j] = min(noise[j], stat.Quantile(math.Erf(math.Sqrt2/2), stat.Empirical, r, nil)) // the standard deviation of normal noise
		}
	}
	for j := range noise {
		if math.IsInf(noise[j], 1) {
			noise[j] = 0
		}
		if i := j - s.train.Positions; i >= 0 && !s.train.Measured {
			_, weights := s.train.Estimate.Weights(list[0].Times, len(list[0].Times)/2)
			noise[j] = floats.Norm(weights, 2) * s.train.Estimate.Mass(i) * noise[i]
		}
	}
	return noise
}

// differences returns the weights of a divided difference, of norm 1, and whether no step is longer than the limit.
func differences(times []float64, limit float64) (weights []float64, even bool) {
	for i := range times {
		if i > 0 && times[i]-times[i-1] > limit {
			return nil, false
		}
		w := 1.0
		for j := range times {
			if j != i {
				w *= limit / (times[i] - times[j])
			}
		}
		weights = append(weights, w)
	}
	floats.Scale(1/floats.Norm(weights, 2), weights)
	return weights, true
}

// regress returns the residuals of values after least squares on features.
func regress(values []float64, features [][]float64) []float64 {
	var solution, fitted mat.VecDense
	var decomposition mat.SVD
	if len(features) == 0 || len(features) <= 2*len(features[0]) {
		return values
	}
	a := mat.NewDense(len(features), len(features[0]), slices.Concat(features...))
	if !decomposition.Factorize(a, mat.SVDThin) {
		return values
	}
	decomposition.SolveVecTo(&solution, mat.NewVecDense(len(values), values), max(1, decomposition.Rank(1e-10)))
	fitted.MulVec(a, &solution)
	return floats.SubTo(make([]float64, len(values)), values, fitted.RawVector().Data)
}
