// Command bench times training steps, learned fields and whole runs of this program and of its peers, PyTorch, JAX and diffrax, in turns.
// It prints tables of the medians. `make bench` installs the peers and runs it.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"gonum.org/v1/gonum/floats"

	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/internal/command"
	"hnn/internal/kernels"
)

func main() {
	if err := run(); err != nil {
		command.Exit("bench", err)
	}
}

type options struct {
	python      string
	repetitions int
	seconds     float64
	tasks       []string
	observed    []string
	whole       []string
	work        string
	train       string
	cuda        bool
}

func run() error {
	o := options{}
	flags := command.Flags("bench")
	flags.StringVar(&o.python, "python", ".bench/bin/python", "`path` of a Python with the peers' packages")
	flags.IntVar(&o.repetitions, "repetitions", 5, "turns of each program")
	flags.Float64Var(&o.seconds, "seconds", 0.7, "seconds of a turn")
	flags.StringSliceVar(&o.tasks, "tasks", []string{"spring", "pend", "2body", "3body", "pixel"}, "`names` of the tasks whose steps are timed")
	flags.StringSliceVar(&o.observed, "observed", []string{"mirk4", "windows2", "windows4"}, "`names` of the losses on observed steps that are timed")
	flags.StringSliceVar(&o.whole, "whole", []string{"spring", "2body", "3body", "pixel"}, "`names` of the tasks whose whole runs are timed")
	flags.StringVar(&o.train, "train", "./train", "`path` of the program whose whole runs are timed and, with -cuda, checked")
	serve := flags.String("serve", "", "answer requests as peers.py does, for `TASK-MODEL`")
	record := flags.Bool("cuda-graph", true, "with -serve and -cuda, replay a CUDA graph of the step")
	flags.BoolVar(&o.cuda, "cuda", false, "check and time training on a GPU")
	round := flags.String("round", "", "print what a step of `TASK-MODEL` gives the device to do, and how long that takes")
	scaling := flags.Bool("scaling", false, "print the time of a step against the size of the batch")
	if err := command.Parse(flags, os.Args[1:]); err != nil {
		return err
	}
	if *serve != "" {
		return answer(*serve, o.cuda, *record)
	}
	if *round != "" {
		return measureRound(*round, o.cuda)
	}
	if *scaling {
		return scale()
	}
	var err error
	if o.work, err = os.MkdirTemp("", "hnn-bench"); err != nil {
		return err
	}
	defer os.RemoveAll(o.work)
	if o.python, err = filepath.Abs(o.python); err != nil {
		return err
	}
	if _, err := os.Stat(o.python); err != nil {
		return fmt.Errorf("there is no %s; `make bench` installs the peers", o.python)
	}
	fmt.Printf("%d processors, %s kernels. Medians of %d turns of about %g s; [minimum–maximum]; **the peer's time over this program's in the same turn**.\n", runtime.NumCPU(), kernels.InstructionSet(), o.repetitions, o.seconds)
	if o.cuda {
		return onGPU(o)
	}
	for _, processors := range slices.Compact([]int{1, runtime.NumCPU()}) {
		title := fmt.Sprintf("Training step and test loss on %d of the processors, in ms", processors)
		if err := steps(o, title, o.tasks, []string{"torch", "compile", "jax"}, processors, 1); err != nil {
			return err
		}
	}
	for _, processors := range slices.Compact([]int{1, runtime.NumCPU()}) {
		if err := observedSteps(o, processors); err != nil {
			return err
		}
	}
	if err := fields(o); err != nil {
		return err
	}
	return wholes(o)
}

// peer is a process that answers requests for work.
type peer struct {
	name     string
	process  *exec.Cmd
	requests io.WriteCloser
	answers  *bufio.Scanner
	errors   bytes.Buffer
}

