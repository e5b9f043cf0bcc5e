package figures

import (
	"bytes"
	"fmt"
	"image/color"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/google/renameio/v2"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"hnn/analysis"
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

var (
	solid  []vg.Length
	dashed = []vg.Length{vg.Points(5), vg.Points(2.5)}
	dotted = []vg.Length{vg.Points(1.2), vg.Points(2)}
)

func style(c color.Color, width float64, dashes []vg.Length) draw.LineStyle {
	return draw.LineStyle{Color: c, Width: vg.Points(width), Dashes: dashes}
}

func face(size float64) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: vg.Points(size)}
}

// round marks the multiples of 1, 2 or 5 times a power of ten, two to six of them.
func round(low, high float64) []plot.Tick {
	power := math.Pow(10, math.Floor(math.Log10((high-low)/2.5)))
	step := power
	for _, factor := range []float64{2, 5} {
		if factor*power*2.5 <= high-low {
			step = factor * power
		}
	}
	decimals := max(0, int(math.Ceil(-math.Log10(step)-1e-9)))
	var ticks []plot.Tick
	for i := math.Ceil(low/step - 1e-9); i*step <= high+1e-9*step; i++ {
		value := i*step + 0 // turns −0 into 0
		ticks = append(ticks, plot.Tick{Value: value, Label: minus(strconv.FormatFloat(value, 'f', decimals, 64))})
	}
	return ticks
}

// decades marks the powers of ten on an axis of decimal logarithms, and labels at most six of them.
func decades(low, high float64) []plot.Tick {
	every := int(high-low)/6 + 1
	var ticks []plot.Tick
	for power := int(math.Ceil(low)); power <= int(math.Floor(high)); power++ {
		tick := plot.Tick{Value: float64(power)}
		if power%every == 0 {
			tick.Label = minus(fmt.Sprintf("1e%d", power))
		}
		ticks = append(ticks, tick)
	}
	return ticks
}

// minus replaces the hyphen of a negative number by the minus sign, which is as wide as a digit.
func minus(number string) string { return strings.Replace(number, "-", "−", 1) }

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

// key is an entry of a figure's legend.
type key struct {
	label string
	style draw.LineStyle
}

func sourceKeys(sources []*analysis.Source) []key {
	var keys []key
	for _, s := range sources {
		keys = append(keys, key{s.Title, style(s.Color, 1.6, solid)})
	}
	return keys
}

// figure is rows of panels under a legend that they share. Its rows may differ in length. A figure with frames is a film, which has no panels of
// its own.
type figure struct {
	name          string
	rows          [][]*plot.Plot
	keys          []key
	width, height float64 // of a panel with its labels, in points
	square        int     // number of rows, from the first on, that have the same scale on both axes
	err           error   // of a curve that cannot be drawn

	frames int
	frame  func(i int) *figure
	colors color.Palette // of the frames
}

// panel adds an empty plot in the figures' style to a row.
func (f *figure) panel(row int, title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.TextStyle.Font, p.Title.Padding = face(10), vg.Points(4)
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Label.TextStyle.Font, axis.Tick.Label.Font = face(9), face(7.5)
		axis.Padding, axis.Tick.Marker = 0, plot.TickerFunc(round)
	}
	for len(f.rows) <= row {
		f.rows = append(f.rows, nil)
	}
	f.rows[row] = append(f.rows[row], p)
	return p
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
	return f.panel(0, title, x, y)
}

