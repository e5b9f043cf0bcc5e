package trainer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"hnn/datasets"
)

// tape stands for a CUDA graph on a machine without a GPU: it keeps the work, and replaying does it.
type tape struct {
	work            func() error
	replayed, freed *int
}

func (r tape) Replay() error { *r.replayed++; return r.work() }
func (r tape) Free() error   { *r.freed++; return nil }

// A step is recorded after three steps that are not, and so is an evaluation. Everything that a step depends on reaches its replay: a run with
// graphs ends as one without, bit for bit.
func TestRecordedStepsAreTheSame(t *testing.T) {
	for _, task := range []datasets.Task{datasets.Real, datasets.Pixel} {
		s := settings(task, 12)
		s.BatchSize, s.InputNoise, s.Autograd, s.TestEvery = 20, 0.1, true, 2
		plain := start(t, task, s)
		run(t, plain)

		recorded := start(t, task, s)
		recordings, replayed, freed := 0, 0, 0
		recorded.record = func(work func() error) (graph, error) {
			recordings++
			return tape{work, &replayed, &freed}, nil
		}
		run(t, recorded)
		if recordings != 2 || replayed != 13-warmup+7-warmup || freed != 2 {
			t.Errorf("%s: %d recordings, %d replays, %d freed", task.Name, recordings, replayed, freed)
		}
		if got, want := fmt.Sprint(recorded.Losses), fmt.Sprint(plain.Losses); got != want {
			t.Errorf("%s: the losses are\n%s, want\n%s", task.Name, got, want)
		}
	}
}

// A graph that cannot be recorded, or replayed, ends the run with the cause, and leaves the model as it was.
func TestFailingGraphsEndTheRun(t *testing.T) {
	failure := errors.New("out of memory")
	for name, record := range map[string]func(work func() error) (graph, error){
		"record": func(func() error) (graph, error) { return nil, failure },
		"replay": func(func() error) (graph, error) {
			return tape{func() error { return failure }, new(int), new(int)}, nil
		},
	} {
		s := settings(datasets.Real, 12)
		s.Autograd = true
		trainer := start(t, datasets.Real, s)
		before := fmt.Sprint(trainer.Model.Parameters)
		trainer.record = record
		err := trainer.Run(context.Background(), nil)
		if !errors.Is(err, failure) || !strings.Contains(err.Error(), "step 3") {
			t.Errorf("%s: got the error %v", name, err)
		}
		if len(trainer.Losses.Train) != 0 || fmt.Sprint(trainer.Model.Parameters) != before {
			t.Errorf("%s: the failed run left %d losses, or changed the model", name, len(trainer.Losses.Train))
		}
	}
}
