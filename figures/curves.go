package figures

import (
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"

	"hnn/analysis"
	"hnn/internal/panels"
)

// smallestChange is the least change of an energy, or error of coordinates, that a logarithmic axis shows. What is smaller is rounding.
const smallestChange = 1e-8

// integration shows the example trajectory (figure 2 of the paper, below; figure 4). Its panels are: the trajectories in the plane (for images,
// the position over time); the error of the coordinates, if the truth is known; the reference's Hamiltonian; the total energy, if the true
// Hamiltonian is known; and for more degrees of freedom, where one model's energy may leave the scale of the others, its change on a
// logarithmic scale.
func integration(a *analysis.Analysis) *figure {
	f := &figure{name: a.Task.Name + "-integration", Figure: panels.Figure{Width: 195, Height: 175, Keys: sourceKeys(a.Moving())}}
	labels, truth := a.Task.Labels, a.Sources[0]
	images, many, known, learned := truth.Film != nil, a.Task.Dimension > 2, a.Task.Hamiltonian != nil, ""
	if a.Reference != nil {
		learned = hamiltonianTitle(a.Reference)
	}
	if !many && !images {
		p := f.Panel(0, "Predictions", labels.Position, labels.Momentum)
		for _, s := range layers(a) {
			f.trail(p, points(s.Example.States[0], 0, 1), 0, s.Color, 0.9)
		}
	}
	for _, quantity := range []struct {
		shown, logarithmic bool
		title, x, y        string
		of                 func(s *analysis.Source) plotter.XYs
	}{
		{images, false, "Position", labels.Time, labels.Position, func(s *analysis.Source) plotter.XYs {
			return curve(s.Example.Times, analysis.Column(s.Example.States[0], 0))
		}},
		{len(truth.Example.Times) > 1, many, "MSE between coordinates", labels.Time, "", func(s *analysis.Source) plotter.XYs {
			return deviation(s, truth)
		}},
		{truth.Learned != nil, false, learned, labels.Time, "", func(s *analysis.Source) plotter.XYs { return curve(s.Example.Times, s.Learned) }},
		{known, false, "Total energy", labels.Time, labels.Energy, func(s *analysis.Source) plotter.XYs {
			return curve(s.Example.Times, s.Example.Energy[0])
		}},
		{known && many, true, "Change of the total energy", labels.Time, "|H(t) − H(0)|", func(s *analysis.Source) plotter.XYs {
			return moved(s.Example.Times, s.Example.Energy[0])
		}},
	} {
		if !quantity.shown {
			continue
		}
		p := f.Panel(0, quantity.title, quantity.x, quantity.y)
		for _, s := range layers(a) {
			c := quantity.of(s)
			if quantity.logarithmic {
				c = logarithms(c, smallestChange)
			}
			if len(c) > 0 {
				f.line(p, c, panels.Style(s.Color, 1.3, panels.Solid))
			}
		}
		if quantity.logarithmic {
			logarithmic(p)
		}
	}
	return f
}

// deviation returns the mean squared difference between the coordinates of a model and the true ones over time; for the truth itself, nothing.
func deviation(s, truth *analysis.Source) (list plotter.XYs) {
	if s == truth {
		return nil
	}
	for i, known := range truth.Example.States[0] {
		d := floats.Distance(s.Example.States[0][i], known, 2)
		list = append(list, plotter.XY{X: s.Example.Times[i], Y: d * d / float64(len(known))})
	}
	return list
}

// moved returns the distance of an energy from its initial value, from the second time on.
func moved(times, energy []float64) (list plotter.XYs) {
	for i, e := range energy[1:] {
		list = append(list, plotter.XY{X: times[i+1], Y: math.Abs(e - energy[0])})
	}
	return list
}

// drift shows how the energy moves from its initial value: the median over the trials, and a band from quartile to quartile. The scale of its first
// panel shows every model, that of its second one the model with the smallest changes.
func drift(a *analysis.Analysis) *figure {
	f := &figure{name: a.Task.Name + "-energy-drift", Figure: panels.Figure{Width: 290, Height: 200, Keys: sourceKeys(a.Moving())}}
	label := "H(t) − H(0)"
	if a.Task.Hamiltonian == nil {
		label += " of the learned H"
	}
	all, enlarged := f.Panel(0, "All changes", a.Task.Labels.Time, label), f.Panel(0, "The smaller changes", a.Task.Labels.Time, "")
	smallest := math.Inf(1)
	for _, s := range layers(a) {
		q := changeQuartiles(s.Trials.Energy)
		for _, p := range f.Rows[0] {
			f.band(p, s.Trials.Times, q[0], q[2], s.Color)
			f.line(p, curve(s.Trials.Times, q[1]), panels.Style(s.Color, 1.3, panels.Solid))
		}
		if s != a.Sources[0] {
			smallest = min(smallest, max(floats.Norm(q[0], math.Inf(1)), floats.Norm(q[2], math.Inf(1))))
		}
	}
	all.Y.Min, all.Y.Max = extended([]float64{all.Y.Min, all.Y.Max}, 0.03)
	if smallest > 0 {
		enlarged.Y.Min, enlarged.Y.Max = -1.3*smallest, 1.3*smallest
	}
	return f
}

