package distributed

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// asRank makes the test binary behave as a rank that meets the fate in the variable.
const asRank = "HNN_TEST_AS_RANK"

func TestMain(m *testing.M) {
	if fate := os.Getenv(asRank); fate != "" {
		if err := behave(fate); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// behave joins the group and prints a sum and a broadcast. A rank that fate names comes to its end before the second sum.
func behave(fate string) error {
	g, err := Join(context.Background(), os.Getenv)
	if err != nil {
		return err
	}
	defer g.Close()
	content, err := g.Broadcast([]byte(fmt.Sprint("of rank ", g.Rank())))
	if err != nil {
		return err
	}
	values := []float32{float32(g.Rank() + 1), 0.5}
	if err := g.Sum(values); err != nil {
		return err
	}
	fmt.Println(values, string(content))
	switch fate {
	case fmt.Sprint("SIGKILL of ", g.Rank()):
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case fmt.Sprint("SIGSTOP of ", g.Rank()):
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	case fmt.Sprint("end of ", g.Rank()):
		return nil
	}
	return g.Sum(values)
}

// rank is a process of a group.
type rank struct {
	*exec.Cmd
	output bytes.Buffer
}

// start starts some ranks of a group of the given size on this machine.
func start(t *testing.T, fate string, size int, ranks []int, more ...string) []*rank {
	t.Helper()
	port := freePort(t)
	var started []*rank
	for _, number := range ranks {
		r := &rank{Cmd: exec.Command(os.Args[0])}
		r.Env = append(os.Environ(), asRank+"="+fate, "MASTER_ADDR=127.0.0.1", "MASTER_PORT="+port, "GLOO_SOCKET_IFNAME=lo",
			fmt.Sprint("RANK=", number), fmt.Sprint("WORLD_SIZE=", size))
		r.Env = append(r.Env, more...)
		r.Stdout, r.Stderr = &r.output, &r.output
		if err := r.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Process.Kill() })
		started = append(started, r)
	}
	return started
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

// The sum of 1 to n is n(n+1)/2.
func TestSum(t *testing.T) {
	for size, want := range map[int]string{2: "[3 1] of rank 0\n", 4: "[10 2] of rank 0\n"} {
		ranks := []int{0, 1, 2, 3}[:size]
		for number, r := range start(t, "none", size, ranks) {
			if err := r.Wait(); err != nil || r.output.String() != want {
				t.Errorf("rank %d of %d: %v, and it printed %q", number, size, err, r.output.String())
			}
		}
	}
}

// Whatever becomes of a rank, the others name it in one line.
func TestLostRank(t *testing.T) {
	for _, test := range []struct {
		fate, want string
		lost       int
	}{
		{"SIGKILL of 2", "rank 2 of 3\n", 2}, {"SIGSTOP of 2", "rank 2 of 3\n", 2}, {"end of 2", "rank 2 of 3\n", 2},
		{"SIGKILL of 0", "rank 0 of 3 (127.0.0.1:", 0}, {"SIGSTOP of 0", "rank 0 of 3 (127.0.0.1:", 0}, // it holds the store
	} {
		t.Run(test.fate, func(t *testing.T) {
			t.Parallel()
			for number, r := range start(t, test.fate, 3, []int{0, 1, 2}, "HNN_TIMEOUT=10s") {
				if number == test.lost {
					continue
				}
				err := r.Wait()
				want := "[6 1.5] of rank 0\nlost contact with " + test.want
				if output := r.output.String(); err == nil || !strings.HasPrefix(output, want) || strings.Count(output, "\n") != 2 {
					t.Errorf("rank %d ended with %v and printed %q", number, err, output)
				}
			}
		})
	}
}

func TestMissingRank(t *testing.T) {
	for missing, want := range []string{"no contact with rank 0 of 2 (127.0.0.1:", "waited 1s in vain for rank 1 of 2\n"} {
		r := start(t, "none", 2, []int{1 - missing}, "HNN_TIMEOUT=1s")[0]
		err := r.Wait()
		if output := r.output.String(); err == nil || !strings.HasPrefix(output, want) || strings.Count(output, "\n") != 1 {
			t.Errorf("without rank %d: %v, and it printed %q", missing, err, output)
		}
	}
}

func TestEnvironment(t *testing.T) {
	for _, test := range []struct{ variables, want string }{
		{"", "1 processes"},
		{"RANK=0 WORLD_SIZE=1", "1 processes"},
		{"SLURM_PROCID=0 SLURM_NTASKS=4", "1 processes"},
		{"RANK=4 WORLD_SIZE=4 MASTER_ADDR=a MASTER_PORT=1", `RANK is "4"; it must be a whole number from 0 to 3`},
		{"RANK=x WORLD_SIZE=4 MASTER_ADDR=a MASTER_PORT=1", `RANK is "x"; it must be a whole number from 0 to 3`},
		{"RANK=1 LOCAL_RANK=4 WORLD_SIZE=4 MASTER_ADDR=a MASTER_PORT=1", `LOCAL_RANK is "4"; it must be a whole number from 0 to 3`},
		{"RANK=0 WORLD_SIZE=4 MASTER_PORT=1", "MASTER_ADDR is not set"},
		{"SLURM_PROCID=0 SLURM_NTASKS=4 MASTER_ADDR=a", `MASTER_PORT is ""; it must be a whole number from 1 to 65535`},
		{"RANK=0 WORLD_SIZE=4 MASTER_ADDR=a MASTER_PORT=1 HNN_TIMEOUT=60", `HNN_TIMEOUT is "60"; it must be a time`},
	} {
		variables := map[string]string{}
		for _, field := range strings.Fields(test.variables) {
			name, value, _ := strings.Cut(field, "=")
			variables[name] = value
		}
		g, err := Join(context.Background(), func(name string) string { return variables[name] })
		got := fmt.Sprint(g.Size(), " processes")
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, test.want) {
			t.Errorf("%s: %s", test.variables, got)
		}
	}
}

// The number of a process on its machine is the launcher's own.
func TestLocalRank(t *testing.T) {
	for variables, want := range map[string]int{
		"RANK=5 WORLD_SIZE=8 LOCAL_RANK=1 SLURM_LOCALID=2 MASTER_ADDR=a MASTER_PORT=1":           1,
		"RANK=5 WORLD_SIZE=8 SLURM_LOCALID=2 MASTER_ADDR=a MASTER_PORT=1":                        0,
		"SLURM_PROCID=5 SLURM_NTASKS=8 SLURM_LOCALID=2 LOCAL_RANK=3 MASTER_ADDR=a MASTER_PORT=1": 2,
	} {
		e, err := read(func(name string) string {
			for _, field := range strings.Fields(variables) {
				if value, found := strings.CutPrefix(field, name+"="); found {
					return value
				}
			}
			return ""
		})
		if err != nil || e.localRank != want {
			t.Errorf("%s: got %d, %v, want %d", variables, e.localRank, err, want)
		}
	}
}
