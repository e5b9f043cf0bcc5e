// Command analyze holds the two trained models of a task against the truth: it integrates their fields, prints what the paper's
// tables hold, and draws the paper's figures.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/google/renameio/v2"
	"github.com/spf13/pflag"

	"hnn/analysis"
	"hnn/datasets"
	"hnn/figures"
	"hnn/internal/command"
	"hnn/trainer"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		command.Exit("analyze", err)
	}
}

type options struct {
	task      string
	data      string
	runs      string
	baseline  string
	hnn       string
	out       string
	addEnergy float64
	quiet     bool
	cuda      bool
}

func run(arguments []string, stdout, stderr io.Writer) error {
	var o options
	flags := command.Flags("analyze")
	flags.StringVar(&o.task, "task", "", "`name` of the system whose models are analyzed")
	flags.StringVar(&o.data, "data", "", "`file` of a system of your own, as ./train read it, in place of a task")
	flags.StringVar(&o.runs, "runs", "runs", "`folder` in which ./train left TASK-hnn.tar and TASK-baseline.tar")
	flags.StringVar(&o.hnn, "hnn", "", "checkpoint `file` of the HNN in place of that, ours or PyTorch's")
	flags.StringVar(&o.baseline, "baseline", "", "checkpoint `file` of the baseline in place of that, ours or PyTorch's")
	flags.StringVar(&o.out, "out", "results", "`folder` for the figures and the metrics")
	flags.Float64Var(&o.addEnergy, "add-energy", 0, "`energy` that the HNN adds to a motion, negative to remove, in the units of "+
		"the task's energy; 0 for the range between the quartiles of the data's energies")
	flags.BoolVar(&o.quiet, "quiet", false, "print nothing but errors")
	command.CUDA(flags, &o.cuda)
	if err := command.Parse(flags, arguments); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return help(stdout, flags)
		}
		return err
	}
	if o.task != "" && o.data != "" {
		return fmt.Errorf("-task %s and -data %s are given, and one of them says what is analyzed", o.task, o.data)
	}
	if math.IsNaN(o.addEnergy) || math.IsInf(o.addEnergy, 0) {
		return fmt.Errorf("-add-energy takes a finite energy, and not %g", o.addEnergy)
	}
	task, err := command.Task(o.task, o.data)
	if err != nil {
		return err
	}
	if o.hnn == "" {
		o.hnn = filepath.Join(o.runs, task.Name+"-hnn.tar")
	}
	if o.baseline == "" {
		o.baseline = filepath.Join(o.runs, task.Name+"-baseline.tar")
	}
	training := "-task " + task.Name
	if task.File != "" {
		training = "-data " + task.File
	}
	for _, model := range []struct{ path, flags string }{{o.hnn, training}, {o.baseline, training + " -baseline"}} {
		if _, err := os.Stat(model.path); err != nil {
			return fmt.Errorf("there is no checkpoint %s; `./train %s` makes it, and -runs, -hnn and -baseline name others", model.path, model.flags)
		}
	}
	if o.quiet {
		stdout = io.Discard
	}
	return analyze(task, o, stdout, stderr)
}

