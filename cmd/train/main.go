// Command train fits a model to a task's data.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"hnn/datasets"
	"hnn/fit"
	"hnn/hamiltonian"
	"hnn/internal/command"
	"hnn/internal/distributed"
	"hnn/nets"
	"hnn/trainer"
)

func main() { command.Main("train", run) }

type options struct {
	settings               trainer.Settings
	execution              trainer.Execution
	printEvery             int
	verbose, quiet, resume bool
	saveDir, progress      string
	losses                 string // a file for them; empty for none
	saveEvery              time.Duration
	data                   string // a file of the user's
	table                  *datasets.TableOptions
	loss                   string // of a measured system
	baseline               bool
	rk4, publishedRK4      bool
	fit                    fit.Options // of a measured system
	seeds                  command.Seeds
	testFraction           float64
}

// flags returns the flags that set the options, which hold the defaults.
func (o *options) flags() *pflag.FlagSet {
	flags := command.Flags("train")
	s := &o.settings
	flags.StringVar(&s.Task, "task", "", "`name` of the system to learn")
	flags.StringVar(&s.Model, "model", s.Model, "`name` of the model to train; port by default for a measured system")
	flags.BoolVar(&o.baseline, "baseline", false, "the published scripts' flag for -model "+hamiltonian.Baseline.Name)
	command.Uint32(flags, &s.Seed, "seed", 0, "seed of all random numbers; a seed gives the same numbers as in the published code")
	command.Int(flags, &s.TotalSteps, "total-steps", -1, "last gradient step, counted from 0 (default: the task's)")
	command.Int(flags, &s.BatchSize, "batch-size", -1, "rows drawn at each step, 0 for all (default: the task's)")
	command.Int(flags, &s.HiddenDim, "hidden-dim", s.HiddenDim, "units of a hidden layer; 64 or 128 by default for a measured system")
	command.Int(flags, &s.Layers, "layers", s.Layers, "hidden layers of each network")
	command.Float64(flags, &s.LearnRate, "learn-rate", s.LearnRate, "learning rate of Adam")
	flags.StringVar((*string)(&s.Nonlinearity), "nonlinearity", string(s.Nonlinearity), "activation of the hidden layers: "+strings.Join(nets.Activations, ", "))
	flags.StringVar((*string)(&s.FieldType), "field-type", string(s.FieldType),
		"field of a model with two scalar outputs F1 and F2 (J·∇F2, ∇F1 or their sum): "+strings.Join(hamiltonian.FieldTypes, ", "))
	flags.BoolVar(&o.rk4, "use-rk4", false, "compare "+trainer.RK4.Description+" with the data's, in place of the derivative at one time")
	flags.BoolVar(&o.publishedRK4, "use-rk4-as-published", false, "the published script's -use_rk4: compare the increment of a Runge-Kutta step of length h with "+
		"the derivative; the learned field is then up to 1/h times too large")
	command.Float64(flags, &s.InputNoise, "input-noise", 0, "standard deviation of noise added to the predicted derivatives, or to the latent states")
	flags.StringVar(&o.data, "data", "", "`file` of a system of your own (without -task): .csv, .npz, .npy or .parquet; or measurements that replace the embedded ones (task real)")
	flags.StringVar(&o.loss, "loss", "", "loss of a measured system: "+strings.Join(fit.Losses, ", ")+" (default: windows); a table with derivatives has one loss, derivatives")
	o.table = command.Table(flags)
	flags.StringVar((*string)(&o.fit.Kinetic), "kinetic", "", "energy of the model port: quadratic in the momenta, configuration (quadratic, with masses that depend on the positions) or general (default: chosen by validation; without measured momenta, quadratic with the masses of -mass)")
	flags.StringVar((*string)(&o.fit.Friction), "friction", "", "friction of the model port: none, constant or state (default: none or constant, chosen by validation)")
	command.Float64(flags, &o.fit.WeightDecay, "weight-decay", 0, "L2 weight decay of the energy's network, for a measured system; tasks use that of the published scripts, tables with derivatives none")
	flags.Var(&o.seeds, "seeds", "`seeds` of models of a measured system, one for each, such as 0-4 or 0,2,5-7; ./predict takes them as an ensemble")
	command.Float64(flags, &o.testFraction, "test-fraction", command.TestFraction, "share of a measured system's trajectories, or of the rows of a single one, kept for the test: the last ones")
	command.Float64(flags, &o.fit.Effort, "effort", 1, "multiplies the numbers of gradient steps for a measured system")
	flags.StringVar(&o.saveDir, "save-dir", "runs", "`folder` for the file of the run")
	flags.BoolVar(&o.resume, "resume", false, "continue the run in the save folder up to total-steps, or start it if there is none; for a measured system, keep a model that is finished")
	flags.DurationVar(&o.saveEvery, "save-every", time.Minute, "`time` between two saves of a task's training, such as 30s or 5m")
	command.Int(flags, &o.printEvery, "print-every", 200, "steps between two lines of -verbose and -progress; a task of images evaluates its test loss only then")
	flags.BoolVar(&o.verbose, "verbose", false, "print the losses during training")
	flags.BoolVar(&o.quiet, "quiet", false, "print only errors")
	flags.StringVar(&o.progress, "progress", "", "`file` for a line of JSON every print-every steps: {\"step\":200,\"last\":2000}")
	flags.StringVar(&o.losses, "losses", "", "`file` for the losses of a task's run at its end, .npz or .parquet; the file of the run has them as CSV")
	flags.BoolVar(&s.Autograd, "autograd", false, "compute gradients by LibTorch's automatic differentiation: slower, but on one thread the losses equal the published code's")
	command.Threads(flags, &o.execution.Threads, ". The numbers depend on it only with -autograd, where the default is 1")
	command.CUDA(flags, &o.execution.CUDA)
	flags.BoolVar(&o.execution.Record, "cuda-graph", true, "record a step in a CUDA graph once, and replay it")
	return flags
}

