package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"hnn/datasets"
	"hnn/internal/command"
	"hnn/trainer"
)

// notRecorded is this program without a CUDA graph.
const notRecorded = "without a graph"

// large names the task that repeats the rows of 2body to a batch of a hundred thousand.
const large = "2body100000"

// find returns the task of a name, large among them.
func find(name string) (datasets.Task, error) {
	if name != large {
		return datasets.Find(name)
	}
	return repeated(datasets.TwoBody, 100_000), nil
}

// repeated returns a task whose two sets repeat the task's rows up to a number of them. A batch is a whole set.
func repeated(task datasets.Task, rows int) datasets.Task {
	generate := task.Generate
	task.BatchSize = 0
	task.Generate = func(seed uint32) (datasets.Dataset, error) {
		data, err := generate(seed)
		if err != nil {
			return data, err
		}
		for _, set := range []*datasets.Samples{&data.Train, &data.Test} {
			count := rows/set.X.Rows() + 1
			for _, m := range []*datasets.Matrix{&set.X, &set.DX} {
				m.Values = slices.Repeat(m.Values, count)[:rows*m.Columns]
			}
		}
		return data, nil
	}
	return task
}

// onGPU checks training on a GPU, and times steps beside PyTorch's. Every program reads its losses after a hundred steps.
func onGPU(o options) error {
	failed := perform(checks(), programs{path: o.train, work: filepath.Join(o.work, "checks")})
	tasks := append(o.tasks, large)
	frameworks := []string{notRecorded, "cuda", "cuda-graph"}
	err := steps(o, "Training step and test loss on the GPU, in ms", tasks, frameworks, runtime.NumCPU(), 100)
	if err == nil {
		err = rounds(tasks)
	}
	return errors.Join(failed, err)
}

// rounds prints how many operations a step gives the GPU, and how long this program takes to give them. Each run has a process of its own, since CUDA
// must be loaded before anything else.
func rounds(tasks []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	fmt.Print("\nA step and its test loss on the GPU\n\n| task, model | operations | given in, µs | done in, µs |\n|---|---|---|---|\n")
	for _, task := range tasks {
		for _, model := range command.PublishedModels() {
			run := exec.Command(self, "-round", task+"-"+model, "-cuda")
			run.Stdout, run.Stderr = os.Stdout, os.Stderr
			if err := run.Run(); err != nil {
				return fmt.Errorf("%s: %w", strings.Join(run.Args, " "), err)
			}
		}
	}
	return nil
}

// measureRound prints a line of the table of rounds: the medians over the rounds of a run.
func measureRound(label string, cuda bool) error {
	const steps = 2000
	name, model, _ := strings.Cut(label, "-")
	task, err := find(name)
	if err != nil {
		return err
	}
	settings := trainer.DefaultSettings(task)
	settings.Model, settings.TestEvery, settings.TotalSteps = model, 1, steps-1
	var given, done []float64
	operations := 0
	observe := func(r trainer.Round) {
		each := func(d time.Duration) float64 { return d.Seconds() * 1e6 / float64(r.Steps) }
		given, done, operations = append(given, each(r.Given)), append(done, each(r.Done)), r.Nodes
	}
	t, err := trainer.New(task, settings, trainer.Execution{CUDA: cuda, Record: true, Observe: observe})
	if err != nil {
		return err
	}
	if err := t.Run(context.Background(), nil); err != nil {
		return err
	}
	fmt.Printf("| %s %s | %d | %.1f | %.1f |\n", name, model, operations, median(given), median(done))
	return nil
}
