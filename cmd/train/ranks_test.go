package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"hnn/nets"
	"hnn/trainer"
)

// ranks starts some ranks of a training on this machine, each with one thread.
func ranks(t *testing.T, size int, which []int, arguments ...string) []*exec.Cmd {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	_ = listener.Close()
	var started []*exec.Cmd
	for _, rank := range which {
		command := program(t, "", append(arguments, "-threads", "1")...)
		command.Env = append(command.Env, fmt.Sprint("RANK=", rank), fmt.Sprint("WORLD_SIZE=", size), "MASTER_ADDR=127.0.0.1", fmt.Sprint("MASTER_PORT=", port),
			"GLOO_SOCKET_IFNAME=lo", "HNN_TIMEOUT=20s")
		command.Stderr = &bytes.Buffer{}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = command.Process.Kill() })
		started = append(started, command)
	}
	return started
}

// allOf returns the ranks 0 to size − 1.
func allOf(size int) (ranks []int) {
	for rank := range size {
		ranks = append(ranks, rank)
	}
	return ranks
}

// outcome waits for a rank and returns what it printed on stderr and its exit status.
func outcome(command *exec.Cmd) (complaint string, status int) {
	_ = command.Wait()
	return fmt.Sprint(command.Stderr), command.ProcessState.ExitCode()
}

// finish runs all ranks to their end and returns the files of the folder.
func finish(t *testing.T, size int, folder string, arguments ...string) map[string]string {
	t.Helper()
	for rank, command := range ranks(t, size, allOf(size), append(arguments, "-save-dir", folder, "-quiet")...) {
		if complaint, status := outcome(command); status != 0 || complaint != "" {
			t.Errorf("rank %d of %d ended with status %d: %s", rank, size, status, complaint)
		}
	}
	return contents(t, folder)
}

// Several processes compute what one does, but for rounding: a sum of float32 in another order. 99 is no multiple of 2.
func TestRanksEqualOneProcess(t *testing.T) {
	for _, test := range []struct {
		file, flags string
		sizes       []int
	}{
		{"real-hnn.tar", "-task real -total-steps 200", []int{2, 4}},
		{"real-rk4-dissipative.tar", "-task real -model dissipative -use-rk4 -batch-size 99 -input-noise 0.1 -total-steps 200", []int{2, 4}},
		{"real-port.tar", "-task real -model port -autograd -batch-size 99 -input-noise 0.1 -total-steps 50", []int{2}},
		{"pixel-hnn.tar", "-task pixel -seed 1 -total-steps 4 -print-every 2", []int{2}},
	} {
		flags := strings.Fields(test.flags)
		alone := t.TempDir()
		if complaint, status := execution(t, "", append(flags, "-threads", "1", "-quiet", "-save-dir", alone)...); status != 0 {
			t.Fatal(complaint)
		}
		want := contents(t, alone)[test.file]
		for _, size := range test.sizes {
			files := finish(t, size, t.TempDir(), flags...)
			if len(files) != 1 {
				t.Fatalf("%s: %d ranks wrote %d files", test.file, size, len(files))
			}
			compareRuns(t, fmt.Sprintf("%s of %d ranks", test.file, size), files[test.file], want)
		}
	}
}

