package figures_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"hnn/analysis"
	"hnn/datasets"
	"hnn/figures"
	"hnn/hamiltonian"
)

// The figures of the published models of the measured pendulum, without those of added energy.
func ExampleWrite() {
	const checkpoints = "../hamiltonian/testdata/"
	silent := func(string) {}
	a, err := analysis.Run(datasets.Real, []analysis.Checkpoint{
		{Model: hamiltonian.Baseline, Path: checkpoints + "real-baseline.tar"},
		{Model: hamiltonian.HNN, Path: checkpoints + "real-hnn.tar"},
	}, 0, silent)
	if err != nil {
		log.Fatal(err)
	}
	a.Energy = nil // its film takes seconds to draw
	folder, err := os.MkdirTemp("", "figures")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	paths, err := figures.Write(folder, a, silent)
	if err != nil {
		log.Fatal(err)
	}
	for _, path := range paths {
		fmt.Println(filepath.Base(path))
	}
	// Output:
	// real-integration.png
	// real-integration.svg
	// real-energy-drift.png
	// real-energy-drift.svg
	// real-field.png
	// real-field.svg
	// real-hamiltonian.png
	// real-hamiltonian.svg
	// real-volume.png
	// real-volume.svg
	// real-volume.gif
}
