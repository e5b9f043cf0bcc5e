package main

import (
	"fmt"
	"io"

	"hnn/internal/files"
	"hnn/internal/tables"
	"hnn/trainer"
)

// checkLosses returns an error if no format has the extension of a file for losses. An empty path stands for no file.
func checkLosses(path string) error {
	if path != "" && tables.Writer(path) == nil {
		return fmt.Errorf("-losses %s: losses are written as .npz or .parquet; the file of the run has them as CSV", path)
	}
	return nil
}

// writeLosses writes the columns step, train_loss and test_loss, and replaces an older file. Where there was no test loss, it is NaN.
func writeLosses(path string, losses trainer.Losses) error {
	column := func(name string, number func(step int) float64) tables.Output {
		return tables.Output{Name: name, Numbers: func(yield func(float64) bool) {
			for step := range losses.Train {
				if !yield(number(step)) {
					return
				}
			}
		}}
	}
	columns := []tables.Output{
		column("step", func(step int) float64 { return float64(step) }),
		column("train_loss", func(step int) float64 { return float64(losses.Train[step]) }),
		column("test_loss", func(step int) float64 { return float64(losses.Test[step]) }),
	}
	return files.Replace(path, func(w io.Writer) error { return tables.Writer(path)(w, len(losses.Train), columns) })
}
