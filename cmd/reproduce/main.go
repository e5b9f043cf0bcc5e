// Command reproduce trains the models of every task, analyzes them, and writes a report that compares the tables and figures with the
// published numbers.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/internal/command"
	"hnn/internal/files"
	"hnn/internal/kernels"
	"hnn/internal/libtorch"
	"hnn/internal/schedule"
	"hnn/report"
)

func main() { command.Main("reproduce", run) }

type options struct {
	tasks    []datasets.Task
	models   []hamiltonian.Model
	seeds    command.Seeds
	quick    bool
	autograd bool
	cuda     bool
	out      string
	shard    shard
}

func run(ctx context.Context, arguments []string, stdout, stderr io.Writer) error {
	o := options{seeds: command.Seeds{0}}
	flags := command.Flags("reproduce")
	tasks := flags.StringSlice("tasks", command.TaskNames(), "`names` of the tasks, separated by commas")
	models := flags.StringSlice("models", command.PublishedModels(), "`names` of the models, separated by commas: "+strings.Join(hamiltonian.Names(), ", "))
	flags.Var(&o.seeds, "seeds",
		"`numbers` that seed the random numbers, and ranges of them, such as 0,2,5-7; for several, the report gives means and standard deviations")
	flags.BoolVar(&o.quick, "quick", false, "take a tenth of the steps")
	flags.BoolVar(&o.autograd, "autograd", false,
		"compute gradients by LibTorch's automatic differentiation: slower, but the losses equal the published code's")
	flags.StringVar(&o.out, "out", "reproduction", "`folder` for the runs, the figures and the report")
	flags.Var(&o.shard, "shard", "`i/n` does the i-th of n parts of the trainings; the call that finds all trainings done writes the report (default: all, or the part of the index of a Slurm job array)")
	command.CUDA(flags, &o.cuda)
	if err := command.Parse(flags, arguments); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return help(stdout, flags)
		}
		return err
	}
	for _, list := range [][]string{*tasks, *models} {
		for i, name := range list {
			if slices.Contains(list[:i], name) {
				return fmt.Errorf("%q is given twice", name)
			}
		}
	}
	for _, name := range *tasks {
		task, err := datasets.Find(name)
		if err != nil {
			return err
		}
		o.tasks = append(o.tasks, task)
	}
	for _, name := range *models {
		model, err := hamiltonian.Find(name)
		if err != nil {
			return err
		}
		o.models = append(o.models, model)
	}
	if !flags.Changed("shard") {
		var err error
		if o.shard, err = ofSlurm(); err != nil {
			return err
		}
	}
	if o.cuda {
		if err := libtorch.LoadCUDA(0); err != nil {
			return err
		}
	}
	return reproduce(ctx, o, stdout, stderr)
}