// logarithmic gives the panels of a row a common axis of decimal logarithms that shows all their curves.
func (f *figure) logarithmic(row int) {
	low, high := math.Inf(1), math.Inf(-1)
	for _, p := range f.rows[row] {
		low, high = min(low, p.Y.Min), max(high, p.Y.Max)
	}
	for _, p := range f.rows[row] {
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
	c.LineStyles[0] = style(lighter(grey, 0.35), 0.6, solid)
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

func (f *figure) columns() int {
	return len(slices.MaxFunc(f.rows, func(a, b []*plot.Plot) int { return len(a) - len(b) }))
}

func (f *figure) size() (w, h vg.Length) {
	h = vg.Points(f.height * float64(len(f.rows)))
	if len(f.keys) > 0 {
		h += vg.Points(legendHeight)
	}
	return vg.Points(f.width * float64(f.columns())), h
}

const legendHeight = 20

func (f *figure) draw(canvas vg.CanvasSizer) {
	c := draw.New(canvas)
	if len(f.keys) > 0 {
		f.legend(draw.Crop(c, 0, 0, c.Max.Y-c.Min.Y-vg.Points(legendHeight), 0))
		c = draw.Crop(c, 0, 0, 0, -vg.Points(legendHeight))
	}
	rows := make([][]*plot.Plot, len(f.rows))
	for i, row := range f.rows {
		rows[i] = append(slices.Clone(row), make([]*plot.Plot, f.columns()-len(row))...)
	}
	tiles := draw.Tiles{
		Rows: len(rows), Cols: f.columns(), PadX: vg.Points(10), PadY: vg.Points(8),
		PadLeft: vg.Points(4), PadRight: vg.Points(10), PadTop: vg.Points(3), PadBottom: vg.Points(3),
	}
	aligned := plot.Align(rows, tiles, c)
	for i, row := range f.rows {
		for j, p := range row {
			if i < f.square {
				equalize(p, aligned[i][j])
			}
			drawPanel(p, aligned[i][j])
		}
	}
}

// drawPanel draws a plot. Its title stands above the middle of the data, at the same height in every panel of a row.
func drawPanel(p *plot.Plot, tile draw.Canvas) {
	data := p.DataCanvas(tile)
	tile.FillText(p.Title.TextStyle, vg.Point{X: data.Center().X, Y: data.Max.Y + 2*p.Title.Padding + p.Title.TextStyle.Height(p.Title.Text)}, p.Title.Text)
	if p.Title.Text != "" {
		tile.Max.Y -= p.Title.TextStyle.Rectangle(p.Title.Text).Size().Y + p.Title.Padding
	}
	untitled := *p
	untitled.Title.Text, untitled.BackgroundColor = "", nil
	untitled.Draw(tile)
}

// equalize widens the range of one axis so that both have the same scale on the canvas.
func equalize(p *plot.Plot, c draw.Canvas) {
	data := p.DataCanvas(c)
	w, h := float64(data.Max.X-data.Min.X), float64(data.Max.Y-data.Min.Y)
	unit := max((p.X.Max-p.X.Min)/w, (p.Y.Max-p.Y.Min)/h)
	x, y := (p.X.Min+p.X.Max)/2, (p.Y.Min+p.Y.Max)/2
	p.X.Min, p.X.Max = x-unit*w/2, x+unit*w/2
	p.Y.Min, p.Y.Max = y-unit*h/2, y+unit*h/2
}

func (f *figure) legend(c draw.Canvas) {
	const gap, sample = 16, 22
	letters := text.Style{Color: black, Font: face(9), YAlign: draw.YCenter, Handler: plot.DefaultTextHandler}
	total := -vg.Points(gap)
	for _, k := range f.keys {
		total += vg.Points(gap+sample+4) + letters.Width(k.label)
	}
	x, y := c.Center().X-total/2, c.Center().Y
	for _, k := range f.keys {
		c.StrokeLine2(k.style, x, y, x+vg.Points(sample), y)
		x += vg.Points(sample + 4)
		c.FillText(letters, vg.Point{X: x, Y: y}, k.label)
		x += letters.Width(k.label) + vg.Points(gap)
	}
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
	vector := vgsvg.New(f.size())
	f.draw(vector)
	paths := []string{base + ".png", base + ".svg"}
	for i, content := range []io.WriterTo{vgimg.PngCanvas{Canvas: f.raster(200)}, vector} {
		if err := write(paths[i], content.WriteTo); err != nil {
			return nil, err
		}
	}
	return paths, nil
}

func (f *figure) raster(dpi int) *vgimg.Canvas {
	canvas := vgimg.NewWith(vgimg.UseWH(f.size()), vgimg.UseDPI(dpi))
	f.draw(canvas)
	return canvas
}

// write writes a file atomically.
func write(path string, encode func(io.Writer) (int64, error)) error {
	var content bytes.Buffer
	if _, err := encode(&content); err != nil {
		return fmt.Errorf("figures: %s: %w", path, err)
	}
	return renameio.WriteFile(path, content.Bytes(), 0o644)
}
