package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/internal/schedule"
	"hnn/trainer"
)

func TestErrorsAreOneLineThatSaysWhatIsRight(t *testing.T) {
	for want, arguments := range map[string][]string{
		"the tasks are":   {"-tasks", "spring,nothing"},
		`"-1" is no seed`: {"-seeds", "-1"},
		`second time`:     {"-seeds", "0,1,0"},
		"choose one of":   {"-models", "hnn,cnn"},
		"at least one":    {"-tasks="},
		"-help lists":     {"-quik"},
	} {
		var out bytes.Buffer
		err := run(context.Background(), append(arguments, "-out", t.TempDir()), &out, &out)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: got the error %v, want one line with %q", arguments, err, want)
		}
	}
}

// The longest command comes first, an analysis waits for the runs of its models, and finished commands are done.
func TestPlan(t *testing.T) {
	models := []hamiltonian.Model{hamiltonian.Baseline, hamiltonian.HNN}
	o := options{tasks: []datasets.Task{datasets.Spring, datasets.Pixel}, models: models, seeds: []uint32{3}, quick: true, out: t.TempDir()}
	p, err := newPlan(o)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.jobs) != 6 || !strings.HasPrefix(p.jobs[0].Name, "pixel-") {
		t.Fatalf("%d jobs, %s first", len(p.jobs), p.jobs[0].Name)
	}
	for _, j := range p.jobs {
		if strings.HasSuffix(j.Name, "analyze") != (len(j.After) == 2) || j.Done {
			t.Errorf("%s waits for %d, done: %t", j.Name, len(j.After), j.Done)
		}
		if j.Name == "pixel-baseline" && !strings.HasSuffix(strings.Join(j.Program, " "), "-task pixel -model baseline -seed 3 -total-steps 1000") {
			t.Errorf("the command is %v", j.Program)
		}
		if j.Name == "pixel-analyze" && !strings.Contains(strings.Join(j.Program, " "), "-task pixel -models baseline,hnn -runs ") {
			t.Errorf("the command is %v", j.Program)
		}
	}

	// A finished run of the same settings, and one of fewer steps that -resume continues.
	settings := trainer.DefaultSettings(datasets.Spring)
	settings.Seed, settings.TotalSteps = 3, 2
	run, err := trainer.New(datasets.Spring, settings, trainer.Execution{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Run(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	final, err := run.Final()
	if err != nil {
		t.Fatal(err)
	}
	done := func(steps int) (done, resumed bool) {
		t.Helper()
		run.Settings.TotalSteps = steps
		if err := run.Save(o.runs(3), &final); err != nil {
			t.Fatal(err)
		}
		p, err := newPlan(o)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(p.jobs, func(j *schedule.Job) bool { return j.Name == "spring-hnn" })
		return p.jobs[i].Done, slices.Contains(p.jobs[i].Program, "-resume")
	}
	if done, _ := done(200); !done {
		t.Error("a finished run is done again")
	}
	if done, resumed := done(2); done || !resumed {
		t.Errorf("a run of fewer steps is done: %t, and is resumed: %t", done, resumed)
	}
	metrics := filepath.Join(o.results(3), "spring-metrics.json")
	if err := os.WriteFile(metrics, []byte(`{"models": {"hnn": {"train_loss": 1}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if !covers(metrics, []string{"hnn"}) || covers(metrics, []string{"hnn", "baseline"}) || covers(metrics+"x", nil) {
		t.Error("metrics of one model do not cover that model alone")
	}
	checkpoint := settings.FilesIn(o.runs(3)).Checkpoint
	if !newer(metrics, checkpoint) {
		t.Error("metrics written after a checkpoint are not newer")
	}
	if err := os.Chtimes(checkpoint, time.Time{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if newer(metrics, checkpoint) {
		t.Error("metrics written before a checkpoint are newer")
	}
}

// The file keeps the seconds of earlier commands and gets those of this call.
func TestTimes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "times.json")
	if err := os.WriteFile(path, []byte(`{"a": 2.5, "b": 1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	times, err := recordTimes(path, []*schedule.Job{{Name: "b", Took: 3 * time.Second}, {Name: "c", Took: time.Second, Err: context.Canceled}})
	if err != nil || len(times) != 2 || times["a"] != 2.5 || times["b"] != 3 {
		t.Errorf("got %v, %v", times, err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := recordTimes(path, nil); err == nil || !strings.Contains(err.Error(), "delete the file") {
		t.Errorf("a damaged file gave the error %v", err)
	}
}
