package figures

import (
	"fmt"
	"image/color"
	"math"
	"path/filepath"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"hnn/analysis"
	"hnn/internal/files"
	"hnn/internal/panels"
)

var black, grey, white = panels.Black, panels.Grey, panels.White

// The colours of data, which no model has.
var (
	trainingColor = color.NRGBA{230, 159, 0, 255}  // Okabe and Ito's orange
	testColor     = color.NRGBA{86, 180, 233, 255} // Okabe and Ito's sky blue
)

// lighter mixes a colour with white.
func lighter(c color.NRGBA, share float64) color.NRGBA {
	return between(c, white, share)
}

func between(a, b color.NRGBA, share float64) color.NRGBA {
	mix := func(a, b uint8) uint8 { return uint8(math.Round(float64(a) + share*(float64(b)-float64(a)))) }
	return color.NRGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 255}
}

// opaque returns a colour with an opacity from 0 to 1.
func opaque(c color.NRGBA, opacity float64) color.NRGBA {
	return color.NRGBA{c.R, c.G, c.B, uint8(math.Round(255 * opacity))}
}

// decades marks the powers of ten on an axis of decimal logarithms, and labels at most six of them.
func decades(low, high float64) []plot.Tick {
	every := int(high-low)/6 + 1
	var ticks []plot.Tick
	for power := int(math.Ceil(low)); power <= int(math.Floor(high)); power++ {
		tick := plot.Tick{Value: float64(power)}
		if power%every == 0 {
			tick.Label = panels.Minus(fmt.Sprintf("1e%d", power))
		}
		ticks = append(ticks, tick)
	}
	return ticks
}

func sourceKeys(sources []*analysis.Source) []panels.Key {
	var keys []panels.Key
	for _, s := range sources {
		keys = append(keys, panels.Key{Label: s.Title, Style: panels.Style(s.Color, 1.6, panels.Solid)})
	}
	return keys
}

// figure is a figure with a file name. One with frames is a film, which has no panels of its own.
type figure struct {
	panels.Figure
	name string
	err  error // of a curve that cannot be drawn

	frames int
	frame  func(i int) *figure
}

// plane adds an empty panel for the plane in which a source's states are drawn to the first row. If the true trajectory is unknown, the panel of
// the truth shows the training data; if the true field is unknown, it shows what was measured.
func (f *figure) plane(a *analysis.Analysis, s *analysis.Source) *plot.Plot {
	title, x, y := s.Title, a.Task.Labels.Position, a.Task.Labels.Momentum
	switch {
	case s == a.Sources[0] && len(s.Example.Times) < 2:
		title = "Training data"
	case s.Plane != nil && s.Plane.Rates != nil:
		title = "Measured derivatives"
	}
	switch {
	case a.Task.Bodies > 0:
		x, y = "x", "y"
	case a.Task.Dimension > 2:
		x, y = "q1", "q2"
	case s.Film != nil && s != a.Sources[0]:
		x, y = "latent position z1", "latent velocity z2"
	}
	return f.Panel(0, title, x, y)
}

// logarithmic gives panels a common axis in whole powers of ten that shows all their curves, which are decimal logarithms.
func logarithmic(plots ...*plot.Plot) {
	low, high := math.Inf(1), math.Inf(-1)
	for _, p := range plots {
		low, high = min(low, p.Y.Min), max(high, p.Y.Max)
	}
	for _, p := range plots {
		p.Y.Tick.Marker = plot.TickerFunc(decades)
		p.Y.Min, p.Y.Max = math.Floor(low), math.Ceil(high)
	}
}

// logarithms returns a curve's decimal logarithms. A value below the smallest one, which would be rounding, counts as the smallest.
func logarithms(c plotter.XYs, smallest float64) plotter.XYs {
	list := make(plotter.XYs, len(c))
	for i, point := range c {
		list[i] = plotter.XY{X: point.X, Y: math.Log10(max(smallest, point.Y))}
	}
	return list
}

