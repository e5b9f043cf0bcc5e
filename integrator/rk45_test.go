package integrator

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"
)

func spring(_ float64, y, out []float64)   { out[0], out[1] = 2*y[1], -2*y[0] }
func pendulum(_ float64, y, out []float64) { out[0], out[1] = 2*y[1], -3*math.Sin(y[0]) }

func times(stop float64, n int) []float64 {
	list := make([]float64, n)
	for i := range list {
		list[i] = stop * float64(i) / float64(n-1)
	}
	return list
}

func TestRK45EqualsScipy(t *testing.T) {
	content, err := os.ReadFile("testdata/scipy.json")
	if err != nil {
		t.Fatal(err)
	}
	var references []struct {
		System string
		RTol   float64
		NFev   int
		Every  int
		Y      [][]float64
	}
	if err := json.Unmarshal(content, &references); err != nil {
		t.Fatal(err)
	}
	systems := map[string]Derivative{"spring": spring, "pend": pendulum}
	for _, want := range references {
		got, err := RK45(systems[want.System], want.Y[0], times(20, 101), Tolerance{Relative: want.RTol, Absolute: 1e-6})
		if err != nil {
			t.Fatal(err)
		}
		if got.Evaluations != want.NFev {
			t.Errorf("%s, rtol %g: %d evaluations, want %d", want.System, want.RTol, got.Evaluations, want.NFev)
		}
		for i, state := range want.Y {
			for axis := range state {
				if math.Abs(got.Y[i*want.Every][axis]-state[axis]) > 1e-9 {
					t.Errorf("%s, rtol %g, point %d: got %v, want %v", want.System, want.RTol, i, got.Y[i*want.Every], state)
				}
			}
		}
	}
}

// Backward in time, against the closed form q = cos 2t, p = -sin 2t.
func TestRK45Backward(t *testing.T) {
	got, err := RK45(spring, []float64{1, 0}, times(-3, 31), Tolerance{Relative: 1e-10, Absolute: 1e-12})
	if err != nil {
		t.Fatal(err)
	}
	for i, state := range got.Y {
		time := -0.1 * float64(i)
		if math.Abs(state[0]-math.Cos(2*time)) > 1e-8 || math.Abs(state[1]+math.Sin(2*time)) > 1e-8 {
			t.Errorf("t = %g: got %v", time, state)
		}
	}
}

func TestRK45SaysWhereItFails(t *testing.T) {
	square := func(_ float64, y, out []float64) { out[0] = y[0] * y[0] } // y = 1/(1 − t)
	_, err := RK45(square, []float64{1}, []float64{0, 2}, Tolerance{Relative: 1e-6, Absolute: 1e-9})
	if err == nil || !strings.Contains(err.Error(), "t = 1") && !strings.Contains(err.Error(), "t = 0.99") {
		t.Errorf("a solution that diverges at t = 1 gave the error %v", err)
	}
}
