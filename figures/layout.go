package figures

import (
	"bytes"
	"fmt"
	"image/color"
	"io"
	"math"
	"path/filepath"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"hnn/analysis"
	"hnn/internal/files"
	"hnn/internal/panels"
)

var (
	black = color.NRGBA{0, 0, 0, 255}
	grey  = color.NRGBA{150, 150, 150, 255}
)

// lighter mixes a colour with white.
func lighter(c color.NRGBA, share float64) color.NRGBA {
	return between(c, color.NRGBA{255, 255, 255, 255}, share)
}

func between(a, b color.NRGBA, share float64) color.NRGBA {
	mix := func(a, b uint8) uint8 { return uint8(math.Round(float64(a) + share*(float64(b)-float64(a)))) }
	return color.NRGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 255}
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

// arrows is a vector field. An arrow is its vector times scale, in the units of the axes.
type arrows struct {
	points, vectors [][]float64
	scale           float64
	style           draw.LineStyle
}

// Plot implements plot.Plotter.
func (a arrows) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for i, point := range a.points {
		tail := vg.Point{X: x(point[0]), Y: y(point[1])}
		tip := vg.Point{X: x(point[0] + a.scale*a.vectors[i][0]), Y: y(point[1] + a.scale*a.vectors[i][1])}
		shaft := tip.Sub(tail)
		length := vg.Length(math.Hypot(float64(shaft.X), float64(shaft.Y)))
		if length < vg.Points(0.3) {
			continue
		}
		along := shaft.Scale(min(vg.Points(3), length/2) / length)
		across := vg.Point{X: -along.Y, Y: along.X}.Scale(0.45)
		base := tip.Sub(along)
		c.StrokeLines(a.style, c.ClipLinesXY([]vg.Point{tail, tip})...)
		c.FillPolygon(a.style.Color, c.ClipPolygonXY([]vg.Point{tip, base.Add(across), base.Sub(across)}))
	}
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
	colors color.Palette // of the frames
}

// plane adds an empty panel for the plane in which a source's states are drawn to the first row. If the true trajectory is unknown, the panel of
// the truth shows the training data.
func (f *figure) plane(a *analysis.Analysis, s *analysis.Source) *plot.Plot {
	title, x, y := s.Title, a.Task.Labels.Position, a.Task.Labels.Momentum
	if s == a.Sources[0] && len(s.Example.Times) < 2 {
		title = "Training data"
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

// logarithmic gives the panels of a row a common axis of decimal logarithms that shows all their curves.
func (f *figure) logarithmic(row int) {
	low, high := math.Inf(1), math.Inf(-1)
	for _, p := range f.Rows[row] {
		low, high = min(low, p.Y.Min), max(high, p.Y.Max)
	}
	for _, p := range f.Rows[row] {
		p.Y.Tick.Marker = plot.TickerFunc(decades)
		p.Y.Min, p.Y.Max = math.Floor(low), math.Ceil(high)
	}
}

func (f *figure) line(p *plot.Plot, curve plotter.XYs, s draw.LineStyle) {
	f.add(p, curve, &plotter.Line{XYs: curve, LineStyle: s})
}

func (f *figure) dots(p *plot.Plot, points plotter.XYs, c color.Color, radius float64) {
	look := draw.GlyphStyle{Color: c, Radius: vg.Points(radius), Shape: draw.CircleGlyph{}}
	f.add(p, points, &plotter.Scatter{XYs: points, GlyphStyle: look})
}

func (f *figure) add(p *plot.Plot, points plotter.XYs, drawing plot.Plotter) {
	if _, err := plotter.CopyXYs(points); err != nil {
		f.err = fmt.Errorf("figures: %s: %w", p.Title.Text, err)
		return
	}
	p.Add(drawing)
}

// contours adds the contour lines of a scalar to a plot, and extends the plot to the grid's rectangle.
func contours(p *plot.Plot, g *analysis.ScalarGrid) {
	const lines = 16
	c := plotter.NewContour(g, nil, nil)
	c.Levels = floats.Span(make([]float64, lines+2), c.Min, c.Max)[1 : lines+1] // the two ends are points
	c.LineStyles[0] = panels.Style(lighter(grey, 0.35), 0.6, panels.Solid)
	p.Add(c)
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

// save writes the figure as PNG and as SVG, or the film as GIF, into a folder and returns the paths.
func (f *figure) save(folder string) ([]string, error) {
	base := filepath.Join(folder, f.name)
	switch {
	case f.err != nil:
		return nil, f.err
	case f.frame != nil:
		return []string{base}, f.film(base)
	}
	vector := vgsvg.New(f.Size())
	f.Draw(vector)
	paths := []string{base + ".png", base + ".svg"}
	for i, content := range []io.WriterTo{vgimg.PngCanvas{Canvas: f.Raster(200)}, vector} {
		if err := write(paths[i], content.WriteTo); err != nil {
			return nil, err
		}
	}
	return paths, nil
}

// write writes a file atomically.
func write(path string, encode func(io.Writer) (int64, error)) error {
	var content bytes.Buffer
	if _, err := encode(&content); err != nil {
		return fmt.Errorf("figures: %s: %w", path, err)
	}
	return files.Write(path, content.Bytes())
}