// start starts this program or a framework to train a task's model on the first of the processors.
func start(o options, name, task, model string, processors int) (*peer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	program := []string{o.python, "scripts/bench/peers.py", name, task, model, o.work}
	switch name {
	case us:
		program = []string{self, "-serve", task + "-" + model, fmt.Sprintf("-cuda=%t", o.cuda)}
	case notRecorded:
		program = []string{self, "-serve", task + "-" + model, "-cuda", "-cuda-graph=false"}
	}
	list := fmt.Sprintf("0-%d", processors-1)
	p := &peer{name: name, process: exec.Command("taskset", append([]string{"-c", list}, program...)...)}
	if p.requests, err = p.process.StdinPipe(); err != nil {
		return nil, err
	}
	answers, err := p.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.answers, p.process.Stderr = bufio.NewScanner(answers), &p.errors
	return p, p.process.Start()
}

func (p *peer) stop() {
	_ = p.requests.Close()
	_ = p.process.Wait()
}

// ask asks for a number of repetitions of a work and returns the seconds that they took.
func (p *peer) ask(work string, repetitions int) (float64, error) {
	if _, err := fmt.Fprintln(p.requests, work, repetitions); err != nil {
		return 0, fmt.Errorf("%s: %w", p.name, err)
	}
	if !p.answers.Scan() {
		p.stop()
		lines := strings.Split(strings.TrimSpace(p.errors.String()), "\n")
		return 0, fmt.Errorf("%s ended at \"%s %d\": %s", p.name, work, repetitions, lines[len(lines)-1])
	}
	return strconv.ParseFloat(p.answers.Text(), 64)
}

// times starts this program and the frameworks. It asks them in turns for the same works, repeated to fill a turn, and returns the
// milliseconds of one repetition by work, program and turn. The losses of together steps are read at once.
func times(o options, frameworks []string, task, model string, processors, together int, works ...string) ([]map[string][]float64, error) {
	var peers []*peer
	defer func() {
		for _, p := range peers {
			p.stop()
		}
	}()
	for _, f := range append([]string{us}, frameworks...) {
		p, err := start(o, f, task, model, processors)
		if err != nil {
			return nil, err
		}
		peers = append(peers, p)
	}
	var results []map[string][]float64
	for _, work := range works {
		counts, result := map[string]int{}, map[string][]float64{}
		for _, p := range peers {
			if _, err := p.ask(work, 3*together); err != nil { // the first request compiles
				return nil, err
			}
			taken, err := p.ask(work, 5*together)
			if err != nil {
				return nil, err
			}
			counts[p.name] = together * max(1, int(o.seconds/(taken/5)))
		}
		for range o.repetitions {
			for _, p := range peers {
				took, err := p.ask(work, counts[p.name])
				if err != nil {
					return nil, err
				}
				result[p.name] = append(result[p.name], took/float64(counts[p.name])*1e3)
			}
		}
		results = append(results, result)
	}
	return results, nil
}

const us = "this program"

// row prints the medians, and for each peer the median of its time over this program's in the same turn: the speed of a virtual machine
// changes less within a turn than between turns.
func row(label string, frameworks []string, taken map[string][]float64, format string) {
	fmt.Printf("| %s |", label)
	for _, f := range append([]string{us}, frameworks...) {
		list := taken[f]
		if len(list) == 0 {
			fmt.Print(" – |")
			continue
		}
		fmt.Printf(" "+format+" ["+format+"–"+format+"]", median(list), slices.Min(list), slices.Max(list))
		if f != us {
			fmt.Printf(", **%.2f×**", median(floats.DivTo(make([]float64, len(list)), list, taken[us])))
		}
		fmt.Print(" |")
	}
	fmt.Println()
}

func median(list []float64) float64 { return slices.Sorted(slices.Values(list))[len(list)/2] }

func head(title, first string, frameworks []string) {
	fmt.Printf("\n%s\n\n| %s | %s | %s |\n|%s\n", title, first, us, strings.Join(frameworks, " | "), strings.Repeat("---|", len(frameworks)+2))
}

