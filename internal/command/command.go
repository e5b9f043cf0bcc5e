// Package command holds code that the commands share: flags in Go's spelling and in the published scripts', one-line errors, and
// progress on a terminal.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/spf13/pflag"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/internal/libtorch"
)

// Main runs a command. SIGINT and SIGTERM cancel its context.
func Main(name string, run func(ctx context.Context, arguments []string, stdout, stderr io.Writer) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		Exit(name, err)
	}
}

// Interruptible runs a computation that takes no context. If ctx ends first, Interruptible returns its error, and the computation goes on until
// the program ends.
func Interruptible(ctx context.Context, compute func() error) error {
	done := make(chan error, 1)
	go func() { done <- compute() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Exit ends the program. After an interruption it prints nothing and the status is 130, as a shell's after SIGINT. After any other error it
// prints one line on stderr; the status is 2 if -cuda found no GPU, and 1 otherwise.
func Exit(name string, err error) {
	if errors.Is(err, context.Canceled) {
		os.Exit(130)
	}
	fmt.Fprintf(os.Stderr, "%s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", " "))
	if errors.Is(err, libtorch.ErrNoCUDA) {
		os.Exit(2)
	}
	os.Exit(1)
}

// Flags returns an empty set of flags that takes - and _ between words: the published scripts write total_steps.
func Flags(name string) *pflag.FlagSet {
	flags := pflag.NewFlagSet(name, pflag.ContinueOnError)
	flags.SortFlags = false
	flags.SetOutput(io.Discard)
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
	})
	return flags
}

// CUDA adds the flag -cuda.
func CUDA(flags *pflag.FlagSet, cuda *bool) {
	flags.BoolVar(cuda, "cuda", false, "train on the GPU; without a usable one this is an error with exit status 2")
}

// Table adds the flags that say of a table what it does not.
func Table(flags *pflag.FlagSet) *datasets.TableOptions {
	o := &datasets.TableOptions{}
	flags.StringSliceVar(&o.Angles, "angles", nil, "positions of a table that are angles, such as q1,q2, or none (default: those that jump by a full turn)")
	flags.Float64SliceVar(&o.Masses, "mass", nil, "`masses` of the positions, for momenta that were not measured (default: 1)")
	flags.Lookup("mass").DefValue = "" // pflag would print [] as a second default
	return o
}

// TestFraction is the part of a table's trajectories that training does not see, by default.
const TestFraction = 0.2

// Parse reads the arguments. Flags start with one dash or two. It returns pflag.ErrHelp if they ask for help.
func Parse(flags *pflag.FlagSet, arguments []string) error {
	doubled := make([]string, len(arguments))
	for i, a := range arguments {
		doubled[i] = a
		if len(a) > 2 && a[0] == '-' && a[1] >= 'a' && a[1] <= 'z' {
			doubled[i] = "-" + a
		}
	}
	if err := flags.Parse(doubled); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%w; -help lists the flags", err)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is not a flag; -help lists the flags", flags.Arg(0))
	}
	return nil
}

// Task returns the task with the given name (the value of -task) or, if the name is empty, the task of a data file (the value of -data).
func Task(name, file string, table datasets.TableOptions) (datasets.Task, error) {
	switch {
	case name != "":
		return datasets.Find(name)
	case file != "":
		return datasets.FromTableWith(file, table)
	default:
		return datasets.Task{}, fmt.Errorf("no task is given; -task takes %s, or -data takes a file of your own", strings.Join(TaskNames(), ", "))
	}
}

// TaskNames lists the names of the tasks.
func TaskNames() []string {
	var names []string
	for _, t := range datasets.Tasks() {
		names = append(names, t.Name)
	}
	return names
}

// PublishedModels lists the names of the models that the paper trains.
func PublishedModels() []string {
	var names []string
	for _, m := range hamiltonian.Models {
		if m.Published {
			names = append(names, m.Name)
		}
	}
	return names
}

// Terminal reports whether w is a terminal.
func Terminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// Bars returns a container of progress bars. It draws them if w is a terminal and visible is set, and is silent otherwise.
func Bars(w io.Writer, visible bool) *mpb.Progress {
	if !visible || !Terminal(w) {
		w = io.Discard
	}
	return mpb.New(mpb.WithOutput(w), mpb.WithWidth(48))
}

// Bar adds a bar with a name, its percentage and further decorators.
func Bar(bars *mpb.Progress, name string, total int64, after ...decor.Decorator) *mpb.Bar {
	return bars.AddBar(total,
		mpb.PrependDecorators(decor.Name(name, decor.WC{W: 8, C: decor.DindentRight | decor.DextraSpace})),
		mpb.AppendDecorators(append([]decor.Decorator{decor.Percentage(decor.WC{W: 5})}, after...)...))
}

// TimeLeft shows how long a bar that is not complete will take.
func TimeLeft() []decor.Decorator {
	return []decor.Decorator{
		decor.OnComplete(decor.AverageETA(decor.ET_STYLE_GO, decor.WC{W: 9}), ""), decor.OnComplete(decor.Name(" left"), ""),
	}
}

// Spinner shows the present stage of a long computation if w is a terminal and visible is set. Any goroutine may call say with the stage that
// begins; end removes the line from the terminal.
func Spinner(w io.Writer, visible bool) (say func(stage string), end func()) {
	bars := Bars(w, visible)
	var stage atomic.Pointer[string]
	say = func(s string) { stage.Store(&s) }
	say("")
	shown := decor.Any(func(decor.Statistics) string { return *stage.Load() })
	bar := bars.AddSpinner(0, mpb.BarWidth(1), mpb.AppendDecorators(decor.Elapsed(decor.ET_STYLE_GO, decor.WC{W: 5}), decor.Name(" "), shown))
	return say, func() { bar.Abort(true); bars.Wait() }
}
