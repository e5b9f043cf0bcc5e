package main

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asProgram makes the test binary behave as the program train.
const asProgram = "HNN_TEST_AS_TRAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		os.Exit(0)
	}
	// Under nohup, SIGHUP is ignored, and programs that the tests start would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	os.Exit(m.Run())
}

// program returns a command that runs train, through a shell if the shell has something to do first.
func program(t *testing.T, first string, arguments ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(self, arguments...)
	if first != "" {
		command = exec.Command("sh", append([]string{"-c", first + `; exec "$0" "$@"`, self}, arguments...)...)
	}
	command.Env = append(os.Environ(), asProgram+"=1")
	return command
}

// execution runs a program to its end and returns what it printed on stderr and its exit status.
func execution(t *testing.T, first string, arguments ...string) (complaint string, status int) {
	t.Helper()
	command := program(t, first, arguments...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	if err := command.Run(); command.ProcessState == nil {
		t.Fatal(err)
	}
	return stderr.String(), command.ProcessState.ExitCode()
}

// contents returns the files of a folder by name.
func contents(t *testing.T, folder string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(content)
	}
	return files
}

// However often SIGKILL ends a training, -resume ends with the file of an undisturbed one, bit for bit, and leaves no other file. The draws of
// batches and noise depend on the random generator's state, and Adam on its vectors.
func TestKill(t *testing.T) {
	const kills, stepsPerKill = 200, 150 // so that the run outlasts the kills
	flags := []string{"-task", "real", "-batch-size", "50", "-input-noise", "0.1", "-hidden-dim", "100", "-quiet", "-threads", "1", "-save-every", "10ms"}
	flags = append(flags, "-total-steps", fmt.Sprint(kills*stepsPerKill))
	whole := t.TempDir()
	if complaint, status := execution(t, "", append(flags, "-save-dir", whole)...); status != 0 {
		t.Fatal(complaint)
	}
	folder := t.TempDir()
	flags = append(flags, "-save-dir", folder, "-resume")
	random := rand.New(rand.NewPCG(0, 0))
	killed := 0
	for range kills {
		command := program(t, "", flags...)
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(random.Int64N(int64(400*time.Millisecond))), func() { _ = command.Process.Kill() })
		_ = command.Wait()
		if timer.Stop() {
			break // the training ended first
		}
		killed++
	}
	if killed < kills/2 {
		t.Errorf("the training ended after %d of %d kills", killed, kills)
	}
	if complaint, status := execution(t, "", flags...); status != 0 {
		t.Fatal(complaint)
	}
	want, got := contents(t, whole), contents(t, folder)
	if len(got) != 1 || got["real-hnn.tar"] != want["real-hnn.tar"] {
		t.Errorf("after %d kills there are %d files, and the run equals the undisturbed one: %t", killed, len(got), got["real-hnn.tar"] == want["real-hnn.tar"])
	}
}

// running starts a training. It returns when steps have been made, and closes the pipe to which the training prints: that ends no training.
func running(t *testing.T, arguments ...string) *exec.Cmd {
	t.Helper()
	command := program(t, "", append(arguments, "-verbose", "-print-every", "1")...)
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	command.Stderr = &bytes.Buffer{}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill() }) // if the test has failed
	lines := bufio.NewScanner(stdout)
	for range 3 {
		if !lines.Scan() {
			t.Fatal("the training ended")
		}
	}
	_ = stdout.Close()
	time.Sleep(50 * time.Millisecond) // some steps later
	return command
}

// Signals of every kind save the run, with the exit status of a shell. Before the first step, a finished run stays as it is.
func TestSignals(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		folder := t.TempDir()
		command := running(t, "-task", "real", "-total-steps", "1000000", "-save-dir", folder)
		_ = command.Process.Signal(signal)
		_ = command.Wait()
		stderr := fmt.Sprint(command.Stderr)
		if status := command.ProcessState.ExitCode(); status != 128+int(signal) || !strings.Contains(stderr, "-resume continues the run") {
			t.Errorf("%v: exit status %d, and on stderr %q", signal, status, stderr)
		}
		if files := contents(t, folder); len(files) != 1 || files["real-hnn-unfinished.tar"] == "" {
			t.Errorf("%v left %d files", signal, len(files))
		}
	}
}

