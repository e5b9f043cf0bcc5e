package analysis

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/floats"

	"hnn/integrator"
)

// preserves demands what Liouville's theorem says of a Hamiltonian field.
func preserves(t *testing.T, what string, e Expansion) {
	t.Helper()
	if !(e.DivergenceRMS < 1e-9) || !(math.Abs(e.VolumeRatio-1) < 1e-4) {
		t.Errorf("%s: the divergence is %g, and a volume becomes %.6g times as large", what, e.DivergenceRMS, e.VolumeRatio)
	}
}

// The flow of dx/dt = A·x multiplies every area by exp(t·tr A).
func TestAreaInALinearField(t *testing.T) {
	field := integrator.Each(func(_ float64, y, out []float64) { out[0], out[1] = 0.1*y[0]+y[1], -2*y[0]-0.35*y[1] })
	v, err := carry(field, []float64{1, -0.5}, []float64{0.2, 0.1}, 8)
	if err != nil {
		t.Fatal(err)
	}
	for i, time := range v.Times {
		if math.Abs(v.Log[i]+0.25*time) > 1e-6 {
			t.Errorf("after %g the area is exp(%g) times as large, want exp(%g)", time, v.Log[i], -0.25*time)
		}
	}
	relative(t, "area of the ellipse", area(v.Outlines[0]), math.Pi*0.2*0.1, 1e-6)
}

// Along a trajectory of dx/dt = (x1, x2²), the divergence is 1 + 2·x2, and ln V = t − 2·ln(1 − t) if x2 starts at 1.
func TestVolumeAlongATrajectory(t *testing.T) {
	times := floats.Span(make([]float64, 1001), 0, 0.5)
	field := integrator.Each(func(_ float64, y, out []float64) { out[0], out[1] = y[0], y[1]*y[1] })
	paths, err := integrator.RK45{Relative: 1e-10}.Solve(field, [][]float64{{1, 1}}, times)
	if err != nil {
		t.Fatal(err)
	}
	s := &Source{field: field}
	v, err := accumulate(s.divergence([]float64{1, 1}), Motion{Times: times, States: [][][]float64{paths[0].States}})
	if err != nil {
		t.Fatal(err)
	}
	for i, time := range times {
		if want := time - 2*math.Log(1-time); math.Abs(v.Log[i]-want) > 1e-5 {
			t.Errorf("after %g the volume is exp(%g) times as large, want exp(%g)", time, v.Log[i], want)
		}
	}
}