// springs writes a table of trajectories of a mass on a spring, q = r·cos t, p = −r·sin t, with their derivatives.
func springs(t *testing.T, rows int) string {
	t.Helper()
	var text strings.Builder
	text.WriteString("trajectory,t,q,p,dq,dp\n")
	for i := range rows {
		time, radius := float64(i%50)/10, 1+float64(i/50%7)/10
		sin, cos := math.Sincos(time)
		fmt.Fprintf(&text, "%d,%g,%g,%g,%g,%g\n", i/50, time, radius*cos, -radius*sin, -radius*sin, -radius*cos)
	}
	path := filepath.Join(t.TempDir(), "springs.csv")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Several processes that each read a share have the losses of one process that reads the whole table, except for rounding: they add up float32 in
// another order. A process often has no row of a batch of 3.
func TestSharesEqualOneProcess(t *testing.T) {
	for _, flags := range [][]string{
		{"-data", springs(t, 5000), "-batch-size", "100", "-total-steps", "100", "-input-noise", "0.01"},
		{"-data", springs(t, 5000), "-batch-size", "3", "-total-steps", "100"},
		{"-data", springs(t, 3000), "-total-steps", "20", "-model", "baseline"},
	} {
		want := finish(t, 1, t.TempDir(), flags...)
		for _, size := range []int{2, 4} {
			got := finish(t, size, t.TempDir(), flags...)
			for file := range want {
				compareRuns(t, fmt.Sprintf("%v with %d ranks", flags, size), got[file], want[file])
			}
		}
	}
}

// compareRuns compares the losses of all steps and those of the end.
func compareRuns(t *testing.T, name, got, want string) {
	t.Helper()
	read := func(content string) (losses []float64) {
		checkpoint, err := nets.DecodeCheckpoint([]byte(content), nets.LossesFile, nets.SettingsFile)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		rows, err := csv.NewReader(bytes.NewReader(checkpoint.Attachments[nets.LossesFile])).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		var final trainer.Final
		if err := json.Unmarshal(checkpoint.Attachments[nets.SettingsFile], &final); err != nil {
			t.Fatal(err)
		}
		for _, row := range rows[1:] {
			for _, text := range row[1:] {
				if loss, err := strconv.ParseFloat(text, 64); err == nil { // no test loss at steps without one
					losses = append(losses, loss)
				}
			}
		}
		return append(losses, final.Train, final.TrainError, final.Test, final.TestError)
	}
	ours, theirs := read(got), read(want)
	if len(ours) != len(theirs) || theirs[len(theirs)-1] == 0 {
		t.Fatalf("%s: %d losses, want %d", name, len(ours), len(theirs))
	}
	for i := range theirs {
		if !(math.Abs(ours[i]-theirs[i]) <= 2e-6*theirs[i]) {
			t.Fatalf("%s: loss %d of %d is %g, want %g", name, i, len(ours), ours[i], theirs[i])
		}
	}
}

// long is a training of three ranks whose end needs seconds, and which is saved all the time.
var long = []string{"-task", "real", "-batch-size", "50", "-input-noise", "0.1", "-total-steps", "600", "-save-every", "10ms", "-resume"}

// saved waits for the first file of a run.
func saved(t *testing.T, folder string) {
	t.Helper()
	for range 1000 {
		if _, err := os.Stat(filepath.Join(folder, "real-hnn-unfinished.tar")); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the training saved nothing in ten seconds")
}

// Whichever rank SIGKILL ends, the others end with status 1 and one line that names it. -resume ends with the file of an undisturbed run, bit for bit.
func TestKilledRank(t *testing.T) {
	const size = 3
	want := finish(t, size, t.TempDir(), long...)
	for _, killed := range []int{1, 0} {
		folder := t.TempDir()
		started := ranks(t, size, allOf(size), append(long, "-save-dir", folder)...)
		saved(t, folder)
		_ = started[killed].Process.Kill()
		for rank, command := range started {
			complaint, status := outcome(command)
			if rank == killed {
				continue
			}
			name := fmt.Sprintf("lost contact with rank %d of %d", killed, size)
			if status != 1 || !strings.Contains(complaint, name) || strings.Count(complaint, "\n") != 1 {
				t.Errorf("after the end of rank %d, rank %d has status %d and says %q", killed, rank, status, complaint)
			}
		}
		if got := finish(t, size, folder, long...); len(got) != 1 || got["real-hnn.tar"] != want["real-hnn.tar"] {
			t.Errorf("after the end of rank %d there are %d files, and the run equals the undisturbed one: %t", killed, len(got), got["real-hnn.tar"] == want["real-hnn.tar"])
		}
	}
}

// A signal to any rank stops all at one step. Rank 0 saves it, and -resume ends with the file of an undisturbed run.
func TestSignalToRank(t *testing.T) {
	const size = 2
	want := finish(t, size, t.TempDir(), long...)
	for signalled := range size {
		folder := t.TempDir()
		started := ranks(t, size, allOf(size), append(long, "-save-dir", folder)...)
		saved(t, folder)
		_ = started[signalled].Process.Signal(syscall.SIGTERM)
		for rank, command := range started {
			complaint, status := outcome(command)
			signal := syscall.SIGINT // of a rank that was not told which signal it was
			if rank == signalled {
				signal = syscall.SIGTERM
			}
			if status != 128+int(signal) || strings.Contains(complaint, "-resume continues the run") != (rank == 0) {
				t.Errorf("after a signal to rank %d, rank %d has status %d and says %q", signalled, rank, status, complaint)
			}
		}
		if got := finish(t, size, folder, long...); len(got) != 1 || got["real-hnn.tar"] != want["real-hnn.tar"] {
			t.Errorf("after a signal to rank %d there are %d files, and the run equals the undisturbed one: %t", signalled, len(got), got["real-hnn.tar"] == want["real-hnn.tar"])
		}
	}
}

// What several processes cannot do together is an error of one line.
func TestRanksThatCannotTrain(t *testing.T) {
	folder := t.TempDir()
	for _, test := range []struct{ flags, want string }{
		{"-task real -batch-size 1", "the batch has 1 rows for 2 processes; each needs one"},
		{"-data ../../examples/pendulum/pendulum.csv", "is for one process"},
	} {
		for rank, command := range ranks(t, 2, allOf(2), append(strings.Fields(test.flags), "-save-dir", folder)...) {
			if complaint, status := outcome(command); status != 1 || !strings.Contains(complaint, test.want) || strings.Count(complaint, "\n") != 1 {
				t.Errorf("%s: rank %d has status %d and says %q", test.flags, rank, status, complaint)
			}
		}
	}
	first := ranks(t, 2, []int{0}, "-task", "real", "-save-dir", folder)[0]
	other := program(t, "", "-task", "real", "-hidden-dim", "100", "-save-dir", folder)
	other.Env = append(first.Env, "RANK=1")
	var stderr bytes.Buffer
	other.Stderr = &stderr
	_ = other.Run()
	if complaint := stderr.String(); !strings.Contains(complaint, `hidden_dim was "200" and is "100"`) || strings.Count(complaint, "\n") != 1 {
		t.Errorf("a rank with other settings says %q", complaint)
	}
	if complaint, status := outcome(first); status != 1 || strings.Count(complaint, "\n") != 1 {
		t.Errorf("rank 0 has status %d and says %q", status, complaint)
	}
}
