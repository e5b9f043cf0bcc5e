// Package figures draws an analysis: the paper's figures as PNG and SVG, and films as GIF.
package figures

import (
	"fmt"
	"math"
	"os"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/plot/plotter"

	"hnn/analysis"
	"hnn/internal/panels"
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
		{plane, hamiltonians},
		{bodies, orbits},
		{!plane && !bodies, coordinates},
		{images, filmstrip},
		{energies, trials},
		{a.Energy != nil, changedEnergy},
		{bodies, filmOrbits},
		{images, filmImages},
		{a.Energy != nil, filmEnergy},
	} {
		if !drawing.wanted {
			continue
		}
		f := drawing.build(a)
		if f.Rows == nil && f.frame == nil {
			continue // nothing that it could show is known
		}
		progress("drawing " + f.name)
		saved, err := f.save(folder)
		if err != nil {
			return paths, err
		}
		paths = append(paths, saved...)
	}
	return paths, nil
}

// Kind is a kind of file that Write makes: the end of its name, after the task's name, and its caption.
type Kind struct{ Suffix, Caption string }

// Kinds lists the files in the order of a report. No task has all of them.
var Kinds = []Kind{
	{"-field.png", "The phase plane: the training data, each field, and a trajectory of each from the same start (figures 1 and 7)"},
	{"-latent.png", "The latent planes and their fields beside the true phase plane, with the test samples and a swing (figure 11a)"},
	{"-orbits.png", "Trajectories, and kinetic, potential and total energy over time (figures 3, 8 and 10)"},
	{"-coordinates.png", "Trajectories of the first two coordinates, and the first three over time"},
	{"-filmstrip.png", "The frames of a swing, and those decoded from the latent trajectories (figure 4)"},
	{".gif", "The motion as a film: the truth and each model"},
	{"-integration.png", "One trajectory: the error of the coordinates, a learned Hamiltonian, and the total energy (figures 2 and 4)"},
	{"-hamiltonian.png", "Contours of the true energy and of each learned Hamiltonian (figure 11b)"},
	{"-energy-drift.png", "The distance of the energy from its initial value in each trial"},
	{"-trials.png", "The total energy of each trial (figure 9)"},
	{"-add-energy.png", "Adding energy along the gradient of a learned Hamiltonian, and removing it again (figure 5)"},
	{"-add-energy.gif", "The same as a film"},
	{"-reversibility.png", "Integration forward and back: the distance from the start, and the distance between the two paths (section 6)"},
}

// layers returns the sources with known trajectories in drawing order: first the models without a Hamiltonian, then the truth, then the models
// with a Hamiltonian.
func layers(a *analysis.Analysis) []*analysis.Source {
	var below, above []*analysis.Source
	for _, s := range a.Moving() {
		if s.HasHamiltonian || s == a.Sources[0] {
			above = append(above, s)
		} else {
			below = append(below, s)
		}
	}
	return append(below, above...)
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
	f := &figure{name: a.Task.Name + "-integration", Figure: panels.Figure{Width: 165, Height: 160, Keys: sourceKeys(a.Moving())}}
	labels, truth := a.Task.Labels, a.Sources[0]
	images, learned := truth.Film != nil, ""
	if a.Reference != nil {
		learned = hamiltonianTitle(a.Reference)
	}
	for _, quantity := range []struct {
		shown       bool
		title, x, y string
		of          func(s *analysis.Source) plotter.XYs
	}{
		{a.Task.Dimension == 2 && !images, "Predictions", labels.Position, labels.Momentum, func(s *analysis.Source) plotter.XYs {
			return points(s.Example.States[0], 0, 1)
		}},
		{images, "Position", labels.Time, labels.Position, func(s *analysis.Source) plotter.XYs {
			return curve(s.Example.Times, analysis.Column(s.Example.States[0], 0))
		}},
		{len(truth.Example.Times) > 1, "MSE between coordinates", labels.Time, "", func(s *analysis.Source) plotter.XYs {
			if s == truth {
				return nil
			}
			deviation := make([]float64, len(s.Example.Times))
			for i, known := range truth.Example.States[0] {
				d := floats.Distance(s.Example.States[0][i], known, 2)
				deviation[i] = d * d / float64(len(known))
			}
			return curve(s.Example.Times, deviation)
		}},
		{truth.Learned != nil, learned, labels.Time, "", func(s *analysis.Source) plotter.XYs { return curve(s.Example.Times, s.Learned) }},
		{a.Task.Hamiltonian != nil, "Total energy", labels.Time, labels.Energy, func(s *analysis.Source) plotter.XYs {
			return curve(s.Example.Times, s.Example.Energy[0])
		}},
	} {
		if !quantity.shown {
			continue
		}
		p := f.Panel(0, quantity.title, quantity.x, quantity.y)
		for _, s := range layers(a) {
			if c := quantity.of(s); c != nil {
				f.line(p, c, panels.Style(s.Color, 1.3, panels.Solid))
			}
		}
	}
	return f
}

