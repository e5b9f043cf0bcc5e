package analysis

import (
	"fmt"
	"slices"

	"gonum.org/v1/gonum/floats"

	"hnn/integrator"
)

// Reversal is an integration of a field forward in time and back to the start, with one method. Distances are means over the starts.
type Reversal struct {
	Method    string
	Times     []float64 // of the forward trajectory
	Distance  []float64 // from the start: forward at Times, and then backward
	Departure []float64 // between the backward and the forward trajectory, at Times
}

// Reversibility is the mean distance from the start after an integration forward in time and back.
type Reversibility struct {
	RK45             float64 `json:"reversal_distance_rk45"`
	ImplicitMidpoint float64 `json:"reversal_distance_implicit_midpoint"`
}

func reversibility(r []Reversal) Reversibility {
	return Reversibility{r[0].Departure[0], r[1].Departure[0]}
}

// reversalSteps is the number of forward steps of the implicit midpoint rule.
const reversalSteps = 250

// reverse integrates a field forward in time and back: with RK45, and with the implicit midpoint rule, which is symplectic and symmetric in time.
func reverse(field integrator.Field, starts [][]float64, until float64, rk45 integrator.RK45) ([]Reversal, error) {
	times := floats.Span(make([]float64, reversalSteps+1), 0, until)
	descending := slices.Clone(times)
	slices.Reverse(descending)
	var reversals []Reversal
	for _, method := range []struct {
		name   string
		solver integrator.Solver
	}{{"RK45", rk45}, {"Implicit midpoint rule", integrator.ImplicitMidpoint{Step: until / reversalSteps}}} {
		there, err := method.solver.Solve(field, starts, times)
		if err != nil {
			return nil, fmt.Errorf("forward: %w", err)
		}
		ends := make([][]float64, len(there))
		for i, solution := range there {
			ends[i] = solution.States[reversalSteps]
		}
		back, err := method.solver.Solve(field, ends, descending)
		if err != nil {
			return nil, fmt.Errorf("back: %w", err)
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
		reversals = append(reversals, Reversal{method.name, times, distance, departure})
	}
	return reversals, nil
}
