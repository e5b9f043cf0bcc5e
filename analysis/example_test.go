package analysis_test

import (
	"fmt"
	"log"

	"hnn/analysis"
	"hnn/datasets"
)

// The published models of the measured pendulum, against the measurements.
func ExampleRun() {
	const checkpoints = "../hamiltonian/testdata/"
	a, err := analysis.Run(datasets.Real, checkpoints+"real-baseline.tar", checkpoints+"real-hnn.tar", 0, func(string) {})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("test loss: baseline %.2e, HNN %.2e\n", a.Metrics.Baseline.Test, a.Metrics.HNN.Test)
	fmt.Printf("energy MSE: baseline %.2f, HNN %.2f\n", a.Metrics.Baseline.EnergyMSE, a.Metrics.HNN.EnergyMSE)
	// Output:
	// test loss: baseline 1.39e-03, HNN 5.85e-03
	// energy MSE: baseline 0.37, HNN 0.01
}
