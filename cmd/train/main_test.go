package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"hnn/fit"
	"hnn/hamiltonian"
	"hnn/internal/schedule"
	"hnn/nets"
)

func execute(t *testing.T, arguments ...string) (stdout string, err error) {
	t.Helper()
	var out, complaint bytes.Buffer
	err = run(context.Background(), arguments, &out, &complaint)
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
		"the tasks are":            {"-task", "nothing"},
		"-task takes":              {},
		"-help lists":              {"-task", "spring", "-cudda"},
		"is not a flag":            {"-task", "spring", "more"},
		"hnn, dissipative":         {"-task", "spring", "-model", "cnn"},
		"name two models":          {"-task", "spring", "-baseline", "-model", "hnn"},
		"name two losses":          {"-task", "spring", "-use-rk4", "-use-rk4-as-published"},
		"no mean derivatives":      {"-task", "2body", "-use-rk4"},
		"hidden layers":            {"-task", "spring", "-layers", "0"},
		"-threads \"-1\": must be": {"-task", "spring", "-threads", "-1"},
		"-print-every is 0":        {"-task", "spring", "-print-every", "0"},
		"data.txt, line 2":         {"-task", "real", "-data", data},
		"no such file":             {"-task", "real", "-data", data + "x"},
		"data.txt, line 1":         {"-data", data},
		"elu, relu":                {"-task", "real", "-nonlinearity", "gelu"},
		"solenoidal":               {"-task", "real", "-field_type", "curl"},
		"-save-every is 1µs":       {"-task", "real", "-save-every", "1us"},
		"-seed \"x\": must be a":   {"-task", "real", "-seed", "x"},
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
	content := "t,q,p,dq,dp\n"
	for i := range 60 {
		angle := float64(i) * math.Pi / 30
		q, p := math.Cos(angle), -math.Sin(angle)
		content += fmt.Sprintf("%g,%g,%g,%g,%g\n", angle, q, p, p, -q)
	}
	if err := os.WriteFile(data, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, flags := range [][]string{{}, {"-baseline", "-loss", "derivatives"}, {"-total-steps", "4", "-resume"}} {
		if _, err := execute(t, append([]string{"-total-steps", "2", "-data", data, "-save-dir", folder}, flags...)...); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"my.pendulum-hnn.tar", "my.pendulum-baseline.tar"} {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			t.Error(err)
		}
	}
	checkpoint, err := nets.ReadCheckpoint(filepath.Join(folder, "my.pendulum-hnn.tar"), nets.SettingsFile)
	hash := fmt.Sprintf("%x", sha256.Sum256([]byte(content)))
	if settings := string(checkpoint.Attachments[nets.SettingsFile]); err != nil || !strings.Contains(settings, `"data": "`+data) ||
		!strings.Contains(settings, `"data_sha256": "`+hash) || !strings.Contains(settings, `"steps_done": 5`) {
		t.Errorf("the settings are %s, error %v", settings, err)
	}
	if _, err := execute(t, "-task", "spring", "-data", data); err == nil || !strings.Contains(err.Error(), "reads no file") {
		t.Errorf("a file for a task that reads none gave the error %v", err)
	}
}

// measuredSpring writes trajectories of an oscillator without friction, in degrees and milliseconds, and returns flags of a quick training. In
// every second trajectory, the input moves the rest by 20°.
func measuredSpring(t *testing.T) []string {
	t.Helper()
	folder := t.TempDir()
	data := filepath.Join(folder, "my-spring.csv")
	content := "trajectory,t [ms],q [deg],p [kg m²/s],u [V]\n"
	for k := range 5 {
		for i := range 40 {
			angle := float64(i) / 10
			content += fmt.Sprintf("%d,%g,%g,%g,%d\n", k, 160*angle, 20*float64(k%2)+float64(50+k)*math.Cos(angle), -float64(50+k)/2e4*math.Sin(angle), k%2)
		}
	}
	if err := os.WriteFile(data, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"-data", data, "-save-dir", folder, "-effort", ".02", "-hidden-dim", "8"}
}

