package verdict

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"hnn/datasets"
)

// Model says how a model predicts. Errors are in standard deviations, and valid times in the unit of the times.
type Model struct {
	Name            string    `json:"name"`
	Seed            uint64    `json:"seed"`
	Class           string    `json:"class"`  // best, as good, worse, or undecided
	Errors          []float64 `json:"errors"` // by start: root mean square over the rows
	Error           float64   `json:"error"`  // mean over the starts
	StandardError   float64   `json:"standard_error"`
	Difference      float64   `json:"difference"`       // of the error from that of the best model, paired
	DifferenceError float64   `json:"difference_error"` // standard error
	Band            float64   `json:"band"`             // up to which a difference is within the spread: 95%
	Ratio           float64   `json:"ratio"`            // of the errors, paired: geometric mean over the starts, and its interval of 95%
	RatioLow        float64   `json:"ratio_low"`
	RatioHigh       float64   `json:"ratio_high"`
	Valid           float64   `json:"valid_time"` // median
	ValidPeriods    float64   `json:"valid_periods"`
	ValidToTheEnd   float64   `json:"valid_to_the_end"` // share of the starts
	Rate            float64   `json:"contraction_rate"` // −div f/n over the training data, per unit of time
	RateSpread      float64   `json:"contraction_spread"`
}

// Noise says what noise explains, in standard deviations. All are root mean squares over the rows, and means over the starts.
type Noise struct {
	Draws int     `json:"draws"` // of each start
	Start float64 `json:"error_from_the_noise_of_the_start"`
	Rows  float64 `json:"noise_of_the_compared_rows"`
	Both  float64 `json:"both"`
	Found float64 `json:"error_found"` // of the best model
}

// chooseStarts takes the first rows of the test trajectories, or starts along a single one that each have half of its rows.
func (s *study) chooseStarts() {
	list := s.test.Trajectories
	if len(list) > 1 {
		for _, t := range some(list, max(4, min(mostStarts, mostRows*len(list)/rowsOf(list)))) {
			s.starts = append(s.starts, start{t, t, 0})
		}
		return
	}
	rows, count := len(list[0].Times), 6
	half := min(max(2, (rows+1)/2), mostRows)
	for i := range min(count, rows-half+1) {
		first := i * (rows - half) / max(1, min(count, rows-half+1)-1)
		s.starts = append(s.starts, start{list[0].Slice(first, first+half), list[0], first})
	}
}

func rowsOf(list []datasets.Observed) (count int) {
	for _, t := range list {
		count += len(t.Times)
	}
	return count
}

func (s *study) observedStarts() (list []datasets.Observed) {
	for _, t := range s.starts {
		list = append(list, t.Observed)
	}
	return list
}

// compare predicts the starts with every model, sorts the models by their errors, and finds what noise explains.
func (s *study) compare() (err error) {
	for _, c := range s.models {
		if c.predicted, err = s.run(c, s.observedStarts()); err != nil {
			return err
		}
		for i, t := range s.starts {
			c.distances = append(c.distances, s.distances(c.predicted[i].States, t.States))
			c.Errors = append(c.Errors, rms(c.distances[i][1:]))
		}
		if c.Error, c.StandardError = stat.MeanStdDev(c.Errors, nil); len(c.Errors) == 1 {
			c.StandardError = 0
		}
		c.StandardError /= math.Sqrt(float64(len(c.Errors)))
		if c.Rate, c.RateSpread, err = s.contraction(c); err != nil {
			return err
		}
	}
	slices.SortStableFunc(s.models, func(a, b *candidate) int {
		if a.Error < b.Error {
			return -1
		}
		return 1
	})
	if err := s.disturb(); err != nil {
		return err
	}
	for _, c := range s.models {
		s.judge(c)
		s.Models = append(s.Models, c.Model)
	}
	return nil
}

// distances returns the error at each row.
func (s *study) distances(a, b [][]float64) []float64 {
	list := make([]float64, len(a))
	for k := range a {
		list[k] = s.distance(a[k], b[k], s.seen)
	}
	return list
}

