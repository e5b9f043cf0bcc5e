package trainer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sugarme/gotch/ts"
	"golang.org/x/sync/errgroup"

	"hnn/datasets"
	"hnn/internal/libtorch"
)

// standIn stands for a GPU on a machine without one. Its graphs keep the work, and do it when they are replayed. It counts its calls, and fails at
// one.
type standIn struct {
	libtorch.Processor
	calls   map[string]int // how many, by name
	failing string         // the name of the call that fails; empty for none
	from    int            // its number, counted from 1
}

var errStandIn = errors.New("CUDA error: an illegal memory access was encountered")

// onStandIn makes a trainer compute on a stand-in.
func onStandIn(trainer *Trainer) *standIn {
	d := &standIn{calls: map[string]int{}}
	trainer.standIn, trainer.Execution.Record = d, true
	return d
}

// call does the work of a call that is not to fail. As with CUDA, every call after a failure fails too. Only a graph that cannot be recorded leaves
// the GPU as it was.
func (d *standIn) call(name string, work func() error) error {
	d.calls[name]++
	if d.failing != "" && d.calls[d.failing] >= d.from && (name == d.failing || d.failing != "record") {
		return fmt.Errorf("%s: %w", name, errStandIn)
	}
	return work()
}

func (d *standIn) Upload(to, from *ts.Tensor) error {
	return d.call("upload", func() error { return libtorch.Copy(to, from) })
}

func (d *standIn) Download(to, from *ts.Tensor) error {
	return d.call("download", func() error { return libtorch.Copy(to, from) })
}

func (d *standIn) Wait() error  { return d.call("wait", func() error { return nil }) }
func (d *standIn) Leave() error { return d.call("leave", func() error { return nil }) }

func (d *standIn) Record(work func() error) (libtorch.Graph, error) {
	if err := d.call("record", func() error { return nil }); err != nil {
		return nil, err
	}
	return tape{d, work}, nil
}

type tape struct {
	device *standIn
	work   func() error
}

func (r tape) Replay() error { return r.device.call("replay", r.work) }
func (r tape) Nodes() int    { return 1 }
func (r tape) Free()         { r.device.calls["free"]++ }

// The trainer makes three steps before it records one, and treats steps with an evaluation in the same way. Everything that a step depends on reaches
// its replay: a run with graphs ends as one without, bit for bit.
func TestRecordedStepsAreTheSame(t *testing.T) {
	for _, task := range []datasets.Task{datasets.Real, datasets.Pixel} {
		s := settings(task, 12)
		s.BatchSize, s.InputNoise, s.Autograd, s.TestEvery = 20, 0.1, true, 2
		plain := start(t, task, s)
		run(t, plain)

		recorded := start(t, task, s)
		device := onStandIn(recorded)
		var rounds []Round
		recorded.Execution.Observe = func(r Round) { rounds = append(rounds, r) }
		run(t, recorded)
		if len(rounds) != 1 || rounds[0].Steps != 13 || rounds[0].Nodes != 2 || rounds[0].Given > rounds[0].Done {
			t.Errorf("%s: the rounds were %+v, want one of 13 steps with two graphs", task.Name, rounds)
		}
		if c := device.calls; c["record"] != 2 || c["replay"] != 6-warmup+7-warmup || c["upload"] != 2*13 || c["free"] != 2 || c["leave"] != 1 {
			t.Errorf("%s: %v", task.Name, c)
		}
		if got, want := fmt.Sprint(recorded.Losses, recorded.state), fmt.Sprint(plain.Losses, plain.state); got != want {
			t.Errorf("%s: the losses and the state are\n%.300s, want\n%.300s", task.Name, got, want)
		}
	}
}

