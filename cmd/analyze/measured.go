package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"hnn/datasets"
	"hnn/fit"
	"hnn/hamiltonian"
	"hnn/internal/command"
	"hnn/verdict"
)

// measured trains the models of a measured system that the folder runs lacks, and writes a page about what the data and the models show. The
// models in the folder tell which rows none of them has seen.
func measured(ctx context.Context, task datasets.Task, runs, out string, models []string, quiet bool, stdout, stderr io.Writer) error {
	if models == nil {
		for _, m := range hamiltonian.Models {
			if m.Published || m.Name == hamiltonian.Port.Name {
				models = append(models, m.Name)
			}
		}
	}
	say, end := command.Spinner(stderr, !quiet)
	defer end()
	results, fraction, err := load(task, runs, models)
	if err != nil {
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
		path := fit.Path(runs, task.Name, name, 0)
		say("training " + path)
		if err := os.MkdirAll(runs, 0o755); err != nil {
			return err
		}
		if results[i], err = fit.Fit(ctx, fit.DefaultOptions(model), train, nil); err != nil {
			return err
		}
		results[i].Record.TestFraction = fraction
		if err := results[i].Save(path, task.Name); err != nil {
			return err
		}
	}
	say("writing the page")
	if err := command.Interruptible(ctx, func() error {
		v, err := verdict.Examine(train, test, results)
		if err != nil {
			return err
		}
		return v.Write(out)
	}); err != nil {
		return err
	}
	end()
	_, err = fmt.Fprintln(stdout, strings.Join([]string{filepath.Join(out, "index.html"), filepath.Join(out, "verdict.json")}, "\n"))
	return err
}

// load returns the models that are in the folder runs, nil for the others, and the test fraction of all.
func load(task datasets.Task, runs string, models []string) ([]*fit.Result, float64, error) {
	results := make([]*fit.Result, len(models))
	fraction, from := command.TestFraction, ""
	for i, name := range models {
		path := fit.Path(runs, task.Name, name, 0)
		r, err := fit.Load(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, 0, err
		}
		switch f := r.Record.TestFraction; {
		case f == 0:
			return nil, 0, fmt.Errorf("%s does not say which rows it has not seen; train it again", path)
		case from != "" && f != fraction:
			return nil, 0, fmt.Errorf("%s was trained with the test fraction %g, and %s with %g; train one of them again with the -test-fraction of the other", from, fraction, path, f)
		}
		results[i], fraction, from = r, r.Record.TestFraction, path
	}
	return results, fraction, nil
}
