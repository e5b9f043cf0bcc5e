package trainer

import (
	"fmt"
	"testing"

	"hnn/datasets"
)

// tape stands for a CUDA graph where there is no GPU: it keeps the work and does it when it is replayed.
type tape struct {
	work            func() error
	replayed, freed *int
}

func (r tape) Replay() error { *r.replayed++; return r.work() }
func (r tape) Free()         { *r.freed++ }

// A step is recorded after three that were not, the evaluation likewise, and all that a step depends on reaches its replay: a run with
// recordings ends as one without, bit for bit.
func TestRecordedStepsAreTheSame(t *testing.T) {
	for _, task := range []datasets.Task{datasets.Real, datasets.Pixel} {
		s := settings(task, 12)
		s.BatchSize, s.InputNoise, s.Autograd, s.TestEvery = 20, 0.1, true, 2
		plain := start(t, task, s)
		run(t, plain)

		recorded := start(t, task, s)
		recordings, replayed, freed := 0, 0, 0
		recorded.engine.(*autograd).record = func(work func() error) (recording, error) {
			recordings++
			return tape{work, &replayed, &freed}, nil
		}
		run(t, recorded)
		if recordings != 2 || replayed != 13-rehearsals+7-rehearsals || freed != 2 {
			t.Errorf("%s: %d recordings, %d replays, %d freed", task.Name, recordings, replayed, freed)
		}
		if got, want := fmt.Sprint(recorded.Losses), fmt.Sprint(plain.Losses); got != want {
			t.Errorf("%s: the losses are\n%s, want\n%s", task.Name, got, want)
		}
	}
}
