// Package schedule runs commands that wait for one another side by side, on a machine of so many processors.
package schedule

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Job is a command to run.
type Job struct {
	Name       string
	Program    []string          // with its arguments
	Processors int               // that it keeps busy
	After      []*Job            // without which it cannot run
	Done       bool              // by an earlier run
	Line       func(line string) // is called with each line of its output; nil for none
	Ended      func(j *Job)      // is called when it has ended, or will not run; nil for none
	Log        string            // the path of a file for all that it prints

	Err  error         // of the command, with its last line, or of a job that it waited for
	Took time.Duration // 0 unless it ran

	state state
}

type state int

const (
	waiting state = iota
	running
	ended
)

// Run runs the jobs, the first that can be run first, and returns when all have ended. A job that fails takes with it only those that
// wait for it. When the context is cancelled, no job begins, those that run are interrupted, and the context's error is returned.
func Run(ctx context.Context, jobs []*Job, processors int) error {
	results := make(chan *Job)
	free, active := processors, 0
	for {
		for progress := true; progress; {
			progress = false
			for _, j := range jobs {
				if j.state != waiting || ctx.Err() != nil {
					continue
				}
				ready, err := j.ready()
				switch {
				case err != nil || j.Done:
					j.Err, progress = err, true
					j.end()
				case ready && j.takes(processors) <= free:
					free, active, j.state = free-j.takes(processors), active+1, running
					go func() {
						begin := time.Now()
						j.Err = j.run(ctx)
						j.Took = time.Since(begin)
						results <- j
					}()
				}
			}
		}
		if active == 0 {
			return ctx.Err()
		}
		j := <-results
		free, active = free+j.takes(processors), active-1
		j.end()
	}
}

func (j *Job) takes(processors int) int { return min(j.Processors, processors) }

func (j *Job) end() {
	j.state = ended
	if j.Ended != nil {
		j.Ended(j)
	}
}

// ready tells whether all jobs before this one have ended, and returns an error if one of them failed.
func (j *Job) ready() (bool, error) {
	for _, before := range j.After {
		if before.state != ended {
			return false, nil
		}
		if before.Err != nil {
			return false, fmt.Errorf("not run, as %s failed", before.Name)
		}
	}
	return true, nil
}

func (j *Job) run(ctx context.Context) error {
	log, err := os.Create(j.Log)
	if err != nil {
		return err
	}
	defer log.Close()
	command := exec.CommandContext(ctx, j.Program[0], j.Program[1:]...)
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = time.Minute // for what it has to save
	var complaint bytes.Buffer
	command.Stderr = &complaint
	output, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	fmt.Fprintln(log, strings.Join(j.Program, " "))
	if err := command.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		fmt.Fprintln(log, lines.Text())
		if j.Line != nil {
			j.Line(lines.Text())
		}
	}
	err = command.Wait()
	_, _ = log.Write(complaint.Bytes())
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var failed *exec.ExitError
	if said := strings.TrimSpace(complaint.String()); errors.As(err, &failed) && said != "" {
		return errors.New(said[strings.LastIndexByte(said, '\n')+1:])
	}
	return err
}