func run(ctx context.Context, arguments []string, stdout, stderr io.Writer) error {
	o := options{settings: trainer.DefaultSettings(datasets.Task{})}
	flags, s := o.flags(), &o.settings
	if err := command.Parse(flags, arguments); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return help(stdout, flags)
		}
		return err
	}
	group, err := distributed.Join(ctx, os.Getenv)
	if err != nil {
		return err
	}
	defer group.Close()
	o.execution.Group = group
	if !s.Autograd && !o.execution.CUDA {
		o.table.Share = datasets.Share{Index: group.Rank(), Count: group.Size()}
	}
	task, err := command.Task(ctx, s.Task, o.data, *o.table)
	if err != nil {
		return err
	}
	if o.quiet {
		stdout = io.Discard
	}
	if err := o.check(flags); err != nil {
		return err
	}
	switch {
	case task.Observed != nil && group.Size() > 1:
		return errors.New("a table with times and without derivatives is for one process, and this is one of several; start it without torchrun or srun")
	case task.Observed != nil:
		return o.measure(ctx, flags, task, stdout, stderr)
	}
	if err := o.choose(flags, task); err != nil {
		return err
	}
	return train(ctx, task, o, stdout, stderr)
}

// check returns an error about flags that contradict each other, or that are wrong for every system. It settles the model.
func (o *options) check(flags *pflag.FlagSet) error {
	s := &o.settings
	if o.baseline {
		if flags.Changed("model") && s.Model != hamiltonian.Baseline.Name {
			return fmt.Errorf("-baseline and -model %s name two models; give one of the flags", s.Model)
		}
		s.Model = hamiltonian.Baseline.Name
	}
	switch {
	case o.saveEvery < shortestSave:
		return fmt.Errorf("-save-every is %v; it must be at least %v", o.saveEvery, shortestSave)
	case o.printEvery < 1:
		return fmt.Errorf("-print-every is %d; it must be 1 or more", o.printEvery)
	}
	return checkLosses(o.losses)
}

// choose sets the settings of a task that no flag gives, and the loss.
func (o *options) choose(flags *pflag.FlagSet, task datasets.Task) error {
	for _, name := range []string{"loss", "kinetic", "friction", "weight-decay", "seeds", "test-fraction", "effort"} {
		if flags.Changed(name) && !(name == "loss" && o.loss == trainer.Derivatives.Name) {
			return fmt.Errorf("-%s %s is for tables with times and without derivatives (flag -data)", name, flags.Lookup(name).Value)
		}
	}
	s, defaults := &o.settings, trainer.DefaultSettings(task)
	s.Task, s.File, s.Hash, s.TestEvery, s.WeightDecay = task.Name, task.File, task.Hash, defaults.TestEvery, defaults.WeightDecay
	if task.ImageSide > 0 {
		s.TestEvery = o.printEvery // as in the published script
	}
	if !flags.Changed("total-steps") {
		s.TotalSteps = defaults.TotalSteps
	}
	if !flags.Changed("batch-size") {
		s.BatchSize = defaults.BatchSize
	}
	if s.Autograd && !flags.Changed("threads") {
		o.execution.Threads = 1
	}
	switch {
	case o.rk4 && o.publishedRK4:
		return errors.New("-use-rk4 and -use-rk4-as-published name two losses; give one of the flags")
	case o.rk4:
		s.Loss = trainer.RK4.Name
	case o.publishedRK4:
		s.Loss = trainer.PublishedRK4.Name
	}
	return nil
}

