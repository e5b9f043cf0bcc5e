// Command analyze compares the trained models of a task with the truth: it integrates their fields, prints the numbers of the paper's tables,
// and draws the paper's figures. For a measured system, it writes a page about the data and the models.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/google/renameio/v2"
	"github.com/spf13/pflag"

	"hnn/analysis"
	"hnn/datasets"
	"hnn/figures"
	"hnn/hamiltonian"
	"hnn/internal/command"
	"hnn/internal/wait"
	"hnn/trainer"
)

func main() { command.Main("analyze", run) }

func run(ctx context.Context, arguments []string, stdout, stderr io.Writer) error {
	flags := command.Flags("analyze")
	name := flags.String("task", "", "`name` of the system whose models are analyzed")
	data := flags.String("data", "", "`file` that ./train read, of a system of your own or, with -task real, of other measurements")
	runs := flags.String("runs", "runs", "`folder` of the checkpoints TASK-MODEL.tar that ./train saved")
	models := flags.StringSlice("models", nil, "`names` of the models, separated by commas: "+strings.Join(hamiltonian.Names(), ", ")+
		" (default: every model that has a checkpoint; for a measured system, baseline, hnn and port)")
	files := flags.StringArray("checkpoint", nil, "`model=file` reads a model's weights from this file, ours or PyTorch's; you can repeat the flag")
	out := flags.String("out", "results", "`folder` for the figures and the metrics")
	var change float64
	command.Float64(flags, &change, "add-energy", 0, "`energy` that a model with a conserved Hamiltonian adds to a trajectory, in the units of the task's energy; "+
		"negative to remove energy, 0 for the difference between the quartiles of the data's energies")
	quiet := flags.Bool("quiet", false, "print only errors")
	table := command.Table(flags)
	if err := command.Parse(flags, arguments); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return help(stdout, flags)
		}
		return err
	}
	if math.IsNaN(change) || math.IsInf(change, 0) {
		return fmt.Errorf("-add-energy is %g; it must be a finite energy", change)
	}
	task, err := command.Task(ctx, *name, *data, *table)
	if err != nil {
		return err
	}
	if *quiet {
		stdout = io.Discard
	}
	if task.Observed != nil && *files == nil {
		return measured(ctx, task, *runs, *out, *models, *quiet, stdout, stderr)
	}
	checkpoints, err := find(task, *runs, *models, *files)
	if err != nil {
		return err
	}
	say, end := command.Spinner(stderr, !*quiet)
	defer end()
	var a *analysis.Analysis
	var paths []string
	if err := wait.For(ctx, func() (err error) {
		if a, err = analysis.Run(task, checkpoints, change, say); err == nil {
			paths, err = figures.Write(*out, a, say)
		}
		return err
	}); err != nil {
		return err
	}
	metrics, err := json.MarshalIndent(a.Metrics, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(*out, task.Name+"-metrics.json")
	if err := renameio.WriteFile(path, append(metrics, '\n'), 0o644); err != nil {
		return err
	}
	end()
	if err := writeTable(stdout, a); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "\n%s\n", strings.Join(append(paths, path), "\n"))
	return err
}

