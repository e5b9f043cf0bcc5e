package report

import (
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hnn/datasets"
)

// metrics writes the metrics of a task that a report reads, and a picture of one pixel.
func metrics(t *testing.T, folder string, task datasets.Task, energy float64) {
	t.Helper()
	content := fmt.Sprintf(`{"task": %q, "models": {"baseline": {"train_loss": 0.5, "test_loss": 1, "energy_mse": 3},
		"hnn": {"train_loss": 0.04, "test_loss": 2, "test_loss_share_of_five_worst_rows": 0.75, "notebook_energy_mse": 7, "energy_mse": %g,
			"energy_mse_error": 0.5}}}`, task.Name, energy)
	pixel := "GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
	for name, text := range map[string]string{"-metrics.json": content, ".gif": pixel} {
		if err := os.WriteFile(filepath.Join(folder, task.Name+name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestResultsOfOneSeed(t *testing.T) {
	folder := t.TempDir()
	metrics(t, folder, datasets.TwoBody, 1)
	r := Report{Tasks: []datasets.Task{datasets.TwoBody, datasets.Spring}, Seeds: []uint32{7}, Folder: func(uint32) string { return folder }}
	results, err := r.Results()
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 7 || results[6].Quantity != datasets.NotebookEnergyMSE || results[6].Runs.Mean != 7 {
		t.Fatalf("%d results, want three of the baseline and four of the HNN of the one task that was analysed", len(results))
	}
	// The paper's table 1: 33e-6, 30e-6 and 6.3e-2 for the baseline, 3.0e-6, 2.8e-6 and 39e-6 for the HNN.
	for i, want := range []float64{33e-6, 30e-6, 6.3e-2, 3.0e-6, 2.8e-6, 39e-6} {
		if math.Abs(results[i].Paper/want-1) > 0.02 {
			t.Errorf("%s, %s: the paper has %g, want %g", results[i].Model, results[i].Quantity, results[i].Paper, want)
		}
	}
	if hnn := results[3]; hnn.Model != "hnn" || hnn.Runs.String() != "4.0000e-2" || hnn.Runs.Deviation != 0 {
		t.Errorf("the HNN's train loss is %+v", hnn)
	}
}

// Of 1, 2 and 6 the mean is 3 and the standard deviation √7.
func TestResultsOverSeeds(t *testing.T) {
	root := t.TempDir()
	folder := func(seed uint32) string { return filepath.Join(root, fmt.Sprint(seed)) }
	for seed, energy := range []float64{1, 2, 6} {
		if err := os.Mkdir(folder(uint32(seed)), 0o755); err != nil {
			t.Fatal(err)
		}
		metrics(t, folder(uint32(seed)), datasets.Pixel, energy)
	}
	r := Report{Tasks: []datasets.Task{datasets.Pixel}, Seeds: []uint32{0, 1, 2, 3}, Folder: folder} // the fourth has failed
	results, err := r.Results()
	if err != nil {
		t.Fatal(err)
	}
	energy := results[5].Runs
	if energy.Mean != 3 || math.Abs(energy.Deviation-math.Sqrt(7)) > 1e-12 || len(energy.Seeds) != 3 || energy.String() != "3.0000e0 ± 2.6e0" {
		t.Errorf("got %+v", energy)
	}
}

// A run at 6 is 3/√7 standard deviations above the published code's 1, 2 and 6.
func TestDeviations(t *testing.T) {
	code := Spread{Values: []float64{1, 2, 6}, Mean: 3, Deviation: math.Sqrt(7)}
	one := Spread{Values: []float64{3}, Mean: 3}
	for _, test := range []struct {
		code Spread
		mean float64
		want string
	}{{code, 6, "+1.1"}, {code, 0, "−1.1"}, {one, 6, ""}, {Spread{}, 6, ""}} {
		if got := (Result{Code: test.code, Runs: Spread{Values: []float64{test.mean}, Mean: test.mean}}).Deviations(); got != test.want {
			t.Errorf("%g beside %v: got %q, want %q", test.mean, test.code, got, test.want)
		}
	}
}

// The page needs no other file and escapes text. The CSV has a row for each seed.
func TestFiles(t *testing.T) {
	folder := t.TempDir()
	metrics(t, folder, datasets.Pixel, 1)
	r := Report{
		Tasks: []datasets.Task{datasets.Pixel, datasets.Spring}, Seeds: []uint32{0}, Folder: func(uint32) string { return folder },
		Facts: [][2]string{{"LibTorch", "2.11.0"}}, Times: []Time{{"pixel-hnn", 61 * time.Second}},
		Failures: []Failure{{"spring-hnn", "the loss is <not> finite"}},
	}
	paths, err := r.Write(filepath.Join(folder, "out"))
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) != 3 {
		t.Errorf("the paths are %v", paths)
	}
	read := func(name string) string {
		content, err := os.ReadFile(filepath.Join(folder, "out", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	page := read("index.html")
	for _, want := range []string{
		`src="data:image/gif;base64,R0lGOD`, "1.5315e-4", "&lt;not&gt; finite", "1m1s", "Five of the test rows carry 75% of the test loss of hnn",
		"a fitted pendulum, except where", "no results of this task", "background: #0072b2;",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if strings.Contains(page, "src=\"http") || strings.Contains(page, "href=\"http") || strings.Contains(page, "ZgotmplZ") {
		t.Error("the page refers to something outside of it, or to nothing")
	}
	markdown := read("results.md")
	for _, want := range []string{
		"| pixel | hnn | energy MSE | 1.5315e-4 | 1.2245e-4 ± 6.1e-5 | 1.0000e0 | +16479.7 |", "| pixel | hnn | notebook energy MSE |  |  | 7.0000e0 |  |",
		"- spring-hnn: the loss", "- pixel: Five of the test rows",
		"| time of all commands | 1m1s |",
	} {
		if !strings.Contains(markdown, want) {
			t.Errorf("the Markdown has no %q:\n%s", want, markdown)
		}
	}
	rows, err := csv.NewReader(strings.NewReader(read("results.csv"))).ReadAll()
	if err != nil || len(rows) != 8 || strings.Join(rows[4][:5], " ") != "pixel hnn train loss 0 0.04" {
		t.Errorf("the table is %v, %v", rows, err)
	}
}