// changeQuartiles returns the first quartile, the median and the third quartile of the energy's change since the start, over the trials, by time.
// Each is the change of one trial: the smallest that a quarter, half or three quarters of the trials do not exceed.
func changeQuartiles(energies [][]float64) (quartiles [3][]float64) {
	for time := range energies[0] {
		changes := make([]float64, len(energies))
		for trial, energy := range energies {
			changes[trial] = energy[time] - energy[0]
		}
		slices.Sort(changes)
		for i := range quartiles {
			quartiles[i] = append(quartiles[i], stat.Quantile(0.25*float64(i+1), stat.Empirical, changes, nil))
		}
	}
	return quartiles
}

// band fills the space between two curves.
func (f *figure) band(p *plot.Plot, times, low, high []float64, c color.NRGBA) {
	outline, back := curve(times, low), curve(times, high)
	slices.Reverse(back)
	outline = append(outline, back...)
	f.add(p, outline, &plotter.Polygon{XYs: []plotter.XYs{outline}, Color: opaque(c, 0.25)})
}

// losses shows the losses on the batches by gradient step, of the models whose checkpoints hold them.
func losses(a *analysis.Analysis) *figure {
	trained := slices.DeleteFunc(slices.Clone(a.Sources), func(s *analysis.Source) bool { return s.Losses == nil })
	f := &figure{name: a.Task.Name + "-losses", Figure: panels.Figure{Width: 290, Height: 200, Keys: sourceKeys(trained)}}
	const smallest = 1e-30 // a loss of 0 has no logarithm
	for _, s := range trained {
		for i, known := range []analysis.LossCurve{s.Losses.Train, s.Losses.Test} {
			if len(f.Rows) == 0 || len(f.Rows[0]) <= i {
				f.Panel(0, []string{"Training loss", "Test loss"}[i], "gradient step", "")
			}
			if c := logarithms(averaged(curve(known.Steps, known.Values)), smallest); len(c) > 0 {
				f.line(f.Rows[0][i], c, panels.Style(s.Color, 0.8, panels.Solid))
			}
		}
	}
	if f.Rows != nil {
		logarithmic(f.Rows[0]...)
	}
	return f
}

// averaged thins a curve to five hundred points: the means of as many parts of it. More would not be seen, and would make a large SVG.
func averaged(c plotter.XYs) plotter.XYs {
	const most = 500
	if len(c) <= most {
		return c
	}
	list := make(plotter.XYs, most)
	for i := range list {
		part := c[i*len(c)/most : (i+1)*len(c)/most]
		for _, point := range part {
			list[i].X += point.X / float64(len(part))
			list[i].Y += point.Y / float64(len(part))
		}
	}
	return list
}

// coordinates shows the example of a system of several degrees of freedom: the first two positions of each source, and the first three
// coordinates over time.
func coordinates(a *analysis.Analysis) *figure {
	f := &figure{name: a.Task.Name + "-coordinates", Figure: panels.Figure{Width: 195, Height: 185, Keys: sourceKeys(a.Moving())}}
	truth := a.Sources[0]
	training := a.Training()
	scale := truth.Example.States[0]
	if len(scale) < 2 {
		scale = training
	}
	for _, s := range a.Sources {
		p := f.plane(a, s)
		if s == truth && len(s.Example.Times) < 2 {
			f.dots(p, points(training, 0, 1), trainingColor, 0.9)
		} else {
			f.trail(p, points(s.Example.States[0], 0, 1), 0, s.Color, 0.9)
		}
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

// trials shows the total energy of the trials one by one (figure 9 of the paper), in full rows.
func trials(a *analysis.Analysis) *figure {
	const columns = 5
	f := &figure{name: a.Task.Name + "-trials", Figure: panels.Figure{Width: 600 / columns, Height: 110, Keys: sourceKeys(a.Moving())}}
	name := "Trial"
	if a.Task.Bodies > 0 {
		name = "Random seed"
	}
	rows := len(a.Sources[0].Trials.States) / columns
	for i := range rows * columns {
		p := f.Panel(i/columns, fmt.Sprintf("%s %d", name, i), "", "")
		p.Title.TextStyle.Font = panels.Face(9)
		if i%columns == 0 {
			p.Y.Label.Text = a.Task.Labels.Energy
		}
		if i/columns == rows-1 {
			p.X.Label.Text = a.Task.Labels.Time
		}
		for _, s := range layers(a) {
			f.line(p, curve(s.Trials.Times, s.Trials.Energy[i]), panels.Style(s.Color, 1, panels.Solid))
		}
	}
	return f
}
