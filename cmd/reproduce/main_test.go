package main

import (
	"bytes"
	"context"
	"errors"
	"maps"
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
		`no task ""`:      {"-tasks=real,"},
		`"real" is given`: {"-tasks=real,spring,real"},
		`"hnn" is given`:  {"-models=hnn,hnn"},
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

	// Automatic differentiation rounds as the published code on one thread.
	automatic := o
	automatic.autograd, automatic.out = true, t.TempDir()
	want := "-threads 1 -progress " + schedule.ProgressFile + " -cuda=false -autograd=true"
	if j, err := springJob(automatic); err != nil || !strings.Contains(strings.Join(j.Program, " "), want) {
		t.Errorf("with -autograd, the command is %v, error %v", j, err)
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
}

// An analysis is done while its manifest lists the wanted runs, and no listed file has changed.
func TestManifest(t *testing.T) {
	folder := t.TempDir()
	m := manifest{folder: folder, task: "spring", runs: []string{"runs/spring-hnn.tar"}}
	if m.holds() {
		t.Error("a manifest that does not exist holds")
	}
	write := func(name, content string) {
		t.Helper()
		path := filepath.Join(folder, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	write("runs/spring-hnn.tar", "run")
	write("results/spring-metrics.json", "{}")
	write("results/pend-metrics.json", "{}")
	if err := m.write(); err != nil || !m.holds() {
		t.Errorf("a new manifest does not hold, error %v", err)
	}
	// The first line is from: printf run | sha256sum
	want := "acba25512100f80b56fc3ccd14c65be55d94800cda77585c5f41a887e398f9be  runs/spring-hnn.tar\n"
	if content, err := os.ReadFile(m.path()); err != nil || !strings.HasPrefix(string(content), want) || strings.Contains(string(content), "pend") {
		t.Errorf("the manifest is %s, error %v", content, err)
	}
	write("results/pend-metrics.json", "{ }")
	if !m.holds() {
		t.Error("a file of another task ends a manifest")
	}
	for name, before := range map[string]string{"runs/spring-hnn.tar": "run", "results/spring-metrics.json": "{}"} {
		write(name, "other")
		if m.holds() {
			t.Errorf("%s has changed, and the manifest holds", name)
		}
		write(name, before)
	}
	if m.runs = append(m.runs, "runs/spring-baseline.tar"); m.holds() {
		t.Error("a manifest without one of the runs holds")
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

// The file keeps the seconds of earlier commands and gets those of this call. Those of other shards are read too. A damaged file is made again.
func TestTimes(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "times-1-of-2.json")
	if err := errors.Join(os.WriteFile(path, []byte(`{"a": 2.5, "b": 1}`), 0o600), os.WriteFile(filepath.Join(folder, "times.json"), []byte(`{"d": 4}`), 0o600)); err != nil {
		t.Fatal(err)
	}
	times, err := recordTimes(folder, shard{1, 2}, []*schedule.Job{{Name: "b", Took: 3 * time.Second}, {Name: "c", Took: time.Second, Err: context.Canceled}})
	if want := map[string]float64{"a": 2.5, "b": 3, "d": 4}; err != nil || !maps.Equal(times, want) {
		t.Errorf("got %v, %v, want %v", times, err, want)
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != "{\n  \"a\": 2.5,\n  \"b\": 3\n}" {
		t.Errorf("the file holds %s, error %v", content, err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if times, err := recordTimes(folder, shard{1, 2}, nil); err != nil || len(times) != 1 {
		t.Errorf("a damaged file gave %v, error %v", times, err)
	}
}

// Each training belongs to one shard. An analysis belongs to the shard that sees all its trainings done.
func TestParts(t *testing.T) {
	o := options{tasks: datasets.Tasks(), models: []hamiltonian.Model{hamiltonian.Baseline, hamiltonian.HNN}, seeds: []uint32{0, 1}, out: t.TempDir()}
	seen := map[string]int{}
	for i := range 5 {
		p, err := newPlan(o)
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range p.part(shard{i + 1, 5}, nil) {
			seen[j.Name]++
		}
	}
	p, err := newPlan(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range p.jobs {
		if len(j.After) == 0 && seen[j.Name] != 1 {
			t.Errorf("%s belongs to %d shards", j.Name, seen[j.Name])
		}
	}
	last := shard{5, 5}
	var ended []*schedule.Job
	for _, j := range p.part(last, nil) {
		j.Done = true
		ended = append(ended, j)
	}
	if jobs := p.part(last, ended); len(jobs) != 0 {
		t.Errorf("the shard runs %d jobs again", len(jobs))
	}
	if left := p.left(ended); left != len(p.jobs)-len(ended) {
		t.Errorf("%d of %d jobs are left after %d", left, len(p.jobs), len(ended))
	}
	for _, j := range p.jobs {
		j.Done = j.Done || len(j.After) == 0 // by other shards
	}
	for _, j := range p.part(last, ended) {
		if len(j.After) > 0 {
			seen["analyses"]++
		}
	}
	if seen["analyses"] != 12 {
		t.Errorf("the last shard runs %d analyses, want 12", seen["analyses"])
	}
}

func TestShard(t *testing.T) {
	for text, want := range map[string]shard{"3/16": {3, 16}, "1/1": {1, 1}, "0/4": {}, "5/4": {}, "x": {}, "1/": {}, "-1/4": {}, "1/4/2": {}} {
		var got shard
		if err := got.Set(text); got != want || (err == nil) != (want.count > 0) {
			t.Errorf("%s gives %v, error %v", text, got, err)
		}
	}
	if got, err := ofSlurm(); err != nil || got != (shard{}) {
		t.Errorf("without Slurm: %v, error %v", got, err)
	}
	for name, value := range map[string]string{"ID": "7", "MIN": "3", "MAX": "11", "STEP": "2"} { // --array=3-11:2
		t.Setenv("SLURM_ARRAY_TASK_"+name, value)
	}
	if got, err := ofSlurm(); err != nil || got != (shard{3, 5}) {
		t.Errorf("task 7 of 3, 5, 7, 9 and 11 is %v, error %v", got, err)
	}
}
