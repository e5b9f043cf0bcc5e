package verdict

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"hnn/datasets"
)

// Residuals are what one-step predictions leave of a momentum. Noise of the states makes the first autocorrelation negative and leaves the second
// zero. A force that the model lacks makes both positive. A step is a row, or the rows from which a momentum is estimated.
type Residuals struct {
	Model     string  `json:"model"`
	Component string  `json:"component"` // the momentum with the largest autocorrelated residuals
	Steps     int     `json:"steps"`     // N
	Band      float64 `json:"band"`      // 2/√N
	Lag1      float64 `json:"lag_1"`     // autocorrelation
	Lag2      float64 `json:"lag_2"`
	Compared  int     `json:"compared"` // steps with neighbouring states, of other trajectories or at least half a period apart
	Fresh     float64 `json:"fresh"`    // share of the autocorrelated residuals that those do not have: 0 if the state explains them
	Share     float64 `json:"share"`    // of variance that is autocorrelated
	Strength  float64 `json:"strength"` // its size over that of the momentum's change in a step
	Class     string  `json:"class"`    // missing input, misfit, missing input or misfit, or none
}

// residuals fills Residuals with those of the model that has the smallest ones.
func (s *study) residuals() error {
	stride, n := 1, s.train.Positions
	if !s.train.Measured {
		stride = max(3, s.train.Estimate.Rows)
	}
	var steps []datasets.Observed
	var ends [][]float64
	var places []place
	list := some(s.all(), 100)
	for i, t := range list {
		for k := 0; k+stride < len(t.Times) && k < stride*mostSteps/len(list); k += stride {
			steps, ends = append(steps, t.Slice(k, k+stride+1)), append(ends, t.States[k+stride])
			places = append(places, place{t.States[k], i, t.Times[k], t.Columns(k)})
		}
	}
	if len(steps) < 20 {
		return nil
	}
	neighbours := s.neighbours(places)
	least := math.Inf(1)
	for _, c := range s.models {
		predicted, err := s.run(c, steps)
		if err != nil {
			return err
		}
		rest, size := make([][]float64, n), 0.0
		for i := range rest {
			for k, p := range predicted {
				last := p.States[len(p.States)-1]
				if rest[i] = append(rest[i], ends[k][n+i]-last[n+i]); math.IsNaN(last[n+i]) {
					rest[i][k] = 0
				}
			}
			size += rms(rest[i]) / s.scales[n+i]
		}
		if size >= least {
			continue
		}
		least, s.Residuals = size, nil
		for i, values := range rest {
			changes := make([]float64, len(ends))
			for k := range ends {
				changes[k] = ends[k][n+i] - steps[k].States[0][n+i]
			}
			r := &Residuals{Model: label(c), Component: s.Data.Components[n+i].Name, Steps: len(steps), Band: 2 / math.Sqrt(float64(len(steps)))}
			r.judge(values, changes, places, neighbours)
			if s.Residuals == nil || r.Strength > s.Residuals.Strength {
				s.Residuals = r
			}
		}
	}
	return nil
}

// neighbourhood holds the weights of other steps in the value, at the state of a step, of the plane that is fitted to their residuals.
type neighbourhood struct {
	steps   []int
	weights []float64
}

// neighbours returns the neighbourhoods of steps: the nearest steps of other trajectories, or at least half a period apart.
func (s *study) neighbours(places []place) []neighbourhood {
	size := len(places[0].state) + len(places[0].columns) + 1
	list := make([]neighbourhood, len(places))
	for k, x := range places {
		var near []int
		var distances []float64
		limit := math.Inf(1)
		for i, o := range places {
			if !s.elsewhere(o, x) {
				continue
			}
			if d := s.apart(x, o, limit); d < limit {
				at, _ := slices.BinarySearch(distances, d)
				near, distances = slices.Insert(near, at, i), slices.Insert(distances, at, d)
				if len(near) > 4*size {
					near, distances = near[:4*size], distances[:4*size]
					limit = distances[4*size-1]
				}
			}
		}
		if len(near) < 4*size {
			continue
		}
		a, unity := mat.NewDense(len(near), size, nil), mat.NewDiagDense(len(near), nil)
		for row, i := range near {
			unity.SetDiag(row, 1)
			a.SetRow(row, s.between(places[i], x))
		}
		var inverse mat.Dense
		if inverse.Solve(a, unity) == nil {
			list[k] = neighbourhood{near, mat.Row(nil, 0, &inverse)}
		}
	}
	return list
}

// between returns 1 and the differences of two places in scaled units.
func (s *study) between(a, b place) []float64 {
	row := []float64{1}
	for j := range a.state {
		row = append(row, s.difference(j, a.state[j], b.state[j])/s.scales[j])
	}
	for j := range a.columns {
		row = append(row, (a.columns[j]-b.columns[j])/s.columns[j])
	}
	return row
}

// judge fills the numbers from the residuals of one momentum, and its changes.
func (r *Residuals) judge(residuals, changes []float64, places []place, neighbours []neighbourhood) {
	covariance := func(lag int, later []float64) float64 {
		sum, count := 0.0, 0
		for k := lag; k < len(residuals); k++ {
			if places[k].trajectory == places[k-lag].trajectory && !math.IsNaN(later[k]) {
				sum, count = sum+later[k]*residuals[k-lag], count+1
			}
		}
		return sum / float64(max(1, count))
	}
	variance, size := covariance(0, residuals), rms(changes)
	if r.Class = "none"; variance == 0 || size == 0 {
		return
	}
	r.Lag1, r.Lag2 = covariance(1, residuals)/variance, covariance(2, residuals)/variance
	r.Share = min(1, max(0, r.Lag2))
	r.Strength = math.Sqrt(r.Share*variance) / size
	fresh := make([]float64, len(residuals)) // without what neighbouring states have too; the noise of those is not in the residuals
	for k, n := range neighbours {
		if fresh[k] = residuals[k]; n.steps == nil {
			fresh[k] = math.NaN()
			continue
		}
		r.Compared++
		for i, step := range n.steps {
			fresh[k] -= n.weights[i] * residuals[step]
		}
	}
	if r.Share > 0 {
		r.Fresh = min(1, max(0, covariance(2, fresh)/covariance(2, residuals)))
	}
	const relevant, enough = 0.03, 0.5 // of a change of the momentum: smaller residuals are those of training; of the steps
	switch {
	case !(max(r.Lag1, r.Lag2) > 2*r.Band && r.Lag2 > r.Band && r.Strength > relevant):
	case float64(r.Compared) < enough*float64(r.Steps):
		r.Class = "missing input or misfit"
	case r.Fresh > 0.2 && r.Strength*math.Sqrt(r.Fresh) > relevant:
		r.Class = "missing input"
	default:
		r.Class = "misfit"
	}
}
