package verdict

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"hnn/datasets"
)

// Model says how a model predicts. Errors are in standard deviations, and valid times in the unit of the times.
type Model struct {
	Name          string    `json:"name"`
	Seed          uint64    `json:"seed"`
	Class         string    `json:"class"`  // best, as good, worse, undecided, or hidden (by noise)
	Errors        []float64 `json:"errors"` // by start: root mean square over the rows
	Error         float64   `json:"error"`  // mean over the starts
	StandardError float64   `json:"standard_error"`
	Ratio         float64   `json:"ratio"` // of the errors to those of the best model, paired: geometric mean over the starts, and its interval of 95%
	RatioLow      float64   `json:"ratio_low"`
	RatioHigh     float64   `json:"ratio_high"`
	Valid         float64   `json:"valid_time"`       // median
	ValidToTheEnd float64   `json:"valid_to_the_end"` // share of the starts
	Rate          float64   `json:"contraction_rate"` // −div f/n over the training data, per unit of time
	RateSpread    float64   `json:"contraction_spread"`
}

func (m Model) String() string {
	if m.Seed > 0 {
		return fmt.Sprintf("%s (seed %d)", m.Name, m.Seed)
	}
	return m.Name
}

// Noise says what noise explains, in standard deviations. Both are root mean squares over the rows, and means over the starts.
type Noise struct {
	Explained float64 `json:"error_explained"` // of the best model from noisy starts, 16 draws of each, with the noise of the compared rows
	Found     float64 `json:"error_found"`     // of the best model
}

// chooseStarts takes the first rows of the test trajectories, or, of a single one, up to six starts along it, each with half of its rows.
func (s *study) chooseStarts() {
	list := s.test.Trajectories
	list = some(list, max(4, min(mostStarts, mostRows*len(list)/rowsOf(list))))
	for _, t := range list {
		s.starts = append(s.starts, start{t, t, 0})
		times, whole := slices.Clone(t.Times), duration(t)
		for turn := 1.; turn < 3 && len(s.train.Inputs) == 0; turn++ {
			for _, time := range t.Times[1:] {
				times = append(times, time+turn*whole)
			}
		}
		t.Times = times
		s.long = append(s.long, t)
	}
	if s.single() {
		rows, count := len(list[0].Times), 6
		half := min(max(2, (rows+1)/2), mostRows)
		s.starts = nil
		for i := range min(count, rows-half+1) {
			first := i * (rows - half) / max(1, min(count, rows-half+1)-1)
			s.starts = append(s.starts, start{list[0].Slice(first, first+half), list[0], first})
		}
	}
}

func (s *study) single() bool { return len(s.test.Trajectories) == 1 }

func rowsOf(list []datasets.Observed) (count int) {
	for _, t := range list {
		count += len(t.Times)
	}
	return count
}

// compare predicts the starts with every model, sorts the models by their errors, and finds what noise explains.
func (s *study) compare() (err error) {
	for _, c := range s.given {
		var observed []datasets.Observed
		for _, t := range s.starts {
			observed = append(observed, t.Observed)
		}
		if c.predicted, err = s.run(c, observed); err == nil {
			c.long, err = s.run(c, s.long)
		}
		if err == nil {
			c.Rate, c.RateSpread, err = c.FrictionRate(s.train)
		}
		if err != nil {
			return err
		}
		for i, t := range observed {
			c.distances = append(c.distances, s.distances(c.predicted[i].States, t.States))
			c.Errors = append(c.Errors, rms(c.distances[i][1:]))
		}
		c.Error, c.StandardError = stat.Mean(c.Errors, nil), 0
		if len(c.Errors) > 1 {
			c.StandardError = stat.StdDev(c.Errors, nil) / math.Sqrt(float64(len(c.Errors)))
		}
	}
	s.models = slices.SortedStableFunc(slices.Values(s.given), func(a, b *candidate) int { return cmp.Compare(a.Error, b.Error) })
	if err := s.disturb(); err != nil {
		return err
	}
	for _, c := range s.models {
		s.judge(c)
		s.Models = append(s.Models, c.Model)
	}
	return nil
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
		states := slices.Clone(t.States)
		for _, x := range s.disturbed(t.of, t.row, draws) {
			states[0] = x
			from := t.Observed
			from.States = slices.Clone(states)
			disturbed = append(disturbed, from)
		}
	}
	predicted, err := s.run(best, disturbed)
	if err != nil {
		return err
	}
	s.Noise.Found = best.Error
	for i := range s.starts {
		squares, allowed := make([]float64, len(best.predicted[i].States)), []float64(nil)
		for _, p := range predicted[i*draws : (i+1)*draws] {
			for k, d := range s.distances(p.States, best.predicted[i].States) {
				squares[k] += d * d / draws
			}
		}
		for _, square := range squares {
			allowed = append(allowed, math.Sqrt(square)+3*math.Sqrt(relative))
		}
		s.allowed = append(s.allowed, allowed)
		s.Noise.Explained += math.Sqrt(stat.Mean(squares[1:], nil)+relative) / float64(len(s.starts))
	}
	return nil
}

// judge fills a model's valid time and its difference from the best model.
func (s *study) judge(c *candidate) {
	best := s.models[0]
	var valid, logarithms []float64
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
		logarithms = append(logarithms, math.Log((c.Errors[i]+smallest)/(best.Errors[i]+smallest)))
	}
	mean, half := interval(logarithms)
	c.ValidToTheEnd = float64(ended) / float64(len(s.starts))
	c.Valid, c.Ratio, c.RatioLow, c.RatioHigh = median(valid), math.Exp(mean), math.Exp(mean-min(100, half)), math.Exp(mean+min(100, half))
	switch {
	case s.single():
		c.Class = "undecided"
	case c == best:
		c.Class = "best"
	case (c.RatioLow <= 1 || c.Ratio < 1.05) && s.Noise.Explained > smallest && max(c.Error, best.Error) <= noisy*s.Noise.Explained:
		c.Class = "hidden" // models whose errors without noise differ by a factor of 20 may look alike
	case c.RatioLow <= 1 && max(c.Ratio, c.Error/best.Error) > 1.5:
		c.Class = "undecided"
	case c.RatioLow <= 1 || c.Ratio < 1.05:
		c.Class = "as good"
	default:
		c.Class = "worse"
	}
}

// interval returns the mean of values, and the half width of its interval of 95% by Student's t, 0 for a single value.
func interval(values []float64) (mean, half float64) {
	mean, deviation := stat.MeanStdDev(values, nil)
	if count := float64(len(values)); count > 1 {
		half = deviation / math.Sqrt(count) * distuv.StudentsT{Sigma: 1, Nu: count - 1}.Quantile(0.975)
	}
	return mean, half
}
