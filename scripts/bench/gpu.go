package main

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"

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

// onGPU compares 2,000 steps of every run on the GPU with the processor's, and times steps beside PyTorch's. Every program reads its losses
// after a hundred steps.
func onGPU(o options) error {
	if err := parity(); err != nil {
		return err
	}
	frameworks := []string{notRecorded, "cuda", "cuda-graph"}
	return steps(o, "Training step and test loss on the GPU, in ms", append(o.tasks, large), frameworks, runtime.NumCPU(), 100)
}

// parity prints the relative differences between the losses on the two devices. It returns an error if one is too large.
func parity() error {
	const steps, compared, allowed = 2000, 200, 1e-2
	fmt.Printf("\n%d steps on the processor and on the GPU: the larger relative difference of the two losses\n\n| run | step 0 | step %d | step %d |\n|---|---|---|---|\n", steps, compared, steps)
	var apart []string
	for _, task := range datasets.Tasks() {
		for _, model := range command.PublishedModels() {
			settings := trainer.DefaultSettings(task)
			settings.Model, settings.TotalSteps = model, steps
			var losses [2]trainer.Losses
			for i, cuda := range []bool{false, true} {
				t, err := trainer.New(task, settings, trainer.Execution{CUDA: cuda, Record: true})
				if err == nil {
					err = t.Run(context.Background(), nil)
				}
				if err != nil {
					return fmt.Errorf("%s: %w", settings.Label(), err)
				}
				losses[i] = t.Losses
			}
			difference := func(step int) (worst float64) {
				for _, pair := range [][2]float32{{losses[0].Train[step], losses[1].Train[step]}, {losses[0].Test[step], losses[1].Test[step]}} {
					if d := math.Abs(float64(pair[1])/float64(pair[0]) - 1); d > worst { // not if the step has no evaluation
						worst = d
					}
				}
				return worst
			}
			fmt.Printf("| %s | %.1e | %.1e | %.1e |\n", settings.Label(), difference(0), difference(compared), difference(steps))
			if !(difference(compared) <= allowed) {
				apart = append(apart, settings.Label())
			}
		}
	}
	if apart != nil {
		return fmt.Errorf("the losses of %s differ by more than %g at step %d", strings.Join(apart, ", "), allowed, compared)
	}
	return nil
}
