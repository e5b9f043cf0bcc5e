package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/internal/command"
	"hnn/internal/kernels"
	"hnn/internal/libtorch"
	"hnn/trainer"
)

// answer does what peers.py does, by this program's trainer and field, on the GPU with or without a recording of the step.
func answer(label string, cuda, record bool) error {
	name, model, _ := strings.Cut(label, "-")
	task, err := find(name)
	if err != nil {
		return err
	}
	if err := command.Configure(cuda); err != nil {
		return err
	}
	settings := trainer.DefaultSettings(task)
	settings.Baseline, settings.TestEvery = model == "baseline", 1
	t, err := trainer.New(task, settings, trainer.Execution{Record: record})
	if err != nil {
		return err
	}
	defer t.Free()
	requests := bufio.NewScanner(os.Stdin)
	next := func() (what string, repetitions int, err error) {
		if !requests.Scan() {
			return "", 0, errors.Join(requests.Err(), io.EOF)
		}
		i := strings.LastIndexByte(requests.Text(), ' ')
		repetitions, err = strconv.Atoi(requests.Text()[i+1:])
		return requests.Text()[:i], repetitions, err
	}
	works := map[string]func() error{}
	for {
		what, repetitions, err := next()
		if what == "step" {
			err = answerSteps(t, repetitions, next)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if works[what] == nil {
			batch, release, err := field(task, what)
			if err != nil {
				return err
			}
			defer release()
			works[what] = batch
		}
		begin := time.Now()
		for range repetitions {
			if err := works[what](); err != nil {
				return err
			}
		}
		fmt.Println(time.Since(begin).Seconds())
	}
}

// answerSteps answers requests for steps in one run, to its end.
func answerSteps(t *trainer.Trainer, repetitions int, next func() (string, int, error)) (err error) {
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
	if err == nil {
		err = ended
	}
	return err
}

// field returns the work that "field B" names: the HNN's field at B states, as an integrator asks for it.
func field(task datasets.Task, what string) (work func() error, release func(), err error) {
	var batch int
	if _, err := fmt.Sscanf(what, "field %d", &batch); err != nil {
		return nil, nil, fmt.Errorf("the request %q is neither step nor field", what)
	}
	model, err := hamiltonian.New(hamiltonian.Config{Dimension: task.Dimension, Hidden: 200, Activation: "tanh"})
	if err != nil {
		return nil, nil, err
	}
	f, err := model.Field(0)
	if err != nil {
		return nil, nil, err
	}
	states, out := random(batch, task.Dimension), random(batch, task.Dimension)
	return func() error { return f(nil, states, out) }, model.Free, nil
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

// scale prints what a training step costs by the number of rows, and the part of it that six products of rows×200 by 200×200 would
// take at the rate of LibTorch's product of large matrices.
func scale() error {
	rate, err := productRate()
	if err != nil {
		return err
	}
	fmt.Printf("LibTorch's product of 2048×2048 matrices on all processors: %.0f GFLOP/s\n\n| rows | step, ms | per row, µs | of it six products |\n|---|---|---|---|\n", rate/1e9)
	for _, rows := range []int{100, 300, 1000, 3000, 10_000, 30_000, 100_000} {
		model, err := kernels.NewDynamics[float32](0, kernels.Dynamics{Inputs: 8, Hidden: 200, Activation: "tanh", Scalar: 1, Matrix: hamiltonian.CanonicalPermutation(8)})
		if err != nil {
			return err
		}
		flat := make([]float32, rows*8)
		for i := range flat {
			flat[i] = rand.Float32()
		}
		for layer, size := range [][2]int{{8, 200}, {200, 200}, {200, 2}} {
			weight := make([]float32, size[0]*size[1])
			for i := range weight {
				weight[i] = (rand.Float32() - 0.5) / 5
			}
			var bias []float32
			if layer < 2 {
				bias = make([]float32, size[1])
			}
			model.Load(kernels.Value, layer, weight, bias)
		}
		batch := kernels.Batch[float32]{X: flat, DX: flat, Count: rows}
		steps, begin := 0, time.Time{}
		for ; steps < 3 || time.Since(begin) < time.Second; steps++ {
			if steps == 2 { // after the memory is there
				begin = time.Now()
			}
			model.Step(batch, steps+1, 1e-3, 0)
		}
		step := time.Since(begin).Seconds() / float64(steps-2)
		products := 6 * 2 * float64(rows) * 200 * 200 / rate
		fmt.Printf("| %d | %.3f | %.2f | %.0f%% |\n", rows, step*1e3, step/float64(rows)*1e6, 100*products/step)
		model.Free()
	}
	return nil
}

// productRate is the number of floating-point operations a second of LibTorch's product of large matrices, the best of ten.
func productRate() (float64, error) {
	if err := libtorch.Configure(0); err != nil {
		return 0, err
	}
	const n = 2048
	var s libtorch.Scope
	defer s.Free()
	a := s.Slice(make([]float32, n*n), n)
	best := time.Hour
	for range 10 {
		begin := time.Now()
		s.Matmul(a, a)
		best = min(best, time.Since(begin))
	}
	return 2 * n * n * n / best.Seconds(), s.Err()
}
