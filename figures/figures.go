// Package figures draws an analysis: the paper's figures as PNG and SVG, and films as GIF.
package figures

import (
	"fmt"
	"math"
	"os"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"

	"hnn/analysis"
)

// Write draws every figure of an analysis into a folder (created if needed) and returns the paths of the files. It calls progress
// with each stage that begins.
func Write(folder string, a *analysis.Analysis, progress func(stage string)) ([]string, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	truth := a.Sources[0]
	plane, bodies, images, energies := truth.Plane != nil, a.Task.Bodies > 0, truth.Film != nil, truth.Trials.Energy != nil
	var paths []string
	for _, drawing := range []struct {
		wanted bool
		build  func(*analysis.Analysis) *figure
	}{
		{true, integration},
		{energies && !images, drift},
		{true, reversal},
		{plane, fields},
		{plane && slices.ContainsFunc(a.Sources, func(s *analysis.Source) bool { return s.Plane.Hamiltonian != nil }), hamiltonians},
		{bodies, orbits},
		{!plane && !bodies, coordinates},
		{images, filmstrip},
		{energies && len(truth.Trials.States) >= trialColumns, trials},
		{a.Energy != nil, changedEnergy},
	} {
		if !drawing.wanted {
			continue
		}
		f := drawing.build(a)
		if f.columns() == 0 {
			continue
		}
		progress("drawing " + f.name)
		saved, err := f.save(folder)
		if err != nil {
			return paths, err
		}
		paths = append(paths, saved...)
	}
	for _, film := range []struct {
		wanted bool
		of     string
		make   func(folder string, a *analysis.Analysis) (string, error)
	}{
		{bodies, "the orbits", filmOrbits},
		{images, "the images", filmImages},
		{a.Energy != nil, "the change of energy", filmEnergy},
	} {
		if !film.wanted {
			continue
		}
		progress("filming " + film.of)
		path, err := film.make(folder, a)
		if err != nil {
			return paths, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// layers returns the sources with known trajectories in drawing order: first the models without a Hamiltonian, then the truth, then the models
// with a Hamiltonian.
func layers(a *analysis.Analysis) []*analysis.Source {
	layer := func(s *analysis.Source) int {
		switch {
		case s == a.Sources[0]:
			return 1
		case s.HasHamiltonian:
			return 2
		}
		return 0
	}
	list := slices.Clone(a.Moving())
	slices.SortStableFunc(list, func(s, t *analysis.Source) int { return layer(s) - layer(t) })
	return list
}

// title returns the title of a source's panel. If the true trajectory is unknown, the panel of the truth shows the training data.
func title(a *analysis.Analysis, s *analysis.Source) string {
	if s == a.Sources[0] && len(s.Example.Times) < 2 {
		return "Training data"
	}
	return s.Title
}

// planeLabels names the axes of the plane in which a source's states are drawn.
func planeLabels(a *analysis.Analysis, s *analysis.Source) (x, y string) {
	switch {
	case a.Task.Bodies > 0:
		return "x", "y"
	case a.Task.Dimension > 2:
		return "q1", "q2"
	case s.Film != nil && s != a.Sources[0]:
		return "latent position z1", "latent velocity z2"
	}
	return a.Task.Labels.Position, a.Task.Labels.Momentum
}

// bounds is extended for a coordinate of states.
func bounds(states [][]float64, axis int, share float64) (low, high float64) {
	return extended(analysis.Column(states, axis), share)
}

// extended returns the range of values, extended at both ends by a share of it.
func extended(values []float64, share float64) (low, high float64) {
	low, high = floats.Min(values), floats.Max(values)
	margin := share * (high - low)
	return low - margin, high + margin
}

// integration shows the example trajectory (figure 2 of the paper, below; figure 4). Its panels are: the trajectories in the plane (for images,
// the position over time); the error of the coordinates, if the truth is known; the reference's Hamiltonian; and the total energy, if the
// true Hamiltonian is known.
func integration(a *analysis.Analysis) *figure {
	f := &figure{name: a.Task.Name + "-integration", width: 165, height: 160, keys: sourceKeys(a.Moving())}
	labels, truth := a.Task.Labels, a.Sources[0]
	images := truth.Film != nil
	predictions := panel("Predictions", labels.Position, labels.Momentum)
	position := panel("Position", labels.Time, labels.Position)
	errors := panel("MSE between coordinates", labels.Time, "")
	energy := panel("Total energy", labels.Time, labels.Energy)
	learned := panel("", labels.Time, "")
	if a.Reference != nil {
		learned.Title.Text = hamiltonianTitle(a.Reference)
	}
	panels := []struct {
		*plot.Plot
		shown bool
	}{
		{predictions, a.Task.Dimension == 2 && !images}, {position, images}, {errors, len(truth.Example.Times) > 1}, {learned, truth.Learned != nil},
		{energy, a.Task.Hamiltonian != nil},
	}
	for _, s := range layers(a) {
		path, times := s.Example.States[0], s.Example.Times
		first := analysis.Column(path, 0)
		curves := map[*plot.Plot][2][]float64{predictions: {first, analysis.Column(path, 1)}, position: {times, first}, learned: {times, s.Learned}}
		if s.Example.Energy != nil {
			curves[energy] = [2][]float64{times, s.Example.Energy[0]}
		}
		if s != truth {
			deviation := make([]float64, len(path))
			for i, known := range truth.Example.States[0] {
				d := floats.Distance(path[i], known, 2)
				deviation[i] = d * d / float64(len(known))
			}
			curves[errors] = [2][]float64{times, deviation}
		}
		for _, p := range panels {
			if curve, ok := curves[p.Plot]; ok && p.shown {
				f.line(p.Plot, curve[0], curve[1], style(s.Color, 1.3, solid))
			}
		}
	}
	f.rows = make([][]*plot.Plot, 1)
	for _, p := range panels {
		if p.shown {
			f.rows[0] = append(f.rows[0], p.Plot)
		}
	}
	return f
}

// drift shows |H(t) − H(0)| for each trial.
func drift(a *analysis.Analysis) *figure {
	f := &figure{name: a.Task.Name + "-energy-drift", width: 180, height: 175, rows: make([][]*plot.Plot, 1)}
	const smallest = 1e-8 // below it, a logarithmic axis would show only rounding
	low, high := math.Inf(1), math.Inf(-1)
	label := "|H(t) − H(0)|"
	if a.Task.Hamiltonian == nil {
		label += " of the learned H"
	}
	for _, s := range a.Moving() {
		p := panel(s.Title, a.Task.Labels.Time, label)
		for _, energies := range s.Trials.Energy {
			moved := make([]float64, len(energies)-1)
			for i, energy := range energies[1:] {
				moved[i] = math.Log10(max(smallest, math.Abs(energy-energies[0])))
				low, high = min(low, moved[i]), max(high, moved[i])
			}
			f.line(p, s.Trials.Times[1:], moved, style(s.Color, 0.7, solid))
		}
		f.rows[0] = append(f.rows[0], p)
	}
	for _, p := range f.rows[0] {
		p.Y.Tick.Marker = decades{}
		limits(&p.Y, math.Floor(low), math.Ceil(high))
	}
	return f
}

// coordinates shows the example of a system of several degrees of freedom: the first two positions of each source, and the first three
// coordinates over time.
func coordinates(a *analysis.Analysis) *figure {
	f := &figure{name: a.Task.Name + "-coordinates", width: 190, height: 175, rows: make([][]*plot.Plot, 2), keys: sourceKeys(a.Moving())}
	truth := a.Sources[0]
	scale := truth.Example.States[0]
	if len(scale) < 2 {
		scale = a.Data.Train.X
	}
	for _, s := range a.Sources {
		x, y := planeLabels(a, s)
		p := panel(title(a, s), x, y)
		if s == truth && len(s.Example.Times) < 2 {
			f.dots(p, points(a.Data.Train.X), lighter(black, 0.5), 0.9)
		}
		path := s.Example.States[0]
		f.line(p, analysis.Column(path, 0), analysis.Column(path, 1), style(s.Color, 0.9, solid))
		p.X.Min, p.X.Max = bounds(scale, 0, 0.1)
		p.Y.Min, p.Y.Max = bounds(scale, 1, 0.1)
		f.rows[0] = append(f.rows[0], p)
	}
	names := []string{"q1", "q2", "q3"}
	if a.Task.Dimension == 4 {
		names[2] = "p1"
	}
	for axis, name := range names {
		p := panel("", a.Task.Labels.Time, name)
		for _, s := range a.Moving() {
			f.line(p, s.Example.Times, analysis.Column(s.Example.States[0], axis), style(s.Color, 1.1, solid))
		}
		p.Y.Min, p.Y.Max = bounds(scale, axis, 0.25)
		f.rows[1] = append(f.rows[1], p)
	}
	return f
}

// trialColumns is the number of panels in a row of trials.
const trialColumns = 5

// trials shows the total energy of the trials one by one (figure 9 of the paper), in full rows.
func trials(a *analysis.Analysis) *figure {
	f := &figure{name: a.Task.Name + "-trials", width: 135, height: 115, keys: sourceKeys(a.Moving())}
	name := "Trial"
	if a.Task.Bodies > 0 {
		name = "Random seed"
	}
	f.rows = make([][]*plot.Plot, len(a.Sources[0].Trials.States)/trialColumns)
	for i := range len(f.rows) * trialColumns {
		p := panel(fmt.Sprintf("%s %d", name, i), "", "")
		if i%trialColumns == 0 {
			p.Y.Label.Text = a.Task.Labels.Energy
		}
		row := i / trialColumns
		if row == len(f.rows)-1 {
			p.X.Label.Text = a.Task.Labels.Time
		}
		for _, s := range layers(a) {
			f.line(p, s.Trials.Times, s.Trials.Energy[i], style(s.Color, 1.1, solid))
		}
		f.rows[row] = append(f.rows[row], p)
	}
	return f
}

// orbits shows the example's trajectories, the models' over the true ones, and below them its energies (figures 3, 8 and 10 of the paper).
func orbits(a *analysis.Analysis) *figure {
	f := &figure{
		name: a.Task.Name + "-orbits", width: 190, height: 185, square: 1, rows: make([][]*plot.Plot, 2),
		keys: []key{
			{"Kinetic energy", style(black, 1.3, dashed)}, {"Potential energy", style(black, 1.3, dotted)},
			{"Total energy", style(black, 1.3, solid)}, {"True trajectory", style(grey, 0.8, solid)},
		},
	}
	truth := a.Sources[0].Example.States[0]
	low, high := math.Inf(1), math.Inf(-1)
	for _, state := range truth {
		low, high = min(low, a.Task.Potential(state)), max(high, a.Task.Kinetic(state))
	}
	reach := orbitReach(a)
	for _, s := range a.Sources {
		path := s.Example.States[0]
		trajectories := panel(s.Title, "x", "y")
		for body := range a.Task.Bodies {
			x, y := place(truth, a.Task.Bodies, body)
			if s == a.Sources[0] {
				break
			}
			f.line(trajectories, x, y, f.keys[3].style)
		}
		for body := range a.Task.Bodies {
			x, y := place(path, a.Task.Bodies, body)
			f.line(trajectories, x, y, style(shade(s, body), 1.1, solid))
		}
		for body := range a.Task.Bodies {
			x, y := place(path[len(path)-1:], a.Task.Bodies, body)
			f.dots(trajectories, plotter.XYs{{X: x[0], Y: y[0]}}, shade(s, body), 3)
		}
		limits(&trajectories.X, -reach, reach)
		limits(&trajectories.Y, -reach, reach)

		energies := panel("", a.Task.Labels.Time, "Energy")
		var kinetic, potential []float64
		for _, state := range path {
			kinetic, potential = append(kinetic, a.Task.Kinetic(state)), append(potential, a.Task.Potential(state))
		}
		for i, values := range [][]float64{kinetic, potential, s.Example.Energy[0]} {
			look := f.keys[i].style
			look.Color = s.Color
			f.line(energies, s.Example.Times, values, look)
		}
		margin := 0.25 * (high - low)
		limits(&energies.Y, low-margin, high+margin)
		f.rows[0], f.rows[1] = append(f.rows[0], trajectories), append(f.rows[1], energies)
	}
	return f
}

// place returns the x and the y of a body by time. Without bodies it returns the first two coordinates.
func place(states [][]float64, bodies, body int) (x, y []float64) {
	return analysis.Column(states, body), analysis.Column(states, max(1, bodies)+body)
}

// orbitReach is the half width of a square that shows the true orbits and a margin.
func orbitReach(a *analysis.Analysis) float64 {
	reach := 0.0
	for _, state := range a.Sources[0].Example.States[0] {
		for _, coordinate := range state[:2*a.Task.Bodies] {
			reach = max(reach, math.Abs(coordinate))
		}
	}
	return 1.25 * reach
}
