// Package schedule runs commands side by side. A command can wait for others, and the number of processors limits how many run at once.
package schedule

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Job is a command to run.
type Job struct {
	Name       string
	Program    []string         // path and arguments
	Processors int              // number that the job keeps busy
	After      []*Job           // jobs that must succeed first; those that are Done need not run with it
	Done       bool             // an earlier run has done the job
	Progress   func(p Progress) // receives the job's progress; nil for none
	Ended      func(j *Job)     // called when the job has ended or cannot run; nil for none
	Log        string           // path of a file for the job's output

	Err  error         // the last line of stderr, or the error of a job in After
	Took time.Duration // 0 if the job did not run

	started, ended bool
	held           int // processors while it runs
}

// Progress is a line of JSON that a job writes to ProgressFile: the step that it has made and its last step.
type Progress struct {
	Step int `json:"step"`
	Last int `json:"last"`
}

// ProgressFile is the file to which a job can write its progress.
const ProgressFile = "/dev/fd/3"

// Run runs the jobs and returns when all of them have ended. Among the jobs that can run, the first in the list starts first. A job that
// fails stops only the jobs that wait for it. Cancelling the context interrupts the running jobs and starts no others; Run then returns the
// context's error. The commands end with the program, even if it is killed.
func Run(ctx context.Context, jobs []*Job, processors int) error {
	results := make(chan *Job)
	for free, active := processors, 0; ; active-- {
		for _, j := range jobs {
			if j.started || ctx.Err() != nil {
				continue
			}
			ready, err := j.ready()
			idle := err != nil || j.Done
			if !idle {
				j.held = min(j.Processors, processors)
			}
			if !idle && !ready || j.held > free {
				continue
			}
			j.started, j.Err = true, err
			free, active = free-j.held, active+1
			go func() {
				if !idle {
					begin := time.Now()
					j.Err = j.run(ctx)
					j.Took = time.Since(begin)
				}
				results <- j
			}()
		}
		if active == 0 {
			return ctx.Err()
		}
		j := <-results
		free, j.ended = free+j.held, true
		if j.Ended != nil {
			j.Ended(j)
		}
	}
}

// ready reports whether all jobs in After have ended or were done before, and returns an error if one of them failed.
func (j *Job) ready() (bool, error) {
	for _, before := range j.After {
		if !before.ended && !before.Done {
			return false, nil
		}
		if before.Err != nil {
			return false, fmt.Errorf("not run, as %s failed", before.Name)
		}
	}
	return true, nil
}

func (j *Job) run(ctx context.Context) error {
	// The kernel ends the command when the thread that started it ends. The thread must therefore last as long as the command.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	log, err := os.Create(j.Log)
	if err != nil {
		return err
	}
	defer log.Close()
	fmt.Fprintln(log, strings.Join(j.Program, " "))
	lines, written, err := os.Pipe()
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, j.Program[0], j.Program[1:]...)
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = time.Minute // an interrupted training saves its files
	var complaint bytes.Buffer
	command.Stdout, command.Stderr = log, io.MultiWriter(&complaint, log)
	command.ExtraFiles = []*os.File{written} // the command's file descriptor 3
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	err = command.Start()
	_ = written.Close()
	for decoder := json.NewDecoder(lines); err == nil; {
		var p Progress
		if decoder.Decode(&p) != nil { // the command has ended
			break
		}
		if j.Progress != nil {
			j.Progress(p)
		}
	}
	_ = lines.Close()
	if err != nil {
		return err
	}
	err = command.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var failed *exec.ExitError
	if said := strings.TrimSpace(complaint.String()); errors.As(err, &failed) && said != "" {
		return errors.New(said[strings.LastIndexByte(said, '\n')+1:])
	}
	return err
}
