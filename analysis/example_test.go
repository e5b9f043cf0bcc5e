package analysis_test

import (
	"fmt"
	"log"

	"hnn/analysis"
	"hnn/datasets"
	"hnn/hamiltonian"
)

// The published models of the measured pendulum.
func ExampleRun() {
	const checkpoints = "../hamiltonian/testdata/"
	a, err := analysis.Run(datasets.Real, []analysis.Checkpoint{
		{Model: hamiltonian.Baseline, Path: checkpoints + "real-baseline.tar"},
		{Model: hamiltonian.HNN, Path: checkpoints + "real-hnn.tar"},
	}, 0, func(string) {})
	if err != nil {
		log.Fatal(err)
	}
	baseline, hnn := a.Metrics.Models["baseline"], a.Metrics.Models["hnn"]
	fmt.Printf("test loss: baseline %.2e, HNN %.2e\n", baseline.Test, hnn.Test)
	fmt.Printf("energy MSE: baseline %.2f, HNN %.2f\n", baseline.EnergyMSE, hnn.EnergyMSE)
	// Output:
	// test loss: baseline 1.39e-03, HNN 5.85e-03
	// energy MSE: baseline 0.37, HNN 0.01
}
