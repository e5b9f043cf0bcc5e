// Command bench times training steps, learned fields and whole runs of this program and of its peers, PyTorch and JAX, in turns. It prints
// tables of the medians. `make bench` installs the peers and runs it.
package main

import (
	"bufio"
	"encoding/binary"
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
	whole       []string
	work        string
	cuda        bool
}

func run() error {
	o := options{}
	flags := command.Flags("bench")
	flags.StringVar(&o.python, "python", ".bench/bin/python", "`path` of a Python with the peers' packages")
	flags.IntVar(&o.repetitions, "repetitions", 5, "turns of each program")
	flags.Float64Var(&o.seconds, "seconds", 0.7, "seconds of a turn")
	flags.StringSliceVar(&o.tasks, "tasks", []string{"spring", "pend", "2body", "3body", "pixel"}, "`names` of the tasks whose steps are timed")
	flags.StringSliceVar(&o.whole, "whole", []string{"spring", "2body", "3body", "pixel"}, "`names` of the tasks whose whole runs are timed")
	serve := flags.String("serve", "", "answer requests as peers.py does, for `TASK-MODEL`")
	record := flags.Bool("cuda-graph", true, "with -serve and -cuda, replay a CUDA graph of the step")
	flags.BoolVar(&o.cuda, "cuda", false, "check and time training on a GPU")
	scaling := flags.Bool("scaling", false, "print the time of a step against the size of the batch")
	if err := command.Parse(flags, os.Args[1:]); err != nil {
		return err
	}
	if *serve != "" {
		return answer(*serve, o.cuda, *record)
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
		if err := steps(o, processors); err != nil {
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
}

// start runs a program on the first of the processors.
func start(name string, processors int, program ...string) (*peer, error) {
	list := fmt.Sprintf("0-%d", processors-1)
	p := &peer{name: name, process: exec.Command("taskset", append([]string{"-c", list}, program...)...)}
	p.process.Stderr = nil
	var err error
	if p.requests, err = p.process.StdinPipe(); err != nil {
		return nil, err
	}
	answers, err := p.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.answers = bufio.NewScanner(answers)
	return p, p.process.Start()
}

func (p *peer) stop() {
	_ = p.requests.Close()
	_ = p.process.Wait()
}

// ask sends a request and returns the seconds that the work took.
func (p *peer) ask(request string) (float64, error) {
	if _, err := fmt.Fprintln(p.requests, request); err != nil {
		return 0, fmt.Errorf("%s: %w", p.name, err)
	}
	if !p.answers.Scan() {
		return 0, fmt.Errorf("%s ended at %q", p.name, request)
	}
	return strconv.ParseFloat(p.answers.Text(), 64)
}

// times asks the peers in turns for the same work, repeated to fill a turn, and returns the milliseconds of one repetition by peer and turn.
// The losses of together steps are read at once.
func times(o options, peers []*peer, work string, together int) (map[string][]float64, error) {
	counts, result := map[string]int{}, map[string][]float64{}
	for _, p := range peers {
		if _, err := p.ask(fmt.Sprintf("%s %d", work, 3*together)); err != nil { // the first request compiles
			return nil, err
		}
		taken, err := p.ask(fmt.Sprintf("%s %d", work, 5*together))
		if err != nil {
			return nil, err
		}
		counts[p.name] = together * max(1, int(o.seconds/(taken/5)))
	}
	for range o.repetitions {
		for _, p := range peers {
			took, err := p.ask(fmt.Sprintf("%s %d", work, counts[p.name]))
			if err != nil {
				return nil, err
			}
			result[p.name] = append(result[p.name], took/float64(counts[p.name])*1e3)
		}
	}
	return result, nil
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
			ratios := make([]float64, len(list))
			for i, v := range list {
				ratios[i] = v / taken[us][i]
			}
			fmt.Printf(", **%.2f×**", median(ratios))
		}
		fmt.Print(" |")
	}
	fmt.Println()
}

func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}

func head(title, first string, frameworks []string) {
	fmt.Printf("\n%s\n\n| %s | %s | %s |\n|%s\n", title, first, us, strings.Join(frameworks, " | "), strings.Repeat("---|", len(frameworks)+2))
}

