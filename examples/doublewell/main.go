// Command doublewell learns a Hamiltonian from a few of its trajectories.
package main

import (
	"context"
	"fmt"
	"log"

	"gonum.org/v1/gonum/floats"

	"hnn/datasets"
	"hnn/trainer"
)

func doubleWell(q, p []float64) float64 {
	return p[0]*p[0]/2 - q[0]*q[0]/2 + q[0]*q[0]*q[0]*q[0]/4
}

func main() {
	starts := [][]float64{{-1.6, 0}, {-1.2, 0}, {-0.7, 0}, {0, 0.1}, {0.2, 0}, {0.5, 0}, {0.8, 0}, {1.5, 0}, {1, 0.4}}
	times := floats.Span(make([]float64, 41), 0, 8)
	task, err := datasets.FromHamiltonian("double-well", doubleWell, starts, times)
	if err != nil {
		log.Fatal(err)
	}
	settings := trainer.DefaultSettings(task)
	settings.TotalSteps = 500
	t, err := trainer.New(task, settings, trainer.Execution{})
	if err != nil {
		log.Fatal(err)
	}
	if err := t.Run(context.Background(), nil); err != nil {
		log.Fatal(err)
	}
	model, err := t.Model.Dynamics().Evaluator(1)
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()
	energies, err := model.Hamiltonian([][]float64{{0, 0}, {1, 0}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("The wells are %.2f deep; in truth, 0.25.\n", energies[0]-energies[1])
}
