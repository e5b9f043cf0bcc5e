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

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/internal/wait"
)

// Main runs a command. SIGINT, SIGTERM, SIGQUIT, SIGXCPU of a limit of processor time and, unless nohup started the program, SIGHUP cancel its
// context. A write to a pipe that nobody reads, or beyond the limit of a file's size, returns an error and does
// not end the program.
func Main(name string, run func(ctx context.Context, arguments []string, stdout, stderr io.Writer) error) {
	limitProcessors()
	signal.Ignore(syscall.SIGPIPE, syscall.SIGXFSZ)
	ctx, interrupt := context.WithCancelCause(context.Background())
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGXCPU)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(caught, syscall.SIGHUP)
	}
	go func() { interrupt(interruption((<-caught).(syscall.Signal))) }()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		Exit(name, err)
	}
}

// interruption is the signal that ended a context.
type interruption syscall.Signal

func (i interruption) Error() string { return "interrupted by " + syscall.Signal(i).String() }

// Task returns the task with the given name (the value of -task), with the data of a file (the value of -data) if one is given; or, if the name is
// empty, the task of a table. If ctx ends first, it returns the error of ctx: a file can be a pipe into which nobody writes.
func Task(ctx context.Context, name, file string, table datasets.TableOptions) (datasets.Task, error) {
	if name == "" && file == "" {
		return datasets.Task{}, fmt.Errorf("no task is given; -task takes %s, or -data takes a file of your own", strings.Join(TaskNames(), ", "))
	}
	var found datasets.Task // by a goroutine that may outlive this call
	err := wait.For(ctx, func() (err error) {
		if name == "" {
			found, err = datasets.FromTableWith(file, table)
			return err
		}
		if found, err = datasets.Find(name); err == nil && file != "" {
			found, err = found.WithFile(file)
		}
		return err
	})
	if err != nil {
		return datasets.Task{}, err
	}
	return found, nil
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
