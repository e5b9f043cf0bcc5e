package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"hnn/datasets"
	"hnn/internal/schedule"
	"hnn/trainer"
)

// plan is the commands to run.
type plan struct {
	jobs       []*schedule.Job
	works      map[*schedule.Job]work
	processors int
	threads    int // of a training
}

// work is what a command has to do.
type work struct {
	task     string
	expected time.Duration // roughly, for the time left
	steps    int           // of a training after its first
}

// newPlan lists the commands, the longest first, and finds out which of them an earlier run has done.
func newPlan(o options) (*plan, error) {
	programs, err := os.Executable()
	if err != nil {
		return nil, err
	}
	programs = filepath.Dir(programs)
	p := &plan{works: map[*schedule.Job]work{}, processors: runtime.NumCPU()}
	p.threads = max(1, p.processors/(2*len(o.tasks)*len(o.seeds)))
	for _, seed := range o.seeds {
		for _, folder := range []string{o.runs(seed), o.results(seed)} {
			if err := os.MkdirAll(folder, 0o755); err != nil {
				return nil, err
			}
		}
		for _, task := range o.tasks {
			analysis := p.add(o, seed, "analyze", 2, work{task: task.Name, expected: 10 * time.Second})
			analysis.Program = []string{filepath.Join(programs, "analyze"), "-task", task.Name, "-runs", o.runs(seed), "-out", o.results(seed), fmt.Sprintf("-cuda=%t", o.cuda)}
			analysis.Done = true
			for _, baseline := range []bool{false, true} {
				settings := trainer.DefaultSettings(task)
				settings.Baseline, settings.Seed = baseline, seed
				if o.quick {
					settings.TotalSteps /= 10
				}
				training := p.add(o, seed, settings.Label(), p.threads, work{task.Name, duration(task, settings), settings.TotalSteps})
				training.Program = append([]string{filepath.Join(programs, "train"), "-verbose", fmt.Sprintf("-cuda=%t", o.cuda), "-threads", fmt.Sprint(p.threads), "-save-dir", o.runs(seed)}, flags(settings)...)
				files := settings.FilesIn(o.runs(seed))
				if _, err := os.Stat(files.Resume); err == nil {
					training.Program = append(training.Program, "-resume")
				}
				training.Done = trainer.Finished(settings, o.runs(seed))
				analysis.After = append(analysis.After, training)
				analysis.Done = analysis.Done && training.Done && newer(filepath.Join(o.results(seed), task.Name+"-metrics.json"), files.Checkpoint)
			}
		}
	}
	slices.SortStableFunc(p.jobs, func(a, b *schedule.Job) int { return cmp.Compare(p.works[b].expected, p.works[a].expected) })
	return p, nil
}

func (p *plan) add(o options, seed uint32, what string, processors int, w work) *schedule.Job {
	name := what
	if what == "analyze" {
		name = w.task + ": " + what
	}
	if len(o.seeds) > 1 {
		name += fmt.Sprintf(", seed %d", seed)
	}
	j := &schedule.Job{Name: name, Processors: processors, Log: filepath.Join(o.folder(seed), w.task+"-"+what+".log")}
	p.jobs, p.works[j] = append(p.jobs, j), w
	return j
}

// flags are those that differ from the task's defaults.
func flags(s trainer.Settings) []string {
	list := []string{"-task", s.Task, "-seed", fmt.Sprint(s.Seed), "-total-steps", fmt.Sprint(s.TotalSteps)}
	if s.Baseline {
		list = append(list, "-baseline")
	}
	return list
}

// duration is about what a run takes on one processor with vectors of 16 numbers; it only orders the commands and tells the time
// left.
func duration(task datasets.Task, s trainer.Settings) time.Duration {
	rows := s.BatchSize
	if rows == 0 {
		rows = 1000
	}
	row := 7 * time.Microsecond
	if s.Baseline {
		row = 4 * time.Microsecond
	}
	if task.Pictures != nil {
		row = 70 * time.Microsecond
	}
	return time.Duration(s.TotalSteps*rows) * row
}

// newer tells whether a file is there and was written after another.
func newer(path, than string) bool {
	a, err := os.Stat(path)
	if err != nil {
		return false
	}
	b, err := os.Stat(than)
	return err == nil && a.ModTime().After(b.ModTime())
}
