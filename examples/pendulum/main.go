// Command pendulum draws what the trained models of the measured pendulum predict beyond the measurement: for five times the duration of the test
// rows, and from rest at other amplitudes. Beside them it draws a pendulum with friction, dq/dt = a·p and dp/dt = −b·sin q − c·p. Its constants were
// fitted to all 556 rows by least squares (root mean square error 0.0145 rad and rad/s). It is the best guess at what nobody has measured.
//
//	./train -data examples/pendulum/pendulum.csv -angles q1 -model port       # and -model hnn, -model baseline
//	go run ./examples/pendulum
package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/plot/plotter"

	"hnn/datasets"
	"hnn/fit"
	"hnn/hamiltonian"
	"hnn/integrator"
	"hnn/internal/panels"
	"hnn/prediction"
)

const (
	table    = "examples/pendulum/pendulum.csv"
	rate     = 1.0456  // a, ± 0.0011
	torque   = 1.2962  // b in 1/s², ± 0.0012
	friction = 0.01213 // c in 1/s, ± 0.00002
	step     = 0.05    // s between two predicted states
	period   = 6       // s, about that of the pendulum
	swing    = 30      // s from rest at an amplitude
)

// energy returns the energy of a state by the fitted pendulum, in rad²/s². It is 0 at rest in the middle.
func energy(s []float64) float64 { return rate*s[1]*s[1]/2 + torque*(1-math.Cos(s[0])) }

// source predicts a motion from each start, at common times: by start and time, q and p.
type source struct {
	key     panels.Key
	predict func(starts [][]float64, times []float64) ([][][]float64, error)
}

func main() {
	if err := run("runs", "results", os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "pendulum:", err)
		os.Exit(1)
	}
}

func run(runs, results string, notes io.Writer) error {
	data, err := datasets.ReadObservations(table, datasets.TableOptions{Angles: []string{"q1"}})
	if err != nil {
		return err
	}
	sources := []source{{panels.Key{Label: "fitted pendulum with friction", Style: panels.Style(panels.Black, 1.2, panels.Dashed)}, fitted}}
	for _, model := range []hamiltonian.Model{hamiltonian.Baseline, hamiltonian.HNN, hamiltonian.Port} {
		s, err := trained(runs, model, data)
		if err != nil {
			return err
		}
		sources = append(sources, s)
	}
	figure := &panels.Figure{Width: 300, Height: 260}
	for _, s := range sources {
		figure.Keys = append(figure.Keys, s.key)
	}
	_, test := data.Split(0.2)
	if err := longer(figure, sources, test.Trajectories[0], notes); err != nil {
		return err
	}
	if err := wider(figure, sources, data.Trajectories[0], notes); err != nil {
		return err
	}
	if err := os.MkdirAll(results, 0o755); err != nil {
		return err
	}
	_, err = figure.Write(filepath.Join(results, "pendulum-beyond"))
	return err
}

// fitted integrates the fitted pendulum.
func fitted(starts [][]float64, times []float64) ([][][]float64, error) {
	motion := func(_ float64, s, out []float64) { out[0], out[1] = rate*s[1], -torque*math.Sin(s[0])-friction*s[1] }
	solutions, err := integrator.RK45{Relative: 1e-9}.Solve(integrator.Each(motion), starts, times)
	states := make([][][]float64, len(solutions))
	for i, solution := range solutions {
		states[i] = solution.States
	}
	return states, err
}

// trained returns a model that ./train has saved.
func trained(runs string, model hamiltonian.Model, data datasets.Observations) (source, error) {
	result, err := fit.Load(fit.Files(runs, datasets.TableName(table), model.Name, 0).Finished)
	if err != nil {
		return source{}, fmt.Errorf("%w; `./train -data %s -angles q1 -model %s` makes this model", err, table, model.Name)
	}
	predict := func(starts [][]float64, times []float64) ([][][]float64, error) {
		evaluator, err := result.Evaluator(1)
		if err != nil {
			return nil, err
		}
		defer evaluator.Close()
		at := data
		at.Trajectories = nil
		for _, start := range starts {
			at.Trajectories = append(at.Trajectories, datasets.Observed{Times: times, States: [][]float64{start}})
		}
		p, err := prediction.Run([]*hamiltonian.Evaluator{evaluator}, at, prediction.Options{})
		states := make([][][]float64, len(p.Trajectories))
		for i, predicted := range p.Trajectories {
			states[i] = predicted.States
		}
		return states, err
	}
	return source{panels.Key{Label: model.Name, Style: panels.Style(model.Color, 1.2, panels.Solid)}, predict}, nil
}

