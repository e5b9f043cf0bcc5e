package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/vbauerster/mpb/v8"

	"hnn/internal/command"
	"hnn/internal/schedule"
)

// newProgress shows a bar for each task of some jobs of a plan, and one for all of them with the time left. If w is not a terminal, it prints a line
// for each command that has ended instead. The caller calls Shutdown on the result when the jobs have ended.
func newProgress(w io.Writer, p *plan, jobs []*schedule.Job) *mpb.Progress {
	const all = "all"
	progress, bars, totals := command.Bars(w, true), map[string]*mpb.Bar{}, map[string]int64{}
	for _, j := range jobs {
		if todo := p.works[j]; !j.Done {
			totals[todo.task] += int64(todo.expected)
			totals[all] += int64(todo.expected)
		}
	}
	for _, j := range jobs {
		todo, counted := p.works[j], int64(0)
		if !j.Done && bars[todo.task] == nil {
			bars[todo.task] = command.Bar(progress, todo.task, totals[todo.task])
		}
		advance := func(share float64) {
			next := int64(share * float64(todo.expected))
			for _, name := range []string{todo.task, all} {
				bars[name].IncrInt64(next - counted)
			}
			counted = next
		}
		if len(j.After) == 0 { // a training
			j.Progress = func(p schedule.Progress) { advance(float64(p.Step) / float64(p.Last+1)) }
		}
		j.Ended = func(j *schedule.Job) {
			if !j.Done {
				advance(1)
			}
			said := j.Took.Round(100 * time.Millisecond).String()
			switch {
			case errors.Is(j.Err, context.Canceled):
				said = "interrupted"
			case j.Err != nil:
				said = j.Err.Error()
			case j.Done:
				said = "done before"
			}
			if !command.Terminal(w) {
				fmt.Fprintf(w, "%s: %s\n", j.Name, said)
			}
		}
	}
	bars[all] = command.Bar(progress, all, totals[all], command.TimeLeft()...)
	return progress
}
