package figures

import (
	"fmt"
	"image/color"
	"math"
	"sort"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/plot"

	"hnn/analysis"
	"hnn/internal/panels"
)

// orbits shows the example's trajectories up to the end of its excerpt, if the task has one, and its energies (figures 3 and 10 of the paper).
func orbits(a *analysis.Analysis) *figure {
	until := math.Inf(1)
	if a.Task.Excerpt > 0 {
		until = a.Task.Excerpt
	}
	return orbitsUntil(a, a.Task.Name+"-orbits", until)
}

// longOrbits shows the whole example (figure 8 of the paper).
func longOrbits(a *analysis.Analysis) *figure {
	return orbitsUntil(a, a.Task.Name+"-orbits-long", math.Inf(1))
}

// orbitsUntil shows the example's trajectories up to a time, the models' over the true ones, and below them the energies.
func orbitsUntil(a *analysis.Analysis, name string, until float64) *figure {
	f := &figure{name: name, Figure: panels.Figure{Width: 195, Height: 185, Square: 1}}
	truthKey := panels.Key{Label: "True path", Style: panels.Style(grey, 0.8, panels.Solid)}
	f.Keys = append([]panels.Key{
		{Label: "Kinetic energy", Style: panels.Style(black, 1.3, panels.Dashed)}, {Label: "Potential energy", Style: panels.Style(black, 1.3, panels.Dotted)},
		{Label: "Total energy", Style: panels.Style(black, 1.3, panels.Solid)}, truthKey,
	}, startKeys(a)...)
	truth := a.Sources[0]
	reach := orbitReach(a)
	for _, s := range a.Sources {
		shown := sort.Search(len(s.Example.Times), func(i int) bool { return s.Example.Times[i] > until })
		path := s.Example.States[0][:shown]
		trajectories := f.Panel(0, s.Title, "x", "y")
		if s != truth {
			for _, track := range tracks(a.Task.Bodies, truth.Example.States[0][:shown]) {
				f.line(trajectories, track, truthKey.Style)
			}
		}
		for body, track := range tracks(a.Task.Bodies, path) {
			f.trail(trajectories, track, body, shade(s, body), 1.2)
		}
		trajectories.X.Min, trajectories.X.Max, trajectories.Y.Min, trajectories.Y.Max = -reach, reach, -reach, reach
		f.energies(a, s, shown)
	}
	low, high := f.Rows[1][0].Y.Min, f.Rows[1][0].Y.Max
	for _, p := range f.Rows[1] {
		p.Y.Min, p.Y.Max = extended([]float64{low, high}, 0.25)
	}
	return f
}

// energies adds the energies of the first states of a source's example to the second row.
func (f *figure) energies(a *analysis.Analysis, s *analysis.Source, shown int) *plot.Plot {
	p := f.Panel(1, "", a.Task.Labels.Time, "Energy")
	var kinetic, potential []float64
	for _, state := range s.Example.States[0][:shown] {
		kinetic, potential = append(kinetic, a.Task.Kinetic(state)), append(potential, a.Task.Potential(state))
	}
	for i, values := range [][]float64{kinetic, potential, s.Example.Energy[0][:shown]} {
		look := f.Keys[i].Style
		look.Color = s.Color
		f.line(p, curve(s.Example.Times[:shown], values), look)
	}
	return p
}

// startKeys are the marks of the start of each body or, without bodies, of the path.
func startKeys(a *analysis.Analysis) (keys []panels.Key) {
	for body := range a.Task.Bodies {
		keys = append(keys, panels.Key{Label: fmt.Sprintf("Start of body %d", body+1), Mark: mark(black, startShapes[body%len(startShapes)])})
	}
	if keys == nil {
		keys = []panels.Key{{Label: "Start", Mark: mark(black, startShapes[0])}}
	}
	return keys
}

// shade is the colour of a body: that of its source in a lightness of its own.
func shade(s *analysis.Source, body int) color.NRGBA {
	return lighter(s.Color, 0.3*float64(body))
}

// orbitReach is the half width of a square that shows the true orbits and a margin.
func orbitReach(a *analysis.Analysis) float64 {
	reach := 0.0
	for _, state := range a.Sources[0].Example.States[0] {
		reach = max(reach, floats.Norm(state[:2*a.Task.Bodies], math.Inf(1)))
	}
	return 1.25 * reach
}
