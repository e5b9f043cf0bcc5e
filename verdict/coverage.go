package verdict

import (
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

// Outside is an end of the range of a component in the training data, which test or predicted states exceed.
type Outside struct {
	Name  string  `json:"component"`
	Above bool    `json:"above"`
	Limit float64 `json:"limit"` // of the training data
	Share float64 `json:"share"` // of all these states
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

// between appends the difference of two places in scaled units to a row.
func (s *study) between(row []float64, a, b place) []float64 {
	for j := range a.state {
		row = append(row, s.difference(j, a.state[j], b.state[j])/s.scales[j])
	}
	for j := range a.columns {
		row = append(row, (a.columns[j]-b.columns[j])/s.columns[j])
	}
	return row
}

func (s *study) apart(a, b place) float64 {
	s.scratch = s.between(s.scratch[:0], a, b)
	return floats.Norm(s.scratch, 2)
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
			if d := s.apart(x, o); d < least && counts(o) {
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
		sides := []Outside{{Limit: low[j]}, {Above: true, Limit: high[j]}}
		for _, t := range list {
			for _, x := range t.States {
				if v := middle + s.difference(j, x[j], middle); v < low[j]-margin {
					sides[0].Share++
				} else if v > high[j]+margin {
					sides[1].Share++
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
