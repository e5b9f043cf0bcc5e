package verdict

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"hnn/datasets"
)

// Residuals are measured momenta minus their one-step predictions. Noise of the states makes the first autocorrelation negative and leaves the second
// zero. A force that the model lacks makes both positive. A step is a row, or the rows from which a momentum is estimated.
type Residuals struct {
	Model      string  `json:"model"`
	Component  string  `json:"component"`  // the momentum with the largest autocorrelated residuals
	Steps      int     `json:"steps"`      // N
	Band       float64 `json:"band"`       // 2/√N
	Lag1       float64 `json:"lag_1"`      // autocorrelation
	Lag2       float64 `json:"lag_2"`      // the share of variance that is autocorrelated
	Strength   float64 `json:"strength"`   // size of that part, over that of the momentum's change in a step
	Fresh      float64 `json:"fresh"`      // share of that part that neighbouring states do not explain: 0 if the state explains it
	Resolution float64 `json:"resolution"` // size of what neighbouring states do not have of the model's own steps, over that of the steps
	Class      string  `json:"class"`      // missing input, misfit, missing input or misfit, or none
}

// residuals fills Residuals with those of the model that has the smallest ones.
func (s *study) residuals() error {
	stride, n := 1, s.train.Positions
	if !s.train.Measured {
		stride = max(3, s.train.Estimate.Rows)
	}
	var steps []datasets.Observed
	var places []place
	list := some(s.all(), 100)
	for i, t := range list {
		for k := 0; k+stride < len(t.Times) && k < stride*mostSteps/len(list); k += stride {
			steps = append(steps, t.Slice(k, k+stride+1))
			places = append(places, place{t.States[k], i, t.Times[k], t.Columns(k)})
		}
	}
	if len(steps) < 20 {
		return nil
	}
	near, least := s.neighbours(places), math.Inf(1)
	for _, c := range s.models {
		predicted, err := s.run(c, steps)
		if err != nil {
			return err
		}
		var found *Residuals
		size := 0.0
		for j := n; j < 2*n; j++ {
			changes, rest := make([]float64, len(steps)), make([]float64, len(steps))
			for k, p := range predicted {
				changes[k] = p.States[stride][j] - steps[k].States[0][j]
				if rest[k] = steps[k].States[stride][j] - p.States[stride][j]; math.IsNaN(rest[k]) {
					changes[k], rest[k] = 0, 0
				}
			}
			size += rms(rest) / s.scales[j]
			r := &Residuals{Model: c.String(), Component: s.name(j), Steps: len(steps), Band: 2 / math.Sqrt(float64(len(steps)))}
			if r.judge(rest, changes, places, near); found == nil || r.Strength > found.Strength {
				found = r
			}
		}
		if size < least {
			least, s.Residuals = size, found
		}
	}
	return nil
}

// plane holds the weights of other steps in the value, at the state of a step, of the plane that is fitted to their values.
type plane struct {
	steps   []int
	weights []float64
}

// neighbours returns the planes of the nearest steps elsewhere.
func (s *study) neighbours(places []place) []plane {
	size := len(places[0].state) + len(places[0].columns) + 1
	list := make([]plane, len(places))
	for k, x := range places {
		var near []int
		var distances []float64
		limit := math.Inf(1)
		for i, o := range places {
			if d := s.apart(x, o); d < limit && s.elsewhere(x, o) {
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
			a.SetRow(row, s.between([]float64{1}, places[i], x))
		}
		var inverse mat.Dense
		if inverse.Solve(a, unity) == nil {
			list[k] = plane{near, mat.Row(nil, 0, &inverse)}
		}
	}
	return list
}

// without returns values minus those that the planes give, NaN where there is no plane.
func without(values []float64, planes []plane) []float64 {
	rest := slices.Clone(values)
	for k, p := range planes {
		if p.steps == nil {
			rest[k] = math.NaN()
		}
		for i, step := range p.steps {
			rest[k] -= p.weights[i] * values[step]
		}
	}
	return rest
}

// judge fills the numbers from the residuals of one momentum, and its predicted changes.
func (r *Residuals) judge(residuals, changes []float64, places []place, planes []plane) {
	covariance := func(lag int, a, b []float64) float64 {
		sum, count := 0.0, 0
		for k := lag; k < len(a); k++ {
			if places[k].trajectory == places[k-lag].trajectory && !math.IsNaN(a[k]) {
				sum, count = sum+a[k]*b[k-lag], count+1
			}
		}
		return sum / float64(max(1, count))
	}
	variance, change := covariance(0, residuals, residuals), covariance(0, changes, changes)
	if r.Class = "none"; variance == 0 || change == 0 {
		return
	}
	r.Lag1, r.Lag2 = covariance(1, residuals, residuals)/variance, covariance(2, residuals, residuals)/variance
	if r.Lag2 <= 0 {
		return
	}
	r.Strength = math.Sqrt(r.Lag2 * variance / change)
	// The noise of neighbouring states is not in the residuals.
	r.Fresh = min(1, max(0, covariance(2, without(residuals, planes), residuals)/(r.Lag2*variance)))
	unlike := without(changes, planes)
	r.Resolution = math.Sqrt(covariance(0, unlike, unlike) / change)
	const relevant = 0.03 // of a change of the momentum: smaller residuals are those of training
	switch {
	case r.Lag2 < 2*r.Band || r.Strength < relevant:
	case r.Resolution > r.Strength/2 || floats.Count(math.IsNaN, unlike) > len(unlike)/2:
		r.Class = "missing input or misfit"
	case r.Fresh > 0.2 && r.Strength*math.Sqrt(r.Fresh) > relevant:
		r.Class = "missing input"
	default:
		r.Class = "misfit"
	}
}
