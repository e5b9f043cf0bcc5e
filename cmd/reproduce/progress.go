package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"hnn/internal/command"
	"hnn/internal/schedule"
)

// progress shows a bar for each task, and one for all with the time left; where nobody looks, it prints a line for each command that
// has ended.
type progress struct{ bars *mpb.Progress }

func newProgress(w io.Writer, p *plan) *progress {
	shown := &progress{}
	visible := command.Terminal(w)
	if visible {
		shown.bars = mpb.New(mpb.WithOutput(w), mpb.WithWidth(48))
	}
	totals, left := map[string]int64{}, int64(0)
	var names []string
	for _, j := range p.jobs {
		if j.Done {
			continue
		}
		todo := p.works[j]
		if totals[todo.task] == 0 {
			names = append(names, todo.task)
		}
		totals[todo.task] += int64(todo.expected)
		left += int64(todo.expected)
	}
	bars := map[string]*mpb.Bar{}
	if visible {
		for _, name := range names {
			bars[name] = shown.bar(name, totals[name])
		}
		bars[""] = shown.bar("all", left, decor.OnComplete(decor.AverageETA(decor.ET_STYLE_GO, decor.WC{W: 9}), ""), decor.OnComplete(decor.Name(" left"), ""))
	}
	for _, j := range p.jobs {
		todo, counted := p.works[j], int64(0)
		advance := func(share float64) {
			next := int64(share * float64(todo.expected))
			for _, name := range []string{todo.task, ""} {
				if bar := bars[name]; bar != nil && !j.Done {
					bar.IncrInt64(next - counted)
				}
			}
			counted = next
		}
		j.Line = func(line string) {
			var step int
			if n, _ := fmt.Sscanf(line, "step %d,", &step); n == 1 {
				advance(float64(step) / float64(todo.steps+1))
			}
		}
		j.Ended = func(j *schedule.Job) {
			advance(1)
			if visible {
				return
			}
			switch {
			case errors.Is(j.Err, context.Canceled):
				fmt.Fprintf(w, "%s: interrupted\n", j.Name)
			case j.Err != nil:
				fmt.Fprintf(w, "%s: %v\n", j.Name, j.Err)
			case j.Done:
				fmt.Fprintf(w, "%s: done before\n", j.Name)
			default:
				fmt.Fprintf(w, "%s: %s\n", j.Name, j.Took.Round(100*time.Millisecond))
			}
		}
	}
	return shown
}

func (p *progress) bar(name string, total int64, after ...decor.Decorator) *mpb.Bar {
	return p.bars.AddBar(total,
		mpb.PrependDecorators(decor.Name(name, decor.WC{W: 8, C: decor.DindentRight})),
		mpb.AppendDecorators(append([]decor.Decorator{decor.Percentage(decor.WC{W: 5})}, after...)...))
}

// wait lets the bars be drawn for the last time.
func (p *progress) wait() {
	if p.bars != nil {
		p.bars.Shutdown()
	}
}
