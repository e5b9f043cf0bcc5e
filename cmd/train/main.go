// Command train fits a Hamiltonian neural network, or its baseline, to a task.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/internal/command"
	"hnn/nets"
	"hnn/trainer"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		command.Exit("train", err)
	}
}

type options struct {
	settings   trainer.Settings
	execution  trainer.Execution
	cuda       bool
	printEvery int
	verbose    bool
	quiet      bool
	resume     bool
	saveDir    string
}

func run(ctx context.Context, arguments []string, stdout, stderr io.Writer) error {
	o := options{}
	flags := command.Flags("train")
	s := &o.settings
	flags.StringVar(&s.Task, "task", "", "`name` of the system to learn")
	flags.BoolVar(&s.Baseline, "baseline", false, "train the baseline, which learns the derivatives directly")
	flags.Uint32Var(&s.Seed, "seed", 0, "of all random draws; the same seed gives the published code's numbers")
	flags.IntVar(&s.TotalSteps, "total-steps", -1, "last gradient step, counted from 0 (default: the task's)")
	flags.IntVar(&s.BatchSize, "batch-size", -1, "rows drawn at each step, 0 for all (default: the task's)")
	flags.IntVar(&s.HiddenDim, "hidden-dim", 200, "units of each of the two hidden layers")
	flags.Float64Var(&s.LearnRate, "learn-rate", 1e-3, "of Adam")
	nonlinearity := flags.String("nonlinearity", "tanh", strings.Join(nets.Activations(), ", "))
	fieldType := flags.String("field-type", "solenoidal", strings.Join(hamiltonian.FieldTypes, ", "))
	flags.BoolVar(&s.UseRK4, "use-rk4", false, "train through the increment of a Runge-Kutta step")
	flags.Float64Var(&s.InputNoise, "input-noise", 0, "standard deviation of noise added to the predicted derivatives, or to the latent states")
	flags.StringVar(&s.File, "data", "", "`file` of a system of your own, a CSV with a header (without a task), or of measurements in place of the embedded ones (task real)")
	flags.StringVar(&o.saveDir, "save-dir", "runs", "`folder` for the checkpoint, the losses and the settings")
	flags.BoolVar(&o.resume, "resume", false, "go on from the run in the save folder, up to total-steps")
	flags.IntVar(&o.printEvery, "print-every", 200, "steps between two printed lines")
	flags.BoolVar(&o.verbose, "verbose", false, "print the losses as training goes on")
	flags.BoolVar(&o.quiet, "quiet", false, "print nothing but errors")
	flags.BoolVar(&s.Autograd, "autograd", false, "take gradients by LibTorch's automatic differentiation: slower, and with one thread the published code's numbers to the last digit")
	flags.IntVar(&o.execution.Threads, "threads", 0, "processors to use, 0 for all; only with -autograd do numbers depend on it, and there it is 1 by default")
	command.CUDA(flags, &o.cuda)
	flags.BoolVar(&o.execution.Record, "cuda-graph", true, "record a step's work on the GPU once, and replay it")

	if err := command.Parse(flags, arguments); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return help(stdout, flags)
		}
		return err
	}
	task, err := command.Task(s.Task, s.File)
	if err != nil {
		return err
	}
	defaults := trainer.DefaultSettings(task)
	s.Task, s.TestEvery = task.Name, defaults.TestEvery
	if task.Pictures != nil {
		s.TestEvery = o.printEvery // as in the published script
	}
	if !flags.Changed("total-steps") {
		s.TotalSteps = defaults.TotalSteps
	}
	if !flags.Changed("batch-size") {
		s.BatchSize = defaults.BatchSize
	}
	s.Nonlinearity, s.FieldType, s.WeightDecay = nets.Activation(*nonlinearity), hamiltonian.FieldType(*fieldType), defaults.WeightDecay
	if o.printEvery < 1 {
		return fmt.Errorf("-print-every is %d; it must be 1 or more", o.printEvery)
	}
	if o.execution.Threads < 0 {
		return fmt.Errorf("-threads is %d; it must be 1 or more, or 0 for all processors", o.execution.Threads)
	}
	if s.Autograd && !flags.Changed("threads") {
		o.execution.Threads = 1
	}
	if o.quiet {
		stdout = io.Discard
	}
	return train(ctx, task, o, stdout, stderr)
}

