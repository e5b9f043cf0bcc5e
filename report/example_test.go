package report_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"hnn/datasets"
	"hnn/report"
)

// The test losses of a run of ./analyze, beside the paper's.
func ExampleReport_Results() {
	folder, err := os.MkdirTemp("", "results")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	metrics := `{"models": {"baseline": {"test_loss": 0.0366}, "hnn": {"test_loss": 0.0359}}}`
	if err := os.WriteFile(filepath.Join(folder, "spring-metrics.json"), []byte(metrics), 0o600); err != nil {
		log.Fatal(err)
	}
	r := report.Report{Tasks: []datasets.Task{datasets.Spring}, Seeds: []uint32{0}, Folder: func(uint32) string { return folder }}
	results, err := r.Results()
	if err != nil {
		log.Fatal(err)
	}
	for _, result := range results {
		if result.Quantity == datasets.TestLoss {
			fmt.Printf("%s: %s, and %.2e in the paper\n", result.Model, result.Runs, result.Paper)
		}
	}
	// Output:
	// baseline: 3.6600e-2, and 3.67e-02 in the paper
	// hnn: 3.5900e-2, and 3.59e-02 in the paper
}
