package verdict

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"

	"hnn/datasets"
)

// Coverage compares states with the training states. A state is far if its nearest training state is farther than the 99th percentile of the
// distances of training states from their nearest one in another trajectory. Of a single trajectory, the nearest one is at least half a period
// earlier or later.
type Coverage struct {
	Limit     float64   `json:"limit"` // the percentile, in standard deviations
	Test      float64   `json:"far_test_states"`
	Predicted float64   `json:"far_predicted_states"` // by the best model, over the test trajectories
	Long      float64   `json:"far_long_states"`      // by the best model, over three times as long; 0 with inputs
	Outside   []Outside `json:"outside"`

	far [][]float64
}

// Outside is a side of the training data's box that states cross. Share is that of the test states or of the predicted ones, the larger.
type Outside struct {
	Name  string  `json:"component"`
	Above bool    `json:"above"`
	Limit float64 `json:"limit"`    // of the training data
	Reach float64 `json:"farthest"` // value of a state
	Share float64 `json:"share"`
	From  string  `json:"from"` // "measured" or "predicted"
}

func (o Outside) String() string {
	side := "below"
	if o.Above {
		side = "above"
	}
	return fmt.Sprintf("%s %s %s", o.Name, side, number(o.Limit))
}

// place is a state with the trajectory and the time it belongs to, and perhaps with its inputs and constants.
type place struct {
	state      []float64
	trajectory int
	time       float64
	columns    []float64
}

func (s *study) places(list []datasets.Observed) (places []place) {
	for i, t := range list {
		for k, x := range t.States {
			if !slices.ContainsFunc(x, math.IsNaN) {
				places = append(places, place{x, i, t.Times[k], nil})
			}
		}
	}
	return some(places, mostStates)
}

// apart returns the distance of two places in scaled units, +Inf if it is not below the limit.
func (s *study) apart(a, b place, limit float64) float64 {
	sum := 0.0
	for j := 0; j < len(a.state) && sum < limit*limit; j++ {
		d := s.difference(j, a.state[j], b.state[j]) / s.scales[j]
		sum += d * d
	}
	for j := range a.columns {
		d := (a.columns[j] - b.columns[j]) / s.columns[j]
		sum += d * d
	}
	if sum < limit*limit {
		return math.Sqrt(sum)
	}
	return math.Inf(1)
}

// nearest returns the distance of a state from the nearest of those that count, +Inf if none does.
func (s *study) nearest(x place, others []place, counts func(place) bool) float64 {
	least := math.Inf(1)
	for _, o := range others {
		if d := s.apart(x, o, least); d < least && counts(o) {
			least = d
		}
	}
	return least
}

// cover fills Coverage.
func (s *study) cover() error {
	training := s.places(s.train.Trajectories)
	var distances []float64
	for _, x := range training {
		d := s.nearest(x, training, func(o place) bool {
			if len(s.train.Trajectories) > 1 {
				return o.trajectory != x.trajectory
			}
			return math.Abs(o.time-x.time) > s.period/2
		})
		if !math.IsInf(d, 1) {
			distances = append(distances, d)
		}
	}
	if distances == nil {
		return nil
	}
	slices.Sort(distances)
	s.Coverage.Limit = stat.Quantile(0.99, stat.Empirical, distances, nil)
	far := func(list []place) float64 {
		count := 0
		for _, x := range list {
			if s.nearest(x, training, func(place) bool { return true }) > s.Coverage.Limit {
				s.Coverage.far, count = append(s.Coverage.far, x.state), count+1
			}
		}
		return float64(count) / float64(max(1, len(list)))
	}
	states := func(list []datasets.Observed) ([]datasets.Observed, error) {
		predicted, err := s.run(s.models[0], list)
		for i := range predicted {
			list[i].States = predicted[i].States
		}
		return list, err
	}
	predicted, err := states(slices.Clone(some(s.test.Trajectories, mostStarts)))
	if err != nil {
		return err
	}
	s.outside("measured", s.test.Trajectories)
	s.outside("predicted", predicted)
	if len(s.train.Inputs) == 0 {
		long := slices.Clone(some(s.test.Trajectories, mostStarts))
		for i := range long {
			times, whole := long[i].Times, duration(long[i])
			long[i].Times = slices.Clone(times)
			for turn := 1.; turn < 3; turn++ {
				for _, t := range times[1:] {
					long[i].Times = append(long[i].Times, t+turn*whole)
				}
			}
		}
		if long, err = states(long); err != nil {
			return err
		}
		s.Coverage.Long = far(s.places(long))
		s.outside("predicted", long)
	}
	s.Coverage.Test, s.Coverage.Predicted = far(s.places(s.test.Trajectories)), far(s.places(predicted))
	return nil
}

// outside adds the sides of the training data's box that states cross by more than noise does.
func (s *study) outside(from string, list []datasets.Observed) {
	low, high := s.box()
	for j := range low {
		turn := 0.0
		if j < s.train.Positions {
			if turn = s.train.Angles[j]; turn > 0 && high[j]-low[j] >= turn {
				continue
			}
		}
		margin, count := 2*s.noise[j]+0.02*s.scales[j], 0
		sides := []Outside{{Limit: low[j], Reach: low[j]}, {Above: true, Limit: high[j], Reach: high[j]}}
		for _, t := range list {
			for _, x := range t.States {
				v := x[j]
				if turn > 0 {
					v = (low[j]+high[j])/2 + math.Remainder(v-(low[j]+high[j])/2, turn)
				}
				if count++; v < low[j]-margin {
					sides[0].Share, sides[0].Reach = sides[0].Share+1, min(sides[0].Reach, v)
				} else if v > high[j]+margin {
					sides[1].Share, sides[1].Reach = sides[1].Share+1, max(sides[1].Reach, v)
				}
			}
		}
		for _, o := range sides {
			o.Name, o.From, o.Share = s.Data.Components[j].Name, from, o.Share/float64(count)
			known := slices.IndexFunc(s.Coverage.Outside, func(p Outside) bool { return p.Name == o.Name && p.Above == o.Above })
			switch {
			case o.Share == 0 || known >= 0 && s.Coverage.Outside[known].Share >= o.Share:
			case known >= 0:
				s.Coverage.Outside[known] = o
			default:
				s.Coverage.Outside = append(s.Coverage.Outside, o)
			}
		}
	}
}
