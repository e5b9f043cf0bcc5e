package analysis

import (
	"math"
	"strings"
	"testing"

	"gonum.org/v1/gonum/floats"
)

// spring is a model that has learned H = q² + p² + 3.
type spring struct{}

func (spring) Field(_ []float64, x, out [][]float64) error {
	for i, s := range x {
		out[i][0], out[i][1] = 2*s[1], -2*s[0]
	}
	return nil
}

func (spring) Gradient(_ []float64, x, out [][]float64) error {
	for i, s := range x {
		out[i][0], out[i][1] = 2*s[0], 2*s[1]
	}
	return nil
}

func (spring) Hamiltonian(states [][]float64) ([]float64, error) {
	learned, err := squares(states)
	floats.AddConst(3, learned)
	return learned, err
}

var squares = each(func(s []float64) float64 { return s[0]*s[0] + s[1]*s[1] })

func (s spring) change(change float64) (*EnergyChange, error) {
	return levels{s, squares, 5}.change([][]float64{{0.5, 0}, {0, 1}, {0.8, 0}, {1.5, 0}}, change)
}

// Along its gradient, the energy of H = q² + p² is E(0)·exp(4s).
func TestEnergyIsAddedAndRemoved(t *testing.T) {
	for change, want := range map[float64][3]float64{
		0.5:   {0.64, 1.14, 0.64},
		-0.75: {2.25, 1.5, 2.25},
		0:     {0.64, 2.25, 0.64}, // from the first to the third quartile
	} {
		e, err := spring{}.change(change)
		if err != nil {
			t.Fatal(err)
		}
		if e.Metrics.Adds() != (change >= 0) {
			t.Errorf("%g: the first change adds energy: %t", change, e.Metrics.Adds())
		}
		for i, energy := range want {
			level, flow := e.Metrics.Levels[i], e.Stages[2*i]
			relative(t, "requested energy", level.Requested, energy, 1e-4)
			relative(t, "reached energy", level.Reached, energy, 1e-4)
			relative(t, "learned Hamiltonian", level.Learned, energy+3, 1e-4)
			if duration := last(flow.Times) - flow.Times[0]; math.Abs(duration-5) > 1e-9 || level.Deviation > 1e-4 {
				t.Errorf("%g: level %d lasts for %g and deviates by %g", change, i, duration, level.Deviation)
			}
		}
		for i := range 2 {
			ascent, next := e.Stages[2*i+1], e.Stages[2*i+2]
			relative(t, "time along the gradient", last(ascent.Times)-ascent.Times[0], math.Abs(math.Log(want[i+1]/want[i]))/4, 1e-4)
			if end := ascent.States[len(ascent.States)-1]; floats.Distance(end, next.States[0], 2) > 0 || last(ascent.Times) != next.Times[0] {
				t.Errorf("%g: the gradient ends at %v, the next stage begins at %v", change, end, next.States[0])
			}
		}
		moments := e.Moments()
		if end := moments[len(moments)-1]; moments[0] != (Moment{}) || end.Stage != 4 {
			t.Errorf("%g: the film goes from %+v to %+v", change, moments[0], end)
		}
	}
}

// The energy of H = q² + p² is never negative.
func TestEnergyThatCannotBeReached(t *testing.T) {
	_, err := spring{}.change(-10)
	if err == nil || !strings.Contains(err.Error(), "the energy -7.75 cannot be reached from 2.25") || strings.Contains(err.Error(), "\n") {
		t.Errorf("the error is %v", err)
	}
}
