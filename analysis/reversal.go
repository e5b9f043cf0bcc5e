package analysis

import (
	"fmt"
	"slices"

	"gonum.org/v1/gonum/floats"

	"hnn/integrator"
)

// Method is a way of integrating a field forward and back.
type Method int

const (
	RK45             Method = iota // adaptive, with the tolerances of the trials
	ImplicitMidpoint               // symplectic and symmetric in time
	methods
)

// Methods lists the methods.
var Methods = [methods]Method{RK45, ImplicitMidpoint}

// String returns the method's name.
func (m Method) String() string { return [methods]string{"RK45", "Implicit midpoint rule"}[m] }

// Reversal is a field's way there and back again, as means over the starts of distances between states.
type Reversal struct {
	Times     []float64 // of the way there
	Distance  []float64 // from the start, at these times and then back
	Departure []float64 // of the way back from the way there, at these times
}

// Reversals are those of a field, by method.
type Reversals [methods]Reversal

// Reversibility is the mean distance from the start after a field was integrated over a time and back again.
type Reversibility struct {
	RK45             float64 `json:"reversal_distance_rk45"`
	ImplicitMidpoint float64 `json:"reversal_distance_implicit_midpoint"`
}

func (r Reversals) metrics() Reversibility {
	return Reversibility{r[RK45].Departure[0], r[ImplicitMidpoint].Departure[0]}
}

// reversalSteps is the number of the implicit midpoint rule's steps on the way there.
const reversalSteps = 250

// midpoint is the symplectic solver of a time.
func midpoint(until float64) integrator.ImplicitMidpoint {
	return integrator.ImplicitMidpoint{Step: until / reversalSteps}
}

// reverse integrates a field over a time and back, by a solver and by the symplectic one.
func reverse(field integrator.Field, starts [][]float64, until float64, solver integrator.RK45) (r Reversals, err error) {
	times := floats.Span(make([]float64, reversalSteps+1), 0, until)
	descending := slices.Clone(times)
	slices.Reverse(descending)
	for m, solver := range [methods]integrator.Solver{RK45: solver, ImplicitMidpoint: midpoint(until)} {
		there, err := solver.Solve(field, starts, times)
		if err != nil {
			return r, fmt.Errorf("forward: %w", err)
		}
		ends := make([][]float64, len(there))
		for i, solution := range there {
			ends[i] = solution.States[reversalSteps]
		}
		back, err := solver.Solve(field, ends, descending)
		if err != nil {
			return r, fmt.Errorf("back: %w", err)
		}
		distance, departure := make([]float64, 2*reversalSteps+1), make([]float64, reversalSteps+1)
		share := 1 / float64(len(starts))
		for i, start := range starts {
			for j := range times {
				forward, backward := there[i].States[j], back[i].States[reversalSteps-j]
				distance[j] += share * floats.Distance(forward, start, 2)
				departure[j] += share * floats.Distance(forward, backward, 2)
				if j < reversalSteps {
					distance[2*reversalSteps-j] += share * floats.Distance(backward, start, 2)
				}
			}
		}
		r[m] = Reversal{times, distance, departure}
	}
	return r, nil
}
