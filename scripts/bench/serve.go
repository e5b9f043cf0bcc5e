package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/internal/libtorch"
	"hnn/trainer"
)

// answer answers the requests of peers.py with this program's trainer and field.
func answer(label string, cuda, record bool) error {
	name, model, _ := strings.Cut(label, "-")
	if loss, ok := observations[name]; ok {
		return loss.answer(model)
	}
	task, err := find(name)
	if err != nil {
		return err
	}
	settings := trainer.DefaultSettings(task)
	settings.Model, settings.TestEvery = model, 1
	t, err := trainer.New(task, settings, trainer.Execution{CUDA: cuda, Record: record})
	if err != nil {
		return err
	}
	in := bufio.NewReader(os.Stdin)
	next := func() (states, repetitions int, err error) { // a request is "step REPETITIONS" or "field STATES REPETITIONS"
		var what string
		if _, err = fmt.Fscan(in, &what); err == nil && what == "field" {
			_, err = fmt.Fscan(in, &states)
		} else if err == nil && what != "step" {
			err = fmt.Errorf("the request is %q; it must be step or field", what)
		}
		if err == nil {
			_, err = fmt.Fscan(in, &repetitions)
		}
		return states, repetitions, err
	}
	for err == nil {
		var states, repetitions int
		if states, repetitions, err = next(); err == nil && states == 0 {
			err = answerSteps(t, repetitions, next)
		} else if err == nil {
			err = answerField(t.Model.Dynamics(), states, repetitions)
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// answerSteps answers this request and all later ones for steps from one run.
func answerSteps(t *trainer.Trainer, repetitions int, next func() (int, int, error)) (err error) {
	t.Settings.TotalSteps = 1_000_000
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	begin := time.Now()
	ended := t.Run(ctx, func(int, float32, float32) {
		repetitions--
		if repetitions > 0 {
			return
		}
		fmt.Println(time.Since(begin).Seconds())
		if _, repetitions, err = next(); err != nil {
			stop()
		}
		begin = time.Now()
	})
	return cmp.Or(err, ended)
}

// answerField evaluates dx/dt at many states, as an integrator asks for it. The first evaluation is not timed.
func answerField(dynamics hamiltonian.Dynamics, states, repetitions int) error {
	evaluator, err := dynamics.Evaluator(0)
	if err != nil {
		return err
	}
	defer evaluator.Close()
	n := dynamics.Equation.Dimension()
	x, out := random(states, n), random(states, n)
	var begin time.Time
	for i := range repetitions + 1 {
		if i == 1 {
			begin = time.Now()
		}
		if err := evaluator.Field(nil, x, out); err != nil {
			return err
		}
	}
	fmt.Println(time.Since(begin).Seconds())
	return nil
}

func random(rows, columns int) [][]float64 {
	generator := rand.New(rand.NewPCG(1, 2))
	m := make([][]float64, rows)
	for i := range m {
		m[i] = make([]float64, columns)
		for j := range m[i] {
			m[i][j] = generator.NormFloat64()
		}
	}
	return m
}

// scale prints the time of a training step against the number of rows. Six products of rows×200 and 200×200 matrices, at the rate of
// LibTorch's product of large matrices, take the printed part of it.
func scale() error {
	rate, err := productRate()
	if err != nil {
		return err
	}
	fmt.Printf("LibTorch's product of 2048×2048 matrices on all processors: %.0f GFLOP/s\n\n| rows | step, ms | per row, µs | six products |\n|---|---|---|---|\n", rate/1e9)
	for _, rows := range []int{100, 300, 1000, 3000, 10_000, 30_000, 100_000} {
		task := repeated(datasets.TwoBody, rows)
		settings := trainer.DefaultSettings(task)
		settings.TotalSteps, settings.TestEvery = 1_000_000, 1_000_001 // an evaluation at step 0 only
		t, err := trainer.New(task, settings, trainer.Execution{})
		if err != nil {
			return err
		}
		const warmup = 2
		ctx, stop := context.WithCancel(context.Background())
		var begin time.Time
		var step float64
		err = t.Run(ctx, func(n int, _, _ float32) {
			if n == warmup {
				begin = time.Now()
			} else if taken := time.Since(begin); n > warmup && taken > time.Second {
				step = taken.Seconds() / float64(n-warmup)
				stop()
			}
		})
		if stop(); !errors.Is(err, context.Canceled) {
			return err
		}
		products := 6 * 2 * float64(rows) * 200 * 200 / rate
		fmt.Printf("| %d | %.3f | %.2f | %.0f%% |\n", rows, step*1e3, step/float64(rows)*1e6, 100*products/step)
	}
	return nil
}

// productRate returns the floating-point operations per second of LibTorch's product of large matrices, the best of ten.
func productRate() (float64, error) {
	if err := libtorch.Configure(0); err != nil {
		return 0, err
	}
	const n = 2048
	var s libtorch.Scope
	defer s.Free()
	a := s.Matrix(make([]float32, n*n), n)
	best := time.Hour
	for range 10 {
		begin := time.Now()
		s.Matmul(a, a)
		best = min(best, time.Since(begin))
	}
	return 2 * n * n * n / best.Seconds(), s.Err()
}
