// Command reproduce trains the models of every task, analyzes them, and writes a report that compares the tables and figures with the
// published numbers.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
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
	tasks       []datasets.Task
	models      []hamiltonian.Model
	seeds       command.Seeds
	quick, cuda bool
	out         string
}

func run(ctx context.Context, arguments []string, stdout, stderr io.Writer) error {
	o := options{seeds: command.Seeds{0}}
	flags := command.Flags("reproduce")
	tasks := flags.StringSlice("tasks", command.TaskNames(), "`names` of the tasks, separated by commas")
	models := flags.StringSlice("models", command.PublishedModels(), "`names` of the models, separated by commas: "+strings.Join(hamiltonian.Names(), ", "))
	flags.Var(&o.seeds, "seeds", "`numbers` that seed the random numbers, and ranges of them, such as 0,2,5-7; for several, the report gives means and standard errors")
	flags.BoolVar(&o.quick, "quick", false, "take a tenth of the steps")
	flags.StringVar(&o.out, "out", "reproduction", "`folder` for the runs, the figures and the report")
	command.CUDA(flags, &o.cuda)
	if err := command.Parse(flags, arguments); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return help(stdout, flags)
		}
		return err
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
	if o.cuda {
		if err := libtorch.LoadCUDA(); err != nil {
			return err
		}
	}
	return reproduce(ctx, o, stdout, stderr)
}

func reproduce(ctx context.Context, o options, stdout, stderr io.Writer) error {
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	unlock, err := files.Lock(filepath.Join(o.out, "reproduce.lock"))
	if err != nil {
		return fmt.Errorf("%s: %w", o.out, err)
	}
	defer unlock()
	p, err := newPlan(o)
	if err != nil {
		return err
	}
	progress := newProgress(stderr, p)
	runError := schedule.Run(ctx, p.jobs, p.processors)
	progress.Shutdown()
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

// recordTimes adds the seconds that the jobs took to a JSON file, and returns all seconds in it by the names of the jobs. It makes a damaged file
// again, without the times of earlier calls.
func recordTimes(path string, jobs []*schedule.Job) (map[string]float64, error) {
	times := map[string]float64{}
	content, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if json.Unmarshal(content, &times) != nil {
		times = map[string]float64{}
	}
	for _, j := range jobs {
		if j.Took > 0 && j.Err == nil {
			times[j.Name] = j.Took.Seconds()
		}
	}
	if content, err = json.MarshalIndent(times, "", "  "); err != nil {
		return nil, err
	}
	return times, files.Write(path, content)
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
	device := fmt.Sprintf("%d × %s, %s kernels", runtime.GOMAXPROCS(0), processorName(), kernels.InstructionSet())
	if o.cuda {
		device += ", and a GPU"
	}
	return [][2]string{
		{"settings", steps},
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
	fmt.Fprintf(w, `Trains the models of every task, analyzes them, and writes one report with the paper's tables and figures beside the published ones.

  ./reproduce                        everything, seed 0
  ./reproduce -quick                 a rough preview
  ./reproduce -tasks spring,2body -seeds 0,1,2
  ./reproduce -tasks real -models %s

Flags (one dash or two, - or _ between words):
%s
The folder gets index.html (a page that needs no other file), results.md and results.csv. For each seed it gets the runs of ./train, the
results of ./analyze, and the output of both in .log files. A command that an earlier call has finished does not run again; an interrupted
training continues. If a command fails, the report says why, and the other commands run.
`, strings.Join(hamiltonian.Names(), ","), flags.FlagUsages())
	return nil
}
