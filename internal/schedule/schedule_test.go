package schedule

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// shell makes jobs that run a script, and that note the order in which they end.
type shell struct {
	t     *testing.T
	ended []string
}

func (s *shell) job(name, script string, processors int, after ...*Job) *Job {
	return &Job{
		Name: name, Program: []string{"sh", "-c", script}, Processors: processors, After: after,
		Log: filepath.Join(s.t.TempDir(), "log"), Ended: func(j *Job) { s.ended = append(s.ended, j.Name) },
	}
}

// What waits for another finds what that has left; what failed says its last line and takes along only what waits for it.
func TestJobsWaitAndFail(t *testing.T) {
	s := &shell{t: t}
	file := filepath.Join(t.TempDir(), "file")
	var lines []string
	first := s.job("first", "echo one; echo two; echo written >"+file, 1)
	first.Line = func(line string) { lines = append(lines, line) }
	second := s.job("second", "grep -q written "+file, 5, first) // more than there are: all
	broken := s.job("broken", "echo noise >&2; echo broken: no data >&2; exit 1", 1)
	lost := s.job("lost", "true", 1, broken)
	old := s.job("old", "false", 1)
	old.Done = true
	after := s.job("after", "true", 1, old)
	if err := Run(context.Background(), []*Job{second, first, lost, broken, after, old}, 2); err != nil {
		t.Fatal(err)
	}
	for _, j := range []*Job{first, second, old, after} {
		if j.Err != nil {
			t.Errorf("%s: %v", j.Name, j.Err)
		}
	}
	if broken.Err == nil || broken.Err.Error() != "broken: no data" {
		t.Errorf("the broken job's error is %v", broken.Err)
	}
	if lost.Err == nil || lost.Err.Error() != "not run, as broken failed" || lost.Took != 0 {
		t.Errorf("the lost job's error is %v, and it took %s", lost.Err, lost.Took)
	}
	if strings.Join(lines, " ") != "one two" || len(s.ended) != 6 || first.Took == 0 || old.Took != 0 {
		t.Errorf("lines %v, ended %v", lines, s.ended)
	}
	content, err := os.ReadFile(broken.Log)
	if err != nil || !strings.Contains(string(content), "noise\nbroken: no data") {
		t.Errorf("the log of the broken job is %q, %v", content, err)
	}
}

// Jobs that take all processors do not run beside others.
func TestProcessorsAreNotSharedOut(t *testing.T) {
	s := &shell{t: t}
	folder := t.TempDir()
	alone := "mkdir " + folder + "/busy && sleep 0.05 && rmdir " + folder + "/busy"
	jobs := []*Job{s.job("a", alone, 2), s.job("b", alone, 2), s.job("c", alone, 2)}
	if err := Run(context.Background(), jobs, 2); err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs {
		if j.Err != nil {
			t.Errorf("%s ran beside another: %v", j.Name, j.Err)
		}
	}
	// And those that take half of them do: each waits for the other's sign.
	meet := func(mine, other string) string {
		return "touch " + folder + "/" + mine + "; while [ ! -e " + folder + "/" + other + " ]; do sleep 0.01; done"
	}
	if err := Run(context.Background(), []*Job{s.job("d", meet("d", "e"), 1), s.job("e", meet("e", "d"), 1)}, 2); err != nil {
		t.Fatal(err)
	}
}

// An interruption lets a job save, and begins no other.
func TestInterruption(t *testing.T) {
	s := &shell{t: t}
	ctx, cancel := context.WithCancel(context.Background())
	file := filepath.Join(t.TempDir(), "saved")
	first := s.job("first", "trap 'echo saved >"+file+"; exit 130' INT; echo up; while true; do sleep 0.01; done", 1)
	first.Line = func(string) { cancel() }
	second := s.job("second", "true", 1)
	err := Run(ctx, []*Job{first, second}, 1)
	if !errors.Is(err, context.Canceled) || !errors.Is(first.Err, context.Canceled) {
		t.Errorf("the errors are %v and %v", err, first.Err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("the interrupted job did not save: %v", err)
	}
	if len(s.ended) != 1 {
		t.Errorf("%v ended, want the first alone", s.ended)
	}
}