// longer draws the energy for five times the duration of the test rows, from the first one on.
func longer(f *panels.Figure, sources []source, test datasets.Observed, notes io.Writer) error {
	duration := test.Times[len(test.Times)-1] - test.Times[0]
	times := spaced(0, 5*duration, step)
	p := f.Panel(0, "Five times as long as the test rows", "time since the first test row (s)", "energy (rad²/s²)")
	for _, s := range sources {
		states, err := s.predict(test.States[:1], times)
		if err != nil {
			return err
		}
		line := make(plotter.XYs, len(times))
		for i, t := range times {
			line[i] = plotter.XY{X: t, Y: energy(states[0][i])}
		}
		p.Add(&plotter.Line{XYs: line, LineStyle: s.key.Style})
		fmt.Fprintf(notes, "%s: after %.0f s, %.3f of the energy is left\n", s.key.Label, 5*duration, left(states[0]))
	}
	measured := panels.Key{Label: "measured", Style: panels.Style(panels.Black, 1.8, panels.Dotted)}
	rows := make(plotter.XYs, len(test.Times))
	for i, t := range test.Times {
		rows[i] = plotter.XY{X: t - test.Times[0], Y: energy(test.States[i])}
	}
	p.Add(&plotter.Line{XYs: rows, LineStyle: measured.Style})
	f.Keys, p.Y.Min = append(f.Keys, measured), 0
	return nil
}

// wider draws the share of the energy that is left after swing seconds against the amplitude of the start. Two lines bound the measured amplitudes.
func wider(f *panels.Figure, sources []source, measured datasets.Observed, notes io.Writer) error {
	amplitudes := spaced(0.2, 2.6, 0.1)
	starts := make([][]float64, len(amplitudes))
	for i, amplitude := range amplitudes {
		starts[i] = []float64{amplitude, 0}
	}
	p := f.Panel(0, fmt.Sprintf("After %d s from rest at other amplitudes", swing), "amplitude of the start (rad)", "share of the energy that is left")
	for _, s := range sources {
		states, err := s.predict(starts, spaced(0, swing, step))
		if err != nil {
			return err
		}
		line := make(plotter.XYs, len(amplitudes))
		for i, amplitude := range amplitudes {
			line[i] = plotter.XY{X: amplitude, Y: left(states[i])}
		}
		p.Add(&plotter.Line{XYs: line, LineStyle: s.key.Style})
		_, _, low, high := plotter.XYRange(line)
		fmt.Fprintf(notes, "%s: after %d s from rest at 0.2 to 2.6 rad, %.3f to %.3f of the energy is left\n", s.key.Label, swing, low, high)
	}
	first, end := amplitude(measured.States[0]), amplitude(measured.States[len(measured.States)-1])
	bounds := panels.Key{Label: "measured amplitudes", Style: panels.Style(panels.Grey, 1, panels.Dashed)}
	for _, x := range []float64{first, end} {
		p.Add(&plotter.Line{XYs: plotter.XYs{{X: x, Y: p.Y.Min}, {X: x, Y: p.Y.Max}}, LineStyle: bounds.Style})
	}
	f.Keys = append(f.Keys, bounds)
	return nil
}

// amplitude returns the amplitude of a swing through a state, in rad.
func amplitude(s []float64) float64 { return math.Acos(1 - energy(s)/torque) }

// left returns the mean energy over the last period of a motion, as a share of that over the first period. A mean over a period evens out the part of
// friction that depends on the phase.
func left(states [][]float64) float64 {
	energies := make([]float64, len(states))
	for i, s := range states {
		energies[i] = energy(s)
	}
	const rows = period / step
	return stat.Mean(energies[len(energies)-rows:], nil) / stat.Mean(energies[:rows], nil)
}

// spaced returns first, first + step and so on, up to last.
func spaced(first, last, step float64) []float64 {
	n := int((last-first)/step+1e-9) + 1
	return floats.Span(make([]float64, n), first, first+float64(n-1)*step)
}