// Whatever fails on a GPU, and whenever, ends the run with the first cause on one line, and leaves what the last whole run left: the model, the
// optimizer's state, the losses and the random numbers. A later run goes on from there as if nothing had been.
func TestFailuresOfAGPULeaveWholeRounds(t *testing.T) {
	s := settings(datasets.Real, 2*gpuUnread+20)
	s.BatchSize, s.InputNoise, s.Autograd, s.HiddenDim = 20, 0.1, true, 20
	undisturbed := start(t, datasets.Real, s)
	run(t, undisturbed)

	content := func(trainer *Trainer) string {
		generator, err := trainer.sampler.generator.State()
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(trainer.Losses, trainer.Model.Parameters, trainer.state, generator)
	}
	want := content(undisturbed)
	for _, failing := range []struct {
		call string
		from int
	}{
		{"record", 1}, {"replay", 1}, {"replay", 110}, {"upload", 1}, {"upload", 230}, {"download", 3}, {"download", 115}, // of losses
		{"download", gpuUnread + 20}, {"download", gpuUnread + 20 + 2}, // of the parameters, in the midst
		{"wait", 1}, {"wait", 2}, {"wait", 3},
	} {
		trainer := start(t, datasets.Real, s)
		onStandIn(trainer)
		ctx, cancel := context.WithCancel(context.Background())
		err := trainer.Run(ctx, func(int, float32, float32) { cancel() })
		if !errors.Is(err, context.Canceled) || len(trainer.Losses.Train) != gpuUnread {
			t.Fatalf("an interruption in the first round gave %v and %d losses", err, len(trainer.Losses.Train))
		}
		before := content(trainer)
		device := onStandIn(trainer)
		device.failing, device.from = failing.call, failing.from
		err = trainer.Run(context.Background(), nil)
		if !errors.Is(err, errStandIn) || !strings.Contains(err.Error(), failing.call+": ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: got the error %v", failing, err)
		}
		if content(trainer) != before {
			t.Errorf("%v: the failed run left %d losses, or changed the state", failing, len(trainer.Losses.Train))
		}
		onStandIn(trainer)
		run(t, trainer)
		if content(trainer) != want {
			t.Errorf("%v: after the failure, the run ended otherwise", failing)
		}
	}
}

// pair is one of two processes that compute together, both in this program.
type pair struct {
	rank     int
	sums     [2]chan []float32 // by receiver
	contents chan []byte       // from rank 0 to rank 1
}

func (p pair) Rank() int      { return p.rank }
func (p pair) Size() int      { return 2 }
func (p pair) LocalSize() int { return 2 }
func (p pair) LocalRank() int { return p.rank }

func (p pair) Sum(values []float32) error {
	p.sums[1-p.rank] <- slices.Clone(values)
	for i, v := range <-p.sums[p.rank] {
		values[i] += v
	}
	return nil
}

func (p pair) Broadcast(content []byte) ([]byte, error) {
	if p.rank == 0 {
		p.contents <- content
		return content, nil
	}
	return <-p.contents, nil
}

// Two processes on GPUs add up their gradients through the processor. They end as two processes on processors do, bit for bit, and as one process
// does, except for rounding.
func TestGPUsOfSeveralProcesses(t *testing.T) {
	for _, task := range []datasets.Task{datasets.Real, datasets.Pixel} {
		s := settings(task, 5)
		s.BatchSize, s.InputNoise, s.Autograd, s.TestEvery = 21, 0.1, true, 2
		alone := start(t, task, s)
		run(t, alone)
		together := func(gpus bool) string {
			p := pair{sums: [2]chan []float32{make(chan []float32, 1), make(chan []float32, 1)}, contents: make(chan []byte, 1)}
			var trainers [2]*Trainer
			var running errgroup.Group
			for rank := range trainers {
				p.rank = rank
				trainer := start(t, task, s)
				trainers[rank], trainer.Execution.Group = trainer, p
				if gpus {
					device := onStandIn(trainer)
					defer func() {
						if c := device.calls; c["record"] != 0 || c["upload"] == 0 || c["download"] == 0 {
							t.Errorf("%s: %v", task.Name, c)
						}
					}()
				}
				running.Go(func() error { return trainer.Run(context.Background(), nil) })
			}
			if err := running.Wait(); err != nil {
				t.Fatal(err)
			}
			for step := range alone.Losses.Train {
				got, want := float64(trainers[0].Losses.Train[step]), float64(alone.Losses.Train[step])
				relative(t, fmt.Sprintf("%s: train loss at step %d", task.Name, step), got, want, 1e-6)
			}
			for i := range 2 {
				if fmt.Sprint(trainers[i].Losses, trainers[i].state) != fmt.Sprint(trainers[0].Losses, trainers[0].state) {
					t.Errorf("%s: the processes end apart", task.Name)
				}
			}
			return fmt.Sprint(trainers[0].Losses, trainers[0].state)
		}
		if together(true) != together(false) {
			t.Errorf("%s: two GPUs end as no two processors", task.Name)
		}
	}
}
