package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hnn/datasets"
)

// FromTable reads the table, each trajectory conserves the energy, and the derivatives are the symplectic gradient.
func TestTableConservesEnergy(t *testing.T) {
	var table, notes bytes.Buffer
	if err := write(&table, &notes); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(notes.String(), "25 trajectories of 201 rows, with energies from 0.0") {
		t.Errorf("the notes are %s", notes.String())
	}
	path := filepath.Join(t.TempDir(), "henon-heiles.csv")
	if err := os.WriteFile(path, table.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	task, err := datasets.FromTable(path)
	if err != nil {
		t.Fatal(err)
	}
	data, err := task.Generate(0)
	if err != nil {
		t.Fatal(err)
	}
	if task.Dimension != 4 || data.Train.X.Rows() != 20*rows || data.Test.X.Rows() != 5*rows {
		t.Errorf("dimension %d, %d and %d rows", task.Dimension, data.Train.X.Rows(), data.Test.X.Rows())
	}
	x, dx := data.Train.X.Float64(0), data.Train.DX.Float64(0)
	for i, s := range x {
		if change := energy(s) - energy(x[i-i%rows]); math.Abs(change) > 1e-7 {
			t.Errorf("row %d: the energy changed by %g", i, change)
		}
		const h = 1e-5
		for axis := range s {
			up, down := append([]float64(nil), s...), append([]float64(nil), s...)
			up[axis], down[axis] = s[axis]+h, s[axis]-h
			gradient := (energy(up) - energy(down)) / (2 * h)
			got := dx[i][(axis+2)%4]
			if axis < 2 {
				got = -got
			}
			if math.Abs(got-gradient) > 1e-6 {
				t.Errorf("row %d: the derivative gives ∂H/∂x%d = %g, want %g", i, axis, got, gradient)
			}
		}
	}
}
