package analysis

import (
	"cmp"
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/integrate"
	"gonum.org/v1/gonum/stat"

	"hnn/integrator"
)

// Volume says what the flow of a field does to a small volume of phase space around the start of the example. By Liouville's theorem, the field
// J·∇H conserves it (section 6 of the paper).
type Volume struct {
	Times []float64
	Log   []float64 // at each time, the natural logarithm of the volume over the first one
	// Outlines holds the outline of the area at each time: the corners of a closed polygon. It is nil for more than one degree of freedom, where
	// Log is the integral of the divergence along the example.
	Outlines [][][]float64
}

// Expansion says how much a field changes volumes of phase space. A Hamiltonian field has the divergence 0 and the ratio 1.
type Expansion struct {
	// DivergenceRMS is the root mean square of the field's divergence in 1/time, over up to 2,000 training states; for images, over latent states
	// of the test set. A model's has an error of about 1e-10 times the rates of its field (hamiltonian.Evaluator.Divergence).
	DivergenceRMS float64 `json:"divergence_rms"`
	// VolumeRatio is the volume around the start of the example at its end, over that at its start.
	VolumeRatio float64 `json:"volume_ratio"`
}

const (
	volumeTimes   = 121  // of an outline
	outlinePoints = 200  // of an outline; even, as area needs it, and enough for an error of 1e-5 after a pendulum has sheared the outline
	outlineRadius = 0.15 // of an outline at the start, as a share of the standard deviation of each component
	flowStates    = 2000 // of the divergence
)

// outlineSolver conserves an area to about 1e-5 of it. The rounding of a field in float32 allows little more.
var outlineSolver = integrator.RK45{Relative: 1e-7, Absolute: 1e-8}

// expand computes the divergence of a source's field, and the volume that it carries from a start for a duration.
func (a *Analysis) expand(s *Source, start []float64, duration float64) (e Expansion, err error) {
	states := thin(a.flowStates(s), flowStates)
	spread := deviations(states)
	divergence := s.divergence(spread)
	rates, err := divergence(states)
	if err != nil {
		return e, err
	}
	if a.Task.Dimension == 2 {
		s.Volume, err = carry(s.field, start, floats.ScaleTo(make([]float64, 2), outlineRadius, spread), duration)
	} else {
		s.Volume, err = accumulate(divergence, s.Example)
	}
	if err != nil {
		return e, err
	}
	ratio := math.Exp(s.Volume.Log[len(s.Volume.Log)-1])
	return Expansion{floats.Norm(rates, 2) / math.Sqrt(float64(len(rates))), min(ratio, math.MaxFloat64)}, nil
}

// flowStates returns states in the coordinates of a source's field: the training states or, for images, latent states of the test set.
func (a *Analysis) flowStates(s *Source) [][]float64 {
	if s.coder != nil {
		return s.Plane.Samples
	}
	return a.Training()
}

// divergence returns the divergence of a source's field: a model's own, or central differences of the true field, whose steps are a share of the
// given spread.
func (s *Source) divergence(spread []float64) quantity {
	if s.evaluator != nil {
		return s.evaluator.Divergence
	}
	const share = 1e-4
	steps := floats.ScaleTo(make([]float64, len(spread)), share, spread)
	return func(states [][]float64) ([]float64, error) { return integrator.Divergence(s.field, states, steps) }
}

// carry follows the outline of an area, at first an ellipse with the given radii.
func carry(field integrator.Field, center, radii []float64, duration float64) (*Volume, error) {
	outline := make([][]float64, outlinePoints)
	for i := range outline {
		sine, cosine := math.Sincos(2 * math.Pi * float64(i) / outlinePoints)
		outline[i] = []float64{center[0] + radii[0]*cosine, center[1] + radii[1]*sine}
	}
	v := &Volume{Times: floats.Span(make([]float64, volumeTimes), 0, duration)}
	paths, err := outlineSolver.Solve(field, outline, v.Times)
	if err != nil {
		return nil, err
	}
	first := area(outline)
	for time := range v.Times {
		outline := make([][]float64, outlinePoints)
		for i, path := range paths {
			outline[i] = path.States[time]
		}
		v.Outlines, v.Log = append(v.Outlines, outline), append(v.Log, math.Log(area(outline)/first))
	}
	return v, nil
}

// area returns the area inside a smooth closed curve through the points of an outline. The polygon through all points misses what lies between it and
// the curve. The polygon through every second point misses four times as much, up to third order in the distance of the points. So the two together
// give the curve's area (Richardson extrapolation).
func area(outline [][]float64) float64 {
	return math.Abs(4*polygonArea(outline, 1)-polygonArea(outline, 2)) / 3
}

// polygonArea returns the area inside the polygon through every n-th point by the shoelace formula. It is negative if the points go clockwise.
func polygonArea(points [][]float64, n int) float64 {
	sum := 0.0
	previous := points[len(points)-n]
	for i := 0; i < len(points); i += n {
		sum += previous[0]*points[i][1] - points[i][0]*previous[1]
		previous = points[i]
	}
	return sum / 2
}

// accumulate integrates the divergence along a trajectory: d(ln V)/dt = div f for a small volume V.
func accumulate(divergence quantity, example Motion) (*Volume, error) {
	rates, err := divergence(example.States[0])
	if err != nil {
		return nil, err
	}
	v := &Volume{Times: example.Times, Log: make([]float64, len(rates))}
	for i := 1; i < len(rates); i++ {
		v.Log[i] = v.Log[i-1] + integrate.Trapezoidal(v.Times[i-1:i+1], rates[i-1:i+1])
	}
	return v, nil
}

// deviations returns the standard deviation of each component. For a constant component it returns the largest of the others, as steps and radii must
// not be 0.
func deviations(states [][]float64) []float64 {
	list := make([]float64, len(states[0]))
	for axis := range list {
		list[axis] = stat.PopStdDev(Column(states, axis), nil)
	}
	largest := floats.Max(list)
	for axis, deviation := range list {
		list[axis] = cmp.Or(deviation, largest)
	}
	return list
}

// thin returns evenly spaced states, no more than most.
func thin(states [][]float64, most int) [][]float64 {
	if len(states) <= most {
		return states
	}
	list := make([][]float64, most)
	for i := range list {
		list[i] = states[i*len(states)/most]
	}
	return list
}