// disturb predicts each start from states with draws of its noise.
func (s *study) disturb() error {
	const draws = 16
	best, relative := s.models[0], 0.0
	for j := range s.seen {
		relative += math.Pow(s.noise[j]/s.scales[j], 2) / float64(s.seen)
	}
	var disturbed []datasets.Observed
	for _, t := range s.starts {
		for range draws {
			from := t.Observed
			from.States = append([][]float64{s.disturbed(t.of, t.row)}, from.States[1:]...)
			disturbed = append(disturbed, from)
		}
	}
	predicted, err := s.run(best, disturbed)
	if err != nil {
		return err
	}
	n := &s.Noise
	n.Draws, n.Rows, n.Found = draws, math.Sqrt(relative), best.Error
	for i, t := range s.starts {
		squares, start, both := make([]float64, len(t.Times)), 0.0, 0.0
		for _, p := range predicted[i*draws : (i+1)*draws] {
			for k, d := range s.distances(p.States, best.predicted[i].States) {
				squares[k] += d * d / draws
			}
		}
		allowed := make([]float64, len(squares))
		for k, square := range squares {
			allowed[k] = math.Sqrt(square) + 3*math.Sqrt(relative)
			if k > 0 {
				start, both = start+square/float64(len(squares)-1), both+(square+relative)/float64(len(squares)-1)
			}
		}
		s.allowed = append(s.allowed, allowed)
		n.Start, n.Both = n.Start+math.Sqrt(start)/float64(len(s.starts)), n.Both+math.Sqrt(both)/float64(len(s.starts))
	}
	return nil
}

// judge fills a model's valid time and its difference from the best model.
func (s *study) judge(c *candidate) {
	best, count := s.models[0], len(s.starts)
	var valid, differences, logarithms []float64
	ended := 0
	for i, t := range s.starts {
		k := 1
		for k < len(t.Times) && c.distances[i][k] <= tolerated+s.allowed[i][k] {
			k++
		}
		if k == len(t.Times) {
			ended++
		}
		valid = append(valid, t.Times[k-1]-t.Times[0])
		differences = append(differences, c.Errors[i]-best.Errors[i])
		logarithms = append(logarithms, math.Log((c.Errors[i]+smallest)/(best.Errors[i]+smallest)))
	}
	c.Valid, c.ValidToTheEnd = median(valid), float64(ended)/float64(count)
	c.ValidPeriods = c.Valid / s.period
	c.Ratio = math.Exp(stat.Mean(logarithms, nil))
	c.Difference, c.RatioLow, c.RatioHigh = stat.Mean(differences, nil), c.Ratio, c.Ratio
	if count > 1 {
		limit := distuv.StudentsT{Sigma: 1, Nu: float64(count - 1)}.Quantile(0.975) / math.Sqrt(float64(count))
		c.DifferenceError = stat.StdDev(differences, nil) / math.Sqrt(float64(count))
		c.Band = limit * stat.StdDev(differences, nil)
		factor := math.Exp(min(100, limit*stat.StdDev(logarithms, nil)))
		c.RatioLow, c.RatioHigh = c.Ratio/factor, c.Ratio*factor
	}
	within := c.Difference <= c.Band && c.RatioLow <= 1
	switch {
	case c == best:
		c.Class = "best"
	case c.Difference <= max(0.05*best.Error, smallest) && len(s.test.Trajectories) > 1:
		c.Class = "as good"
	case len(s.test.Trajectories) == 1 || within && c.Difference > best.Error/2:
		c.Class = "undecided"
	case within:
		c.Class = "as good"
	default:
		c.Class = "worse"
	}
}

// contraction returns the mean and the standard deviation of −div f/n over states of the training data: the rate at which a volume of phase
// space shrinks, for each degree of freedom.
func (s *study) contraction(c *candidate) (mean, deviation float64, err error) {
	const share = 0.05 // of a standard deviation: a step
	var x, columns [][]float64
	for _, t := range some(s.train.Trajectories, 200) {
		for k := 0; k < len(t.States); k += max(1, len(t.States)/10) {
			x, columns = append(x, t.States[k]), append(columns, t.Columns(k))
		}
	}
	c.evaluator.Columns = columns
	rates, err := c.evaluator.Divergence(x, floats.ScaleTo(make([]float64, len(s.scales)), share, s.scales))
	if err != nil {
		return 0, 0, err
	}
	floats.Scale(-1/float64(s.train.Positions), rates)
	mean, deviation = stat.PopMeanStdDev(rates, nil)
	return mean, deviation, nil
}