// steps prints the times of a training step and a test loss, with a row for each task and model. The losses of together steps are read at once.
func steps(o options, title string, tasks, frameworks []string, processors, together int) error {
	if len(tasks) == 0 {
		return nil
	}
	head(title, "task, model", frameworks)
	for _, task := range tasks {
		if err := dump(o.work, task); err != nil {
			return err
		}
		asked := frameworks
		if task == "pixel" {
			asked = slices.DeleteFunc(slices.Clone(frameworks), func(f string) bool { return f == "compile" })
		}
		for _, model := range command.PublishedModels() {
			taken, err := times(o, asked, task, model, processors, together, "step")
			if err != nil {
				return err
			}
			row(task+" "+model, frameworks, taken[0], "%.3f")
		}
	}
	return nil
}

func fields(o options) error {
	frameworks, works := []string{"torch", "jax"}, []string{"field 1", "field 100", "field 10000"}
	if !slices.Contains(o.tasks, "2body") {
		return nil
	}
	head(hamiltonian.Default.Title+": field of 2body on all processors, in µs", "states", frameworks)
	if err := dump(o.work, "2body"); err != nil {
		return err
	}
	results, err := times(o, frameworks, "2body", hamiltonian.Default.Name, runtime.NumCPU(), 1, works...)
	for i, taken := range results {
		for _, list := range taken {
			floats.Scale(1e3, list)
		}
		row(strings.TrimPrefix(works[i], "field "), frameworks, taken, "%.1f")
	}
	return err
}

func wholes(o options) error {
	if len(o.whole) == 0 {
		return nil
	}
	head(hamiltonian.Default.Title+": whole runs on all processors, data included, in s", "task", []string{"torch"})
	for _, task := range o.whole {
		if err := dump(o.work, task); err != nil {
			return err
		}
		taken := map[string][]float64{}
		for name, program := range map[string][]string{
			us:      {o.train, "-task", task, "-save-dir", filepath.Join(o.work, "runs")},
			"torch": {o.python, "scripts/bench/whole.py", task, o.work},
		} {
			begin := time.Now()
			if output, err := exec.Command(program[0], program[1:]...).CombinedOutput(); err != nil {
				return fmt.Errorf("%s: %w: %s", strings.Join(program, " "), err, output)
			}
			taken[name] = []float64{time.Since(begin).Seconds()}
		}
		row(task, []string{"torch"}, taken, "%.1f")
	}
	return nil
}

// writer returns a function that writes a row-major array of float32 for the peers, in a file named NAME-WHAT-ROWSxCOLUMNS.
func writer(folder, name string) func(what string, rows int, values []float32) error {
	return func(what string, rows int, values []float32) error {
		content, err := binary.Append(nil, binary.LittleEndian, values)
		path := filepath.Join(folder, fmt.Sprintf("%s-%s-%dx%d", name, what, rows, len(values)/rows))
		return errors.Join(err, os.WriteFile(path, content, 0o600))
	}
}

// dump writes a task's data for the peers.
func dump(folder, name string) error {
	task, err := find(name)
	if err != nil {
		return err
	}
	write := writer(folder, name)
	data, err := task.Generate(0)
	if err != nil {
		return err
	}
	if m := data.Images; m != nil {
		return errors.Join(write("train", len(m.Train), flat(m.Train)), write("test", len(m.Test), flat(m.Test)),
			write("frames", len(m.Frames), m.Pixels(0, int64(len(m.Frames)))))
	}
	for what, rows := range map[string]datasets.Matrix{"x": data.Train.X, "dx": data.Train.DX, "test_x": data.Test.X, "test_dx": data.Test.DX} {
		if err := write(what, rows.Rows(), rows.Values); err != nil {
			return err
		}
	}
	return nil
}

func flat[T float64 | int64](rows ...[]T) (values []float32) {
	for _, row := range rows {
		for _, v := range row {
			values = append(values, float32(v))
		}
	}
	return values
}
