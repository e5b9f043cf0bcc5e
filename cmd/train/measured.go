package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/vbauerster/mpb/v8/decor"

	"hnn/datasets"
	"hnn/fit"
	"hnn/hamiltonian"
	"hnn/internal/command"
)

// measured trains a model of the trajectories of a table, once for each seed.
func measured(ctx context.Context, task datasets.Task, o options, stdout, stderr io.Writer) error {
	if err := os.MkdirAll(o.saveDir, 0o755); err != nil {
		return err
	}
	for _, note := range task.Observed.Notes {
		fmt.Fprintln(stderr, "train:", note)
	}
	train, test := task.Observed.Split(o.testFraction)
	for _, seed := range o.seeds {
		o.fit.Seed = uint64(seed)
		path := fit.Path(o.saveDir, task.Name, o.fit.Model.Name, o.fit.Seed)
		result, err := follow(ctx, path, train, o, stderr)
		if err != nil {
			return err
		}
		if err := result.Save(path, task.Name); err != nil {
			return err
		}
		if err := describe(stdout, result, train, test, path); err != nil {
			return err
		}
	}
	return nil
}

// follow runs a training with a progress bar.
func follow(ctx context.Context, name string, train datasets.Observations, o options, stderr io.Writer) (*fit.Result, error) {
	bars := command.Bars(stderr, !o.quiet)
	bar := command.Bar(bars, name, 0, append([]decor.Decorator{decor.CountersNoUnit(" %d/%d steps")}, command.TimeLeft()...)...)
	defer func() { bar.Abort(true); bars.Wait() }()
	var drawn time.Time
	return fit.Fit(ctx, o.fit, train, func(p fit.Progress) {
		if now := time.Now(); now.Sub(drawn) > redraw {
			bar.SetTotal(int64(p.Total), false)
			bar.SetCurrent(int64(p.Step))
			drawn = now
		}
	})
}

// describe says what was learned and how far the model predicts.
func describe(w io.Writer, r *fit.Result, train, test datasets.Observations, path string) error {
	if r.Record.Model == hamiltonian.Port.Name {
		fmt.Fprintf(w, "Energy: %s; friction: %s", r.Record.Kinetic, r.Record.Friction)
		rate, spread, err := r.FrictionRate(train)
		if err != nil {
			return err
		}
		if r.Record.Friction != hamiltonian.NoFriction {
			fmt.Fprintf(w, ", rate %.4g per unit of time, varying by %.2g over the data", rate, spread)
		}
		fmt.Fprintln(w)
	}
	score, err := r.Score(test)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "Unseen trajectories: root mean square error %.3g standard deviations over %.3g units of time\nSaved %s\n", score.Error, score.Duration, path)
	return nil
}
