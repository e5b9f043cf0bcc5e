package integrator

import (
	"errors"
	"math"
	"testing"
)

// The divergence of (y0²·y1, y0·y1³) is 2·y0·y1 + 3·y0·y1².
func TestDivergence(t *testing.T) {
	field := Each(func(_ float64, y, out []float64) { out[0], out[1] = y[0]*y[0]*y[1], y[0]*y[1]*y[1]*y[1] })
	states := [][]float64{{1, 2}, {-0.5, 3}, {0.2, -0.1}}
	got, err := Divergence(field, states, []float64{1e-4, 2e-4})
	if err != nil {
		t.Fatal(err)
	}
	for i, y := range states {
		if want := 2*y[0]*y[1] + 3*y[0]*y[1]*y[1]; math.Abs(got[i]-want) > 1e-6 {
			t.Errorf("at %v it is %g, want %g", y, got[i], want)
		}
	}
	failure := errors.New("no field")
	if _, err := Divergence(func(_ []float64, _, _ [][]float64) error { return failure }, states, []float64{1, 1}); !errors.Is(err, failure) {
		t.Errorf("the field's error became %v", err)
	}
}