// A table of trajectories trains the port-Hamiltonian model, and says in its units what it learned. Flags of the published protocol are refused.
func TestMeasuredTable(t *testing.T) {
	flags := append(measuredSpring(t), "-test-fraction", ".4")
	out, err := execute(t, append(flags, "-friction", "constant", "-effort", ".05")...)
	found := regexp.MustCompile(strings.ReplaceAll(`^Energy: (quadratic|general); friction: constant, rate N per ms, varying by N over the data
Friction: R = N ± N \[kg m²/s/deg\]
Inputs: G = (N) \[kg m²/s/ms/V\]
Mean balance of the test trajectories: stored N, supplied N, dissipated N \[deg·kg m²/s/ms\]
Unseen trajectories: root mean square error N standard deviations over 624 ms
Saved \S+/my-spring-port.tar
$`, "N", `-?[\d.]+(?:e-\d+)?`)).FindStringSubmatch(out)
	if err != nil || found == nil {
		t.Fatalf("error %v, and\n%s", err, out)
	}
	// A force of 1 V holds the spring at 20°, where the unforced momentum changes by 20/2e4 kg m²/s per 160 ms.
	if g, err := strconv.ParseFloat(found[2], 64); err != nil || !(math.Abs(g/6.25e-6-1) < .02) {
		t.Errorf("G is %s, want 6.25e-6", found[2])
	}
	result, err := fit.Load(filepath.Join(flags[3], "my-spring-port.tar"))
	if err != nil || result.Record.TestFraction != .4 {
		t.Errorf("the file says %+v, error %v", result, err)
	}
	for flag, want := range map[string]string{
		"-save-every=1m":    "-save-every is not for a table",
		"-friction=much":    "no friction",
		"-test-fraction=2":  "between 0 and 1",
		"-loss=x":           "no loss",
		"-loss=derivatives": `no loss "derivatives" for measured trajectories; choose one of midpoint, mirk4, windows`,
		"-seeds=0-1,x":      `"x" is no seed`,
		"-print-every=0":    "-print-every is 0",
	} {
		if _, err := execute(t, append(flags, flag)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gave the error %v", flag, err)
		}
	}
	for want, together := range map[string][]string{
		"give one of the flags": {"-seed", "1", "-seeds", "1-2"},
		"the kinetic energy or the friction is for the model port; the model hnn has only one form": {"-model", "hnn", "-kinetic", "general"},
		"is for the model port; the model baseline has only one form":                               {"-baseline", "-friction", "none"},
	} {
		if _, err := execute(t, append(flags, together...)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v gave the error %v, want %q", together, err, want)
		}
	}
	for flag, want := range map[string]string{"-friction=none": "-friction none is for tables", "-loss=windows": "-loss windows is for tables"} {
		if _, err := execute(t, "-task", "real", flag); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s of a task gave the error %v", flag, err)
		}
	}
}

