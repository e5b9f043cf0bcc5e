package main

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"hnn/datasets"
	"hnn/internal/command"
	"hnn/trainer"
)

// check is a promise of training on a GPU that is tested. detail is what to print after its name if it holds.
type check struct {
	name string
	run  func(m machine) (detail string, err error)
}

// machine is where ./train runs.
type machine interface {
	// train runs ./train with further variables of the environment. The runs go to the named folder, where a later call with -resume goes on.
	train(folder string, environment []string, arguments ...string) outcome
	// sanitize runs ./train under NVIDIA's compute-sanitizer. The error is errMissing if there is none.
	sanitize(arguments ...string) error
}

var errMissing = errors.New("not run: there is no compute-sanitizer")

// outcome is how a call of ./train ended.
type outcome struct {
	status int         // of the exit; -1 if ./train did not start, or its run cannot be read
	lines  string      // on stderr
	losses [][]float64 // by step: training and test, NaN where there is none; nil if the run did not end well
}

const (
	// lastDigits bounds the relative difference of losses that the same operations make.
	lastDigits = 1e-5
	// rounding bounds the relative difference of losses between two devices. It grows from step to step, so only the first steps are compared.
	rounding = 1e-2
	compared = 200
)

// checks returns all checks in their order.
func checks() []check {
	list := []check{
		{"2body, 300 steps, with and without a graph", recorded("-task", "2body", "-total-steps", "299")},
		{"the same with -use-rk4", recorded("-task", "real", "-use-rk4", "-total-steps", "299")},
		{"the same with -input-noise", recorded("-task", "2body", "-input-noise", "0.1", "-total-steps", "299")},
		{"the same with -baseline", recorded("-task", "2body", "-baseline", "-total-steps", "299")},
		{"the same with images", recorded("-task", "pixel", "-print-every", "1", "-total-steps", "299")},
		{"a stop within a round, and -resume", resumed},
		{"from the processor to the GPU and back", moved},
		{"too little memory for the data, and for a recording", memory},
		{"no GPU is visible", hidden},
		{"an allocator that keeps nothing for a recording", uncached},
		{"compute-sanitizer", func(m machine) (string, error) {
			return "", m.sanitize("-task", "2body", "-total-steps", "20", "-cuda")
		}},
	}
	for _, task := range datasets.Tasks() {
		for _, model := range command.PublishedModels() {
			list = append(list, check{"the processor's losses, " + task.Name + " " + model, devices(task.Name, model)})
		}
	}
	return list
}

