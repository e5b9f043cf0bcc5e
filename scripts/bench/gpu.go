package main

import (
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
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
		for _, set := range []*datasets.Samples{&data.Train, &data.Test} {
			var long datasets.Samples
			for i := range rows {
				j := i % len(set.X)
				long.X, long.DX = append(long.X, set.X[j]), append(long.DX, set.DX[j])
			}
			*set = long
		}
		return data, err
	}
	return task
}

// onGPU compares 2,000 steps of every run on the GPU with the processor's, and times steps beside PyTorch's. Every program reads its losses
// after a hundred steps.
func onGPU(o options) error {
	if err := parity(o); err != nil {
		return err
	}
	frameworks := []string{notRecorded, "cuda", "cuda-graph"}
	head("Training step and test loss on the GPU, in ms", "task, model", frameworks)
	for _, task := range append(o.tasks, large) {
		if err := stepsOf(o, task, frameworks, frameworks, runtime.NumCPU(), 100); err != nil {
			return err
		}
	}
	return nil
}

// parity prints the relative differences between the losses on the two devices. It returns an error if one is too large.
func parity(o options) error {
	const steps, compared, allowed = 2000, 200, 1e-2
	fmt.Printf("\n%d steps on the processor and on the GPU: the larger relative difference of the two losses\n\n| run | step 0 | step %d | step %d |\n|---|---|---|---|\n", steps, compared, steps)
	var apart []string
	for _, task := range datasets.Tasks() {
		for _, model := range command.PublishedModels() {
			settings := trainer.DefaultSettings(task)
			settings.Model = model
			var losses [2][][]string
			for i, cuda := range []bool{false, true} {
				folder := filepath.Join(o.work, fmt.Sprintf("cuda-%t", cuda))
				arguments := []string{"-task", task.Name, "-quiet", "-total-steps", strconv.Itoa(steps), "-save-dir", folder,
					"-model", model, fmt.Sprintf("-cuda=%t", cuda)}
				if output, err := exec.Command("./train", arguments...).CombinedOutput(); err != nil {
					return fmt.Errorf("./train %s: %w: %s", strings.Join(arguments, " "), err, output)
				}
				file, err := os.Open(settings.FilesIn(folder).Losses)
				if err != nil {
					return err
				}
				losses[i], err = csv.NewReader(file).ReadAll()
				_ = file.Close()
				if err != nil {
					return err
				}
			}
			difference := func(step int) float64 {
				worst := 0.0
				for column := 1; column <= 2; column++ {
					var values [2]float64
					for i := range values {
						values[i], _ = strconv.ParseFloat(losses[i][step+1][column], 64) // 0 if the step has no evaluation
					}
					if values[0] != values[1] {
						worst = max(worst, math.Abs(values[1]/values[0]-1))
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