// Models of several seeds train side by side and equal those of one seed each. Their results come in the order of the seeds.
func TestSeedsSideBySide(t *testing.T) {
	flags := measuredSpring(t)
	folder, progress := flags[3], filepath.Join(t.TempDir(), "progress")
	out, err := execute(t, append(flags, "-seeds", "2,0-1", "-threads", "2", "-verbose", "-print-every", "10", "-progress", progress)...)
	if err != nil {
		t.Fatal(err)
	}
	var saved []string
	for line := range strings.Lines(out) {
		if path, ok := strings.CutPrefix(line, "Saved "); ok {
			saved = append(saved, filepath.Base(strings.TrimSpace(path)))
		}
	}
	if want := []string{"my-spring-port-seed2.tar", "my-spring-port.tar", "my-spring-port-seed1.tar"}; !slices.Equal(saved, want) {
		t.Errorf("saved %v, want %v", saved, want)
	}
	for _, want := range []string{"my-spring-port: step 10 of ", "my-spring-port-seed1: step 20 of ", ", model, loss "} {
		if !strings.Contains(out, want) {
			t.Errorf("-verbose printed no %q:\n%s", want, out)
		}
	}
	lines, err := os.ReadFile(progress)
	if err != nil {
		t.Fatal(err)
	}
	var last schedule.Progress
	for line := range strings.Lines(string(lines)) {
		before := last.Step
		if err := json.Unmarshal([]byte(line), &last); err != nil || last.Step != before+10 || last.Last%3 != 0 {
			t.Errorf("the progress after step %d is %s", before, line)
		}
	}
	if last.Step < last.Last-3*10 || last.Step > last.Last {
		t.Errorf("the progress ends at step %d of %d", last.Step, last.Last)
	}
	for _, seed := range []string{"0", "1", "2"} {
		alone := t.TempDir()
		if _, err := execute(t, append(flags, "-save-dir", alone, "-seed", seed, "-threads", "1")...); err != nil {
			t.Fatal(err)
		}
		files, err := os.ReadDir(alone)
		if err != nil || len(files) != 1 {
			t.Fatalf("the files are %v, error %v", files, err)
		}
		for _, file := range files {
			a, err := os.ReadFile(filepath.Join(alone, file.Name()))
			b, missing := os.ReadFile(filepath.Join(folder, file.Name()))
			if err != nil || missing != nil || !bytes.Equal(a, b) {
				t.Errorf("%s differs from that of several seeds: %v, %v", file.Name(), err, missing)
			}
		}
	}
}

// stopper ends a context when a text is written.
type stopper struct {
	text string
	stop context.CancelFunc
}

func (s stopper) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte(s.text)) {
		s.stop()
	}
	return len(b), nil
}

// An interrupted training saves the model so far, unless its form is not chosen yet. A finished model stays as it is, and -resume takes it.
func TestInterrupt(t *testing.T) {
	flags := measuredSpring(t)
	path := filepath.Join(flags[3], "my-spring-port.tar")
	out, err := execute(t, flags...)
	if err != nil {
		t.Fatal(err)
	}
	finished, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	written, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for part, want := range map[string]string{"forms": "", "model": `train: interrupted after \d+ of \d+ steps; \S+/my-spring-port-unfinished.tar holds the model so far\n`} {
		ctx, stop := context.WithCancel(t.Context())
		var complaint bytes.Buffer
		err := run(ctx, append(flags, "-verbose", "-print-every", "1"), stopper{part, stop}, &complaint)
		if !errors.Is(err, context.Canceled) || !regexp.MustCompile("^"+want+"$").MatchString(complaint.String()) {
			t.Errorf("interrupted in %s: error %v, and on stderr %q", part, err, complaint.String())
		}
		content, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(content, finished) {
			t.Errorf("interrupted in %s: the finished model has changed, error %v", part, err)
		}
		if _, err := os.Stat(filepath.Join(flags[3], "my-spring-port-unfinished.tar")); (err == nil) != (part == "model") {
			t.Errorf("interrupted in %s: the unfinished model gives the error %v", part, err)
		}
	}
	again, err := execute(t, append(flags, "-resume")...)
	if err != nil || again != out {
		t.Errorf("-resume of a finished model printed\n%s, want\n%s, error %v", again, out, err)
	}
	if now, err := os.Stat(path); err != nil || now.ModTime() != written.ModTime() {
		t.Errorf("-resume of a finished model wrote it again, error %v", err)
	}
}

func TestHelpAndQuiet(t *testing.T) {
	out, err := execute(t, "-help")
	if err != nil || !strings.Contains(out, "--task") || !strings.Contains(out, "2000 steps") || !strings.Contains(out, hamiltonian.Default.Description) {
		t.Errorf("-help gave %v and\n%s", err, out)
	}
	if twice := regexp.MustCompile(`.*\(default.*\(default.*`).FindString(out); twice != "" {
		t.Errorf("a flag has two defaults: %s", twice)
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