func (f *figure) line(p *plot.Plot, curve plotter.XYs, s draw.LineStyle) {
	f.add(p, curve, stroke{&plotter.Line{XYs: curve, LineStyle: s}})
}

// dots adds evenly chosen points, a thousand at most.
func (f *figure) dots(p *plot.Plot, points plotter.XYs, c color.Color, radius float64) {
	const most = 1000
	shown := make(plotter.XYs, min(most, len(points)))
	for i := range shown {
		shown[i] = points[i*len(points)/len(shown)]
	}
	f.add(p, shown, cloud{shown, c, vg.Points(radius)})
}

// The marks of the start and of the end of a body's path. A point of a plane has those of the first body.
var (
	startShapes = []draw.GlyphDrawer{draw.RingGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{}}
	endShapes   = []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}}
)

func mark(c color.Color, shape draw.GlyphDrawer) draw.GlyphStyle {
	return draw.GlyphStyle{Color: c, Radius: vg.Points(3.2), Shape: shape}
}

// ends adds the marks of the start and of the end of a body's path. The start is white within, so that the path does not show through.
func (f *figure) ends(p *plot.Plot, path plotter.XYs, body int, start, end color.Color) {
	hollow, full := startShapes[body%len(startShapes)], endShapes[body%len(endShapes)]
	first, last := path[:1], path[len(path)-1:]
	for _, m := range []*plotter.Scatter{
		{XYs: last, GlyphStyle: mark(end, full)}, {XYs: first, GlyphStyle: mark(white, full)}, {XYs: first, GlyphStyle: mark(start, hollow)},
	} {
		f.add(p, m.XYs, m)
	}
}

// trail adds a body's path, faint at its start and full at its end, with marks at both.
func (f *figure) trail(p *plot.Plot, path plotter.XYs, body int, c color.NRGBA, width float64) {
	const pieces, faintest = 16, 0.25
	for i := range pieces {
		first, last := i*(len(path)-1)/pieces, (i+1)*(len(path)-1)/pieces
		share := faintest + (1-faintest)*float64(i)/(pieces-1)
		f.line(p, path[first:last+1], panels.Style(opaque(c, share), width, panels.Solid))
	}
	f.ends(p, path, body, c, c)
}

func (f *figure) add(p *plot.Plot, points plotter.XYs, drawing plot.Plotter) {
	if _, err := plotter.CopyXYs(points); err != nil {
		f.err = fmt.Errorf("figures: %s: %w", p.Title.Text, err)
		return
	}
	p.Add(drawing)
}

func curve(x, y []float64) plotter.XYs {
	list := make(plotter.XYs, len(x))
	for i := range list {
		list[i] = plotter.XY{X: x[i], Y: y[i]}
	}
	return list
}

func points(states [][]float64, x, y int) plotter.XYs {
	return curve(analysis.Column(states, x), analysis.Column(states, y))
}

// tracks are the paths of the bodies or, without bodies, of the first two components.
func tracks(bodies int, states [][]float64) []plotter.XYs {
	list := make([]plotter.XYs, max(1, bodies))
	for body := range list {
		list[body] = points(states, body, len(list)+body)
	}
	return list
}

// extended returns the range of values, extended at both ends by a share of it.
func extended(values []float64, share float64) (low, high float64) {
	low, high = floats.Min(values), floats.Max(values)
	margin := share * (high - low)
	return low - margin, high + margin
}

// save writes the figure as PNG and as SVG, or the film as GIF, into a folder and returns the paths.
func (f *figure) save(folder string) ([]string, error) {
	if f.err != nil {
		return nil, f.err
	}
	path := filepath.Join(folder, f.name)
	if f.frame == nil {
		return f.Write(path)
	}
	path += ".gif"
	content, err := f.film()
	if err != nil {
		return nil, fmt.Errorf("figures: %s: %w", path, err)
	}
	return []string{path}, files.Write(path, content)
}
