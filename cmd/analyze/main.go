// Command analyze compares the trained models of a task with the truth: it integrates their fields, prints the numbers of the paper's tables,
// and draws the paper's figures.
package main

import (
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
	"hnn/trainer"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		command.Exit("analyze", err)
	}
}

type options struct {
	task, data, runs, out string
	models, checkpoints   []string
	addEnergy             float64
	quiet                 bool
}

func run(arguments []string, stdout, stderr io.Writer) error {
	var o options
	flags := command.Flags("analyze")
	flags.StringVar(&o.task, "task", "", "`name` of the system whose models are analyzed")
	flags.StringVar(&o.data, "data", "", "`file` of a system of your own, as given to ./train, in place of a task")
	flags.StringVar(&o.runs, "runs", "runs", "`folder` of the checkpoints TASK-MODEL.tar that ./train saved")
	flags.StringSliceVar(&o.models, "models", nil, "`names` of the models, separated by commas: "+strings.Join(hamiltonian.Names(), ", ")+
		" (default: every model that has a checkpoint)")
	flags.StringArrayVar(&o.checkpoints, "checkpoint", nil, "`model=file` reads a model's weights from this file, ours or PyTorch's; you can repeat the flag")
	flags.StringVar(&o.out, "out", "results", "`folder` for the figures and the metrics")
	flags.Float64Var(&o.addEnergy, "add-energy", 0, "`energy` that a model with a conserved Hamiltonian adds to a trajectory, in the units of the task's energy; "+
		"negative to remove energy, 0 for the difference between the quartiles of the data's energies")
	flags.BoolVar(&o.quiet, "quiet", false, "print only errors")
	if err := command.Parse(flags, arguments); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return help(stdout, flags)
		}
		return err
	}
	if o.task != "" && o.data != "" {
		return fmt.Errorf("-task %s and -data %s are both given; give one of them", o.task, o.data)
	}
	if math.IsNaN(o.addEnergy) || math.IsInf(o.addEnergy, 0) {
		return fmt.Errorf("-add-energy is %g; it must be a finite energy", o.addEnergy)
	}
	task, err := command.Task(o.task, o.data)
	if err != nil {
		return err
	}
	checkpoints, err := find(task, o)
	if err != nil {
		return err
	}
	if o.quiet {
		stdout = io.Discard
	}
	return analyze(task, checkpoints, o, stdout, stderr)
}

// find returns the checkpoints that the options name, in the order of hamiltonian.Models. Each of them exists.
func find(task datasets.Task, o options) ([]analysis.Checkpoint, error) {
	paths := map[string]string{}
	for _, pair := range o.checkpoints {
		name, path, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, fmt.Errorf("-checkpoint is %q; it must be MODEL=FILE", pair)
		}
		paths[name] = path
		o.models = append(o.models, name)
	}
	for _, name := range o.models {
		if _, err := hamiltonian.Find(name); err != nil {
			return nil, err
		}
	}
	all := len(o.models) == len(o.checkpoints) // no -models
	training := "./train -task " + task.Name
	if task.File != "" {
		training = "./train -data " + task.File
	}
	var list []analysis.Checkpoint
	for _, m := range hamiltonian.Models {
		settings := trainer.DefaultSettings(task)
		settings.Model = m.Name
		path := paths[m.Name]
		if path == "" {
			path = settings.FilesIn(o.runs).Checkpoint
		}
		_, err := os.Stat(path)
		switch named := slices.Contains(o.models, m.Name); {
		case named && err != nil:
			return nil, fmt.Errorf("there is no checkpoint %s; `%s -model %s` makes one, and -runs and -checkpoint name others", path, training, m.Name)
		case named || all && err == nil:
			list = append(list, analysis.Checkpoint{Model: m, Path: path})
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("there is no checkpoint of %s in %s; `%s` makes one, and -runs and -checkpoint name others", task.Name, o.runs, training)
	}
	return list, nil
}