func analyze(task datasets.Task, o options, stdout, stderr io.Writer) error {
	// The two models are integrated side by side, a thread each.
	if err := command.Configure(o.cuda); err != nil {
		return err
	}
	spinner := command.Spinner(stderr, !o.quiet)
	defer spinner.Clear()
	compare := vectors
	if task.Pictures != nil {
		compare = pictures
	}
	r, err := compare(task, o, spinner.Say)
	if err != nil {
		return err
	}
	metrics, err := json.MarshalIndent(r.metrics, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(o.out, task.Name+"-metrics.json")
	if err := renameio.WriteFile(path, append(metrics, '\n'), 0o644); err != nil {
		return err
	}
	spinner.Clear()
	return r.print(stdout, task.Name, append(r.paths, path))
}

// result is what an analysis found: the metrics, their most important ones as rows of a table, and the figures' files.
type result struct {
	metrics any
	rows    [][4]string // name, baseline, HNN, truth
	paths   []string
}

func vectors(task datasets.Task, o options, progress func(string)) (result, error) {
	a, err := analysis.Run(task, o.baseline, o.hnn, o.addEnergy, progress)
	if err != nil {
		return result{}, err
	}
	paths, err := figures.Write(o.out, a, progress)
	baseline, hnn, truth := a.Metrics.Baseline, a.Metrics.HNN, a.Metrics.Truth
	energy := "energy MSE"
	if task.Hamiltonian == nil {
		energy += ", by the learned H"
	}
	rows := append(losses(baseline.Final, hnn.Final),
		[4]string{energy, withError(baseline.EnergyMSE, baseline.EnergyMSEError), withError(hnn.EnergyMSE, hnn.EnergyMSEError), ""})
	if a.Trials.Observed() {
		rows = append(rows, [4]string{"coordinate MSE", number(baseline.CoordinateMSE), number(hnn.CoordinateMSE), ""})
	}
	trueRK45, trueMidpoint := "", ""
	if truth != nil {
		trueRK45, trueMidpoint = number(truth.RK45), number(truth.ImplicitMidpoint)
	}
	rows = append(rows,
		[4]string{"forward and back, RK45", number(baseline.RK45), number(hnn.RK45), trueRK45},
		[4]string{"forward and back, symplectic", number(baseline.ImplicitMidpoint), number(hnn.ImplicitMidpoint), trueMidpoint})
	return result{a.Metrics, append(rows, levels(a.Metrics.Change)...), paths}, err
}

func pictures(task datasets.Task, o options, progress func(string)) (result, error) {
	a, err := analysis.RunPixels(task, o.baseline, o.hnn, o.addEnergy, progress)
	if err != nil {
		return result{}, err
	}
	paths, err := figures.WritePixels(o.out, a, progress)
	baseline, hnn := a.Metrics.Baseline, a.Metrics.HNN
	fit := func(r2 [2]float64) string { return fmt.Sprintf("%.4f, %.4f", r2[0], r2[1]) }
	rows := append(losses(baseline.Final, hnn.Final),
		[4]string{"energy MSE", withError(baseline.EnergyMSE, baseline.EnergyMSEError), withError(hnn.EnergyMSE, hnn.EnergyMSEError), ""},
		[4]string{"coordinate MSE", number(baseline.CoordinateMSE), number(hnn.CoordinateMSE), ""},
		[4]string{"reconstruction MSE", number(baseline.Reconstruction), number(hnn.Reconstruction), ""},
		[4]string{"R² of angle, velocity", fit(baseline.R2), fit(hnn.R2), ""},
		[4]string{"forward and back, RK45", number(baseline.RK45), number(hnn.RK45), ""},
		[4]string{"forward and back, symplectic", number(baseline.ImplicitMidpoint), number(hnn.ImplicitMidpoint), ""})
	return result{a.Metrics, append(rows, levels(a.Metrics.Change)...), paths}, err
}

func losses(baseline, hnn trainer.Final) [][4]string {
	return [][4]string{
		{"train loss", withError(baseline.Train, baseline.TrainError), withError(hnn.Train, hnn.TrainError), ""},
		{"test loss", withError(baseline.Test, baseline.TestError), withError(hnn.Test, hnn.TestError), ""},
	}
}

// levels are rows of the energies that were reached by adding and removing energy; m is nil where there were none.
func levels(m *analysis.EnergyMetrics) [][4]string {
	if m == nil {
		return nil
	}
	names := [2]string{"energy added", "energy removed"}
	if !m.Adds() {
		names[0], names[1] = names[1], names[0]
	}
	var rows [][4]string
	for i, name := range names {
		from, to := m.Levels[i], m.Levels[i+1]
		what, reached := fmt.Sprintf("%s: %.4f to %.4f", name, from.Requested, to.Requested), fmt.Sprintf("%.4f ± %.1e", to.Reached, to.Deviation)
		rows = append(rows, [4]string{what, "", reached, ""})
	}
	return rows
}

func withError(value, deviation float64) string { return fmt.Sprintf("%.4e ± %.1e", value, deviation) }

func number(value float64) string { return fmt.Sprintf("%.4e", value) }

// print writes the table and the files.
func (r result) print(w io.Writer, task string, paths []string) error {
	var table bytes.Buffer
	t := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	for _, row := range append([][4]string{{task, "baseline", "HNN", "truth"}}, r.rows...) {
		fmt.Fprintln(t, strings.TrimRight(strings.Join(row[:], "\t"), "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s\n%s\n", table.String(), strings.Join(paths, "\n"))
	return err
}

func help(w io.Writer, flags *pflag.FlagSet) error {
	fmt.Fprintf(w, `Holds the two trained models of a task against the truth, prints the paper's metrics and draws its figures.

  ./train -task 2body; ./train -task 2body -baseline
  ./analyze -task 2body
  ./analyze -data my.csv

Tasks: %s

Flags (one dash or two, - or _ between words):
%s
The folder gets, as PNG and SVG, TASK-integration (one trajectory by the truth, the baseline and the HNN: coordinates' error,
conserved quantity, energy), TASK-energy-drift and TASK-trials (all trials), TASK-reversibility (forward and back), TASK-add-energy
(along the gradient of the learned Hamiltonian to another energy and back, with TASK-add-energy.gif), and TASK-field and
TASK-hamiltonian (phase plane), TASK-orbits (trajectories and energies, with TASK.gif) or, for other systems of several degrees of
freedom, TASK-coordinates; for pixel, pixel-latent, pixel-hamiltonian, pixel-integration and pixel-filmstrip, with pixel.gif; and
TASK-metrics.json with every number. A system of your own has the name of its file; where no Hamiltonian is known, the energy is the
one that the HNN has learned.
`, strings.Join(command.TaskNames(), ", "), flags.FlagUsages())
	return nil
}
