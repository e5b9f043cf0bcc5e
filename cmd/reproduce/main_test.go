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
		`no task ""`:      {"-tasks=,"},
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
		if j.Name == "pixel-baseline" && !strings.HasSuffix(strings.Join(j.Program, " "), "-task pixel -model baseline -seed 3 -total-steps 1000 -resume") {
			t.Errorf("the command is %v", j.Program)
		}
		if j.Name == "pixel-analyze" && !strings.Contains(strings.Join(j.Program, " "), "-task pixel -models baseline,hnn -runs ") {
			t.Errorf("the command is %v", j.Program)
		}
	}

	// A run of fewer steps goes on, one of as many steps is done, one of more is kept, and a damaged one is made again.
	settings := trainer.DefaultSettings(datasets.Spring)
	settings.Seed = 3
	path := settings.Files(o.runs(3)).Finished
	plan := func(steps int) (*schedule.Job, error) {
		t.Helper()
		settings.TotalSteps = steps
		run, err := trainer.New(datasets.Spring, settings, trainer.Execution{Threads: 1})
		if err == nil {
			err = run.Run(context.Background(), nil)
		}
		if err == nil {
			err = run.Save(o.runs(3), &trainer.Final{})
		}
		if err != nil {
			t.Fatal(err)
		}
		return springJob(o)
	}
	if j, err := plan(20); err != nil || j.Done || !slices.Contains(j.Program, "-resume") {
		t.Errorf("a run of fewer steps: %+v, error %v", j, err)
	}
	if _, err := plan(210); err == nil || !strings.Contains(err.Error(), "has made step 210, and would end at step 200") {
		t.Errorf("a run of more steps gave the error %v", err)
	}
	if j, err := plan(200); err != nil || !j.Done {
		t.Errorf("a finished run: %+v, error %v", j, err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := slices.Clone(content)
	damaged[len(damaged)/2] ^= 1
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	if j, err := springJob(o); err != nil || j.Done || slices.Contains(j.Program, "-resume") {
		t.Errorf("a damaged run: %+v, error %v", j, err)
	}
	metrics := filepath.Join(o.results(3), "spring-metrics.json")
	if err := os.WriteFile(metrics, []byte(`{"models": {"hnn": {"train_loss": 1}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if !covers(metrics, []string{"hnn"}) || covers(metrics, []string{"hnn", "baseline"}) || covers(metrics+"x", nil) {
		t.Error("metrics of one model do not cover that model alone")
	}
	if !newer(metrics, path) {
		t.Error("metrics written after a checkpoint are not newer")
	}
	if err := os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if newer(metrics, path) {
		t.Error("metrics written before a checkpoint are newer")
	}
}

// springJob returns the training of the spring's HNN in a new plan.
func springJob(o options) (*schedule.Job, error) {
	p, err := newPlan(o)
	if err != nil {
		return nil, err
	}
	return p.jobs[slices.IndexFunc(p.jobs, func(j *schedule.Job) bool { return j.Name == "spring-hnn" })], nil
}

// The file keeps the seconds of earlier commands and gets those of this call. A damaged one is made again.
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
	if times, err := recordTimes(path, nil); err != nil || len(times) != 0 {
		t.Errorf("a damaged file gave %v, error %v", times, err)
	}
}
