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
	if task.Dimension != 4 || len(data.Train.X) != 20*rows || len(data.Test.X) != 5*rows {
		t.Errorf("dimension %d, %d and %d rows", task.Dimension, len(data.Train.X), len(data.Test.X))
	}
	for i, s := range data.Train.X {
		if change := energy(s) - energy(data.Train.X[i-i%rows]); math.Abs(change) > 1e-9 {
			t.Errorf("row %d: the energy changed by %g", i, change)
		}
		const h = 1e-5
		for axis := range s {
			up, down := append([]float64(nil), s...), append([]float64(nil), s...)
			up[axis], down[axis] = s[axis]+h, s[axis]-h
			gradient := (energy(up) - energy(down)) / (2 * h)
			got := data.Train.DX[i][(axis+2)%4]
			if axis < 2 {
				got = -got
			}
			if math.Abs(got-gradient) > 1e-8 {
				t.Errorf("row %d: the derivative gives ∂H/∂x%d = %g, want %g", i, axis, got, gradient)
			}
		}
	}
}