// perform prints pass, fail or skip for each check, and returns an error if one failed.
func perform(list []check, m machine) error {
	failed := 0
	for _, c := range list {
		detail, err := c.run(m)
		switch {
		case errors.Is(err, errMissing):
			fmt.Printf("skip  %s: %v\n", c.name, err)
		case err != nil:
			failed++
			fmt.Printf("FAIL  %s: %v\n", c.name, err)
		default:
			fmt.Printf("pass  %s%s\n", c.name, detail)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d checks failed", failed, len(list))
	}
	return nil
}

// recorded compares a run on the GPU with a CUDA graph to one without.
func recorded(arguments ...string) func(m machine) (string, error) {
	return func(m machine) (string, error) {
		with := m.train("with a graph", nil, append(arguments, "-cuda")...)
		without := m.train("without", nil, append(arguments, "-cuda", "-cuda-graph=false")...)
		return equal(with, without, math.MaxInt, lastDigits)
	}
}

// resumed stops after 250 steps, within a round of a hundred, goes on, and compares with an unbroken run.
func resumed(m machine) (string, error) {
	run := func(folder, last string, more ...string) outcome {
		return m.train(folder, nil, append([]string{"-task", "2body", "-cuda", "-total-steps", last}, more...)...)
	}
	unbroken := run("unbroken", "299")
	if first := run("broken", "249"); first.status != 0 {
		return "", first.failure()
	}
	return equal(run("broken", "299", "-resume"), unbroken, math.MaxInt, lastDigits)
}

// moved trains a hundred steps on the processor, a hundred on the GPU and a hundred on the processor, and compares with a run on the processor.
func moved(m machine) (string, error) {
	run := func(folder, last string, more ...string) outcome {
		return m.train(folder, nil, append([]string{"-task", "2body", "-total-steps", last}, more...)...)
	}
	stayed := run("stayed", "299")
	for i, last := range []string{"99", "199"} {
		if part := run("moved", last, "-resume", fmt.Sprintf("-cuda=%t", i == 1)); part.status != 0 {
			return "", part.failure()
		}
	}
	return equal(run("moved", "299", "-resume"), stayed, compared+1, rounding)
}

// memory finds by bisection what share of the GPU's memory a run needs. Each run with too little must end with one line. At least one must fail in
// the recording, at step 3, which takes memory of its own after the first steps have taken theirs.
func memory(m machine) (string, error) {
	const recording = "step 3: "
	least, enough := 1e-7, 1e-1
	recordings := 0 // that lacked memory
	for i := range 14 {
		share := math.Sqrt(least * enough)
		limit := fmt.Sprintf("PYTORCH_CUDA_ALLOC_CONF=per_process_memory_fraction:%.9f", share)
		o := m.train(fmt.Sprint("memory", i), []string{limit}, "-task", "2body", "-cuda", "-total-steps", "20")
		if o.status == 0 {
			enough = share
			continue
		}
		least = share
		if err := o.fails(o.status, "out of memory"); err != nil {
			return "", err
		}
		if strings.Contains(o.lines, recording) {
			recordings++
		}
	}
	if recordings == 0 {
		return "", errors.New("no run lacked memory in the recording alone")
	}
	return fmt.Sprintf(": %.1e of the GPU's memory is enough; %d runs lacked it in the recording", enough, recordings), nil
}

// hidden hides the GPUs from the driver.
func hidden(m machine) (string, error) {
	return "", m.train("hidden", []string{"CUDA_VISIBLE_DEVICES="}, "-task", "2body", "-cuda", "-total-steps", "20").fails(2, "there is no GPU")
}

// uncached sets an allocator that gives the memory of a recorded step away.
func uncached(m machine) (string, error) {
	const variable = "PYTORCH_NO_CUDA_MEMORY_CACHING"
	return "", m.train("uncached", []string{variable + "=1"}, "-task", "2body", "-cuda", "-total-steps", "20").fails(1, variable)
}

// devices compares a published run on the processor and on the GPU.
func devices(task, model string) func(m machine) (string, error) {
	return func(m machine) (string, error) {
		arguments := []string{"-task", task, "-model", model, "-total-steps", strconv.Itoa(compared)}
		processor := m.train("processor", nil, arguments...)
		return equal(m.train("gpu", nil, append(arguments, "-cuda")...), processor, compared+1, rounding)
	}
}

// failure returns an error that says how a run ended.
func (o outcome) failure() error {
	return fmt.Errorf("./train ended with status %d: %s", o.status, o.lines)
}

// fails returns an error unless the run ended with a status and one short line that contains a text.
func (o outcome) fails(status int, text string) error {
	if o.status != status || !strings.Contains(o.lines, text) || strings.Count(o.lines, "\n") != 1 || len([]rune(o.lines)) > 301 {
		return fmt.Errorf("want status %d and one line with %q: %w", status, text, o.failure())
	}
	return nil
}

// equal returns an error unless two runs ended well and the losses of their first steps differ by no more than a relative difference.
func equal(a, b outcome, steps int, allowed float64) (string, error) {
	for _, o := range []outcome{a, b} {
		if o.status != 0 {
			return "", o.failure()
		}
	}
	if len(a.losses) != len(b.losses) || len(a.losses) == 0 {
		return "", fmt.Errorf("the runs have %d and %d steps", len(a.losses), len(b.losses))
	}
	worst, where := 0.0, 0
	for step := range min(steps, len(a.losses)) {
		for i, loss := range a.losses[step] {
			difference := math.Abs(loss/b.losses[step][i] - 1)
			if math.IsNaN(loss) != math.IsNaN(b.losses[step][i]) {
				difference = math.Inf(1)
			}
			if difference > worst {
				worst, where = difference, step
			}
		}
	}
	if worst > allowed {
		return "", fmt.Errorf("the losses of step %d differ by %.1e of them; %g is allowed", where, worst, allowed)
	}
	return fmt.Sprintf(": the largest relative difference of the losses is %.1e", worst), nil
}

// programs is this machine: the path of ./train and a folder for runs.
type programs struct{ path, work string }

func (p programs) train(folder string, environment []string, arguments ...string) outcome {
	folder = filepath.Join(p.work, folder)
	if !strings.Contains(strings.Join(arguments, " "), "-resume") {
		_ = os.RemoveAll(folder)
	}
	process := exec.Command(p.path, append(arguments, "-quiet", "-save-dir", folder)...)
	process.Env = append(os.Environ(), environment...)
	var lines bytes.Buffer
	process.Stderr = &lines
	if err := process.Run(); err != nil {
		if process.ProcessState == nil {
			return outcome{status: -1, lines: err.Error()}
		}
		return outcome{status: process.ProcessState.ExitCode(), lines: lines.String()}
	}
	losses, err := readLosses(folder)
	if err != nil {
		return outcome{status: -1, lines: err.Error()}
	}
	return outcome{losses: losses}
}

// readLosses reads the losses of the one run in a folder.
func readLosses(folder string) ([][]float64, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.tar"))
	if err != nil || len(files) != 1 {
		return nil, fmt.Errorf("%s holds %d runs, want one", folder, len(files))
	}
	read, err := trainer.ReadLosses(files[0])
	if err != nil {
		return nil, err
	}
	if read == nil {
		return nil, fmt.Errorf("%s has no losses", files[0])
	}
	losses := make([][]float64, len(read.Train))
	for step := range losses {
		losses[step] = []float64{float64(read.Train[step]), float64(read.Test[step])}
	}
	return losses, nil
}

func (p programs) sanitize(arguments ...string) error {
	const name, found = "compute-sanitizer", 9
	if _, err := exec.LookPath(name); err != nil {
		return errMissing
	}
	line := append([]string{"--error-exitcode", strconv.Itoa(found), p.path}, arguments...)
	line = append(line, "-quiet", "-save-dir", filepath.Join(p.work, "sanitized"))
	output, err := exec.Command(name, line...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, output)
	}
	return nil
}
