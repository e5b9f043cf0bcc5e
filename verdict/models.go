package verdict

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"hnn/datasets"
	"hnn/prediction"
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

// Noise says what noise explains, in standard deviations.
type Noise struct {
	Explained float64 `json:"error_explained"` // the root mean square noise of the measured components
	Found     float64 `json:"error_found"`     // of the best model: root mean square over the rows, and mean over the starts
}

// chooseStarts takes the first rows of the test trajectories, or, of a single one, up to six starts along it, each with half of its rows.
func (s *study) chooseStarts() {
	list := s.test.Trajectories
	list = some(list, max(4, min(mostStarts, mostRows*len(list)/rowsOf(list))))
	for _, t := range list {
		s.starts = append(s.starts, t)
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
			s.starts = append(s.starts, list[0].Slice(first, first+half))
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
func (s *study) compare() error {
	for _, c := range s.given {
		whole, _, err := s.fit(c, math.Inf(1))
		if err != nil {
			return err
		}
		var first []datasets.Observed
		if c.predicted, first, err = s.fit(c, s.period); err != nil {
			return err
		}
		long := slices.Clone(s.long)
		for i := range long {
			long[i].States = first[i].States[:1]
		}
		if c.long, err = s.run(c, long); err == nil {
			c.Rate, c.RateSpread, err = c.FrictionRate(s.train)
		}
		if err != nil {
			return err
		}
		for i, t := range s.starts {
			c.distances = append(c.distances, s.distances(c.predicted[i].States, t.States))
			c.Errors = append(c.Errors, rms(s.distances(whole[i].States, t.States)))
		}
		c.Error, c.StandardError = stat.Mean(c.Errors, nil), 0
		if len(c.Errors) > 1 {
			c.StandardError = stat.StdDev(c.Errors, nil) / math.Sqrt(float64(len(c.Errors)))
		}
	}
	s.models = slices.SortedStableFunc(slices.Values(s.given), func(a, b *candidate) int { return cmp.Compare(a.Error, b.Error) })
	var noise []float64
	for j := range s.seen {
		noise = append(noise, s.noise[j]/s.scales[j])
	}
	s.Noise = Noise{Explained: rms(noise), Found: s.models[0].Error}
	for _, c := range s.models {
		s.judge(c)
		s.Models = append(s.Models, c.Model)
	}
	return nil
}

// fit predicts each start from the state from which the model predicts the rows of the given duration best, by the method of Gauss and Newton. The
// noise of a first row then does not hide which model is better. It also returns the starts with these states.
func (s *study) fit(c *candidate, duration float64) (predicted []prediction.Predicted, from []datasets.Observed, err error) {
	const rounds = 5
	from = slices.Clone(s.starts)
	predicted, err = s.run(c, from)
	for round := 0; round < rounds && err == nil; round++ {
		var next []datasets.Observed
		if next, err = s.correct(c, from, predicted, duration); err != nil {
			break
		}
		var changed []prediction.Predicted
		if changed, err = s.run(c, next); err != nil {
			break
		}
		for i, t := range s.starts {
			rows := rowsWithin(t, duration)
			if rms(s.distances(changed[i].States[:rows], t.States)) < rms(s.distances(predicted[i].States[:rows], t.States)) {
				from[i], predicted[i] = next[i], changed[i]
			}
		}
	}
	return predicted, from, err
}

// correct moves the first state of each start by a step of Gauss and Newton's method. Difference quotients give the derivatives of the predictions.
func (s *study) correct(c *candidate, from []datasets.Observed, predicted []prediction.Predicted, duration float64) ([]datasets.Observed, error) {
	const step = 1e-2 // of the difference quotients, in standard deviations
	n := len(s.scales)
	var moved, next []datasets.Observed
	for _, t := range from {
		for j := range n {
			x := slices.Clone(t.States[0])
			x[j] += step * s.scales[j]
			moved = append(moved, startingAt(t, x))
		}
	}
	changed, err := s.run(c, moved)
	if err != nil {
		return nil, err
	}
	for i, t := range from {
		differences := func(to, from [][]float64) (list []float64) {
			for k := range rowsWithin(t, duration) {
				for j := range s.seen {
					list = append(list, s.difference(j, to[k][j], from[k][j])/s.scales[j])
				}
			}
			return list
		}
		errors := differences(s.starts[i].States, predicted[i].States)
		slopes := mat.NewDense(len(errors), n, nil)
		for j := range n {
			slope := differences(changed[i*n+j].States, predicted[i].States)
			floats.Scale(1/step, slope)
			slopes.SetCol(j, slope)
		}
		x, by := slices.Clone(t.States[0]), mat.NewVecDense(n, nil)
		if by.SolveVec(slopes, mat.NewVecDense(len(errors), errors)) == nil {
			for j := range x {
				x[j] += by.AtVec(j) * s.scales[j]
			}
		}
		next = append(next, startingAt(t, x))
	}
	return next, nil
}

// startingAt returns a trajectory with another first state.
func startingAt(t datasets.Observed, x []float64) datasets.Observed {
	t.States = slices.Clone(t.States)
	t.States[0] = x
	return t
}

// rowsWithin returns the number of rows of the given duration, at least ten if there are so many.
func rowsWithin(t datasets.Observed, duration float64) int {
	const fewest = 10
	for k, time := range t.Times {
		if k >= fewest && time-t.Times[0] > duration {
			return k
		}
	}
	return len(t.Times)
}

// judge fills a model's valid time and its difference from the best model.
func (s *study) judge(c *candidate) {
	best := s.models[0]
	var valid, logarithms []float64
	ended := 0
	for i, t := range s.starts {
		k := 1
		for k < len(t.Times) && c.distances[i][k] <= tolerated+3*s.Noise.Explained {
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
		c.Class = "hidden" // the difference of the models is small beside the noise
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
