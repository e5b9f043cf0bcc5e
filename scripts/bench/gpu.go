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
	"hnn/trainer"
)

// notRecorded is this program when it asks the GPU for a step piece by piece.
const notRecorded = "without a graph"

// large is the task 2body with its rows repeated to a hundred thousand, all of which are a batch.
const large = "2body100000"

// find is datasets.Find, with large.
func find(name string) (datasets.Task, error) {
	if name != large {
		return datasets.Find(name)
	}
	task := datasets.TwoBody
	task.BatchSize = 0
	task.Generate = func(seed uint32) (datasets.Dataset, error) {
		data, err := datasets.TwoBody.Generate(seed)
		for _, set := range []*datasets.Samples{&data.Train, &data.Test} {
			for i := 0; len(set.X) < 100_000; i++ {
				set.X, set.DX = append(set.X, set.X[i]), append(set.DX, set.DX[i])
			}
		}
		return data, err
	}
	return task, nil
}

// onGPU holds 2,000 steps of every run on the GPU against the processor's, and times steps beside PyTorch's. Losses are read after
// a hundred steps, by all.
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

// parity prints the relative differences between the losses of the two devices.
func parity(o options) error {
	const steps, compared, allowed = 2000, 200, 1e-2
	fmt.Printf("\n%d steps on the processor and on the GPU: the larger relative difference of the two losses\n\n| run | step 0 | step %d | step %d |\n|---|---|---|---|\n", steps, compared, steps)
	var apart []string
	for _, task := range datasets.Tasks() {
		for _, baseline := range []bool{false, true} {
			settings := trainer.DefaultSettings(task)
			settings.Baseline = baseline
			var losses [2][][]string
			for i, cuda := range []bool{false, true} {
				folder := filepath.Join(o.work, fmt.Sprintf("cuda-%t", cuda))
				arguments := []string{"-task", task.Name, "-quiet", "-total-steps", strconv.Itoa(steps), "-save-dir", folder,
					fmt.Sprintf("-baseline=%t", baseline), fmt.Sprintf("-cuda=%t", cuda)}
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
						values[i], _ = strconv.ParseFloat(losses[i][step+1][column], 64) // none where there was no evaluation
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
