package startup_test

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
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

// limited runs this program as a child under a limit of the shell, and returns what it prints.
func limited(t *testing.T, limit string) (stdout, stderr string, status int) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command("sh", "-c", limit+` && exec "$0"`, program)
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
		line := regexp.MustCompile(`^startup\.test: the limit of ` + what + ` is too low for LibTorch and Go \(` + limit + `\); about [1-9]\d{2,} MB are needed\n$`)
		if out != "" || !line.MatchString(complaint) || status != 1 {
			t.Errorf("%s: the status is %d, GOTCH_CACHE is %q, and on stderr: %s", limit, status, out, complaint)
		}
	}
}

func TestTooFewThreads(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("the limit does not bind root")
	}
	out, complaint, status := limited(t, "ulimit -u 1 2>/dev/null || ulimit -p 1") // bash, dash
	line := regexp.MustCompile(`^startup\.test: the limit of processes and threads is too low for LibTorch and Go \(ulimit -u, .*\); about [1-9]\d+ more are needed\n$`)
	if out != "" || !line.MatchString(complaint) || status != 1 {
		t.Errorf("the status is %d, GOTCH_CACHE is %q, and on stderr: %s", status, out, complaint)
	}
}
