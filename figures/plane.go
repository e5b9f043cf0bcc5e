package figures

import (
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"

	"hnn/analysis"
)

// fields shows the phase plane (figure 2 of the paper), or for images also the models' latent planes (figure 4): the observed states, each
// field, and each trajectory from the example's start.
func fields(a *analysis.Analysis) *figure {
	f := &figure{name: a.Task.Name + "-field", width: 190, height: 185, rows: make([][]*plot.Plot, 1)}
	truth := a.Sources[0]
	samples, radius := lighter(black, 0.5), 0.9
	images := truth.Film != nil
	if images {
		f.name, samples, radius = a.Task.Name+"-latent", lighter(black, 0.7), 0.6
	} else if a.Task.File == "" { // the quantities of a user's file have any units
		f.square = 1
	}
	for _, s := range a.Sources {
		x, y := planeLabels(a, s)
		p := panel(title(a, s), x, y)
		if s == truth || images {
			f.dots(p, points(s.Plane.Samples), samples, radius)
		}
		var low, high [2]float64
		for axis := range low {
			low[axis], high[axis] = bounds(s.Plane.Points, axis, 0.04)
		}
		if s.Plane.Field != nil {
			measure := s.Plane.Field // the true one, if it is known, so that the lengths can be compared
			if truth.Plane.Field != nil {
				measure = truth.Plane.Field
			}
			longest := 0.0
			for _, v := range measure {
				longest = max(longest, math.Abs(v[0])/(high[0]-low[0]), math.Abs(v[1])/(high[1]-low[1]))
			}
			p.Add(arrows{points: s.Plane.Points, vectors: s.Plane.Field, scale: 0.1 / longest, style: style(grey, 0.6, solid)})
		}
		f.line(p, analysis.Column(s.Plane.Path, 0), analysis.Column(s.Plane.Path, 1), style(s.Color, 1.4, solid))
		limits(&p.X, low[0], high[0])
		limits(&p.Y, low[1], high[1])
		f.rows[0] = append(f.rows[0], p)
	}
	return f
}

func hamiltonianTitle(s *analysis.Source) string { return s.Title + "'s Hamiltonian" }

// hamiltonians shows the contours of the Hamiltonian of each source that has one, and where the training data lie; for images, the samples
// of one test swing in their order, from one colour to the other (figure 11 of the paper).
func hamiltonians(a *analysis.Analysis) *figure {
	const period = 33 // frames of a swing to and fro
	f := &figure{name: a.Task.Name + "-hamiltonian", width: 210, height: 190, rows: make([][]*plot.Plot, 1)}
	for _, s := range a.Sources {
		if s.Plane.Hamiltonian == nil {
			continue
		}
		x, y := planeLabels(a, s)
		p := panel("Total energy", x, y)
		if s != a.Sources[0] {
			p.Title.Text = hamiltonianTitle(s)
		}
		samples := points(s.Plane.Samples)
		if s.Film == nil {
			f.dots(p, samples, lighter(black, 0.8), 0.7)
		}
		contours(p, s.Plane.Hamiltonian)
		if s.Film != nil {
			for i, sample := range samples[:period] {
				f.dots(p, plotter.XYs{sample}, between(firstLevel, changedLevel, float64(i)/period), 2.2)
			}
		}
		f.rows[0] = append(f.rows[0], p)
	}
	return f
}

// contours adds the contour lines of a scalar to a plot, and extends the plot to the grid's rectangle.
func contours(p *plot.Plot, g *analysis.ScalarGrid) {
	const lines = 16
	c := plotter.NewContour(g, nil, nil)
	c.Levels = floats.Span(make([]float64, lines+2), c.Min, c.Max)[1 : lines+1] // the two ends are points
	c.LineStyles[0] = style(lighter(grey, 0.35), 0.6, solid)
	p.Add(c)
}

// points are the first two components of states.
func points(states [][]float64) plotter.XYs {
	list := make(plotter.XYs, len(states))
	for i, s := range states {
		list[i] = plotter.XY{X: s[0], Y: s[1]}
	}
	return list
}
