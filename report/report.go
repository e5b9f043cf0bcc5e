// Package report compares trained models with the published numbers, as Markdown, as CSV and as an HTML page.
package report

import (
	"bytes"
	"embed"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"gonum.org/v1/gonum/stat"

	"hnn/analysis"
	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/internal/files"
)

// Report describes the content of a report.
type Report struct {
	Tasks    []datasets.Task
	Seeds    []uint32
	Folder   func(seed uint32) string // the folder with ./analyze's files for a seed
	Facts    [][2]string              // names and values
	Times    []Time
	Failures []Failure
}

// Time is the duration of a command.
type Time struct {
	Name string
	Took time.Duration
}

// Failure is a command that failed, and its message.
type Failure struct{ Name, Reason string }

// Result is one quantity of one model: the paper's number, which is 0 if there is none, and the numbers of the published code and of these runs.
type Result struct {
	Task, Model string
	Quantity    datasets.Quantity
	Paper       float64
	Code, Runs  Spread
}

// Spread holds the values of a quantity over seeds. Deviation is their standard deviation with Bessel's correction, 0 for fewer than two values.
type Spread struct {
	Seeds           []uint32
	Values          []float64
	Mean, Deviation float64
}

// spread collects the known values of a quantity, in the order of the seeds.
func spread(quantity datasets.Quantity, seeds []uint32, runs map[uint32]datasets.Scores) (s Spread) {
	for _, seed := range seeds {
		if value, known := runs[seed][quantity]; known {
			s.Seeds, s.Values = append(s.Seeds, seed), append(s.Values, value)
		}
	}
	switch len(s.Values) {
	case 0:
	case 1:
		s.Mean = s.Values[0]
	default:
		s.Mean, s.Deviation = stat.MeanStdDev(s.Values, nil)
	}
	return s
}

// String returns mean and standard deviation, or the single value; "" if there is none.
func (s Spread) String() string {
	if s.Deviation == 0 {
		return number(s.Mean)
	}
	return fmt.Sprintf("%s ± %s", number(s.Mean), scientific(s.Deviation, 1))
}

// Deviations returns the difference of the runs' mean from the published code's, in standard deviations of the published code over seeds. It is "" if
// one of them is unknown.
func (r Result) Deviations() string {
	if r.Code.Deviation == 0 || len(r.Runs.Values) == 0 {
		return ""
	}
	return strings.Replace(fmt.Sprintf("%+.1f", (r.Runs.Mean-r.Code.Mean)/r.Code.Deviation), "-", "−", 1)
}

// scores returns what a report shows of a model's metrics.
func scores(m *analysis.ModelMetrics) datasets.Scores {
	s := datasets.Scores{datasets.TrainLoss: m.Train, datasets.TestLoss: m.Test}
	if m.EnergyErrors != nil {
		s[datasets.EnergyMSE] = m.EnergyMSE
	}
	if m.NotebookErrors != nil {
		s[datasets.NotebookEnergyMSE] = m.NotebookEnergyMSE
	}
	return s
}

// Results reads the metrics of all tasks. It leaves out quantities that no seed has. An error names the file of metrics that cannot be read.
func (r Report) Results() ([]Result, error) {
	var results []Result
	for _, task := range r.Tasks {
		runs, err := r.runs(task)
		if err != nil {
			return nil, err
		}
		for _, model := range hamiltonian.Models {
			published, found := task.Published[model.Name], map[uint32]datasets.Scores{}
			for seed, models := range runs {
				if m := models[model.Name]; m != nil {
					found[seed] = scores(m)
				}
			}
			codeSeeds := slices.Sorted(maps.Keys(published.Code))
			for _, quantity := range datasets.Quantities {
				result := Result{
					Task: task.Name, Model: model.Name, Quantity: quantity, Paper: published.Paper[quantity],
					Code: spread(quantity, codeSeeds, published.Code), Runs: spread(quantity, r.Seeds, found),
				}
				if len(result.Runs.Values) > 0 {
					results = append(results, result)
				}
			}
		}
	}
	return results, nil
}

// runs reads the metrics of a task by seed and model. It leaves out the seeds that have none.
func (r Report) runs(task datasets.Task) (map[uint32]map[string]*analysis.ModelMetrics, error) {
	runs := map[uint32]map[string]*analysis.ModelMetrics{}
	for _, seed := range r.Seeds {
		path := filepath.Join(r.Folder(seed), task.Name+"-metrics.json")
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var metrics analysis.Metrics
		if err == nil {
			err = json.Unmarshal(content, &metrics)
		}
		if err != nil {
			return nil, fmt.Errorf("report: %s: %w", path, err)
		}
		runs[seed] = metrics.Models
	}
	return runs, nil
}

