package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"hnn/datasets"
)

// The test program is a command itself if this variable names one of programs.
const program = "HNN_COMMAND"

var programs = map[string]func(ctx context.Context, arguments []string, stdout, stderr io.Writer) error{
	"wait": func(ctx context.Context, _ []string, stdout, _ io.Writer) error {
		fmt.Fprintln(stdout, "ready")
		<-ctx.Done()
		return fmt.Errorf("after a wait: %w", ctx.Err())
	},
	"write": func(_ context.Context, _ []string, stdout, _ io.Writer) error {
		for {
			if _, err := fmt.Fprintln(stdout, "ready"); err != nil {
				return fmt.Errorf("a line: %w", err)
			}
		}
	},
	"fail": func(context.Context, []string, io.Writer, io.Writer) error {
		return errors.New("a title \x1b]0;x\a of\ntwo lines")
	},
	"count": func(_ context.Context, _ []string, stdout, _ io.Writer) error {
		_, err := fmt.Fprintln(stdout, runtime.GOMAXPROCS(0), os.Getenv("GOMAXPROCS"))
		return err
	},
}

func TestMain(m *testing.M) {
	if run, ok := programs[os.Getenv(program)]; ok {
		Main("child", run)
		return
	}
	// Under nohup, SIGHUP is ignored, and programs that the tests start would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	os.Exit(m.Run())
}

// child returns a command that runs one of programs, after what a shell does first.
func child(t *testing.T, name, before string, variables ...string) *exec.Cmd {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command("sh", "-c", before+` exec "$0"`, path)
	command.Env = append(append(os.Environ(), program+"="+name), variables...)
	return command
}

// started starts a child and returns when it writes, with its output and its complaint.
func started(t *testing.T, command *exec.Cmd) (stdout io.ReadCloser, stderr *strings.Builder) {
	t.Helper()
	stderr = &strings.Builder{}
	command.Stderr = stderr
	stdout, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err == nil {
		_, err = io.ReadFull(stdout, make([]byte, len("ready\n")))
	}
	if err != nil {
		t.Fatal(err)
	}
	return stdout, stderr
}

// The status of a program that a signal ended is 128 and its number (POSIX: above 128). nohup starts a program
// with SIGHUP ignored, and a script starts one in the background with SIGINT ignored.
func TestSignals(t *testing.T) {
	for _, test := range []struct {
		before string
		send   []syscall.Signal
		status int
	}{
		{"", []syscall.Signal{syscall.SIGHUP}, 129},
		{"", []syscall.Signal{syscall.SIGINT}, 130},
		{"", []syscall.Signal{syscall.SIGQUIT}, 131},
		{"", []syscall.Signal{syscall.SIGTERM}, 143},
		{"", []syscall.Signal{syscall.SIGXCPU}, 152},
		{"", []syscall.Signal{syscall.SIGPIPE, syscall.SIGTERM}, 143},
		{"trap '' HUP INT;", []syscall.Signal{syscall.SIGHUP, syscall.SIGINT}, 130},
	} {
		command := child(t, "wait", test.before)
		_, complaint := started(t, command)
		for _, s := range test.send {
			if err := command.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
		}
		_ = command.Wait() // the status follows
		if status := command.ProcessState.ExitCode(); status != test.status || complaint.Len() > 0 {
			t.Errorf("%s%v: the status is %d, want %d, and on stderr: %s", test.before, test.send, status, test.status, complaint)
		}
	}
}

// 141 is the status of a program that SIGPIPE ends.
func TestClosedOutput(t *testing.T) {
	command := child(t, "write", "")
	stdout, complaint := started(t, command)
	_ = stdout.Close()
	_ = command.Wait() // the status follows
	if status := command.ProcessState.ExitCode(); status != 141 || complaint.Len() > 0 {
		t.Errorf("the status is %d, and on stderr: %s", status, complaint)
	}
}

// A write beyond a limit of the shell is an error, and the error is a line.
func TestFileLimit(t *testing.T) {
	command := child(t, "write", "ulimit -f 1;")
	file, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	var complaint strings.Builder
	command.Stdout, command.Stderr = file, &complaint
	_ = command.Run() // the status follows
	if got, want := complaint.String(), "child: a line: write /dev/stdout: file too large\n"; got != want || command.ProcessState.ExitCode() != 1 {
		t.Errorf("the status is %d, and on stderr: %s", command.ProcessState.ExitCode(), got)
	}
}

func TestErrorLine(t *testing.T) {
	_, err := child(t, "fail", "").Output()
	var failure *exec.ExitError
	want := `child: a title \x1b]0;x\a of two lines` + "\n"
	if !errors.As(err, &failure) || failure.ExitCode() != 1 || string(failure.Stderr) != want {
		t.Errorf("the error is %v, and on stderr: %q", err, failure.Stderr)
	}
}

func TestProcessors(t *testing.T) {
	all := runtime.NumCPU()
	for variable, want := range map[string]int{"": all, "1": 1, "1000": all} {
		out, err := child(t, "count", "", "GOMAXPROCS="+variable).Output()
		if got := strings.TrimSpace(string(out)); err != nil || got != strings.TrimSpace(fmt.Sprint(want, " ", variable)) {
			t.Errorf("GOMAXPROCS=%s gave %q, want %d and the variable as it was; error %v", variable, got, want, err)
		}
	}
	if _, err := exec.LookPath("taskset"); err == nil {
		out, err := child(t, "count", "taskset -p 1 $$ >/dev/null;", "GOMAXPROCS=1000").Output()
		if err != nil || string(out) != "1 1000\n" {
			t.Errorf("on one processor, the number of threads and the variable are %q, error %v", out, err)
		}
	}
}

func TestNote(t *testing.T) {
	long := strings.Repeat("start ", 100) + strings.Repeat(" end", 100)
	for text, want := range map[string]string{
		"H = p²/2m, “θ” in ° – 日本":                "H = p²/2m, “θ” in ° – 日本",
		"a\nb\tc\rd\x1b[2Je\x00\x7f\u0085\u202ef": `a b\tc\rd\x1b[2Je\x00\x7f\u0085\u202ef`,
		"\xff\xc3(\ufffd":                         `\xff\xc3(` + "\ufffd",
	} {
		var b strings.Builder
		if Note(&b, "train", text); b.String() != "train: "+want+"\n" {
			t.Errorf("%q is written as %q", text, b.String())
		}
	}
	var b strings.Builder
	Note(&b, "train", long)
	line := []rune(b.String())
	if len(line) != 301 || !strings.HasPrefix(b.String(), "train: start start") || !strings.HasSuffix(b.String(), "end end\n") || !strings.Contains(b.String(), "…") {
		t.Errorf("a long text has %d characters: %s", len(line), b.String())
	}
	b.Reset()
	if Note(&b, "train", strings.Repeat("\x1b", 1e6)); len([]rune(b.String())) != 301 {
		t.Errorf("escapes make a line of %d characters", len(b.String()))
	}
}

// A pipe into which nobody writes is a wait that an interruption ends.
func TestTaskOfSilentPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe.csv")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := Task(ctx, "", pipe, datasets.TableOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}
