package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/vbauerster/mpb/v8/decor"

	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/internal/command"
	"hnn/internal/wait"
	"hnn/trainer"
)

const (
	shortestSave = 10 * time.Millisecond
	savingShare  = 100 // a save takes at most one part in so many of the time
)

// training is a run of a task, with its place on disk.
type training struct {
	*trainer.Trainer
	options
	stdout, stderr io.Writer
	saved          int // steps of the run on disk with the same settings; a shorter run does not replace it
}

// train makes or continues the run of a task, and saves it. If ctx ends, it saves what the run has reached.
func train(ctx context.Context, task datasets.Task, o options, stdout, stderr io.Writer) error {
	r := training{options: o, stdout: stdout, stderr: stderr}
	err := wait.For(ctx, func() (err error) {
		r.Trainer, err = trainer.New(task, o.settings, o.execution)
		return err
	})
	if err != nil {
		return err
	}
	if o.execution.Group.Rank() > 0 {
		return r.follow(ctx)
	}
	release, err := r.Claim(o.saveDir)
	if err != nil {
		return err
	}
	defer release()
	files := r.Settings.Files(o.saveDir)
	for flag, output := range map[string]string{"progress": o.progress, "losses": o.losses} {
		if err := command.Apart(flag, output, task.File, files.Finished, files.Unfinished); err != nil {
			return err
		}
	}
	if err := r.begin(); err != nil {
		return err
	}
	if o.verbose {
		model, _ := hamiltonian.Find(o.settings.Model) // New has found it
		fmt.Fprintf(stdout, "Training %s model:\n", model.Title)
	}
	var final trainer.Final
	if err = r.run(ctx); err == nil {
		err = wait.For(ctx, func() (err error) {
			final, err = r.Final()
			return err
		})
	}
	switch {
	case errors.Is(err, context.Canceled):
		if failure := r.interrupted(); failure != nil {
			return failure
		}
		return err
	case err != nil:
		return err
	}
	fmt.Fprintf(stdout, "Final train loss %.4e +/- %.4e\nFinal test loss %.4e +/- %.4e\n", final.Train, final.TrainError, final.Test, final.TestError)
	if err := r.Save(o.saveDir, &final); err != nil {
		return err
	}
	if o.verbose {
		fmt.Fprintf(stdout, "Saved %s\n", files.Finished)
	}
	if o.losses != "" {
		return writeLosses(o.losses, r.Losses)
	}
	return nil
}

// begin restores the run on disk if -resume asks for that. Otherwise it says what becomes of an interrupted run there.
func (r *training) begin() error {
	if r.resume {
		err := r.Resume(r.saveDir)
		r.saved = len(r.Losses.Train)
		return err
	}
	before, err := r.Settings.Unfinished(r.saveDir)
	switch {
	case errors.Is(err, trainer.ErrOtherSettings):
		return fmt.Errorf("%w; it was interrupted, so remove the file, or choose another -save-dir", err)
	case err != nil:
		r.note("%v; this run will replace it", err)
	case before.Steps > 0:
		r.saved = before.Steps
		r.note("%s holds %d steps of this run, which was interrupted; -resume continues it, and only a longer run replaces it", before.Path, before.Steps)
	}
	return nil
}

// follow makes the steps of a process other than rank 0, which alone reads, writes and prints. All stop where rank 0 saves the run.
func (r *training) follow(ctx context.Context) error {
	for {
		err := r.Run(ctx, nil)
		if err == nil {
			_, err = r.Final()
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
}

func (r *training) note(format string, values ...any) {
	command.Note(r.stderr, "train", fmt.Sprintf(format, values...))
}

// run makes the steps, shows how far they are, and saves the run now and then.
func (r *training) run(ctx context.Context) error {
	d, err := newDisplay(r.options, r.stdout, r.stderr)
	if err != nil {
		return err
	}
	defer d.close()
	before, last := len(r.Losses.Train), r.settings.TotalSteps
	b := d.bar(r.settings.Label(), decor.AverageSpeed(0, " %.0f/s"))
	defer b.Abort(true)
	done := func(step int, trainLoss, testLoss float32) {
		if step%r.printEvery == 0 {
			d.record(step, last, fmt.Sprintf("step %d, train_loss %.4e, test_loss %.4e", step, trainLoss, testLoss))
		}
		b.move(step-before, last+1-before)
	}
	failed := false
	for wait := r.saveEvery; ; {
		part, end := context.WithTimeout(ctx, wait)
		err := r.Run(part, done)
		end()
		if !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		begin := time.Now()
		if err := r.save(); err != nil && !failed { // there may be space again at the end
			failed = true
			r.note("the run could not be saved at step %d, and goes on: %v", len(r.Losses.Train)-1, err)
		}
		wait = max(r.saveEvery, savingShare*time.Since(begin))
	}
}

// save saves the unfinished run if it is longer than the one on disk.
func (r *training) save() error {
	if len(r.Losses.Train) <= r.saved {
		return nil
	}
	return r.Save(r.saveDir, nil)
}

// interrupted saves the run and says where it is.
func (r *training) interrupted() error {
	if err := r.save(); err != nil {
		return err
	}
	there, err := r.Settings.Find(r.saveDir)
	switch steps := len(r.Losses.Train); {
	case err != nil:
		return err
	case there.Steps == 0:
		r.note("interrupted before the first step")
	default:
		r.note("interrupted after %d steps; %s holds the model after %d, and -resume continues the run", steps, there.Path, there.Steps)
	}
	return nil
}
