package startup_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	_ "hnn/internal/startup"
)

const child = "HNN_STARTUP_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(child) != "" {
		fmt.Print(os.Getenv("GOTCH_CACHE"))
		return
	}
	os.Exit(m.Run())
}

const nobody = 65534

// open copies a program into a folder that every user may enter, as program.
func open(t *testing.T, program string) (folder string) {
	t.Helper()
	folder, err := os.MkdirTemp("", "startup")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	content, err := os.ReadFile(program)
	if err := errors.Join(err, os.Chmod(folder, 0o755), os.WriteFile(filepath.Join(folder, "program"), content, 0o755)); err != nil {
		t.Fatal(err)
	}
	return folder
}

// limited runs this program as a child under a limit of the shell, and returns what it prints.
func limited(t *testing.T, limit string) (stdout, stderr string, status int) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command("sh", "-c", limit+` && exec "$0"`, program)
	if os.Geteuid() == 0 { // whom a limit of processes does not bind
		command.Dir = open(t, program)
		command.Args[3] = "./program"
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	command.Env = append(os.Environ(), child+"=1", "GOTCH_CACHE=/dev/null/nothing")
	out, err := command.Output()
	if failure, ok := err.(*exec.ExitError); ok {
		stderr = string(failure.Stderr)
	} else if err != nil {
		t.Fatal(err)
	}
	return string(out), stderr, command.ProcessState.ExitCode()
}

// A folder that exists keeps gotch from making one.
func TestEnoughSpace(t *testing.T) {
	out, complaint, status := limited(t, "ulimit -v 40000000")
	if out != "/" || complaint != "" || status != 0 {
		t.Errorf("the status is %d, GOTCH_CACHE is %q, and on stderr: %s", status, out, complaint)
	}
}

func TestTooLittleSpace(t *testing.T) {
	for limit, what := range map[string]string{"ulimit -v": "the address space", "ulimit -d": "data"} {
		out, complaint, status := limited(t, limit+" 200000")
		line := regexp.MustCompile(`^(startup\.test|program): the limit of ` + what + ` is too low for LibTorch and Go \(` + limit + `\); about [1-9]\d{2,} MB are needed\n$`)
		if out != "" || !line.MatchString(complaint) || status != 1 {
			t.Errorf("%s: the status is %d, GOTCH_CACHE is %q, and on stderr: %s", limit, status, out, complaint)
		}
	}
}

func TestTooFewThreads(t *testing.T) {
	out, complaint, status := limited(t, "ulimit -u 1 2>/dev/null || ulimit -p 1") // bash, dash
	line := regexp.MustCompile(`^(startup\.test|program): the limit of processes and threads is too low for LibTorch and Go \(ulimit -u, .*\); about [1-9]\d+ more are needed\n$`)
	if out != "" || !line.MatchString(complaint) || status != 1 {
		t.Errorf("the status is %d, GOTCH_CACHE is %q, and on stderr: %s", status, out, complaint)
	}
}

func TestTooFewFiles(t *testing.T) {
	out, complaint, status := limited(t, "ulimit -n 8")
	if want := " is too low for LibTorch and Go (ulimit -n); about 16 are needed\n"; out != "" || !strings.HasSuffix(complaint, want) || status != 1 {
		t.Errorf("the status is %d, and on stderr: %s", status, complaint)
	}
}

func TestRemovedFolder(t *testing.T) {
	out, complaint, status := limited(t, `program=$(realpath "$0"); folder=$(mktemp -d) && cd "$folder" && rmdir "$folder" && set -- && exec "$program" || true`)
	if out != "" || !strings.HasSuffix(complaint, ": the working folder has been removed; go to another one\n") || status != 1 {
		t.Errorf("the status is %d, GOTCH_CACHE is %q, and on stderr: %s", status, out, complaint)
	}
}
