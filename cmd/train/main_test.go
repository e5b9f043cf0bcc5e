package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hnn/hamiltonian"
	"hnn/nets"
)

func execute(t *testing.T, arguments ...string) (stdout string, err error) {
	t.Helper()
	var out, errors bytes.Buffer
	err = run(context.Background(), arguments, &out, &errors)
	return out.String(), err
}

func TestFlagsInEverySpelling(t *testing.T) {
	for _, flags := range [][]string{
		{"-task", "spring", "-total_steps", "2", "-print_every", "1", "-verbose"},
		{"--task=spring", "--total-steps=2", "--print-every", "1", "--verbose"},
	} {
		folder := t.TempDir()
		out, err := execute(t, append(flags, "-save-dir", folder)...)
		if err != nil {
			t.Fatal(err)
		}
		// Step 0 of the published run: 0.80734 and 0.77651.
		for _, want := range []string{"step 0, train_loss 8.0734e-01, test_loss 7.7651e-01\n", "step 2, ", "Final train loss ", " +/- "} {
			if !strings.Contains(out, want) {
				t.Errorf("%v printed no %q:\n%s", flags, want, out)
			}
		}
		if _, err := os.Stat(filepath.Join(folder, "spring-hnn.tar")); err != nil {
			t.Error(err)
		}
	}
}

func TestErrorsAreOneLineThatSaysWhatIsRight(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data.txt")
	if err := os.WriteFile(data, []byte("0 1 2 3\n0 2 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, arguments := range map[string][]string{
		"the tasks are":          {"-task", "nothing"},
		"-task takes":            {},
		"-help lists":            {"-task", "spring", "-cudda"},
		"is not a flag":          {"-task", "spring", "more"},
		"hnn, dissipative":       {"-task", "spring", "-model", "cnn"},
		"name two models":        {"-task", "spring", "-baseline", "-model", "hnn"},
		"name two losses":        {"-task", "spring", "-use-rk4", "-use-rk4-as-published"},
		"no mean derivatives":    {"-task", "2body", "-use-rk4"},
		"hidden layers":          {"-task", "spring", "-layers", "0"},
		"-threads is -1":         {"-task", "spring", "-threads", "-1"},
		"-print-every is 0":      {"-task", "spring", "-print-every", "0"},
		"data.txt, line 2":       {"-task", "real", "-data", data},
		"no such file":           {"-task", "real", "-data", data + "x"},
		"data.txt, line 1":       {"-data", data},
		"elu, relu":              {"-task", "real", "-nonlinearity", "gelu"},
		"solenoidal":             {"-task", "real", "-field_type", "curl"},
		"no run to resume":       {"-task", "real", "-resume", "-save-dir", t.TempDir()},
		"invalid argument \"x\"": {"-task", "real", "-seed", "x"},
	} {
		_, err := execute(t, arguments...)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(strings.TrimSpace(err.Error()), "\n") {
			t.Errorf("%v gave the error %v, want one line with %q", arguments, err, want)
		}
	}
}

// A user's table needs no task, and its name is the name of the run's files.
func TestOwnTable(t *testing.T) {
	folder := t.TempDir()
	data := filepath.Join(folder, "my.pendulum.csv")
	content := "t,q,p\n"
	for i := range 60 {
		angle := float64(i) * math.Pi / 30
		content += fmt.Sprintf("%g,%g,%g\n", angle, math.Cos(angle), -math.Sin(angle))
	}
	if err := os.WriteFile(data, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, flags := range [][]string{{}, {"-baseline"}, {"-total-steps", "4", "-resume"}} {
		if _, err := execute(t, append([]string{"-total-steps", "2", "-loss", "derivatives", "-data", data, "-save-dir", folder}, flags...)...); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"my.pendulum-hnn.tar", "my.pendulum-baseline.tar"} {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			t.Error(err)
		}
	}
	settings, err := os.ReadFile(filepath.Join(folder, "my.pendulum-hnn.json"))
	if err != nil || !strings.Contains(string(settings), `"data": "`+data) || !strings.Contains(string(settings), `"steps_done": 5`) {
		t.Errorf("the settings are %s, error %v", settings, err)
	}
	if _, err := execute(t, "-task", "spring", "-data", data); err == nil || !strings.Contains(err.Error(), "reads no file") {
		t.Errorf("a file for a task that reads none gave the error %v", err)
	}
}

// A table of trajectories trains the port-Hamiltonian model, and flags of the published protocol are refused.
func TestMeasuredTable(t *testing.T) {
	folder := t.TempDir()
	data := filepath.Join(folder, "my-spring.csv")
	content := "trajectory,t,q,p\n"
	for k := range 5 {
		for i := range 40 {
			angle := float64(i) / 10
			content += fmt.Sprintf("%d,%g,%g,%g\n", k, angle, (1+float64(k))*math.Cos(angle), -(1+float64(k))*math.Sin(angle))
		}
	}
	if err := os.WriteFile(data, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := execute(t, "-data", data, "-save-dir", folder, "-effort", ".02", "-hidden-dim", "8", "-seeds", "0,1")
	if err != nil || !strings.Contains(out, "Unseen trajectories") {
		t.Fatalf("error %v, output\n%s", err, out)
	}
	for _, name := range []string{"my-spring-port.tar", "my-spring-port-seed1.tar"} {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			t.Error(err)
		}
	}
	for flag, want := range map[string]string{"-resume": "-resume is not for a table", "-friction=much": "no friction", "-test-fraction=2": "between 0 and 1", "-loss=x": "no loss"} {
		if _, err := execute(t, "-data", data, "-save-dir", folder, flag); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gave the error %v", flag, err)
		}
	}
	if _, err := execute(t, "-task", "real", "-friction", "none"); err == nil || !strings.Contains(err.Error(), "-friction is for tables") {
		t.Errorf("-friction of a task gave the error %v", err)
	}
}

