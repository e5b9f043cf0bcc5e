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

// measured trains the models of a measured system that the folder runs lacks, and writes a page about what they say of it.
func measured(ctx context.Context, task datasets.Task, runs, out string, models []string, quiet bool, stdout, stderr io.Writer) error {
	if models == nil {
		for _, m := range hamiltonian.Models {
			if m.Published || m.Name == hamiltonian.Port.Name {
				models = append(models, m.Name)
			}
		}
	}
	train, test := task.Observed.Split(.2)
	say, end := command.Spinner(stderr, !quiet)
	defer end()
	var results []*fit.Result
	for _, name := range models {
		model, err := hamiltonian.Find(name)
		if err != nil {
			return err
		}
		path := fit.Path(runs, task.Name, name, 0)
		result, err := fit.Load(path)
		if errors.Is(err, fs.ErrNotExist) {
			say("training " + path)
			if err := os.MkdirAll(runs, 0o755); err != nil {
				return err
			}
			if result, err = fit.Fit(ctx, fit.DefaultOptions(model), train, nil); err == nil {
				err = result.Save(path, task.Name)
			}
		}
		if err != nil {
			return err
		}
		results = append(results, result)
	}
	say("writing the page")
	v, err := verdict.Examine(train, test, results)
	if err != nil {
		return err
	}
	if err := v.Write(out); err != nil {
		return err
	}
	end()
	_, err = fmt.Fprintln(stdout, strings.Join([]string{filepath.Join(out, "index.html"), filepath.Join(out, "verdict.json")}, "\n"))
	return err
}