// drift shows |H(t) − H(0)| for each trial.
func drift(a *analysis.Analysis) *figure {
	f := &figure{name: a.Task.Name + "-energy-drift", Figure: panels.Figure{Width: 180, Height: 175}}
	const smallest = 1e-8 // below it, a logarithmic axis would show only rounding
	label := "|H(t) − H(0)|"
	if a.Task.Hamiltonian == nil {
		label += " of the learned H"
	}
	for _, s := range a.Moving() {
		p := f.Panel(0, s.Title, a.Task.Labels.Time, label)
		for _, energies := range s.Trials.Energy {
			moved := make([]float64, len(energies)-1)
			for i, energy := range energies[1:] {
				moved[i] = math.Log10(max(smallest, math.Abs(energy-energies[0])))
			}
			f.line(p, curve(s.Trials.Times[1:], moved), panels.Style(s.Color, 0.7, panels.Solid))
		}
	}
	f.logarithmic(0)
	return f
}

// reversal shows whether each field returns to its start when integrated forward and back (section 6 of the paper). Each method has a column.
// The upper panel shows the distance from the start, the lower panel the distance between the backward and the forward trajectory.
func reversal(a *analysis.Analysis) *figure {
	sources := slices.DeleteFunc(slices.Clone(a.Sources), func(s *analysis.Source) bool { return s.Reversals == nil })
	turn := panels.Key{Label: "Turning back", Style: panels.Style(grey, 1, panels.Dashed)}
	f := &figure{name: a.Task.Name + "-reversibility", Figure: panels.Figure{Width: 250, Height: 165, Keys: append(sourceKeys(sources), turn)}}
	for method, first := range sources[0].Reversals {
		distance := f.Panel(0, first.Method, a.Task.Labels.Time+", forward and back", "Distance from the start")
		departure := f.Panel(1, "", a.Task.Labels.Time, "Distance between paths")
		for _, s := range sources {
			r, look := s.Reversals[method], panels.Style(s.Color, 1.3, panels.Solid)
			there := r.Times[len(r.Times)-1]
			f.line(distance, curve(floats.Span(make([]float64, len(r.Distance)), 0, 2*there), r.Distance), look)
			var logarithms plotter.XYs
			for i, d := range r.Departure {
				if d > 0 { // a distance of 0 has no logarithm
					logarithms = append(logarithms, plotter.XY{X: r.Times[i], Y: math.Log10(d)})
				}
			}
			if logarithms != nil {
				f.line(departure, logarithms, look)
			}
		}
		middle := (distance.X.Min + distance.X.Max) / 2
		f.line(distance, plotter.XYs{{X: middle}, {X: middle, Y: distance.Y.Max}}, turn.Style)
		departure.X.Min, departure.X.Max = distance.X.Min, middle
	}
	f.logarithmic(1)
	return f
}