func TestHelpAndQuiet(t *testing.T) {
	out, err := execute(t, "-help")
	if err != nil || !strings.Contains(out, "--task") || !strings.Contains(out, "2000 steps") || !strings.Contains(out, hamiltonian.Default.Description) {
		t.Errorf("-help gave %v and\n%s", err, out)
	}
	out, err = execute(t, "-task", "real", "-quiet", "-total-steps", "1", "-save-dir", t.TempDir())
	if err != nil || out != "" {
		t.Errorf("-quiet gave %v and printed %q", err, out)
	}
}

// Each model trains under its own name, with -layers hidden layers in each network.
func TestModelsAndLayers(t *testing.T) {
	for _, model := range hamiltonian.Models {
		folder := t.TempDir()
		out, err := execute(t, "-task", "real", "-model", model.Name, "-layers", "3", "-hidden-dim", "20", "-total-steps", "1", "-verbose", "-save-dir", folder)
		if err != nil || !strings.Contains(out, "Training "+model.Title+" model:\n") {
			t.Fatalf("%s: error %v, output\n%s", model.Name, err, out)
		}
		checkpoint, err := nets.ReadCheckpoint(filepath.Join(folder, "real-"+model.Name+".tar"))
		if err != nil {
			t.Fatal(err)
		}
		arrays := len(model.Equation(hamiltonian.Config{Dimension: 2, HiddenLayers: 3}).Zeros())
		if len(checkpoint.Entries) != arrays || arrays < 7 { // three layers with a bias, and the last without
			t.Errorf("%s: the checkpoint has %d arrays, and the equation %d", model.Name, len(checkpoint.Entries), arrays)
		}
	}
}

// The two flags of Runge-Kutta steps are two losses, with files of their own. -baseline is the published flag of a model.
func TestPublishedFlags(t *testing.T) {
	folder := t.TempDir()
	for name, flags := range map[string][]string{
		"real-rk4-hnn":           {"-use-rk4"},
		"real-published-rk4-hnn": {"-use_rk4_as_published"},
		"real-baseline":          {"-baseline"},
		"real-rk4-baseline":      {"-baseline", "-model", "baseline", "-use_rk4"},
	} {
		out, err := execute(t, append(flags, "-task", "real", "-total-steps", "1", "-save-dir", folder)...)
		if err != nil || !strings.Contains(out, "Final test loss") {
			t.Fatalf("%v: error %v, output\n%s", flags, err, out)
		}
		if _, err := os.Stat(filepath.Join(folder, name+".tar")); err != nil {
			t.Error(err)
		}
	}
}

// ./reproduce reads the lines of -progress.
func TestProgress(t *testing.T) {
	path := filepath.Join(t.TempDir(), "progress")
	if _, err := execute(t, "-task", "real", "-total-steps", "4", "-print-every", "2", "-progress", path, "-save-dir", t.TempDir()); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if want := `{"step":0,"last":4}
{"step":2,"last":4}
{"step":4,"last":4}
`; err != nil || string(content) != want {
		t.Errorf("got %q, error %v", content, err)
	}
}
