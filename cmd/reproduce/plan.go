package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/internal/schedule"
	"hnn/trainer"
)

// plan holds the commands to run.
type plan struct {
	jobs       []*schedule.Job
	works      map[*schedule.Job]work
	results    map[*schedule.Job]manifest // of the analyses
	processors int
	threads    int // of a training
}

// work describes a job to the progress bars.
type work struct {
	task     string
	expected time.Duration // a rough estimate
}

// newPlan lists the commands, the longest first, and marks those that an earlier call has finished.
func newPlan(o options) (*plan, error) {
	programs, err := os.Executable()
	if err != nil {
		return nil, err
	}
	programs = filepath.Dir(programs)
	p := &plan{works: map[*schedule.Job]work{}, results: map[*schedule.Job]manifest{}, processors: runtime.GOMAXPROCS(0)}
	if p.threads = max(1, p.processors/(len(o.models)*len(o.tasks)*len(o.seeds))); o.autograd {
		p.threads = 1 // the last digits depend on it
	}
	engine := []string{fmt.Sprintf("-cuda=%t", o.cuda), fmt.Sprintf("-autograd=%t", o.autograd)}
	var names []string
	for _, model := range o.models {
		names = append(names, model.Name)
	}
	for _, seed := range o.seeds {
		if err := os.MkdirAll(o.results(seed), 0o755); err != nil {
			return nil, err
		}
		for _, task := range o.tasks {
			analysis := p.add(o, seed, task.Name+"-analyze", 2, work{task.Name, 10 * time.Second})
			analysis.Program = []string{filepath.Join(programs, "analyze"), "-task", task.Name, "-models", strings.Join(names, ","), "-runs", o.runs(seed), "-out", o.results(seed)}
			analysis.Done = true
			results := manifest{folder: o.folder(seed), task: task.Name}
			for _, model := range o.models {
				settings := trainer.DefaultSettings(task)
				settings.Model, settings.Seed, settings.Autograd = model.Name, seed, o.autograd
				if o.quick {
					settings.TotalSteps /= 10
				}
				training := p.add(o, seed, settings.Label(), p.threads, work{task.Name, duration(task, model, settings)})
				training.Program = []string{filepath.Join(programs, "train"), "-verbose", "-threads", fmt.Sprint(p.threads), "-progress", schedule.ProgressFile}
				training.Program = append(training.Program, engine...)
				training.Program = append(training.Program, "-save-dir", o.runs(seed),
					"-task", task.Name, "-model", model.Name, "-seed", fmt.Sprint(seed), "-total-steps", fmt.Sprint(settings.TotalSteps))
				path := settings.Files(o.runs(seed)).Finished
				saved, err := settings.Find(o.runs(seed))
				if errors.Is(err, trainer.ErrOtherSettings) {
					return nil, fmt.Errorf("%w; choose another -out", err)
				}
				if saved.Steps > settings.TotalSteps+1 {
					return nil, fmt.Errorf("%s has made step %d, and would end at step %d here; choose another -out", path, saved.Steps-1, settings.TotalSteps)
				}
				if err == nil { // otherwise the file is damaged, and is made again
					training.Program = append(training.Program, "-resume")
				}
				training.Done = saved.Finished && saved.Steps == settings.TotalSteps+1
				analysis.After = append(analysis.After, training)
				analysis.Done = analysis.Done && training.Done
				results.runs = append(results.runs, filepath.Join("runs", filepath.Base(path)))
			}
			analysis.Done = analysis.Done && results.holds()
			p.results[analysis] = results
		}
	}
	slices.SortStableFunc(p.jobs, func(a, b *schedule.Job) int { return cmp.Compare(p.works[b].expected, p.works[a].expected) })
	return p, nil
}

func (p *plan) add(o options, seed uint32, label string, processors int, w work) *schedule.Job {
	j := &schedule.Job{Name: label, Processors: processors, Log: filepath.Join(o.folder(seed), label+".log")}
	if len(o.seeds) > 1 {
		j.Name += fmt.Sprintf(", seed %d", seed)
	}
	p.jobs, p.works[j] = append(p.jobs, j), w
	return j
}

// duration estimates the time of a run on one AVX-512 processor. It affects only the order of the commands and the displayed time left.
func duration(task datasets.Task, model hamiltonian.Model, s trainer.Settings) time.Duration {
	var row time.Duration
	for _, term := range model.Equation(hamiltonian.Config{Dimension: task.Dimension}).Terms {
		row += 7 * time.Microsecond
		if term.Matrix == nil {
			row -= 3 * time.Microsecond
		}
	}
	if task.ImageSide > 0 {
		row += 65 * time.Microsecond
	}
	return time.Duration(s.TotalSteps*cmp.Or(s.BatchSize, 1000)) * row
}

// record writes the manifests of the analyses that have ended well.
func (p *plan) record() error {
	for _, j := range p.jobs {
		if results, ok := p.results[j]; ok && j.Took > 0 && j.Err == nil {
			if err := results.write(); err != nil {
				return err
			}
		}
	}
	return nil
}
