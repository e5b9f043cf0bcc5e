package verdict

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"

	"hnn/datasets"
)

// Coverage compares states with the training states. A state is far if its nearest training state is farther than the 99th percentile of the
// distances of training states from their nearest one in another trajectory. Of a single trajectory, the nearest one is at least half a period
// earlier or later.
type Coverage struct {
	Limit     float64   `json:"limit"` // the percentile, in standard deviations
	Test      float64   `json:"far_test_states"`
	Predicted float64   `json:"far_predicted_states"` // by the best model, over three times the test trajectories; over these alone with inputs
	Outside   []Outside `json:"outside"`
}

// Outside is a side of the training data's box that test states or predicted ones cross.
type Outside struct {
	Name  string  `json:"component"`
	Above bool    `json:"above"`
	Limit float64 `json:"limit"`    // of the training data
	Reach float64 `json:"farthest"` // value of a state
	Share float64 `json:"share"`    // of all these states
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
			if !floats.HasNaN(x) {
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

// elsewhere reports whether two places belong to different trajectories or lie at least half a period apart.
func (s *study) elsewhere(a, b place) bool {
	return a.trajectory != b.trajectory || math.Abs(a.time-b.time) > s.period/2
}

// cover fills Coverage.
func (s *study) cover() {
	training := s.places(s.train.Trajectories)
	nearest := func(x place, counts func(place) bool) float64 {
		least := math.Inf(1)
		for _, o := range training {
			if d := s.apart(x, o, least); d < least && counts(o) {
				least = d
			}
		}
		return least
	}
	var distances []float64
	for _, x := range training {
		d := nearest(x, func(o place) bool {
			return s.elsewhere(o, x) && (o.trajectory != x.trajectory || len(s.train.Trajectories) == 1)
		})
		if !math.IsInf(d, 1) {
			distances = append(distances, d)
		}
	}
	if distances == nil {
		return
	}
	slices.Sort(distances)
	s.Coverage.Limit = stat.Quantile(0.99, stat.Empirical, distances, nil)
	far := func(list []datasets.Observed) (share float64) {
		places := s.places(list)
		for _, x := range places {
			if nearest(x, func(place) bool { return true }) > s.Coverage.Limit {
				share += 1 / float64(len(places))
			}
		}
		return share
	}
	predicted := slices.Clone(s.long)
	for i := range predicted {
		predicted[i].States = s.models[0].long[i].States
	}
	s.Coverage.Test, s.Coverage.Predicted = far(s.test.Trajectories), far(predicted)
	s.outside(slices.Concat(s.test.Trajectories, predicted))
}

// outside finds the sides of the training data's box that states cross by more than noise does.
func (s *study) outside(list []datasets.Observed) {
	low, high := s.box()
	for j := range low {
		turn, middle := s.turn(j), (low[j]+high[j])/2
		if turn > 0 && high[j]-low[j] >= turn {
			continue
		}
		margin := 2*s.noise[j] + 0.02*s.scales[j]
		sides := []Outside{{Limit: low[j], Reach: low[j]}, {Above: true, Limit: high[j], Reach: high[j]}}
		for _, t := range list {
			for _, x := range t.States {
				v := middle + s.difference(j, x[j], middle)
				if v < low[j]-margin {
					sides[0].Share, sides[0].Reach = sides[0].Share+1, min(sides[0].Reach, v)
				} else if v > high[j]+margin {
					sides[1].Share, sides[1].Reach = sides[1].Share+1, max(sides[1].Reach, v)
				}
			}
		}
		for _, o := range sides {
			if o.Share > 0 {
				o.Name, o.Share = s.Data.Components[j].Name, o.Share/float64(rowsOf(list))
				s.Coverage.Outside = append(s.Coverage.Outside, o)
			}
		}
	}
}
