package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"hnn/internal/command"
	"hnn/internal/schedule"
)

// display shows how far trainings are, and records it in the file of -progress.
type display struct {
	bars   *mpb.Progress
	stdout io.Writer // for the lines of -verbose
	file   *os.File
}

// newDisplay opens a display. The caller closes it when all its bars have ended.
func newDisplay(o options, stdout, stderr io.Writer) (*display, error) {
	file, err := os.Create(cmp.Or(o.progress, os.DevNull))
	if err != nil {
		return nil, err
	}
	d := &display{bars: command.Bars(stderr, !o.quiet), stdout: stdout, file: file}
	switch {
	case !o.verbose:
		d.stdout = io.Discard
	case command.Terminal(stdout) && command.Terminal(stderr):
		d.stdout = d.bars // which prints lines above the bars
	}
	return d, nil
}

func (d *display) close() {
	d.bars.Wait()
	_ = d.file.Close()
}

// record prints a line, and writes the progress.
func (d *display) record(step, last int, line string) {
	fmt.Fprintln(d.stdout, line)
	_ = json.NewEncoder(d.file).Encode(schedule.Progress{Step: step, Last: last}) // training does not depend on a reader
}

// bar is the progress bar of a training.
type bar struct {
	*mpb.Bar
	drawn time.Time
}

func (d *display) bar(name string, after ...decor.Decorator) *bar {
	after = append([]decor.Decorator{decor.CountersNoUnit(" %d/%d steps")}, append(after, command.TimeLeft()...)...)
	return &bar{Bar: command.Bar(d.bars, name, 0, after...)}
}

// move shows a number of steps, if the last movement was long enough ago that drawing costs the training nothing.
func (b *bar) move(steps, total int) {
	if now := time.Now(); now.Sub(b.drawn) > 100*time.Millisecond {
		b.SetTotal(int64(total), false)
		b.SetCurrent(int64(steps))
		b.drawn = now
	}
}