// coordinates shows the example of a system of several degrees of freedom: the first two positions of each source, and the first three
// coordinates over time.
func coordinates(a *analysis.Analysis) *figure {
	f := &figure{name: a.Task.Name + "-coordinates", Figure: panels.Figure{Width: 190, Height: 175, Keys: sourceKeys(a.Moving())}}
	truth := a.Sources[0]
	training := a.Training()
	scale := truth.Example.States[0]
	if len(scale) < 2 {
		scale = training
	}
	for _, s := range a.Sources {
		p := f.plane(a, s)
		if s == truth && len(s.Example.Times) < 2 {
			f.dots(p, points(training, 0, 1), lighter(black, 0.5), 0.9)
		}
		f.line(p, points(s.Example.States[0], 0, 1), panels.Style(s.Color, 0.9, panels.Solid))
		p.X.Min, p.X.Max = extended(analysis.Column(scale, 0), 0.1)
		p.Y.Min, p.Y.Max = extended(analysis.Column(scale, 1), 0.1)
	}
	names := []string{"q1", "q2", "q3"}
	if a.Task.Dimension == 4 {
		names[2] = "p1"
	}
	for axis, name := range names {
		p := f.Panel(1, "", a.Task.Labels.Time, name)
		for _, s := range a.Moving() {
			f.line(p, curve(s.Example.Times, analysis.Column(s.Example.States[0], axis)), panels.Style(s.Color, 1.1, panels.Solid))
		}
		p.Y.Min, p.Y.Max = extended(analysis.Column(scale, axis), 0.25)
	}
	return f
}

// fields shows the phase plane (figure 2 of the paper), or for images also the models' latent planes (figure 4): the observed states, each
// field, and each trajectory from the example's start.
func fields(a *analysis.Analysis) *figure {
	f := &figure{name: a.Task.Name + "-field", Figure: panels.Figure{Width: 190, Height: 185}}
	truth := a.Sources[0]
	samples, radius := lighter(black, 0.5), 0.9
	images := truth.Film != nil
	if images {
		f.name, samples, radius = a.Task.Name+"-latent", lighter(black, 0.7), 0.6
	} else if a.Task.File == "" { // the quantities of a user's file have any units
		f.Square = 1
	}
	for _, s := range a.Sources {
		p := f.plane(a, s)
		if s == truth || images {
			f.dots(p, points(s.Plane.Samples, 0, 1), samples, radius)
		}
		left, right := extended(analysis.Column(s.Plane.Points, 0), 0.04)
		bottom, top := extended(analysis.Column(s.Plane.Points, 1), 0.04)
		if s.Plane.Field != nil {
			measure := s.Plane.Field // the true one, if it is known, so that the lengths can be compared
			if truth.Plane.Field != nil {
				measure = truth.Plane.Field
			}
			sideways, upwards := floats.Norm(analysis.Column(measure, 0), math.Inf(1)), floats.Norm(analysis.Column(measure, 1), math.Inf(1))
			longest := max(sideways/(right-left), upwards/(top-bottom))
			p.Add(arrows{points: s.Plane.Points, vectors: s.Plane.Field, scale: 0.1 / longest, style: panels.Style(grey, 0.6, panels.Solid)})
		}
		f.line(p, points(s.Plane.Path, 0, 1), panels.Style(s.Color, 1.4, panels.Solid))
		p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = left, right, bottom, top
	}
	return f
}

func hamiltonianTitle(s *analysis.Source) string { return s.Title + "'s Hamiltonian" }

// hamiltonians shows the contours of the Hamiltonian of each source that has one, and where the training data lie; for images, the samples
// of one test swing in their order, from one colour to the other (figure 11 of the paper).
func hamiltonians(a *analysis.Analysis) *figure {
	const period = 33 // frames of a swing to and fro
	f := &figure{name: a.Task.Name + "-hamiltonian", Figure: panels.Figure{Width: 210, Height: 190}}
	for _, s := range a.Sources {
		if s.Plane.Hamiltonian == nil {
			continue
		}
		p := f.plane(a, s)
		p.Title.Text = "Total energy"
		if s != a.Sources[0] {
			p.Title.Text = hamiltonianTitle(s)
		}
		samples := points(s.Plane.Samples, 0, 1)
		if s.Film == nil {
			f.dots(p, samples, lighter(black, 0.8), 0.7)
		}
		contours(p, s.Plane.Hamiltonian)
		if s.Film != nil {
			for i, sample := range samples[:period] {
				f.dots(p, plotter.XYs{sample}, between(firstLevel, changedLevel, float64(i)/period), 2.2)
			}
		}
	}
	return f
}

