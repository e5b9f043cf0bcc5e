package figures

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/palette/brewer"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"hnn/analysis"
	"hnn/internal/panels"
)

// fields shows the phase plane (figure 2 of the paper), or for images also the models' latent planes (figure 4): the observed states, each
// field, and each trajectory from the example's start.
func fields(a *analysis.Analysis) *figure {
	f := &figure{name: a.Task.Name + "-field", Figure: panels.Figure{Width: 195, Height: 195}}
	truth := a.Sources[0]
	images := truth.Film != nil
	if images {
		f.name = a.Task.Name + "-latent"
	}
	f.Bar = f.speedBar(a)
	for _, s := range a.Sources {
		p := f.plane(a, s)
		if s.Plane.Speed != nil {
			p.Add(bands(s.Plane.Speed, unchanged, f.Bar))
		}
		if s == truth || images {
			f.data(p, a, s)
		}
		p.Add(directions(s.Plane))
		f.trail(p, points(s.Plane.Path, 0, 1), 0, s.Color, 0.9)
		within(p, s.Plane)
	}
	f.Keys = append(f.Keys, startKeys(a)...)
	return f
}

// within cuts a plot to the rectangle of a plane.
func within(p *plot.Plot, plane *analysis.Plane) {
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = plane.Low[0], plane.High[0], plane.Low[1], plane.High[1]
}

// data adds the observed states to a plane: those of training and test or, for images, of the test set.
func (f *figure) data(p *plot.Plot, a *analysis.Analysis, s *analysis.Source) {
	const most = 500 // dots of the test set
	training := panels.Key{Label: "Training data", Mark: mark(trainingColor, endShapes[0])}
	test := panels.Key{Label: "Test data", Mark: mark(testColor, endShapes[0])}
	if s.Film != nil {
		f.Keys = []panels.Key{test}
		f.dots(p, points(s.Plane.Samples, 0, 1), opaque(testColor, 0.6), 0.7)
		return
	}
	f.Keys = []panels.Key{training}
	f.dots(p, points(s.Plane.Samples, 0, 1), trainingColor, 1)
	if observed := a.Data.Test.X.Float64(most); len(observed) > 0 {
		f.Keys = append(f.Keys, test)
		f.dots(p, points(observed, 0, 1), testColor, 1)
	}
}

// directions returns the arrows of a plane: of its field or, where that is unknown, of the observed derivatives.
func directions(plane *analysis.Plane) arrows {
	const most = 150 // observed derivatives
	list := arrows{length: vg.Points(8), style: panels.Style(grey, 0.7, panels.Solid)}
	if plane.Field != nil {
		list.points, list.vectors = plane.Points, plane.Field
	}
	for i := 0; i < len(plane.Rates); i += len(plane.Rates)/most + 1 {
		list.points, list.vectors = append(list.points, plane.Samples[i]), append(list.vectors, plane.Rates[i])
	}
	return list
}

// speedBar returns the scale of the fields' speed. It reaches up to the fastest point of the true field or, if that is unknown, of the first model's.
func (f *figure) speedBar(a *analysis.Analysis) *panels.Bar {
	i := slices.IndexFunc(a.Sources, func(s *analysis.Source) bool { return s.Plane.Speed != nil })
	if i < 0 {
		return nil
	}
	_, fastest := span(a.Sources[i].Plane.Speed, unchanged)
	bar := f.bar("Speed", 0, fastest)
	steps := float64(len(bar.Edges) - 1)
	for step := range len(bar.Edges) - 1 {
		// Transparent, so that it suits a light and a dark page.
		bar.Colors = append(bar.Colors, opaque(color.NRGBA{90, 130, 170, 255}, 0.6*(float64(step)+0.5)/steps))
	}
	return bar
}

// energyBar returns the scale of filled contours, light for a low energy and dark for a high one.
func (f *figure) energyBar(low, high float64) *panels.Bar {
	bar := f.bar("H", low, high)
	steps := len(bar.Edges) - 1
	colors, err := brewer.GetPalette(brewer.TypeSequential, "YlGnBu", max(3, steps))
	if err != nil {
		f.err = fmt.Errorf("figures: %w", err)
		return bar
	}
	bar.Colors = colors.Colors()[:steps]
	return bar
}