func open(o options, frameworks []string, task, model string, processors int) ([]*peer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var peers []*peer
	for _, f := range append([]string{us}, frameworks...) {
		program := []string{o.python, "scripts/bench/peers.py", f, task, model, o.work}
		switch f {
		case us:
			program = []string{self, "-serve", task + "-" + model, fmt.Sprintf("-cuda=%t", o.cuda)}
		case notRecorded:
			program = []string{self, "-serve", task + "-" + model, "-cuda", "-cuda-graph=false"}
		}
		p, err := start(f, processors, program...)
		if err != nil {
			return nil, err
		}
		peers = append(peers, p)
	}
	return peers, nil
}

func steps(o options, processors int) error {
	frameworks := []string{"torch", "compile", "jax"}
	head(fmt.Sprintf("Training step and test loss on %d of the processors, in ms", processors), "task, model", frameworks)
	for _, task := range o.tasks {
		list := frameworks
		if task == "pixel" {
			list = []string{"torch", "jax"}
		}
		if err := stepsOf(o, task, frameworks, list, processors, 1); err != nil {
			return err
		}
	}
	return nil
}

// stepsOf prints the rows of a task's models. The columns are the frameworks; those that are not asked stay empty.
func stepsOf(o options, task string, frameworks, asked []string, processors, together int) error {
	if err := dump(o.work, task); err != nil {
		return err
	}
	for _, model := range command.PublishedModels() {
		peers, err := open(o, asked, task, model, processors)
		if err != nil {
			return err
		}
		taken, err := times(o, peers, "step", together)
		for _, p := range peers {
			p.stop()
		}
		if err != nil {
			return err
		}
		row(task+" "+model, frameworks, taken, "%.3f")
	}
	return nil
}

func fields(o options) error {
	frameworks := []string{"torch", "jax"}
	head(hamiltonian.Default.Title+": field of 2body on all processors, in µs", "states", frameworks)
	if err := dump(o.work, "2body"); err != nil {
		return err
	}
	peers, err := open(o, frameworks, "2body", hamiltonian.Default.Name, runtime.NumCPU())
	if err != nil {
		return err
	}
	defer func() {
		for _, p := range peers {
			p.stop()
		}
	}()
	for _, batch := range []int{1, 100, 10_000} {
		taken, err := times(o, peers, fmt.Sprintf("field %d", batch), 1)
		if err != nil {
			return err
		}
		for _, list := range taken {
			for i := range list {
				list[i] *= 1e3
			}
		}
		row(strconv.Itoa(batch), frameworks, taken, "%.1f")
	}
	return nil
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
			us:      {"./train", "-task", task, "-save-dir", filepath.Join(o.work, "runs")},
			"torch": {o.python, "scripts/bench/whole.py", task, o.work},
		} {
			begin := time.Now()
			if output, err := exec.Command(program[0], program[1:]...).CombinedOutput(); err != nil {
				return fmt.Errorf("%s: %w: %s", strings.Join(program, " "), err, output)
			}
			taken[name] = append(taken[name], time.Since(begin).Seconds())
		}
		row(task, []string{"torch"}, taken, "%.1f")
	}
	return nil
}

// dump writes a task's data for the peers, as row-major arrays of float32 in files named TASK-WHAT-ROWSxCOLUMNS.
func dump(folder, name string) error {
	task, err := find(name)
	if err != nil {
		return err
	}
	write := func(what string, rows, columns int, value func(row, column int) float64) error {
		values := make([]float32, 0, rows*columns)
		for i := range rows {
			for j := range columns {
				values = append(values, float32(value(i, j)))
			}
		}
		file, err := os.Create(filepath.Join(folder, fmt.Sprintf("%s-%s-%dx%d", name, what, rows, columns)))
		if err != nil {
			return err
		}
		defer file.Close()
		return binary.Write(file, binary.LittleEndian, values)
	}
	data, err := task.Generate(0)
	if err != nil {
		return err
	}
	if images := data.Images; images != nil {
		for what, list := range map[string][]int64{"train": images.Train, "test": images.Test} {
			if err := write(what, len(list), 1, func(i, _ int) float64 { return float64(list[i]) }); err != nil {
				return err
			}
		}
		return write("frames", len(images.Frames), len(images.Frames[0]), func(i, j int) float64 { return float64(images.Frames[i][j]) / 255 })
	}
	for what, rows := range map[string][][]float64{"x": data.Train.X, "dx": data.Train.DX, "test_x": data.Test.X, "test_dx": data.Test.DX} {
		if err := write(what, len(rows), len(rows[0]), func(i, j int) float64 { return rows[i][j] }); err != nil {
			return err
		}
	}
	return nil
}