func reproduce(ctx context.Context, o options, stdout, stderr io.Writer) error {
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	unlock, err := files.Lock(filepath.Join(o.out, o.shard.name("reproduce", ".lock")))
	if err != nil {
		return fmt.Errorf("%s: %w", o.out, err)
	}
	defer unlock()
	var p *plan // the last one says what is done by any shard
	var ended []*schedule.Job
	var runError error
	for runError == nil {
		if p, err = newPlan(o); err != nil {
			return err
		}
		jobs := p.part(o.shard, ended)
		if len(jobs) == 0 {
			break
		}
		progress := newProgress(stderr, p, jobs)
		runError = schedule.Run(ctx, jobs, p.processors)
		progress.Shutdown()
		if err := p.record(); err != nil {
			return err
		}
		ended = append(ended, jobs...)
	}
	times, err := recordTimes(o.out, o.shard, ended)
	if err != nil {
		return err
	}
	if left := p.left(ended); runError == nil && left > 0 {
		fmt.Fprintf(stdout, "%d of %d commands are left to other shards; the last one to end writes the report, and so does ./reproduce without -shard\n", left, len(p.jobs))
		return nil
	}

	r := report.Report{Tasks: o.tasks, Seeds: o.seeds, Folder: o.results, Facts: o.facts(p)}
	for _, j := range ended {
		if j.Err != nil && !errors.Is(j.Err, context.Canceled) {
			r.Failures = append(r.Failures, report.Failure{Name: j.Name, Reason: j.Err.Error()})
		}
	}
	for _, j := range p.jobs {
		if took, ok := times[j.Name]; ok {
			r.Times = append(r.Times, report.Time{Name: j.Name, Took: time.Duration(took * float64(time.Second))})
		}
	}
	if runError != nil {
		fmt.Fprintf(stderr, "reproduce: interrupted; the same command continues from %s\n", o.out)
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

// recordTimes adds the seconds that the jobs took to the shard's JSON file, and returns those of all shards by the names of the jobs. A damaged file
// counts as empty, and is made again.
func recordTimes(folder string, s shard, jobs []*schedule.Job) (map[string]float64, error) {
	mine := filepath.Join(folder, s.name("times", ".json"))
	paths, err := filepath.Glob(filepath.Join(folder, "times*.json"))
	if err != nil {
		return nil, err
	}
	times, all := map[string]float64{}, map[string]float64{}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var read map[string]float64
		if json.Unmarshal(content, &read) == nil {
			maps.Copy(all, read)
			if path == mine {
				times = read
			}
		}
	}
	for _, j := range jobs {
		if j.Took > 0 && j.Err == nil {
			times[j.Name] = j.Took.Seconds()
		}
	}
	maps.Copy(all, times)
	content, err := json.MarshalIndent(times, "", "  ")
	if err != nil {
		return nil, err
	}
	return all, files.Write(mine, content)
}

func (o options) folder(seed uint32) string {
	return filepath.Join(o.out, fmt.Sprintf("seed-%d", seed))
}
func (o options) runs(seed uint32) string    { return filepath.Join(o.folder(seed), "runs") }
func (o options) results(seed uint32) string { return filepath.Join(o.folder(seed), "results") }

func (o options) facts(p *plan) [][2]string {
	steps := "the published settings"
	if o.quick {
		steps = "the published settings with a tenth of the steps"
	}
	gradients := "in closed form"
	if o.autograd || o.cuda {
		gradients = "by automatic differentiation"
	}
	device := fmt.Sprintf("%d × %s, %s kernels", runtime.GOMAXPROCS(0), processorName(), kernels.InstructionSet())
	if o.cuda {
		device += ", and a GPU"
	}
	return [][2]string{
		{"settings", steps},
		{"gradients", gradients},
		{"processors", device},
		{"threads", fmt.Sprintf("%d for each training, %d for all commands that run side by side", p.threads, p.processors)},
		{"LibTorch", libtorch.Version()},
		{"Go", runtime.Version()},
	}
}

// processorName returns the processor's name from Linux, or its architecture.
func processorName() string {
	content, _ := os.ReadFile("/proc/cpuinfo")
	if name := regexp.MustCompile(`(?m)^model name\s*: *(.*)$`).FindSubmatch(content); name != nil {
		return string(name[1])
	}
	return runtime.GOARCH
}

func help(w io.Writer, flags *pflag.FlagSet) error {
	_, err := fmt.Fprintf(w, `Trains the models of every task, analyzes them, and writes one report with the paper's tables and figures beside the published ones.

  ./reproduce                        everything, seed 0
  ./reproduce -quick                 a rough preview
  ./reproduce -autograd -seeds 0-4   the published code's numbers
  ./reproduce -tasks spring,2body -seeds 0,1,2
  ./reproduce -tasks real -models %s

Flags (one dash or two, - or _ between words):
%s
The folder gets index.html (a page that needs no other file), results.md and results.csv. For each seed it gets the runs of ./train, the
results of ./analyze, and the output of both in .log files. A command that an earlier call has finished does not run again; an interrupted
training continues. If a command fails, the report says why, and the other commands run. Several machines can share the work and the folder:
./reproduce -shard 1/4, and so on to 4/4.
`, strings.Join(hamiltonian.Names(), ","), flags.FlagUsages())
	return err
}
