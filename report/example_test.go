package report_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"hnn/datasets"
	"hnn/report"
)

// The energy errors of a run of ./analyze, beside the paper's.
func ExampleReport_Results() {
	folder, err := os.MkdirTemp("", "results")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	metrics := `{"models": {"baseline": {"energy_mse": 0.042}, "hnn": {"energy_mse": 3.6e-4}}}`
	if err := os.WriteFile(filepath.Join(folder, "spring-metrics.json"), []byte(metrics), 0o600); err != nil {
		log.Fatal(err)
	}
	r := report.Report{Tasks: []datasets.Task{datasets.Spring}, Seeds: []uint32{0}, Folder: func(uint32) string { return folder }}
	results, err := r.Results()
	if err != nil {
		log.Fatal(err)
	}
	for _, result := range results {
		if result.Quantity == "energy MSE" {
			fmt.Printf("%s: %.1e, and %.1e in the paper (%s)\n", result.Model, result.Mean, result.Paper, result.ToPaper())
		}
	}
	// Output:
	// baseline: 4.2e-02, and 1.7e-01 in the paper (1/4.1)
	// hnn: 3.6e-04, and 3.8e-04 in the paper (−6.3%)
}