func analyze(task datasets.Task, checkpoints []analysis.Checkpoint, o options, stdout, stderr io.Writer) error {
	spinner := command.Spinner(stderr, !o.quiet)
	defer spinner.Clear()
	a, err := analysis.Run(task, checkpoints, o.addEnergy, spinner.Say)
	if err != nil {
		return err
	}
	paths, err := figures.Write(o.out, a, spinner.Say)
	if err != nil {
		return err
	}
	metrics, err := json.MarshalIndent(a.Metrics, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(o.out, task.Name+"-metrics.json")
	if err := renameio.WriteFile(path, append(metrics, '\n'), 0o644); err != nil {
		return err
	}
	spinner.Clear()
	if err := writeTable(stdout, a); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "\n%s\n", strings.Join(append(paths, path), "\n"))
	return err
}

// writeTable writes the most important metrics, a column for each model and one for the truth.
func writeTable(w io.Writer, a *analysis.Analysis) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	models := a.Sources[1:]
	row := func(name, truth string, cell func(m *analysis.ModelMetrics) string) {
		cells := []string{name}
		for _, s := range models {
			cells = append(cells, cell(a.Metrics.Models[s.Name]))
		}
		fmt.Fprintln(table, strings.TrimRight(strings.Join(append(cells, truth), "\t"), "\t"))
	}
	header := a.Task.Name
	for _, s := range models {
		header += "\t" + s.Name
	}
	fmt.Fprintln(table, header+"\ttruth")
	row("train loss", "", func(m *analysis.ModelMetrics) string { return withError(m.Train, m.TrainError) })
	row("test loss", "", func(m *analysis.ModelMetrics) string { return withError(m.Test, m.TestError) })
	first := a.Metrics.Models[models[0].Name]
	if first.EnergyErrors != nil {
		name := "energy MSE"
		if a.Task.Hamiltonian == nil {
			name += ", by a learned H"
		}
		row(name, "", func(m *analysis.ModelMetrics) string { return withError(m.EnergyMSE, m.EnergyMSEError) })
	}
	if len(a.Sources[0].Trials.Times) > 1 {
		row("coordinate MSE", "", func(m *analysis.ModelMetrics) string { return number(m.CoordinateMSE) })
	}
	if first.ImageErrors != nil {
		row("reconstruction MSE", "", func(m *analysis.ModelMetrics) string { return number(m.Reconstruction) })
		row("R² of position, velocity", "", func(m *analysis.ModelMetrics) string { return fmt.Sprintf("%.4f, %.4f", m.R2[0], m.R2[1]) })
	}
	var rk45, midpoint string
	if truth := a.Metrics.Truth; truth != nil {
		rk45, midpoint = number(truth.RK45), number(truth.ImplicitMidpoint)
	}
	row("forward and back, RK45", rk45, func(m *analysis.ModelMetrics) string { return number(m.RK45) })
	row("forward and back, symplectic", midpoint, func(m *analysis.ModelMetrics) string { return number(m.ImplicitMidpoint) })
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
	fmt.Fprintf(w, `Compares the trained models of a task with the truth, prints the paper's metrics and draws its figures.

  ./train -task 2body
  ./analyze -task 2body
  ./analyze -data my.csv

Tasks: %s

Flags (one dash or two, - or _ between words):
%s
analyze writes PNG and SVG files into the folder:
  TASK-integration    one trajectory: the error of the coordinates, a learned Hamiltonian, the energy
  TASK-energy-drift   the distance of the energy from its initial value in each trial
  TASK-trials         the energy of each trial
  TASK-reversibility  forward and back
  TASK-field, TASK-hamiltonian  the phase plane and the contours of each Hamiltonian (one degree of freedom)
  TASK-coordinates    trajectories (several degrees of freedom)
  TASK-orbits         trajectories and energies of bodies, with TASK.gif
  TASK-latent, TASK-filmstrip   the latent planes and the decoded frames (images), with TASK.gif
  TASK-add-energy     along the gradient of a learned Hamiltonian to another energy and back, with TASK-add-energy.gif
TASK-metrics.json has every number. A system of your own has the name of its file. If its Hamiltonian is not known, the energy is that of
the first model that has learned one.
`, strings.Join(command.TaskNames(), ", "), flags.FlagUsages())
	return nil
}