// find returns the checkpoints of the models, in the order of hamiltonian.Models. Each of them exists. files holds pairs model=file and names
// further models.
func find(task datasets.Task, runs string, models, files []string) ([]analysis.Checkpoint, error) {
	paths, all := map[string]string{}, len(models) == 0
	for _, pair := range files {
		name, path, ok := strings.Cut(pair, "=")
		if !ok || path == "" {
			return nil, fmt.Errorf("-checkpoint is %q; it must be MODEL=FILE", pair)
		}
		paths[name], models = path, append(models, name)
	}
	for _, name := range models {
		if _, err := hamiltonian.Find(name); err != nil {
			return nil, err
		}
	}
	training := "./train -task " + task.Name
	if task.File != "" {
		training = "./train -data " + task.File
	}
	var list []analysis.Checkpoint
	for _, m := range hamiltonian.Models {
		settings := trainer.DefaultSettings(task)
		settings.Model = m.Name
		path := cmp.Or(paths[m.Name], settings.Files(runs).Finished)
		_, err := os.Stat(path)
		switch named := slices.Contains(models, m.Name); {
		case named && err != nil:
			return nil, fmt.Errorf("there is no checkpoint %s; `%s -model %s` makes one, and -runs and -checkpoint name others", path, training, m.Name)
		case named || all && err == nil:
			list = append(list, analysis.Checkpoint{Model: m, Path: path})
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("there is no checkpoint of %s in %s; `%s` makes one, and -runs and -checkpoint name others", task.Name, runs, training)
	}
	return list, nil
}

// writeTable writes the most important metrics, a column for each model and one for the truth.
func writeTable(w io.Writer, a *analysis.Analysis) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, truth string, cell func(m *analysis.ModelMetrics) string) {
		line := name
		for _, s := range a.Sources[1:] {
			line += "\t" + cell(a.Metrics.Models[s.Name])
		}
		fmt.Fprintln(table, strings.TrimRight(line+"\t"+truth, "\t"))
	}
	row(a.Task.Name, "truth", func(m *analysis.ModelMetrics) string { return m.Settings.Model })
	row("train loss", "", func(m *analysis.ModelMetrics) string { return withError(m.Train, m.TrainError) })
	row("test loss", "", func(m *analysis.ModelMetrics) string { return withError(m.Test, m.TestError) })
	first := a.Metrics.Models[a.Sources[1].Name]
	if first.EnergyErrors != nil {
		name := "energy MSE"
		if a.Task.Hamiltonian == nil {
			name += ", by a learned H"
		}
		row(name, "", func(m *analysis.ModelMetrics) string { return withError(m.EnergyMSE, m.EnergyMSEError) })
	}
	if first.NotebookErrors != nil {
		row("notebook energy MSE", "", func(m *analysis.ModelMetrics) string {
			return withError(m.NotebookEnergyMSE, m.NotebookEnergyMSEError)
		})
	}
	if a.Task.Hamiltonian != nil && a.Reference != nil {
		row("learned H: factor, constant, R²", "", func(m *analysis.ModelMetrics) string {
			if m.Fit == nil {
				return ""
			}
			return fmt.Sprintf("%.4f, %.4f, %.4f", m.Fit.Factor, m.Fit.Constant, m.Fit.R2)
		})
	}
	if len(a.Sources[0].Trials.Times) > 1 {
		row("coordinate MSE", "", func(m *analysis.ModelMetrics) string { return number(m.CoordinateMSE) })
	}
	if first.ImageErrors != nil {
		row("reconstruction MSE", "", func(m *analysis.ModelMetrics) string { return number(m.Reconstruction) })
		row("R² of position, velocity", "", func(m *analysis.ModelMetrics) string { return fmt.Sprintf("%.4f, %.4f", m.R2[0], m.R2[1]) })
	}
	var divergence, ratio string
	if truth := a.Metrics.Truth; truth != nil {
		divergence, ratio = fmt.Sprintf("%.1e", truth.DivergenceRMS), fmt.Sprintf("%.5g", truth.VolumeRatio)
	}
	row("divergence, rms", divergence, func(m *analysis.ModelMetrics) string { return fmt.Sprintf("%.1e", m.DivergenceRMS) })
	row("volume, end over start", ratio, func(m *analysis.ModelMetrics) string { return fmt.Sprintf("%.5g", m.VolumeRatio) })
	if change := a.Metrics.Change; change != nil {
		names := []string{"energy added", "energy removed"}
		if !change.Adds() {
			slices.Reverse(names)
		}
		for i, name := range names {
			from, to := change.Levels[i], change.Levels[i+1]
			row(fmt.Sprintf("%s: %.4f to %.4f", name, from.Requested, to.Requested), "", func(m *analysis.ModelMetrics) string {
				if m != a.Metrics.Models[change.Model] {
					return ""
				}
				return fmt.Sprintf("%.4f ± %.1e", to.Reached, to.Deviation)
			})
		}
	}
	return table.Flush()
}

func withError(value, deviation float64) string { return fmt.Sprintf("%.4e ± %.1e", value, deviation) }

func number(value float64) string { return fmt.Sprintf("%.4e", value) }

func help(w io.Writer, flags *pflag.FlagSet) error {
	files := ""
	for _, kind := range figures.Kinds {
		files += fmt.Sprintf("  TASK%-18s %s\n", kind.Suffix, kind.Caption)
	}
	_, err := fmt.Fprintf(w, `Compares the trained models of a task with the truth, prints the paper's metrics and draws its figures.

  ./train -task 2body
  ./analyze -task 2body
  ./analyze -data my.csv   trains the models that are missing, and writes a page about a measured system

Tasks: %s

Flags (one dash or two, - or _ between words):
%s
analyze writes these files to the folder -out, as far as they apply to the task, and figures as SVG too:
%sTASK-metrics.json has every number. For a system of your own, TASK is the name of its file. If its Hamiltonian is not known, the energy is
that of the first model that has learned one. For a measured system, analyze writes index.html, verdict.json and pictures instead.
`, strings.Join(command.TaskNames(), ", "), flags.FlagUsages(), files)
	return err
}
