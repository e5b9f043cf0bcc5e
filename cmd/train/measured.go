package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"hnn/datasets"
	"hnn/fit"
	"hnn/hamiltonian"
	"hnn/internal/command"
	"hnn/nets"
)

// measured trains a model on the trajectories of a table for each seed, and then prints what each learned, in the order of the seeds. Training a
// small network gains little from a second thread, so several train at once.
func measured(ctx context.Context, task datasets.Task, o options, stdout, stderr io.Writer) error {
	origin := nets.Origin{Task: task.Name, File: task.File, Hash: task.Hash}
	places := make([]nets.Run, len(o.seeds))
	for i, seed := range o.seeds {
		places[i] = fit.Files(o.saveDir, task.Name, o.fit.Model.Name, uint64(seed))
		release, err := places[i].Claim(origin, o.fit.Bytes(*task.Observed))
		if err != nil {
			return err
		}
		defer release()
		if err := command.Apart("progress", o.progress, task.File, places[i].Finished, places[i].Unfinished); err != nil {
			return err
		}
	}
	if !o.quiet {
		for _, note := range task.Observed.Notes {
			command.Note(stderr, "train", note)
		}
	}
	d, err := newDisplay(o, stdout, stderr)
	if err != nil {
		return err
	}
	train, test := task.Observed.Split(o.testFraction)
	if o.fit.Threads == 0 {
		o.fit.Threads = runtime.GOMAXPROCS(0)
	}
	var group errgroup.Group
	atOnce := min(len(o.seeds), o.fit.Threads)
	group.SetLimit(atOnce)
	o.fit.Threads /= atOnce
	var mutex sync.Mutex // of the display and of steps
	steps := make([]int, len(o.seeds))
	said := make([]struct{ out, err bytes.Buffer }, len(o.seeds))
	for i, seed := range o.seeds {
		options := o.fit
		options.Seed = uint64(seed)
		place := places[i]
		name := strings.TrimSuffix(filepath.Base(place.Finished), ".tar")
		b := d.bar(name)
		group.Go(func() error {
			defer b.Abort(true)
			if o.resume {
				result, err := fit.Trained(place, options, train)
				if err != nil {
					return err
				}
				if result != nil {
					return describe(ctx, &said[i].out, result, train, test, place.Finished)
				}
			}
			result, err := fit.Fit(ctx, options, train, func(p fit.Progress) {
				b.move(p.Step, p.Total)
				if p.Step%o.printEvery > 0 {
					return
				}
				mutex.Lock()
				defer mutex.Unlock()
				steps[i] = p.Step
				sum := 0
				for _, n := range steps {
					sum += n
				}
				d.record(sum, p.Total*len(steps), fmt.Sprintf("%s: step %d of %d, %s, loss %.4e", name, p.Step, p.Total, p.Part, p.Loss))
			})
			if result == nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			result.Record.Origin, result.Record.TestFraction = origin, o.testFraction
			if failure := result.Save(place, err == nil); failure != nil {
				return failure
			}
			if err != nil {
				last := result.Losses[len(result.Losses)-1]
				command.Note(&said[i].err, "train", fmt.Sprintf("interrupted after %d of %d steps; %s holds the model so far", last.Step, last.Total, place.Unfinished))
				return err
			}
			return describe(ctx, &said[i].out, result, train, test, place.Finished)
		})
	}
	err = group.Wait()
	d.close()
	for i := range said {
		_, _ = said[i].out.WriteTo(stdout)
		_, _ = said[i].err.WriteTo(stderr)
	}
	return err
}

// describe prints what a model learned and how well it predicts the test trajectories, in the units of the table.
func describe(ctx context.Context, w io.Writer, r *fit.Result, train, test datasets.Observations, path string) error {
	score, err := r.Score(test)
	if err != nil {
		return err
	}
	time := fit.Unit([]string{test.TimeName})
	if r.Record.Model == hamiltonian.Port.Name {
		rate, spread, err := r.FrictionRate(train)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "Energy: %s; friction: %s", r.Record.Kinetic, r.Record.Friction)
		if r.Record.Friction != hamiltonian.NoFriction {
			fmt.Fprintf(w, ", rate %.4g per %s, varying by %.2g over the data", rate, cmp.Or(time, "unit of time"), spread)
		}
		fmt.Fprintln(w)
		positions, momenta := test.Names[:test.Positions], test.Names[test.Positions:]
		friction, standardErrors, err := r.Friction(ctx, train)
		if err != nil {
			return err
		}
		for i, row := range friction { // which is symmetric
			for j := range i + 1 {
				fmt.Fprintf(w, "Friction: R%s = %.4g ± %.2g%s\n", place(j, i, len(row)*len(row)), row[j], standardErrors[i][j], in(momenta[j:j+1], positions[i]))
			}
		}
		for i, row := range r.InputMatrix() {
			for j, v := range row {
				unit := in(momenta[i:i+1], test.TimeName, test.Inputs[j])
				if unit == "" {
					unit = in(momenta[i:i+1], test.TimeName) + " per unit of " + test.Inputs[j]
				}
				fmt.Fprintf(w, "Inputs: G%s = %.4g%s\n", place(i, j, len(momenta)*len(row)), v, unit)
			}
		}
		fmt.Fprintf(w, "Mean balance of the test trajectories: stored %.3g, supplied %.3g, dissipated %.3g%s\n",
			score.Stored, score.Supplied, score.Dissipated, in([]string{positions[0], momenta[0]}, test.TimeName))
	}
	fmt.Fprintf(w, "Unseen trajectories: root mean square error %.3g standard deviations over %.3g %s\nSaved %s\n",
		score.Error, score.Duration, cmp.Or(time, "units of time"), path)
	return nil
}

// place returns the subscript of an entry of a matrix, "" if it is the only one.
func place(i, j, entries int) string {
	if entries == 1 {
		return ""
	}
	return fmt.Sprint(i+1, ",", j+1)
}

// in returns fit.Unit in brackets, to stand behind a number; "" if there is no unit.
func in(above []string, below ...string) string {
	if unit := fit.Unit(above, below...); unit != "" {
		return " [" + unit + "]"
	}
	return ""
}
