// Package command holds what the commands share: flags in the published scripts' spelling and in Go's, errors in one line, and
// progress on a terminal.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"hnn/datasets"
	"hnn/internal/libtorch"
)

// The exit statuses: of any error; where -cuda has no GPU to compute on; and of a program that SIGINT ended, as shells count it.
const (
	failed      = 1
	noCUDA      = 2
	interrupted = 130
)

// Exit ends the program: with status 130 after an interruption, else with one line on stderr and 2 where -cuda has no GPU to
// compute on, or 1.
func Exit(name string, err error) {
	if errors.Is(err, context.Canceled) {
		os.Exit(interrupted)
	}
	fmt.Fprintf(os.Stderr, "%s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", " "))
	if errors.Is(err, libtorch.ErrNoCUDA) {
		os.Exit(noCUDA)
	}
	os.Exit(failed)
}

// CUDA adds the flag -cuda.
func CUDA(flags *pflag.FlagSet, cuda *bool) {
	flags.BoolVar(cuda, "cuda", false, "compute on the GPU; what is missing for it is an error, with exit status 2")
}

// Configure sets LibTorch to one thread and says where its tensors live. A command calls it once.
func Configure(cuda bool) error {
	if err := libtorch.Configure(1); err != nil || !cuda {
		return err
	}
	return libtorch.UseCUDA()
}

// Flags returns an empty set of flags. The published scripts write total_steps where others write total-steps; both are the
// same flag.
func Flags(name string) *pflag.FlagSet {
	flags := pflag.NewFlagSet(name, pflag.ContinueOnError)
	flags.SortFlags = false
	flags.SetOutput(io.Discard)
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
	})
	return flags
}

// Parse reads the arguments, long flags with one dash or two. It returns pflag.ErrHelp where help is asked for.
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
		return fmt.Errorf("%q is no flag; -help lists the flags", flags.Arg(0))
	}
	return nil
}

// Task returns the task that -task names, or without a name the one of the system that the file given by -data holds.
func Task(name, file string) (datasets.Task, error) {
	switch {
	case name != "":
		return datasets.Find(name)
	case file != "":
		return datasets.FromTable(file)
	default:
		return datasets.Task{}, fmt.Errorf("no task is given; -task takes %s, or -data a file of your own, and -help tells more", strings.Join(TaskNames(), ", "))
	}
}

// TaskNames lists the names that -task takes.
func TaskNames() []string {
	var names []string
	for _, t := range datasets.Tasks() {
		names = append(names, t.Name)
	}
	return names
}

// Terminal tells whether a writer shows what is written to a person.
func Terminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// Bar returns a progress bar of a number of steps, which shows on a terminal only.
func Bar(w io.Writer, visible bool, steps int, description string) *progressbar.ProgressBar {
	return progressbar.NewOptions(steps,
		progressbar.OptionSetDescription(description),
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetVisibility(visible && Terminal(w)),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetItsString("steps"),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(100_000_000),
		progressbar.OptionFullWidth())
}

// Stages shows which part of a long work goes on, on a terminal only.
type Stages struct{ bar *progressbar.ProgressBar }

// Spinner returns Stages that show nothing yet.
func Spinner(w io.Writer, visible bool) Stages {
	return Stages{progressbar.NewOptions(-1,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetVisibility(visible && Terminal(w)),
		progressbar.OptionSpinnerType(14),
		progressbar.OptionSetElapsedTime(true),
		progressbar.OptionSetRenderBlankState(true))}
}

// Say names the part that begins; any goroutine may call it.
func (s Stages) Say(stage string) { s.bar.Describe(stage) }

// Clear takes the line off the terminal.
func (s Stages) Clear() { _ = s.bar.Finish(); _ = s.bar.Clear() }
