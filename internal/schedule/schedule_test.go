package schedule

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// asProgram makes the test binary a program that runs one job: a shell that saves a file when it is told to end.
const asProgram = "HNN_TEST_AS_SCHEDULE"

func TestMain(m *testing.M) {
	if file := os.Getenv(asProgram); file != "" {
		script := "trap 'echo saved >" + file + "; exit' TERM; echo {}; while true; do sleep 0.01; done"
		_ = Run(context.Background(), []*Job{{Program: []string{"sh", "-c", script}, Processors: 1, Log: file + ".log"}}, 1)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// SIGKILL leaves a program no time to end its commands. They are told to end all the same, and can save their files.
func TestCommandsEndWithTheProgram(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "saved")
	program := exec.Command(self)
	program.Env = append(os.Environ(), asProgram+"="+file)
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	wait := func(path, content string) {
		t.Helper()
		for range 1000 {
			if text, _ := os.ReadFile(path); strings.HasSuffix(string(text), content+"\n") {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Fatalf("there is no %q in %s", content, path)
	}
	wait(file+".log", "{}")
	if err := program.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = program.Wait()
	wait(file, "saved")
}

// shell makes jobs that run a script, and records the order in which they end.
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

// A job finds the files of the jobs that it waits for. The error of a failed job is its last line, and only the jobs that wait for it do not run.
func TestJobsWaitAndFail(t *testing.T) {
	s := &shell{t: t}
	file := filepath.Join(t.TempDir(), "file")
	var progress []Progress
	first := s.job("first", `echo '{"step": 1, "last": 2}' >`+ProgressFile+`; echo '{"step":2,"last":2}' >&3; echo written >`+file, 1)
	first.Progress = func(p Progress) { progress = append(progress, p) }
	second := s.job("second", "grep -q written "+file, 5, first) // more than there are: all
	broken := s.job("broken", "echo output; echo noise >&2; echo broken: no data >&2; exit 1", 1)
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
	if !slices.Equal(progress, []Progress{{1, 2}, {2, 2}}) || len(s.ended) != 6 || first.Took == 0 || old.Took != 0 {
		t.Errorf("progress %v, ended %v", progress, s.ended)
	}
	content, err := os.ReadFile(broken.Log)
	if err != nil || !strings.Contains(string(content), "output\nnoise\nbroken: no data") {
		t.Errorf("the log of the broken job is %q, %v", content, err)
	}
}

// Jobs that keep all processors busy do not run beside others.
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
	// Two jobs that take half of the processors each run side by side: each waits for the other's file.
	meet := func(mine, other string) string {
		return "touch " + folder + "/" + mine + "; while [ ! -e " + folder + "/" + other + " ]; do sleep 0.01; done"
	}
	if err := Run(context.Background(), []*Job{s.job("d", meet("d", "e"), 1), s.job("e", meet("e", "d"), 1)}, 2); err != nil {
		t.Fatal(err)
	}
}

// A job runs without the jobs that were done before it.
func TestDoneBefore(t *testing.T) {
	s := &shell{t: t}
	before := s.job("before", "false", 1)
	before.Done = true
	if err := Run(context.Background(), []*Job{s.job("after", "true", 1, before)}, 1); err != nil || !slices.Equal(s.ended, []string{"after"}) {
		t.Errorf("%v ended, error %v", s.ended, err)
	}
}

// An interrupted job can save its files, and no other job starts.
func TestInterruption(t *testing.T) {
	s := &shell{t: t}
	ctx, cancel := context.WithCancel(context.Background())
	file := filepath.Join(t.TempDir(), "saved")
	first := s.job("first", "trap 'echo saved >"+file+"; exit 130' INT; echo '{}' >&3; while true; do sleep 0.01; done", 1)
	first.Progress = func(Progress) { cancel() }
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