func train(ctx context.Context, task datasets.Task, o options, stdout, stderr io.Writer) error {
	if err := command.Configure(o.cuda); err != nil {
		return err
	}
	t, err := trainer.New(task, o.settings, o.execution)
	if err != nil {
		return err
	}
	defer t.Free()
	if !o.settings.Autograd && !o.cuda && !t.ClosedForm() {
		fmt.Fprintf(stderr, "train: these settings have no closed form, and gradients are taken by automatic differentiation (as with -autograd)\n")
	}
	if o.resume {
		if err := t.Resume(o.saveDir); err != nil {
			return err
		}
	}
	if o.verbose {
		model := "HNN"
		if o.settings.Baseline {
			model = "baseline"
		}
		fmt.Fprintf(stdout, "Training %s model:\n", model)
	}

	bar := command.Bar(stderr, !o.quiet, o.settings.TotalSteps+1, o.settings.Label())
	if err := bar.Set(len(t.Losses.Train)); err != nil {
		return err
	}
	runError := t.Run(ctx, func(step int, trainLoss, testLoss float32) {
		if o.verbose && step%o.printEvery == 0 {
			_ = bar.Clear()
			fmt.Fprintf(stdout, "step %d, train_loss %.4e, test_loss %.4e\n", step, trainLoss, testLoss)
		}
		_ = bar.Add(1)
	})
	_ = bar.Clear()

	files := o.settings.FilesIn(o.saveDir)
	if runError != nil {
		if errors.Is(runError, trainer.ErrDiverged) {
			return runError // weights that are no numbers must not replace a checkpoint
		}
		if err := t.Save(o.saveDir, nil); err != nil {
			return err
		}
		if errors.Is(runError, context.Canceled) {
			fmt.Fprintf(stderr, "train: interrupted after %d steps; %s holds the model, and -resume goes on\n", len(t.Losses.Train), files.Checkpoint)
		}
		return runError
	}
	final, err := t.Final()
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "Final train loss %.4e +/- %.4e\nFinal test loss %.4e +/- %.4e\n", final.Train, final.TrainError, final.Test, final.TestError)
	if err := t.Save(o.saveDir, &final); err != nil {
		return err
	}
	if o.verbose {
		fmt.Fprintf(stdout, "Saved %s\n", files.Checkpoint)
	}
	return nil
}

func help(w io.Writer, flags *pflag.FlagSet) error {
	fmt.Fprint(w, `Fits a Hamiltonian neural network, or the baseline of the same size, to observed derivatives.

  ./train -task real                  the HNN on the measured pendulum
  ./train -task spring -baseline      the baseline on the mass-spring system
  ./train -task pend -verbose -total-steps 600
  ./train -data my.csv                the HNN on a system of your own, whose run files are called my-hnn

Tasks:
`)
	for _, t := range datasets.Tasks() {
		rows, increment := "all rows", ""
		if t.BatchSize > 0 {
			rows = fmt.Sprintf("%d rows", t.BatchSize)
		}
		if t.TimeStep > 0 {
			increment = fmt.Sprintf(", RK4 time step %.3g", t.TimeStep)
		}
		fmt.Fprintf(w, "  %-8s %s\n           %d steps, %s at each, weight decay %g%s\n", t.Name, t.Description, t.Steps, rows, t.WeightDecay, increment)
	}
	fmt.Fprintf(w, `
A system of your own is a CSV. Its first line names the columns, in any order: q1..qn, p1..pn (or q, p), their time derivatives
dq1..dqn, dp1..dpn or the time t, by which they are then taken, and if there are several trajectories a column trajectory that tells
them apart. The last 20%% of the trajectories, or of the rows of a single one, are the test set. Up to 3000 training rows: 2000 steps, all
rows at each; more: 10000 steps, 600 rows at each; no weight decay.

Flags (one dash or two, - or _ between words):
%s
A run leaves in its folder TASK-hnn.tar or TASK-baseline.tar (the weights; PyTorch's torch.load opens it), the same name with
-losses.csv (every step's losses), .json (the settings and final losses) and .resume (what -resume needs).
`, strings.ReplaceAll(flags.FlagUsages(), "(default: the task's) (default -1)", "(default: the task's)"))
	return nil
}
