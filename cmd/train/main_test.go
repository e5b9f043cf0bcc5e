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
		"is no flag":             {"-task", "spring", "more"},
		"-print-every is 0":      {"-task", "spring", "-print-every", "0"},
		"data.txt, line 2":       {"-task", "real", "-data", data},
		"no such file":           {"-task", "real", "-data", data + "x"},
		"data.txt, line 1":       {"-data", data},
		"elu, relu":              {"-task", "real", "-nonlinearity", "gelu"},
		"solenoidal":             {"-task", "real", "-field_type", "curl"},
		"nothing to resume":      {"-task", "real", "-resume", "-save-dir", t.TempDir()},
		"invalid argument \"x\"": {"-task", "real", "-seed", "x"},
	} {
		_, err := execute(t, arguments...)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(strings.TrimSpace(err.Error()), "\n") {
			t.Errorf("%v gave the error %v, want one line with %q", arguments, err, want)
		}
	}
}

// A table of one's own takes no task: the run's files have its name.
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
		if _, err := execute(t, append([]string{"-total-steps", "2", "-data", data, "-save-dir", folder}, flags...)...); err != nil {
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

func TestHelpAndQuiet(t *testing.T) {
	out, err := execute(t, "-help")
	if err != nil || !strings.Contains(out, "--task") || !strings.Contains(out, "2000 steps") {
		t.Errorf("-help gave %v and\n%s", err, out)
	}
	out, err = execute(t, "-task", "real", "-quiet", "-total-steps", "1", "-save-dir", t.TempDir())
	if err != nil || out != "" {
		t.Errorf("-quiet gave %v and printed %q", err, out)
	}
}

// Settings without a closed form are said once, and trained all the same.
func TestAutomaticDifferentiationIsAnnounced(t *testing.T) {
	for _, test := range []struct {
		arguments []string
		announced int
	}{
		{[]string{"-nonlinearity", "swish"}, 1},
		{[]string{"-nonlinearity", "swish", "-autograd"}, 0},
		{[]string{"-nonlinearity", "sigmoid"}, 0},
	} {
		var out, errors bytes.Buffer
		arguments := append([]string{"-task", "real", "-total-steps", "2", "-save-dir", t.TempDir()}, test.arguments...)
		if err := run(context.Background(), arguments, &out, &errors); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(errors.String(), "no closed form"); n != test.announced || !strings.Contains(out.String(), "Final test loss") {
			t.Errorf("%v: announced %d times, want %d:\n%s%s", test.arguments, n, test.announced, errors.String(), out.String())
		}
	}
}
