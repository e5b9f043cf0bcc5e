// Command predict integrates a trained model of a measured system from given starts.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"hnn/datasets"
	"hnn/fit"
	"hnn/hamiltonian"
	"hnn/internal/command"
	"hnn/internal/wait"
	"hnn/prediction"
)

func main() { command.Main("predict", run) }

type options struct {
	prediction.Options
	data, at, times, model, out, saveDir string
	starts                               []string
	seeds                                command.Seeds
	table                                datasets.TableOptions
}

func run(ctx context.Context, arguments []string, stdout, stderr io.Writer) error {
	o := options{seeds: command.Seeds{0}}
	flags := command.Flags("predict")
	flags.StringVar(&o.data, "data", "", "`file` that the model was trained on: CSV, or .npy, .npz or .parquet")
	flags.StringVar(&o.at, "at", "", "`file` of trajectories, as -data; each is predicted from its first row, at its times, with its inputs")
	flags.StringArrayVar(&o.starts, "start", nil, "a `state` to start from in place of -at, such as q1=1,p1=0, with inputs u1=… and constants if the data have them; you can repeat the flag")
	flags.StringVar(&o.times, "times", "", "`first:last:step` of the times at which to predict from each -start")
	flags.StringVar(&o.model, "model", hamiltonian.Port.Name, "`name` of the trained model")
	flags.Var(&o.seeds, "seeds", "`seeds` of the trained models, such as 0-4 or 0,2,5-7 (default 0); several models form an ensemble, and the output has their mean and standard deviation")
	flags.StringVar(&o.Integrator, "integrator", prediction.RK45, "`name` of the integrator: "+strings.Join(prediction.Integrators, ", "))
	command.Float64(flags, &o.Step, "step", 0, "longest step of leapfrog and midpoint (default: 1/50 of the time scale of the training data)")
	flags.StringVar(&o.out, "out", "-", "`file` to write: .npz, .parquet, or else CSV; - is CSV to the standard output")
	flags.StringVar(&o.saveDir, "save-dir", "runs", "`folder` of the trained models")
	command.Threads(flags, &o.Threads, "")
	table := command.Table(flags)
	if err := command.Parse(flags, arguments); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return help(stdout, flags)
		}
		return err
	}
	o.table = *table
	switch {
	case o.data == "":
		return errors.New("-data is missing; it takes the file that the model was trained on")
	case (o.at == "") == (o.starts == nil):
		return errors.New("give either -at with a table of trajectories, or -start with -times")
	case (o.starts == nil) != (o.times == ""):
		return errors.New("-start and -times go together, as in -start q=1,p=0 -times 0:10:0.01")
	}
	if filepath.Ext(o.out) == ".npy" {
		return fmt.Errorf("-out %s: predictions are written as .npz, which names their columns, .parquet or .csv", o.out)
	}
	return wait.For(ctx, func() error { return predict(o, stdout, stderr) })
}

func predict(o options, stdout, stderr io.Writer) error {
	data, err := datasets.ReadObservations(o.data, o.table)
	if err != nil {
		return err
	}
	at, err := trajectories(o, data)
	if err != nil {
		return err
	}
	inputs := []string{o.data, o.at}
	var models []*hamiltonian.Evaluator
	for _, seed := range o.seeds {
		path := fit.Files(o.saveDir, datasets.TableName(o.data), o.model, uint64(seed)).Finished
		model, err := load(o, path, seed)
		if err != nil {
			return err
		}
		if model.Record.Hash != data.Hash {
			at.Notes = append(at.Notes, fmt.Sprintf("%s learned from %s when it had other content", path, o.data))
		}
		inputs = append(inputs, path)
		e, err := model.Evaluator(1)
		if err != nil {
			return err
		}
		defer e.Close()
		models = append(models, e)
	}
	for i, t := range at.Trajectories {
		if steps := (t.Times[len(t.Times)-1] - t.Times[0]) / o.Step; o.Step > 0 && steps > mostSteps {
			return fmt.Errorf("-step %g would make %.2g steps in trajectory %d; at most %g are possible", o.Step, steps, i+1, mostSteps)
		}
	}
	if err := command.Apart("out", o.out, inputs...); err != nil {
		return err
	}
	p, err := prediction.Run(models, at, o.Options)
	if err != nil {
		return err
	}
	for _, note := range slices.Concat(at.Notes, p.Notes) {
		command.Note(stderr, "predict", note)
	}
	if o.out == "-" {
		return prediction.WriteCSV(stdout, at, p)
	}
	return prediction.Write(o.out, at, p)
}

// load returns the trained model of a seed.
func load(o options, path string, seed uint32) (*fit.Result, error) {
	r, err := fit.Load(path)
	switch task := datasets.TableName(o.data); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no model %s; `./train -data %s -model %s -seed %d` makes one, and -save-dir, -model and -seeds name others", path, o.data, o.model, seed)
	case err != nil:
		return nil, err
	case r.Record.Task != task || r.Record.Model != o.model:
		return nil, fmt.Errorf("%s is a model %q of %q, and a model %s of %s is needed here", path, r.Record.Model, r.Record.Task, o.model, task)
	}
	return r, nil
}

