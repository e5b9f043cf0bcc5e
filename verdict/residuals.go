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
	Fresh      float64 `json:"fresh"`      // share of that part's variance that similar states elsewhere do not explain: 0 if the state explains it
	FreshBand  float64 `json:"fresh_band"` // half of the interval of 95% over parts of the data
	Unresolved float64 `json:"unresolved"` // share that a function of the state would leave too, for the states are too far apart
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

// neighbours returns the planes of the nearest steps elsewhere. A step outside of its neighbours has none: the plane would extrapolate, and its
// value would be less certain than that of a single neighbour.
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
		if inverse.Solve(a, unity) != nil {
			continue
		}
		if weights := mat.Row(nil, 0, &inverse); floats.Norm(weights, 2) <= 1 {
			list[k] = plane{near, weights}
		}
	}
	return list
}

// without returns values minus those that the planes give, NaN where there is no plane or no value.
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
	covariance := func(lag int, a, b []float64, from, to int) float64 { // of a at the steps from up to, but without, to
		sum, count := 0.0, 0
		for k := max(lag, from); k < to; k++ {
			if product := a[k] * b[k-lag]; places[k].trajectory == places[k-lag].trajectory && !math.IsNaN(product) {
				sum, count = sum+product, count+1
			}
		}
		return sum / float64(max(1, count))
	}
	n := len(residuals)
	variance, change := covariance(0, residuals, residuals, 0, n), covariance(0, changes, changes, 0, n)
	if r.Class = "none"; variance == 0 || change == 0 {
		return
	}
	r.Lag1, r.Lag2 = covariance(1, residuals, residuals, 0, n)/variance, covariance(2, residuals, residuals, 0, n)/variance
	if r.Lag2 <= 0 {
		return
	}
	r.Strength = math.Sqrt(r.Lag2 * variance / change)
	const parts = 10
	fresh, shares := without(residuals, planes), make([]float64, parts)
	for i := range shares { // the noise of neighbouring states is not in the earlier residuals
		shares[i] = covariance(2, fresh, residuals, i*n/parts, (i+1)*n/parts) / (r.Lag2 * variance)
	}
	r.Fresh, r.FreshBand = interval(shares)
	// What neighbours explain is a function of the state. They would not explain all of it either.
	explained := floats.SubTo(make([]float64, n), residuals, fresh)
	lost := without(explained, planes)
	r.Unresolved = max(0, covariance(2, lost, lost, 0, n)/(r.Lag2*variance))
	const relevant = 0.03 // of a change of the momentum: smaller residuals are those of training
	switch least, most := r.Fresh-r.FreshBand, r.Fresh+r.FreshBand; {
	case r.Lag2 < 2*r.Band || r.Strength < relevant:
	case floats.Count(math.IsNaN, fresh) > n/2:
		r.Class = "missing input or misfit"
	case least > 0 && r.Fresh > r.Unresolved && r.Strength*math.Sqrt(r.Fresh) > relevant:
		r.Class = "missing input"
	case most < 0.2:
		r.Class = "misfit"
	default:
		r.Class = "missing input or misfit"
	}
	r.Fresh = min(1, max(0, r.Fresh))
}