// measure sets the options of a measured system from the flags, and trains its model.
func (o options) measure(ctx context.Context, flags *pflag.FlagSet, task datasets.Task, stdout, stderr io.Writer) error {
	for _, name := range []string{
		"total-steps", "batch-size", "learn-rate", "use-rk4", "use-rk4-as-published", "input-noise", "save-every", "losses", "autograd", "cuda",
	} {
		if flags.Changed(name) {
			return fmt.Errorf("-%s is not for a table with times and without derivatives", name)
		}
	}
	if !flags.Changed("model") && o.settings.Model != hamiltonian.Baseline.Name {
		o.settings.Model = hamiltonian.Port.Name
	}
	switch {
	case o.seeds == nil:
		o.seeds = command.Seeds{o.settings.Seed}
	case flags.Changed("seed"):
		return errors.New("-seed and -seeds are both given; give one of the flags")
	}
	if !flags.Changed("hidden-dim") {
		o.settings.HiddenDim = 0
	}
	if !(o.testFraction > 0 && o.testFraction < 1) {
		return fmt.Errorf("-test-fraction is %g; it must be between 0 and 1", o.testFraction)
	}
	model, err := hamiltonian.Find(o.settings.Model)
	if err != nil {
		return err
	}
	o.fit.Model, o.fit.Loss, o.fit.Threads = model, cmp.Or(o.loss, fit.Windows), o.execution.Threads
	o.fit.Hidden, o.fit.Layers, o.fit.Activation, o.fit.FieldType = o.settings.HiddenDim, o.settings.Layers, o.settings.Nonlinearity, o.settings.FieldType
	if err := o.fit.Check(); err != nil {
		return err
	}
	return measured(ctx, task, o, stdout, stderr)
}

func help(w io.Writer, flags *pflag.FlagSet) error {
	fmt.Fprint(w, `Fits a model to observed derivatives or trajectories.

  ./train -task real               the default model on the measured pendulum
  ./train -task spring -baseline   the baseline on the mass-spring system
  ./train -task pend -verbose -total-steps 600
  ./train -data my.csv             a system of your own; its file is my-MODEL.tar

Tasks:
`)
	for _, t := range datasets.Tasks() {
		rows, increment := "all rows", ""
		if t.BatchSize > 0 {
			rows = fmt.Sprintf("%d rows", t.BatchSize)
		}
		if t.Increments != nil {
			increment = fmt.Sprintf(", Runge-Kutta step %.3g", t.TimeStep)
		}
		fmt.Fprintf(w, "  %-8s %s\n           %d steps, %s at each, weight decay %g%s\n", t.Name, t.Description, t.Steps, rows, t.WeightDecay, increment)
	}
	fmt.Fprint(w, "\nModels:\n")
	for _, m := range hamiltonian.Models {
		fmt.Fprintf(w, "  %-12s %s\n", m.Name, m.Description)
	}
	_, err := fmt.Fprintf(w, `
A system of your own is a table: .csv, .npz, .npy or .parquet. It names its columns, in any order: the positions q1..qn (or q), the momenta
p1..pn, the time t, inputs u1..um, a column trajectory that labels several trajectories, and constants such as mass. A unit may follow a name:
q1 [deg].

A table with times and without derivatives is a measured system. If it has no momenta, train estimates them. Training compares windows of the
trajectories. Validation trajectories choose the form of the energy, and whether there is friction. The last 20%% of the trajectories, or of
the rows of a single one, are the test set. docs/measured.md says more.

With the derivatives dq1..dqn, dp1..dpn, models train as in the tasks: 2000 steps on all rows. With more than 3000 training rows, a step takes
300 rows for each processor, at least 600 and at most the number of test rows, and there are 10000 steps, or more to pass over all rows once.
There is no weight decay. To resume on another machine, give -batch-size.

Flags (one dash or two, - or _ between words):
%s
A run writes one file, TASK-MODEL.tar: the weights, which PyTorch's torch.load opens, with the settings, the losses of every step and the state
that -resume needs. During training, the file is TASK-MODEL-unfinished.tar. A model of a measured system is such a file too; -seed 1 gives
TASK-MODEL-seed1.tar. For a task, the seed is not part of the name. unzip -p TASK-MODEL.tar archive/losses.csv prints the losses.
`, strings.ReplaceAll(flags.FlagUsages(), "(default: the task's) (default -1)", "(default: the task's)"))
	return err
}