const (
	mostRows  = 1e7 // predicted from -start: 1.4 GB of memory for a model of one position
	mostSteps = 1e9 // of a trajectory: an hour
)

// trajectories returns the trajectories to predict.
func trajectories(o options, data datasets.Observations) (datasets.Observations, error) {
	if o.at != "" {
		return datasets.ReadAt(o.at, data)
	}
	times, err := parseTimes(o.times)
	if err != nil {
		return data, err
	}
	if rows := len(o.starts) * len(times) * len(o.seeds); rows > mostRows {
		return data, fmt.Errorf("-times has %d times, and there are %d starts and %d seeds; together at most %g rows are predicted", len(times), len(o.starts), len(o.seeds), mostRows)
	}
	data.Trajectories, data.Notes = nil, nil
	for _, text := range o.starts {
		t, err := parseStart(text, data)
		if err != nil {
			return data, err
		}
		if t.Times = times; data.Inputs != nil {
			t.Inputs = slices.Repeat(t.Inputs, len(times))
		}
		data.Trajectories = append(data.Trajectories, t)
	}
	return data, nil
}

// parseTimes returns the times of first:last:step.
func parseTimes(text string) ([]float64, error) {
	var numbers []float64
	for part := range strings.SplitSeq(text, ":") {
		v, err := strconv.ParseFloat(part, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("-times %s has %q; each part of first:last:step must be a number", text, part)
		}
		numbers = append(numbers, v)
	}
	if len(numbers) != 3 || !(numbers[2] > 0) || numbers[1] < numbers[0] || (numbers[1]-numbers[0])/numbers[2] >= mostRows {
		return nil, fmt.Errorf("-times %s must be first:last:step, with last not below first, a step above 0 and at most %g times", text, mostRows)
	}
	times := make([]float64, 1+int((numbers[1]-numbers[0])/numbers[2]+1e-6))
	for i := range times {
		times[i] = numbers[0] + float64(i)*numbers[2]
	}
	return times, nil
}

// parseStart returns a trajectory with a start such as q1=1,p1=0.
func parseStart(text string, data datasets.Observations) (datasets.Observed, error) {
	var names []string
	for i, count := range []int{data.Positions, data.Positions, len(data.Inputs)} {
		for j := range count {
			names = append(names, fmt.Sprint([]string{"q", "p", "u"}[i], j+1))
		}
	}
	names = append(names, data.Constants...)
	values := make([]float64, len(names))
	missing := slices.Clone(names)
	for part := range strings.SplitSeq(text, ",") {
		name, number, _ := strings.Cut(part, "=")
		name = strings.TrimSpace(name)
		i := slices.Index(names, name)
		if i < 0 {
			i = slices.Index(names, name+"1")
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if i < 0 || err != nil || !(math.Abs(v) <= math.MaxFloat32) {
			return datasets.Observed{}, fmt.Errorf("-start %s has %q; it must give a number within float32 to each of %s", text, part, strings.Join(names, ", "))
		}
		if !slices.Contains(missing, names[i]) {
			return datasets.Observed{}, fmt.Errorf("-start %s gives %s twice", text, names[i])
		}
		values[i] = v
		missing = slices.DeleteFunc(missing, func(n string) bool { return n == names[i] })
	}
	if len(missing) > 0 {
		return datasets.Observed{}, fmt.Errorf("-start %s lacks %s; a start needs %s", text, strings.Join(missing, ", "), strings.Join(names, ", "))
	}
	states, inputs := 2*data.Positions, len(data.Inputs)
	t := datasets.Observed{States: [][]float64{values[:states]}}
	if inputs > 0 {
		t.Inputs = [][]float64{values[states : states+inputs]}
	}
	if len(data.Constants) > 0 {
		t.Constants = values[states+inputs:]
	}
	return t, nil
}

func help(w io.Writer, flags *pflag.FlagSet) error {
	_, err := fmt.Fprintf(w, `Predicts trajectories of a measured system with a trained model.

  ./train -data my.csv                                   trains a model
  ./predict -data my.csv -at table.csv -out predicted.csv
  ./predict -data my.csv -start q=1,p=0 -times 0:10:0.01
  ./predict -data my.csv -at table.csv -seeds 0-2        the mean of three trained models

The output has a row for each row of the table -at, or for each of -times, trajectory by trajectory. Its columns are trajectory, t, q1.., p1..;
H, the learned energy; dissipated and supplied, the energies that friction took and that inputs gave since the start, if the model has friction
or inputs; sd_q1.., sd_p1.., the standard deviations over several seeds. Inputs are constant from each row to the next.

Flags (one dash or two, - or _ between words):
%s`, flags.FlagUsages())
	return err
}
