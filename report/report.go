// Package report compares trained models with the published numbers, as Markdown, as CSV and as an HTML page.
package report

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io"
	"io/fs"
	"mime"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
	"time"

	"gonum.org/v1/gonum/stat"

	"hnn/analysis"
	"hnn/datasets"
	"hnn/figures"
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

// Result is one quantity of one model. Mean is over the seeds. Error is the standard error over the seeds. For a single seed, it is the standard
// error over the data, as in the paper.
type Result struct {
	Task, Model, Quantity string
	Seeds                 []uint32 // that have a value
	Values                []float64
	Mean, Error           float64
	Paper, Code           float64 // the paper's number, and that of a run of the published code; 0 if unknown
}

func list(s datasets.Scores) []float64 { return []float64{s.Train, s.Test, s.Energy} }

// scores returns the scores of a model and their errors. An unknown energy is 0.
func scores(m *analysis.ModelMetrics) (values, deviations []float64) {
	energy := cmp.Or(m.EnergyErrors, &analysis.EnergyErrors{})
	return []float64{m.Train, m.Test, energy.EnergyMSE}, []float64{m.TrainError, m.TestError, energy.EnergyMSEError}
}

// Results reads the metrics of all tasks. It leaves out those that do not exist.
func (r Report) Results() ([]Result, error) {
	var results []Result
	for _, task := range r.Tasks {
		found := make([]analysis.Metrics, len(r.Seeds))
		for i, seed := range r.Seeds {
			path := filepath.Join(r.Folder(seed), task.Name+"-metrics.json")
			content, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err == nil {
				err = json.Unmarshal(content, &found[i])
			}
			if err != nil {
				return nil, fmt.Errorf("report: %s: %w", path, err)
			}
		}
		for _, model := range hamiltonian.Models {
			published := task.Published[model.Name]
			for q, quantity := range []string{"train loss", "test loss", "energy MSE"} {
				result := Result{Task: task.Name, Model: model.Name, Quantity: quantity, Paper: list(published.Paper)[q], Code: list(published.Code)[q]}
				for i, seed := range r.Seeds {
					if m := found[i].Models[model.Name]; m != nil {
						if values, deviations := scores(m); values[q] != 0 {
							result.Seeds, result.Values, result.Error = append(result.Seeds, seed), append(result.Values, values[q]), deviations[q]
						}
					}
				}
				if len(result.Values) == 0 {
					continue
				}
				result.Mean = result.Values[0]
				if n := len(result.Values); n > 1 {
					mean, deviation := stat.MeanStdDev(result.Values, nil)
					result.Mean, result.Error = mean, stat.StdErr(deviation, float64(n))
				}
				results = append(results, result)
			}
		}
	}
	return results, nil
}

// ToPaper returns the relative difference from the paper's number, as a percentage or a multiple; "" if the paper has none.
func (r Result) ToPaper() string { return difference(r.Mean, r.Paper) }

// ToCode returns the relative difference from the number of the published code; "" if there is none.
func (r Result) ToCode() string { return difference(r.Mean, r.Code) }

func difference(value, reference float64) string {
	if reference == 0 {
		return ""
	}
	switch ratio := value / reference; {
	case ratio >= 10:
		return fmt.Sprintf("%.0f×", ratio)
	case ratio >= 2:
		return fmt.Sprintf("%.1f×", ratio)
	case ratio <= 0.5:
		return fmt.Sprintf("1/%.1f", 1/ratio)
	default:
		return strings.Replace(fmt.Sprintf("%+.1f%%", 100*(ratio-1)), "-", "−", 1)
	}
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

func withError(r Result) string {
	return fmt.Sprintf("%s ± %s", number(r.Mean), scientific(r.Error, 0))
}

// Write writes index.html, results.md and results.csv into a folder (created if needed) and returns their paths.
func (r Report) Write(folder string) ([]string, error) {
	results, err := r.Results()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	data := struct {
		Report
		Results  map[string][]Result // by task
		Pictures map[string][]picture
	}{r, map[string][]Result{}, r.pictures(folder)}
	for _, result := range results {
		data.Results[result.Task] = append(data.Results[result.Task], result)
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

func table(w io.Writer, results []Result) error {
	rows := [][]string{{"task", "model", "quantity", "seed", "value", "mean", "error", "paper", "relative_to_paper", "published_code", "relative_to_published_code"}}
	plain := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	relative := func(mean, reference float64) (string, string) {
		if reference == 0 {
			return "", ""
		}
		return plain(reference), plain(mean/reference - 1)
	}
	for _, result := range results {
		paper, toPaper := relative(result.Mean, result.Paper)
		code, toCode := relative(result.Mean, result.Code)
		for i, value := range result.Values {
			rows = append(rows, []string{result.Task, result.Model, result.Quantity, fmt.Sprint(result.Seeds[i]), plain(value), plain(result.Mean), plain(result.Error), paper, toPaper, code, toCode})
		}
	}
	return csv.NewWriter(w).WriteAll(rows)
}

// picture is a figure or a film of a task.
type picture struct {
	Caption, Path string // the path from the report's folder
	file          string
}

// pictures returns the files of the first seed by task.
func (r Report) pictures(folder string) map[string][]picture {
	found := map[string][]picture{}
	for _, task := range r.Tasks {
		for _, kind := range figures.Kinds {
			file := filepath.Join(r.Folder(r.Seeds[0]), task.Name+kind.Suffix)
			relative, err := filepath.Rel(folder, file)
			if _, missing := os.Stat(file); missing == nil && err == nil {
				found[task.Name] = append(found[task.Name], picture{kind.Caption, filepath.ToSlash(relative), file})
			}
		}
	}
	return found
}

// Data returns the picture's content as a URL, so that the page needs no other file.
func (p picture) Data() (htmltemplate.URL, error) {
	content, err := os.ReadFile(p.file)
	kind := mime.TypeByExtension(filepath.Ext(p.file))
	return htmltemplate.URL("data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(content)), err
}

var (
	//go:embed *.tmpl
	sources   embed.FS
	functions = map[string]any{
		"number": number, "withError": withError, "models": func() []hamiltonian.Model { return hamiltonian.Models },
		"round": func(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) },
	}
	page     = htmltemplate.Must(htmltemplate.New("index.html.tmpl").Funcs(functions).ParseFS(sources, "index.html.tmpl"))
	markdown = template.Must(template.New("results.md.tmpl").Funcs(functions).ParseFS(sources, "results.md.tmpl"))
)
