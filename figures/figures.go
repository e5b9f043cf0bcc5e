// Package figures draws what an analysis holds: the paper's figures, as PNG and SVG, and films.
package figures

import (
	"fmt"
	"math"
	"os"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"

	"hnn/analysis"
)

// Write draws every figure of an analysis into a folder, which it makes if need be, and returns the paths of the files.
// progress is called with what begins.
func Write(folder string, a *analysis.Analysis, progress func(stage string)) ([]string, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	builders := []func(*analysis.Analysis) (figure, error){integration, drift, vectorReversal}
	switch {
	case a.Grid != nil:
		builders = append(builders, fields, hamiltonians)
	case a.Task.Bodies > 0:
		builders = append(builders, orbits)
	default:
		builders = append(builders, coordinates)
	}
	if len(a.Trials.Paths[analysis.Truth]) >= trialColumns {
		builders = append(builders, trials)
	}
	if a.Energy != nil {
		builders = append(builders, changedEnergy)
	}
	paths, err := saveAll(folder, a, builders, progress)
	if err != nil {
		return paths, err
	}
	if a.Task.Bodies > 0 {
		progress("filming the orbits")
		path, err := film(folder, a)
		if err != nil {
			return paths, err
		}
		paths = append(paths, path)
	}
	if a.Energy != nil {
		progress("filming the change of energy")
		path, err := vectorPath(a).film(folder, nil)
		if err != nil {
			return paths, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// saveAll draws and saves figures, and returns the paths of the files.
func saveAll[A any](folder string, a A, builders []func(A) (figure, error), progress func(string)) ([]string, error) {
	var paths []string
	for _, build := range builders {
		f, err := build(a)
		if err != nil {
			return nil, err
		}
		progress("drawing " + f.name)
		saved, err := f.save(folder)
		if err != nil {
			return nil, err
		}
		paths = append(paths, saved...)
	}
	return paths, nil
}

// fields shows the phase plane (figure 2 of the paper): the true field with the training data, the learned fields, and the
// trajectory that each gives to the example's start.
func fields(a *analysis.Analysis) (figure, error) {
	f := figure{name: a.Task.Name + "-field", width: 190, height: 185}
	if a.Task.File == "" { // the quantities of a user's file have any units
		f.square = 1
	}
	var low, high [2]float64
	for axis := range low {
		low[axis], high[axis] = bounds(a.Grid.Points, axis, 0.04)
	}
	measure := analysis.Truth // of the arrows' length
	if a.Grid.Fields[measure] == nil {
		measure = analysis.HNN
	}
	longest := 0.0
	for _, v := range a.Grid.Fields[measure] {
		for axis := range v {
			longest = max(longest, math.Abs(v[axis])/(high[axis]-low[axis]))
		}
	}
	row := make([]*plot.Plot, 0, len(analysis.Sources))
	for _, s := range analysis.Sources {
		p := panel(title(a, s), a.Task.Labels.Position, a.Task.Labels.Momentum)
		if a.Grid.Fields[s] != nil {
			p.Add(arrows{points: a.Grid.Points, vectors: a.Grid.Fields[s], scale: 0.1 / longest, style: style(grey, 0.6, solid)})
		}
		if s == analysis.Truth {
			if err := trainingData(p, a); err != nil {
				return f, err
			}
		}
		path := a.Example.Paths[s][0]
		if err := line(p, analysis.Column(path, 0), analysis.Column(path, 1), style(colorOf(s), 1.4, solid)); err != nil {
			return f, err
		}
		limits(&p.X, low[0], high[0])
		limits(&p.Y, low[1], high[1])
		row = append(row, p)
	}
	f.rows = [][]*plot.Plot{row}
	return f, nil
}

// title names the source of a panel's curve; where nobody observed the true motion, the training data stand in its place.
func title(a *analysis.Analysis, s analysis.Source) string {
	if s == analysis.Truth && !a.Example.Observed() {
		return "Training data"
	}
	return s.String()
}

// trainingData adds the first two coordinates of the training data to a plot.
func trainingData(p *plot.Plot, a *analysis.Analysis) error {
	data := make(plotter.XYs, len(a.Data.Train.X))
	for i, x := range a.Data.Train.X {
		data[i] = plotter.XY{X: x[0], Y: x[1]}
	}
	return dots(p, data, lighter(black, 0.5), 0.9)
}

// bounds returns the range of a coordinate, widened to both sides by a share of it.
func bounds(states [][]float64, axis int, share float64) (low, high float64) {
	values := analysis.Column(states, axis)
	low, high = floats.Min(values), floats.Max(values)
	margin := share * (high - low)
	return low - margin, high + margin
}

// integration follows the example (figure 2 of the paper, below): the predictions where they lie in a plane, the error of the
// coordinates where the truth is known, the quantity that the HNN has learned to conserve, and the total energy if that is another.
func integration(a *analysis.Analysis) (figure, error) {
	f := figure{name: a.Task.Name + "-integration", width: 165, height: 160, keys: sourceKeys(sourcesOf(a.Example))}
	labels, times := a.Task.Labels, a.Example.Times
	predictions := panel("Predictions", labels.Position, labels.Momentum)
	errors := panel("MSE between coordinates", labels.Time, "")
	conserved := panel("HNN-conserved quantity", labels.Time, "")
	energy := panel("Total energy", labels.Time, labels.Energy)
	// The truth is drawn last but one, so that the HNN's curve lies on it rather than under the baseline's.
	for _, s := range []analysis.Source{analysis.Baseline, analysis.Truth, analysis.HNN} {
		path, look := a.Example.Paths[s][0], style(colorOf(s), 1.3, solid)
		times := times[:len(path)]
		curves := map[*plot.Plot][2][]float64{conserved: {times, a.Conserved[s]}, energy: {times, a.Example.Energies[s][0]}}
		if s != analysis.Truth && a.Example.Observed() {
			deviation := make([]float64, len(path))
			for i, state := range path {
				d := floats.Distance(state, a.Example.Paths[analysis.Truth][0][i], 2)
				deviation[i] = d * d / float64(len(state))
			}
			curves[errors] = [2][]float64{times, deviation}
		}
		if a.Task.Dimension == 2 {
			curves[predictions] = [2][]float64{analysis.Column(path, 0), analysis.Column(path, 1)}
		}
		for p, curve := range curves {
			if err := line(p, curve[0], curve[1], look); err != nil {
				return f, err
			}
		}
	}
	var row []*plot.Plot
	for _, shown := range []struct {
		panel *plot.Plot
		there bool
	}{{predictions, a.Task.Dimension == 2}, {errors, a.Example.Observed()}, {conserved, true}, {energy, a.Task.Hamiltonian != nil}} {
		if shown.there {
			row = append(row, shown.panel)
		}
	}
	f.rows = [][]*plot.Plot{row}
	return f, nil
}

// drift shows how far the energy of each trial has moved from where it started.
func drift(a *analysis.Analysis) (figure, error) {
	f := figure{name: a.Task.Name + "-energy-drift", width: 180, height: 175}
	const smallest = 1e-8 // below it a logarithmic axis would show nothing but rounding
	row := make([]*plot.Plot, 0, len(analysis.Sources))
	low, high := math.Inf(1), math.Inf(-1)
	label := "|H(t) − H(0)|"
	if a.Task.Hamiltonian == nil {
		label += " of the learned H"
	}
	for _, s := range sourcesOf(a.Trials) {
		p := panel(s.String(), a.Task.Labels.Time, label)
		for _, energies := range a.Trials.Energies[s] {
			moved := make([]float64, len(energies)-1)
			for i, energy := range energies[1:] {
				moved[i] = math.Log10(max(smallest, math.Abs(energy-energies[0])))
				low, high = min(low, moved[i]), max(high, moved[i])
			}
			if err := line(p, a.Trials.Times[1:], moved, style(colorOf(s), 0.7, solid)); err != nil {
				return f, err
			}
		}
		row = append(row, p)
	}
	for _, p := range row {
		p.Y.Tick.Marker = decades{}
		limits(&p.Y, math.Floor(low), math.Ceil(high))
	}
	f.rows = [][]*plot.Plot{row}
	return f, nil
}

// coordinates shows the example of a system of several degrees of freedom: the first two positions of each source, and the first
// three coordinates over time.
func coordinates(a *analysis.Analysis) (figure, error) {
	f := figure{name: a.Task.Name + "-coordinates", width: 190, height: 175, rows: make([][]*plot.Plot, 2), keys: sourceKeys(sourcesOf(a.Example))}
	scale := a.Example.Paths[analysis.Truth][0]
	if !a.Example.Observed() {
		scale = a.Data.Train.X
	}
	for _, s := range analysis.Sources {
		p := panel(title(a, s), "q1", "q2")
		if s == analysis.Truth && !a.Example.Observed() {
			if err := trainingData(p, a); err != nil {
				return f, err
			}
		}
		path := a.Example.Paths[s][0]
		if err := line(p, analysis.Column(path, 0), analysis.Column(path, 1), style(colorOf(s), 0.9, solid)); err != nil {
			return f, err
		}
		p.X.Min, p.X.Max = bounds(scale, 0, 0.1)
		p.Y.Min, p.Y.Max = bounds(scale, 1, 0.1)
		f.rows[0] = append(f.rows[0], p)
	}
	for axis, name := range coordinateNames(a.Task.Dimension)[:3] {
		p := panel("", a.Task.Labels.Time, name)
		for _, s := range sourcesOf(a.Example) {
			path := a.Example.Paths[s][0]
			if err := line(p, a.Example.Times, analysis.Column(path, axis), style(colorOf(s), 1.1, solid)); err != nil {
				return f, err
			}
		}
		p.Y.Min, p.Y.Max = bounds(scale, axis, 0.25)
		f.rows[1] = append(f.rows[1], p)
	}
	return f, nil
}

// trialColumns is the number of panels in a row of trials.
const trialColumns = 5

// trials shows the total energy of the trials one by one (figure 9 of the paper), in full rows.
func trials(a *analysis.Analysis) (figure, error) {
	f := figure{name: a.Task.Name + "-trials", width: 135, height: 115, keys: sourceKeys(sourcesOf(a.Trials))}
	name := "Trial"
	if a.Task.Bodies > 0 {
		name = "Random seed"
	}
	f.rows = make([][]*plot.Plot, len(a.Trials.Paths[analysis.Truth])/trialColumns)
	for i := range len(f.rows) * trialColumns {
		p := panel(fmt.Sprintf("%s %d", name, i), "", "")
		if i%trialColumns == 0 {
			p.Y.Label.Text = a.Task.Labels.Energy
		}
		row := i / trialColumns
		if row == len(f.rows)-1 {
			p.X.Label.Text = a.Task.Labels.Time
		}
		for _, s := range []analysis.Source{analysis.Baseline, analysis.Truth, analysis.HNN} {
			if s == analysis.Truth && !a.Trials.Observed() {
				continue
			}
			if err := line(p, a.Trials.Times, a.Trials.Energies[s][i], style(colorOf(s), 1.1, solid)); err != nil {
				return f, err
			}
		}
		f.rows[row] = append(f.rows[row], p)
	}
	return f, nil
}

// coordinateNames are q1..qn, p1..pn.
func coordinateNames(dimension int) []string {
	var names []string
	for _, kind := range []string{"q", "p"} {
		for i := range dimension / 2 {
			names = append(names, fmt.Sprint(kind, i+1))
		}
	}
	return names
}

// orbits shows the example's trajectories, the models' over the true ones, and, below them, its energies (figures 3, 8 and 10 of
// the paper).
func orbits(a *analysis.Analysis) (figure, error) {
	f := figure{
		name: a.Task.Name + "-orbits", width: 190, height: 185, square: 1,
		keys: []key{
			{"Kinetic energy", style(black, 1.3, dashed)}, {"Potential energy", style(black, 1.3, dotted)},
			{"Total energy", style(black, 1.3, solid)}, {"True trajectory", style(grey, 0.8, solid)},
		},
	}
	times := a.Example.Times
	low, high := math.Inf(1), math.Inf(-1)
	for _, state := range a.Example.Paths[analysis.Truth][0] {
		low, high = min(low, a.Task.Potential(state)), max(high, a.Task.Kinetic(state))
	}
	reach := orbitReach(a)
	f.rows = make([][]*plot.Plot, 2)
	for _, s := range analysis.Sources {
		path := a.Example.Paths[s][0]
		trajectories := panel(s.String(), "x", "y")
		if s != analysis.Truth {
			truth := a.Example.Paths[analysis.Truth][0]
			for body := range a.Task.Bodies {
				if err := line(trajectories, analysis.Column(truth, body), analysis.Column(truth, a.Task.Bodies+body), f.keys[3].style); err != nil {
					return f, err
				}
			}
		}
		for body := range a.Task.Bodies {
			if err := line(trajectories, analysis.Column(path, body), analysis.Column(path, a.Task.Bodies+body), style(shade(s, body), 1.1, solid)); err != nil {
				return f, err
			}
		}
		last := path[len(path)-1]
		for body := range a.Task.Bodies {
			if err := dots(trajectories, plotter.XYs{{X: last[body], Y: last[a.Task.Bodies+body]}}, shade(s, body), 3); err != nil {
				return f, err
			}
		}
		limits(&trajectories.X, -reach, reach)
		limits(&trajectories.Y, -reach, reach)

		energies := panel("", a.Task.Labels.Time, "Energy")
		var kinetic, potential []float64
		for _, state := range path {
			kinetic, potential = append(kinetic, a.Task.Kinetic(state)), append(potential, a.Task.Potential(state))
		}
		for _, curve := range []struct {
			values []float64
			key    int
		}{{kinetic, 0}, {potential, 1}, {a.Example.Energies[s][0], 2}} {
			look := f.keys[curve.key].style
			look.Color = colorOf(s)
			if err := line(energies, times, curve.values, look); err != nil {
				return f, err
			}
		}
		margin := 0.25 * (high - low)
		limits(&energies.Y, low-margin, high+margin)
		f.rows[0], f.rows[1] = append(f.rows[0], trajectories), append(f.rows[1], energies)
	}
	return f, nil
}

// orbitReach is the half width of a square that shows the true orbits and a margin.
func orbitReach(a *analysis.Analysis) float64 {
	reach := 0.0
	for _, state := range a.Example.Paths[analysis.Truth][0] {
		for _, coordinate := range state[:2*a.Task.Bodies] {
			reach = max(reach, math.Abs(coordinate))
		}
	}
	return 1.25 * reach
}
