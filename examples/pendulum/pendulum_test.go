package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hnn/datasets"
	"hnn/fit"
	"hnn/hamiltonian"
)

// The table holds the numbers of the published file.
func TestTable(t *testing.T) {
	o, err := datasets.ReadObservations("pendulum.csv", datasets.TableOptions{Angles: []string{"q1"}})
	if err != nil {
		t.Fatal(err)
	}
	published, err := os.ReadFile("../../datasets/real_pend_h_1.txt")
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(strings.TrimSpace(string(published)), "\n")[1:] // without the line of names
	observed := o.Trajectories[0]
	if len(o.Trajectories) != 1 || len(rows) != len(observed.Times) || o.TimeName != "t [s]" {
		t.Fatalf("%d trajectories, %d rows of %d, time %s", len(o.Trajectories), len(observed.Times), len(rows), o.TimeName)
	}
	for k, row := range rows {
		var trial, time, q, p float64
		if _, err := fmt.Sscan(row, &trial, &time, &q, &p); err != nil || time != observed.Times[k] || q != observed.States[k][0] || p != observed.States[k][1] {
			t.Fatalf("row %d is %g, %g, published %s, error %v", k, observed.Times[k], observed.States[k], row, err)
		}
	}
}

// The fitted pendulum stays within 0.0145 (root mean square) of all measured rows.
func TestFittedPendulum(t *testing.T) {
	o, err := datasets.ReadObservations("pendulum.csv", datasets.TableOptions{Angles: []string{"q1"}})
	if err != nil {
		t.Fatal(err)
	}
	measured := o.Trajectories[0]
	times := make([]float64, len(measured.Times))
	for i, at := range measured.Times {
		times[i] = at - measured.Times[0]
	}
	states, err := fitted([][]float64{{1.0991, 0.9132}}, times) // the start was fitted too
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for i, s := range states[0] {
		for j := range s {
			d := s[j] - measured.States[i][j]
			sum += d * d
		}
	}
	if rms := math.Sqrt(sum / float64(2*len(times))); rms > 0.0146 {
		t.Errorf("the root mean square error is %g", rms)
	}
}

// A small swing of the fitted pendulum keeps exp(−c·24 s) of its energy, as the first and the last period are 24 s apart.
func TestLeft(t *testing.T) {
	states, err := fitted([][]float64{{0.01, 0}}, spaced(0, swing, step))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := left(states[0]), math.Exp(-friction*(swing-period)); math.Abs(got/want-1) > 2e-3 {
		t.Errorf("%g of the energy is left, want %g", got, want)
	}
	if got := amplitude([]float64{0.7, 0}); math.Abs(got-0.7) > 1e-12 {
		t.Errorf("the amplitude from rest at 0.7 rad is %g", got)
	}
}

// The command draws both pictures, and says what each source predicts.
func TestRun(t *testing.T) {
	t.Chdir("../..")
	o, err := datasets.ReadObservations(table, datasets.TableOptions{Angles: []string{"q1"}})
	if err != nil {
		t.Fatal(err)
	}
	train, _ := o.Split(0.2)
	runs, results := t.TempDir(), t.TempDir()
	var notes strings.Builder
	if err := run(runs, results, &notes); err == nil || !strings.Contains(err.Error(), "-model baseline` makes this model") {
		t.Errorf("without models, the error is %v", err)
	}
	for _, model := range []hamiltonian.Model{hamiltonian.Baseline, hamiltonian.HNN, hamiltonian.Port} {
		options := fit.DefaultOptions(model)
		options.Effort = 0.01
		result, err := fit.Fit(context.Background(), options, train, nil)
		if err == nil {
			result.Record.Task = "pendulum"
			err = result.Save(fit.Files(runs, "pendulum", model.Name, 0), true)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := run(runs, results, &notes); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"fitted pendulum with friction: after 92 s, 0.359 of the energy is left", "port: after 30 s"} {
		if !strings.Contains(notes.String(), want) {
			t.Errorf("no %q in the notes %s", want, notes.String())
		}
	}
	for _, name := range []string{"pendulum-beyond.svg", "pendulum-beyond.png"} {
		if content, err := os.ReadFile(filepath.Join(results, name)); err != nil || len(content) < 1000 {
			t.Errorf("%s has %d bytes, error %v", name, len(content), err)
		}
	}
}
