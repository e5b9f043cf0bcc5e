// Command analyze holds the two trained models of a task against the truth: it integrates their fields, prints what the paper's
// tables hold, and draws the paper's figures.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	"hnn/internal/libtorch"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		command.Exit("analyze", err)
	}
}

type options struct {
	task     string
	runs     string
	baseline string
	hnn      string
	out      string
	quiet    bool
}

func run(arguments []string, stdout, stderr io.Writer) error {
	var o options
	flags := command.Flags("analyze")
	flags.StringVar(&o.task, "task", "", "`name` of the system whose models are analyzed")
	flags.StringVar(&o.runs, "runs", "runs", "`folder` in which ./train left TASK-hnn.tar and TASK-baseline.tar")
	flags.StringVar(&o.hnn, "hnn", "", "checkpoint `file` of the HNN in place of that, ours or PyTorch's")
	flags.StringVar(&o.baseline, "baseline", "", "checkpoint `file` of the baseline in place of that, ours or PyTorch's")
	flags.StringVar(&o.out, "out", "results", "`folder` for the figures and the metrics")
	flags.BoolVar(&o.quiet, "quiet", false, "print nothing but errors")
	if err := command.Parse(flags, arguments); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return help(stdout, flags)
		}
		return err
	}
	task, err := command.Task(o.task)
	if err != nil {
		return err
	}
	if o.hnn == "" {
		o.hnn = filepath.Join(o.runs, task.Name+"-hnn.tar")
	}
	if o.baseline == "" {
		o.baseline = filepath.Join(o.runs, task.Name+"-baseline.tar")
	}
	for _, model := range []struct{ path, flags string }{{o.hnn, "-task " + task.Name}, {o.baseline, "-task " + task.Name + " -baseline"}} {
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
	if err := libtorch.Configure(1); err != nil {
		return err
	}
	spinner := command.Spinner(stderr, !o.quiet)
	defer spinner.Clear()
	a, err := analysis.Run(task, o.baseline, o.hnn, spinner.Say)
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
	return report(stdout, a.Metrics, append(paths, path))
}

// report prints the rows of the paper's table, and the files.
func report(w io.Writer, m analysis.Metrics, paths []string) error {
	var table bytes.Buffer
	t := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s\tbaseline\tHNN\ttruth\n", m.Task)
	for _, row := range []struct {
		name  string
		value func(analysis.ModelMetrics) string
		truth string
	}{
		{"train loss", func(m analysis.ModelMetrics) string { return fmt.Sprintf("%.4e ± %.1e", m.Train, m.TrainError) }, ""},
		{"test loss", func(m analysis.ModelMetrics) string { return fmt.Sprintf("%.4e ± %.1e", m.Test, m.TestError) }, ""},
		{"energy MSE", func(m analysis.ModelMetrics) string {
			return fmt.Sprintf("%.4e ± %.1e", m.EnergyMSE, m.EnergyMSEError)
		}, ""},
		{"coordinate MSE", func(m analysis.ModelMetrics) string { return fmt.Sprintf("%.4e", m.CoordinateMSE) }, ""},
		{"forward and back, RK45", func(m analysis.ModelMetrics) string { return fmt.Sprintf("%.1e", m.RK45) }, fmt.Sprintf("%.1e", m.Truth.RK45)},
		{"forward and back, symplectic", func(m analysis.ModelMetrics) string { return fmt.Sprintf("%.1e", m.ImplicitMidpoint) }, fmt.Sprintf("%.1e", m.Truth.ImplicitMidpoint)},
	} {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", row.name, row.value(m.Baseline), row.value(m.HNN), row.truth)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "%s\n%s\n", table.String(), strings.Join(paths, "\n"))
	return nil
}

func help(w io.Writer, flags *pflag.FlagSet) error {
	fmt.Fprintf(w, `Holds the two trained models of a task against the truth, prints the paper's metrics and draws its figures.

  ./train -task 2body; ./train -task 2body -baseline
  ./analyze -task 2body

Tasks: %s

Flags (one dash or two, - or _ between words):
%s
The folder gets, as PNG and SVG, TASK-integration (one trajectory by the truth, the baseline and the HNN: coordinates' error,
conserved quantity, energy), TASK-energy-drift (all trials), and TASK-field (phase plane) or TASK-orbits (trajectories and
energies, with TASK.gif); and TASK-metrics.json with every number.
`, strings.Join(command.TaskNames(), ", "), flags.FlagUsages())
	return nil
}