// Where the file cannot grow, the last whole one stays, and the error names it.
func TestFullDisk(t *testing.T) {
	folder := t.TempDir()
	flags := []string{"-task", "real", "-quiet", "-save-dir", folder, "-resume", "-total-steps"}
	if complaint, status := execution(t, "", append(flags, "10")...); status != 0 {
		t.Fatal(complaint)
	}
	before := contents(t, folder)
	blocks := len(before["real-hnn.tar"]) / 512 / 2
	complaint, status := execution(t, fmt.Sprintf("ulimit -f %d", blocks), append(flags, "200", "-save-every", "50ms")...)
	if after := contents(t, folder); status != 1 || len(after) != 1 || after["real-hnn.tar"] != before["real-hnn.tar"] {
		t.Errorf("exit status %d, %d files, and the run is the same: %t", status, len(after), after["real-hnn.tar"] == before["real-hnn.tar"])
	}
	lines := strings.Split(strings.TrimSpace(complaint), "\n")
	if last := lines[len(lines)-1]; len(lines) > 2 || !strings.Contains(last, "real-hnn-unfinished.tar") || !strings.Contains(last, "file too large") {
		t.Errorf("stderr has %d lines: %s", len(lines), complaint)
	}
	if complaint, status := execution(t, "", append(flags, "200")...); status != 0 {
		t.Errorf("with space again: %s", complaint)
	}
}

// While a program writes a run, another one is refused and told who holds it. After a SIGKILL nobody holds it.
func TestTwoPrograms(t *testing.T) {
	folder := t.TempDir()
	flags := []string{"-task", "real", "-save-dir", folder, "-total-steps"}
	holder := running(t, append(flags, "1000000")...)
	complaint, status := execution(t, "", append(flags, "1")...)
	if want := fmt.Sprintf("real-hnn.tar: process %d on ", holder.Process.Pid); status != 1 || !strings.Contains(complaint, want) || strings.Count(complaint, "\n") != 1 {
		t.Errorf("exit status %d, and on stderr %q", status, complaint)
	}
	_ = holder.Process.Kill()
	_ = holder.Wait()
	if complaint, status := execution(t, "", append(flags, "1")...); status != 0 {
		t.Errorf("after the holder's end: %s", complaint)
	}
	if files := contents(t, folder); len(files) != 1 || files["real-hnn.tar"] == "" {
		t.Errorf("there are %d files", len(files))
	}
}

// gotch makes a folder in HOME when a program starts, and would end it here.
func TestMissingHome(t *testing.T) {
	for _, first := range []string{"unset HOME", "HOME=/dev/null; export HOME"} {
		if complaint, status := execution(t, first, "-task", "real", "-total-steps", "1", "-save-dir", t.TempDir()); status != 0 {
			t.Errorf("%s: exit status %d, and on stderr %q", first, status, complaint)
		}
	}
}

// An interrupted run is not lost to a shorter one, and not to one of other settings.
func TestInterruptedRunStays(t *testing.T) {
	folder := t.TempDir()
	command := running(t, "-task", "real", "-total-steps", "1000000", "-save-dir", folder)
	_ = command.Process.Signal(syscall.SIGINT)
	_ = command.Wait()
	before := contents(t, folder)
	flags := []string{"-task", "real", "-save-dir", folder, "-total-steps", "1"}
	if complaint, status := execution(t, "", flags...); status != 0 || !strings.Contains(complaint, "steps of this run, which was interrupted") {
		t.Errorf("a shorter run: exit status %d, and on stderr %q", status, complaint)
	}
	if complaint, status := execution(t, "", append(flags, "-learn-rate", "0.01")...); status != 1 || !strings.Contains(complaint, `learn_rate was "0.001" and is "0.01"; it was interrupted`) {
		t.Errorf("other settings: exit status %d, and on stderr %q", status, complaint)
	}
	after := contents(t, folder)
	if name := "real-hnn-unfinished.tar"; len(after) != 2 || after[name] == "" || after[name] != before[name] {
		t.Errorf("there are %d files, and the interrupted run is the same: %t", len(after), after[name] == before[name])
	}
}
