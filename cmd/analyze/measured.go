package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"hnn/datasets"
	"hnn/fit"
	"hnn/hamiltonian"
	"hnn/internal/command"
	"hnn/internal/wait"
	"hnn/nets"
	"hnn/verdict"
)

// measured trains the models of a measured system that the folder runs lacks, and writes a page about what the data and the models show. The
// models in the folder tell which rows none of them has seen.
func measured(ctx context.Context, task datasets.Task, folder, out string, models []string, quiet bool, stdout, stderr io.Writer) error {
	if models == nil {
		for _, m := range hamiltonian.Models {
			if m.Published || m.Name == hamiltonian.Port.Name {
				models = append(models, m.Name)
			}
		}
	}
	say, end := command.Spinner(stderr, !quiet)
	defer end()
	var results []*fit.Result
	var fraction float64
	if err := wait.For(ctx, func() (err error) { results, fraction, err = load(task, folder, models); return err }); err != nil {
		return err
	}
	train, test := task.Observed.Split(fraction)
	for i, name := range models {
		if results[i] != nil {
			continue
		}
		model, err := hamiltonian.Find(name)
		if err != nil {
			return err
		}
		say("training " + name)
		if results[i], err = learn(ctx, task, folder, model, train, fraction); err != nil {
			return err
		}
	}
	say("writing the page")
	if err := wait.For(ctx, func() error {
		v, err := verdict.Examine(train, test, results)
		if err != nil {
			return err
		}
		return v.Write(out)
	}); err != nil {
		return err
	}
	end()
	_, err := fmt.Fprintln(stdout, strings.Join([]string{filepath.Join(out, "index.html"), filepath.Join(out, "verdict.json")}, "\n"))
	return err
}

// learn trains a model and saves it.
func learn(ctx context.Context, task datasets.Task, folder string, model hamiltonian.Model, train datasets.Observations, fraction float64) (*fit.Result, error) {
	files, origin := fit.Files(folder, task.Name, model.Name, 0), nets.Origin{Task: task.Name, File: task.File, Hash: task.Hash}
	options := fit.DefaultOptions(model)
	release, err := files.Claim(origin, options.Bytes(train))
	if err != nil {
		return nil, err
	}
	defer release()
	var r *fit.Result
	if err := wait.For(ctx, func() (err error) { r, err = fit.Fit(ctx, options, train, nil); return err }); err != nil {
		return nil, err
	}
	r.Record.Origin, r.Record.TestFraction = origin, fraction
	return r, r.Save(files, true)
}

// load returns the models that are in the folder runs, nil for the others, and the test fraction of all.
func load(task datasets.Task, folder string, models []string) ([]*fit.Result, float64, error) {
	results := make([]*fit.Result, len(models))
	fraction, from := command.TestFraction, ""
	for i, name := range models {
		path := fit.Files(folder, task.Name, name, 0).Finished
		r, err := fit.Load(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, 0, err
		}
		switch f := r.Record.TestFraction; {
		case r.Record.Hash != task.Hash:
			return nil, 0, fmt.Errorf("%s learned from other data (%q) than %s holds now; train it again, or remove it", path, r.Record.File, task.File)
		case f == 0:
			return nil, 0, fmt.Errorf("%s does not say which rows it has not seen; train it again", path)
		case from != "" && f != fraction:
			return nil, 0, fmt.Errorf("%s was trained with the test fraction %g, and %s with %g; train one of them again with the -test-fraction of the other", from, fraction, path, f)
		}
		results[i], fraction, from = r, r.Record.TestFraction, path
	}
	return results, fraction, nil
}