// bar returns a scale of a range, without its colours.
func (f *figure) bar(label string, low, high float64) *panels.Bar {
	if math.IsNaN(high-low) || math.IsInf(high-low, 0) {
		f.err = fmt.Errorf("figures: %s: %s reaches from %g to %g; both must be finite", f.name, label, low, high)
		low, high = 0, 1
	}
	if low == high { // a scale needs an extent
		high += max(1, math.Abs(high))
	}
	return &panels.Bar{Label: label, Edges: panels.Levels(low, high)}
}

func unchanged(value float64) float64 { return value }

// span returns the least and the greatest value of a scalar, after a map of its values.
func span(g *analysis.ScalarGrid, value func(float64) float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	columns, rows := g.Dims()
	for i := range columns {
		for j := range rows {
			z := value(g.Z(i, j))
			low, high = min(low, z), max(high, z)
		}
	}
	return low, high
}

func hamiltonianTitle(s *analysis.Source) string { return s.Title + "'s Hamiltonian" }

// hamiltonians shows filled contours of each source's Hamiltonian, on one scale, and the training data. For images, it shows in place of these the
// samples of one test swing, whose colours follow their order (figure 11 of the paper).
func hamiltonians(a *analysis.Analysis) *figure {
	const period = 33 // frames of a swing to and fro
	f := &figure{name: a.Task.Name + "-hamiltonian", Figure: panels.Figure{Width: 195, Height: 190}}
	for _, s := range a.Sources {
		g := s.Plane.Hamiltonian
		if g == nil {
			continue
		}
		title, value := scaled(a, s)
		if f.Bar == nil {
			f.Bar = f.energyBar(span(g, value))
		}
		p := f.plane(a, s)
		p.Title.Text = title
		p.Add(bands(g, value, f.Bar))
		samples := points(s.Plane.Samples, 0, 1)
		if s.Film == nil {
			f.dots(p, samples, trainingColor, 0.8)
		} else {
			for i, sample := range samples[:period] {
				f.dots(p, plotter.XYs{sample}, between(firstLevel, changedLevel, float64(i)/period), 2.2)
			}
		}
		within(p, s.Plane)
	}
	return f
}

// scaled returns the title of a source's contours, and the map of its Hamiltonian to the scale of the true one. Without a fit, a learned Hamiltonian
// counts from its least value, as its constant is arbitrary.
func scaled(a *analysis.Analysis, s *analysis.Source) (title string, value func(float64) float64) {
	switch {
	case s == a.Sources[0] && a.Task.Fitted != "":
		return "Energy of the " + a.Task.Fitted, unchanged
	case s == a.Sources[0]:
		return "True energy", unchanged
	case s.Fit != nil:
		return fmt.Sprintf("%s: %s H %s %s", s.Title, digits(s.Fit.Factor), sign(s.Fit.Constant), digits(math.Abs(s.Fit.Constant))), s.Fit.True
	}
	least, _ := span(s.Plane.Hamiltonian, unchanged)
	return s.Title + ": H above its minimum", func(learned float64) float64 { return learned - least }
}

// digits returns a number with three digits.
func digits(v float64) string { return panels.Minus(strings.TrimSuffix(fmt.Sprintf("%#.3g", v), ".")) }

func sign(v float64) string {
	if v < 0 {
		return "−"
	}
	return "+"
}

// contours adds the contour lines of a scalar to a plot, and extends the plot to the grid's rectangle.
func contours(p *plot.Plot, g *analysis.ScalarGrid) {
	const lines = 12
	low, high := span(g, unchanged)
	levels := floats.Span(make([]float64, lines+2), low, high)[1 : lines+1] // the two ends are points
	p.Add(isolines{g, levels, panels.Style(lighter(grey, 0.3), 0.6, panels.Solid)})
}
