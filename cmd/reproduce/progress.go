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

// newProgress shows a bar for each task, and one for all of them with the time left. If w is not a terminal, it prints a line for each
// command that has ended instead. The caller calls Shutdown on the result when the jobs have ended.
func newProgress(w io.Writer, p *plan) *mpb.Progress {
	progress := command.Bars(w, true)
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
	for _, name := range names {
		bars[name] = command.Bar(progress, name, totals[name])
	}
	all := command.Bar(progress, "all", left, command.TimeLeft()...)
	for _, j := range p.jobs {
		todo, counted := p.works[j], int64(0)
		advance := func(share float64) {
			next := int64(share * float64(todo.expected))
			bars[todo.task].IncrInt64(next - counted)
			all.IncrInt64(next - counted)
			counted = next
		}
		if len(j.After) == 0 { // a training
			j.Progress = func(p schedule.Progress) { advance(float64(p.Step) / float64(p.Last+1)) }
		}
		j.Ended = func(j *schedule.Job) {
			if !j.Done {
				advance(1)
			}
			if command.Terminal(w) {
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
	return progress
}
