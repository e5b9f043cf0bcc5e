package figures

import (
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/gonum/floats"

	"hnn/analysis"
	"hnn/internal/panels"
)

// orbits shows the example or, if the task has one, its excerpt (figures 3 and 10 of the paper).
func orbits(a *analysis.Analysis) *figure {
	if a.Task.Excerpt == 0 {
		return bodyPaths(a, "-orbits", func(s *analysis.Source) analysis.Motion { return s.Example })
	}
	return bodyPaths(a, "-orbits", func(s *analysis.Source) analysis.Motion { return s.Excerpt })
}

// longOrbits shows the whole example (figure 8 of the paper).
func longOrbits(a *analysis.Analysis) *figure {
	return bodyPaths(a, "-orbits-long", func(s *analysis.Source) analysis.Motion { return s.Example })
}

// bodyPaths shows a motion of bodies: the paths by the models over the true ones, and below them the energies.
func bodyPaths(a *analysis.Analysis, suffix string, motion func(s *analysis.Source) analysis.Motion) *figure {
	f := &figure{name: a.Task.Name + suffix, Figure: panels.Figure{Width: 195, Height: 185, Square: 1}}
	truthKey := panels.Key{Label: "True path", Style: panels.Style(grey, 0.8, panels.Solid)}
	f.Keys = append([]panels.Key{
		{Label: "Kinetic energy", Style: panels.Style(black, 1.3, panels.Dashed)},
		{Label: "Potential energy", Style: panels.Style(black, 1.3, panels.Dotted)},
		{Label: "Total energy", Style: panels.Style(black, 1.3, panels.Solid)}, truthKey,
	}, startKeys(a)...)
	truth := a.Sources[0]
	reach := orbitReach(a)
	for _, s := range a.Sources {
		trajectories := f.Panel(0, s.Title, "x", "y")
		if s != truth {
			for _, track := range tracks(a.Task.Bodies, motion(truth).States[0]) {
				f.line(trajectories, track, truthKey.Style)
			}
		}
		for body, track := range tracks(a.Task.Bodies, motion(s).States[0]) {
			f.trail(trajectories, track, body, shade(s, body), 1.2)
		}
		trajectories.X.Min, trajectories.X.Max, trajectories.Y.Min, trajectories.Y.Max = -reach, reach, -reach, reach
		f.energies(a, s.Color, motion(s))
	}
	low, high := f.Rows[1][0].Y.Min, f.Rows[1][0].Y.Max
	for _, p := range f.Rows[1] {
		p.Y.Min, p.Y.Max = extended([]float64{low, high}, 0.25)
	}
	return f
}

// energies adds the energies of a motion to the second row.
func (f *figure) energies(a *analysis.Analysis, c color.NRGBA, m analysis.Motion) {
	p := f.Panel(1, "", a.Task.Labels.Time, "Energy")
	var kinetic, potential []float64
	for _, state := range m.States[0] {
		kinetic, potential = append(kinetic, a.Task.Kinetic(state)), append(potential, a.Task.Potential(state))
	}
	for i, values := range [][]float64{kinetic, potential, m.Energy[0]} {
		look := f.Keys[i].Style
		look.Color = c
		f.line(p, curve(m.Times, values), look)
	}
}

// startKeys returns the legend's entries for the mark at the start of each body or, without bodies, of the path.
func startKeys(a *analysis.Analysis) (keys []panels.Key) {
	for body := range a.Task.Bodies {
		keys = append(keys, panels.Key{Label: fmt.Sprintf("Body %d", body+1), Mark: mark(black, startShapes[body%len(startShapes)])})
	}
	if keys == nil {
		keys = []panels.Key{{Label: "Start", Mark: mark(black, startShapes[0])}}
	}
	return keys
}

// shade returns the colour of a body: that of its source in a lightness of its own.
func shade(s *analysis.Source, body int) color.NRGBA {
	return lighter(s.Color, 0.3*float64(body))
}

// orbitReach returns half the width of a square that shows the true orbits with a margin.
func orbitReach(a *analysis.Analysis) float64 {
	reach := 0.0
	for _, state := range a.Sources[0].Example.States[0] {
		reach = max(reach, floats.Norm(state[:2*a.Task.Bodies], math.Inf(1)))
	}
	return 1.25 * reach
}
