// Command reproduce trains both models of every task, analyses them, and reports the paper's tables and figures beside the published
// ones.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/renameio/v2"
	"github.com/spf13/pflag"

	"hnn/datasets"
	"hnn/internal/command"
	"hnn/internal/kernels"
	"hnn/internal/libtorch"
	"hnn/internal/schedule"
	"hnn/report"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		command.Exit("reproduce", err)
	}
}

type options struct {
	tasks []datasets.Task
	seeds []uint32
	quick bool
	cuda  bool
	out   string
}

func run(ctx context.Context, arguments []string, stdout, stderr io.Writer) error {
	var o options
	flags := command.Flags("reproduce")
	names := flags.StringSlice("tasks", command.TaskNames(), "`names` of the tasks")
	seeds := flags.StringSlice("seeds", []string{"0"}, "`numbers` of the random draws; of several, the report gives means and standard errors")
	flags.BoolVar(&o.quick, "quick", false, "a tenth of the steps, for a taste")
	flags.StringVar(&o.out, "out", "reproduction", "`folder` of the runs, the figures and the report")
	command.CUDA(flags, &o.cuda)
	if err := command.Parse(flags, arguments); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return help(stdout, flags)
		}
		return err
	}
	for _, name := range *names {
		task, err := command.Task(name, "")
		if err != nil {
			return err
		}
		o.tasks = append(o.tasks, task)
	}
	for _, text := range *seeds {
		seed, err := strconv.ParseUint(text, 10, 32)
		if err != nil || slices.Contains(o.seeds, uint32(seed)) {
			return fmt.Errorf("-seeds has %q; each must be a number from 0 to %d, and stand there once", text, uint32(1<<32-1))
		}
		o.seeds = append(o.seeds, uint32(seed))
	}
	if len(o.tasks) == 0 || len(o.seeds) == 0 {
		return fmt.Errorf("-tasks and -seeds must name at least one each")
	}
	if err := command.Configure(o.cuda); err != nil {
		return err
	}
	return reproduce(ctx, o, stdout, stderr)
}

func reproduce(ctx context.Context, o options, stdout, stderr io.Writer) error {
	p, err := newPlan(o)
	if err != nil {
		return err
	}
	progress := newProgress(stderr, p)
	runError := schedule.Run(ctx, p.jobs, p.processors)
	progress.wait()
	times, err := recordTimes(filepath.Join(o.out, "times.json"), p.jobs)
	if err != nil {
		return err
	}

	r := report.Report{Tasks: o.tasks, Seeds: o.seeds, Folder: o.results, Facts: o.facts(p)}
	for _, j := range p.jobs {
		if j.Err != nil && !errors.Is(j.Err, context.Canceled) {
			r.Failures = append(r.Failures, report.Failure{Name: j.Name, Reason: j.Err.Error()})
		}
		if took, ok := times[j.Name]; ok {
			r.Times = append(r.Times, report.Time{Name: j.Name, Took: time.Duration(took * float64(time.Second))})
		}
	}
	if runError != nil {
		fmt.Fprintf(stderr, "reproduce: interrupted; the same command goes on from %s\n", o.out)
		return runError
	}
	paths, err := r.Write(o.out)
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, strings.Join(paths, "\n"))
	if n := len(r.Failures); n > 0 {
		return fmt.Errorf("%d of %d commands failed; the report and %s say why", n, len(p.jobs), filepath.Join(o.out, "seed-*", "*.log"))
	}
	return nil
}

// recordTimes adds the seconds that the jobs took to a file of such, and returns what that holds then.
func recordTimes(path string, jobs []*schedule.Job) (map[string]float64, error) {
	times := map[string]float64{}
	content, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(content, &times)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w; it can be deleted", path, err)
	}
	for _, j := range jobs {
		if j.Took > 0 && j.Err == nil {
			times[j.Name] = j.Took.Seconds()
		}
	}
	if content, err = json.MarshalIndent(times, "", "  "); err != nil {
		return nil, err
	}
	return times, renameio.WriteFile(path, content, 0o644)
}

func (o options) folder(seed uint32) string {
	return filepath.Join(o.out, fmt.Sprintf("seed-%d", seed))
}
func (o options) runs(seed uint32) string    { return filepath.Join(o.folder(seed), "runs") }
func (o options) results(seed uint32) string { return filepath.Join(o.folder(seed), "results") }

func (o options) facts(p *plan) [][2]string {
	steps := "the published settings"
	if o.quick {
		steps = "the published settings, but a tenth of the steps"
	}
	device := fmt.Sprintf("%d × %s, %s kernels", runtime.NumCPU(), processorName(), kernels.InstructionSet())
	if o.cuda {
		device += ", and a GPU"
	}
	return [][2]string{
		{"settings", steps},
		{"side by side", fmt.Sprintf("commands that keep %d processors busy, trainings %d each", p.processors, p.threads)},
		{"processors", device},
		{"LibTorch", libtorch.Version()},
		{"Go", runtime.Version()},
	}
}

// processorName is what Linux calls the processor.
func processorName() string {
	content, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for _, line := range strings.Split(string(content), "\n") {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				return strings.TrimSpace(value)
			}
		}
	}
	return runtime.GOARCH
}

func help(w io.Writer, flags *pflag.FlagSet) error {
	fmt.Fprintf(w, `Trains both models of every task, analyses them, and writes one report with the paper's tables and figures beside the published ones.

  ./reproduce                        everything, seed 0
  ./reproduce -quick                 a taste
  ./reproduce -tasks spring,2body -seeds 0,1,2

Flags (one dash or two, - or _ between words):
%s
The folder gets index.html (a page that needs no other file), results.md and results.csv, and for each seed the runs of ./train and
the results of ./analyze, with what each has printed in .log files. What is there already, finished or interrupted, is not done again.
A command that fails is in the report; the others go on.
`, flags.FlagUsages())
	return nil
}