// trials shows the total energy of the trials one by one (figure 9 of the paper), in full rows.
func trials(a *analysis.Analysis) *figure {
	f := &figure{name: a.Task.Name + "-trials", Figure: panels.Figure{Width: 135, Height: 115, Keys: sourceKeys(a.Moving())}}
	name := "Trial"
	if a.Task.Bodies > 0 {
		name = "Random seed"
	}
	const columns = 5
	rows := len(a.Sources[0].Trials.States) / columns
	for i := range rows * columns {
		p := f.Panel(i/columns, fmt.Sprintf("%s %d", name, i), "", "")
		if i%columns == 0 {
			p.Y.Label.Text = a.Task.Labels.Energy
		}
		if i/columns == rows-1 {
			p.X.Label.Text = a.Task.Labels.Time
		}
		for _, s := range layers(a) {
			f.line(p, curve(s.Trials.Times, s.Trials.Energy[i]), panels.Style(s.Color, 1.1, panels.Solid))
		}
	}
	return f
}

// orbits shows the example's trajectories, the models' over the true ones, and below them its energies (figures 3, 8 and 10 of the paper).
func orbits(a *analysis.Analysis) *figure {
	f := &figure{name: a.Task.Name + "-orbits", Figure: panels.Figure{Width: 190, Height: 185, Square: 1, Keys: []panels.Key{
		{Label: "Kinetic energy", Style: panels.Style(black, 1.3, panels.Dashed)}, {Label: "Potential energy", Style: panels.Style(black, 1.3, panels.Dotted)},
		{Label: "Total energy", Style: panels.Style(black, 1.3, panels.Solid)}, {Label: "True trajectory", Style: panels.Style(grey, 0.8, panels.Solid)},
	}}}
	truth := a.Sources[0]
	reach, low, high := orbitReach(a), 0.0, 0.0
	for _, s := range a.Sources {
		path := s.Example.States[0]
		trajectories := f.Panel(0, s.Title, "x", "y")
		if s != truth {
			for _, track := range tracks(a.Task.Bodies, truth.Example.States[0]) {
				f.line(trajectories, track, f.Keys[3].Style)
			}
		}
		for body, track := range tracks(a.Task.Bodies, path) {
			f.line(trajectories, track, panels.Style(shade(s, body), 1.1, panels.Solid))
		}
		for body, point := range tracks(a.Task.Bodies, path[len(path)-1:]) {
			f.dots(trajectories, point, shade(s, body), 3)
		}
		trajectories.X.Min, trajectories.X.Max, trajectories.Y.Min, trajectories.Y.Max = -reach, reach, -reach, reach

		energies := f.Panel(1, "", a.Task.Labels.Time, "Energy")
		var kinetic, potential []float64
		for _, state := range path {
			kinetic, potential = append(kinetic, a.Task.Kinetic(state)), append(potential, a.Task.Potential(state))
		}
		for i, values := range [][]float64{kinetic, potential, s.Example.Energy[0]} {
			look := f.Keys[i].Style
			look.Color = s.Color
			f.line(energies, curve(s.Example.Times, values), look)
		}
		if s == truth {
			low, high = extended(append(potential, kinetic...), 0.25)
		}
		energies.Y.Min, energies.Y.Max = low, high
	}
	return f
}

// orbitReach is the half width of a square that shows the true orbits and a margin.
func orbitReach(a *analysis.Analysis) float64 {
	reach := 0.0
	for _, state := range a.Sources[0].Example.States[0] {
		reach = max(reach, floats.Norm(state[:2*a.Task.Bodies], math.Inf(1)))
	}
	return 1.25 * reach
}