// notes returns what a reader of a task's table and pictures must know.
func (r Report) notes(task datasets.Task) (list []string, err error) {
	runs, err := r.runs(task)
	for _, model := range hamiltonian.Models {
		// Above a half, the loss says more about those rows than about the model.
		if m := runs[r.Seeds[0]][model.Name]; m != nil && m.WorstRows > 0.5 {
			list = append(list, fmt.Sprintf("Five of the test rows carry %.0f%% of the test loss of %s (seed %d), so a few rows decide it.",
				100*m.WorstRows, model.Name, r.Seeds[0]))
		}
	}
	if task.Fitted != "" {
		list = append(list, fmt.Sprintf("In the pictures, the truth is a %s, except where they say that it was measured.", task.Fitted))
	}
	if task.Note != "" {
		list = append(list, task.Note)
	}
	return list, err
}

// number writes five digits of a number, and "" for 0.
func number(v float64) string {
	if v == 0 {
		return ""
	}
	return scientific(v, 4)
}

// scientific writes 0.0123 as 1.23e-2.
func scientific(v float64, decimals int) string {
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(v, 'e', decimals, 64), "e")
	power, _ := strconv.Atoi(exponent) // FormatFloat's
	return fmt.Sprintf("%se%d", mantissa, power)
}

// Write writes index.html, a page that needs no other file, results.md, results.csv and the drawings of the method into a folder (created if
// needed), and returns their paths.
func (r Report) Write(folder string) ([]string, error) {
	results, err := r.Results()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	data := content{Report: r, Results: map[string][]Result{}, Notes: map[string][]string{}, Pictures: map[string][]picture{}}
	for _, result := range results {
		data.Results[result.Task] = append(data.Results[result.Task], result)
	}
	if data.Method, err = writeDrawings(folder); err != nil {
		return nil, err
	}
	for _, task := range r.Tasks {
		if data.Notes[task.Name], err = r.notes(task); err != nil {
			return nil, err
		}
		if data.Pictures[task.Name], err = r.pictures(task); err != nil {
			return nil, err
		}
	}
	var paths []string
	for _, file := range []struct {
		name  string
		write func(w io.Writer, data any) error
	}{
		{"index.html", page.Execute}, {"results.md", markdown.Execute},
		{"results.csv", func(w io.Writer, _ any) error { return table(w, results) }},
	} {
		var content bytes.Buffer
		if err := file.write(&content, data); err != nil {
			return nil, fmt.Errorf("report: %s: %w", file.name, err)
		}
		path := filepath.Join(folder, file.name)
		if err := files.Write(path, content.Bytes()); err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// content is what the templates show. The maps have the names of the tasks as keys.
type content struct {
	Report
	Method   []picture
	Results  map[string][]Result
	Notes    map[string][]string
	Pictures map[string][]picture
}

// Guide says how to read the tables. It is plain text.
func (c content) Guide() []string {
	runs := fmt.Sprintf("This library: the run of seed %d.", c.Seeds[0])
	if len(c.Seeds) > 1 {
		runs = fmt.Sprintf("This library: mean ± standard deviation over the seeds %s.", join(c.Seeds))
	}
	return []string{
		"Paper: the numbers of the paper's tables 1 and 2, with more digits from the authors' notebooks.",
		"Published code: mean ± standard deviation over seeds. This library computes these numbers by automatic differentiation " +
			"(./reproduce -autograd): its losses then equal those of the authors' code in all five digits that the code prints.",
		runs,
		"Deviations: this library minus the published code's mean, in standard deviations of the published code over its seeds. " +
			"For another seed of the published code itself, this would mostly lie between −2 and 2.",
		"Energy MSE: the mean squared difference between the energy along a model's motion and the energy along the true motion. " +
			"Notebook energy MSE: the same by the protocol of the authors' notebook, where that differs. The paper's number is then of this kind.",
	}
}

// Total is the time of all commands together.
func (c content) Total() (sum time.Duration) {
	for _, t := range c.Times {
		sum += t.Took
	}
	return sum
}

func join(seeds []uint32) string {
	texts := make([]string, len(seeds))
	for i, seed := range seeds {
		texts[i] = fmt.Sprint(seed)
	}
	return strings.Join(texts, ", ")
}

// table writes the values of all seeds as CSV, in the columns of datasets/published.csv, which is such a file.
func table(w io.Writer, results []Result) error {
	rows := [][]string{{"task", "model", "quantity", "seed", "value"}}
	for _, r := range results {
		for i, value := range r.Runs.Values {
			rows = append(rows, []string{r.Task, r.Model, string(r.Quantity), fmt.Sprint(r.Runs.Seeds[i]), strconv.FormatFloat(value, 'g', -1, 64)})
		}
	}
	return csv.NewWriter(w).WriteAll(rows)
}

var (
	//go:embed *.tmpl
	sources   embed.FS
	functions = map[string]any{
		"number": number, "models": func() []hamiltonian.Model { return hamiltonian.Models },
		"round": func(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) },
	}
	page     = htmltemplate.Must(htmltemplate.New("index.html.tmpl").Funcs(functions).ParseFS(sources, "index.html.tmpl"))
	markdown = template.Must(template.New("results.md.tmpl").Funcs(functions).ParseFS(sources, "results.md.tmpl"))
)
