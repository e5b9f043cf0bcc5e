package figures

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/google/renameio/v2"
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

// between mixes two colours.
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

// panel is an empty plot in the figures' style.
func panel(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.TextStyle.Font, p.Title.Padding = face(10), vg.Points(4)
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Label.TextStyle.Font, axis.Tick.Label.Font = face(9), face(7.5)
		axis.Padding = 0
		axis.Tick.Marker = round{}
	}
	return p
}

// round marks the multiples of 1, 2 or 5 times a power of ten, two to six of them.
type round struct{}

// Ticks implements plot.Ticker.
func (round) Ticks(low, high float64) []plot.Tick {
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
type decades struct{}

// Ticks implements plot.Ticker.
func (decades) Ticks(low, high float64) []plot.Tick {
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

// limits sets the range of an axis.
func limits(a *plot.Axis, low, high float64) { a.Min, a.Max = low, high }

// line adds a curve to a plot of the figure.
func (f *figure) line(p *plot.Plot, x, y []float64, s draw.LineStyle) {
	curve := make(plotter.XYs, len(x))
	for i := range x {
		curve[i] = plotter.XY{X: x[i], Y: y[i]}
	}
	l, err := plotter.NewLine(curve)
	if err != nil {
		f.err = fmt.Errorf("figures: %s: %w", p.Title.Text, err)
		return
	}
	l.LineStyle = s
	p.Add(l)
}

// dots adds points to a plot of the figure.
func (f *figure) dots(p *plot.Plot, points plotter.XYs, c color.Color, radius float64) {
	s, err := plotter.NewScatter(points)
	if err != nil {
		f.err = fmt.Errorf("figures: %s: %w", p.Title.Text, err)
		return
	}
	s.GlyphStyle = draw.GlyphStyle{Color: c, Radius: vg.Points(radius), Shape: draw.CircleGlyph{}}
	p.Add(s)
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
		head := min(vg.Points(3), length/2) / length
		along := shaft.Scale(head)
		across := vg.Point{X: -along.Y, Y: along.X}.Scale(0.45)
		base := tip.Sub(along)
		for _, l := range c.ClipLinesXY([]vg.Point{tail, tip}) {
			c.StrokeLines(a.style, l)
		}
		c.FillPolygon(a.style.Color, c.ClipPolygonXY([]vg.Point{tip, base.Add(across), base.Sub(across)}))
	}
}

// key is an entry of a figure's legend.
type key struct {
	label string
	style draw.LineStyle
}

// sourceKeys are the entries of sources.
func sourceKeys(sources []*analysis.Source) []key {
	var keys []key
	for _, s := range sources {
		keys = append(keys, key{s.Title, style(s.Color, 1.6, solid)})
	}
	return keys
}

// figure is rows of panels under a legend that they share. Its rows may differ in length.
type figure struct {
	name          string
	rows          [][]*plot.Plot
	keys          []key
	width, height float64 // of a panel with its labels, in points
	square        int     // number of rows, from the first on, that have the same scale on both axes
	err           error   // of a curve that cannot be drawn
}

func (f *figure) columns() int {
	columns := 0
	for _, row := range f.rows {
		columns = max(columns, len(row))
	}
	return columns
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
	for _, axis := range []struct {
		a      *plot.Axis
		length float64
	}{{&p.X, w}, {&p.Y, h}} {
		middle := (axis.a.Min + axis.a.Max) / 2
		limits(axis.a, middle-unit*axis.length/2, middle+unit*axis.length/2)
	}
}

// legend draws the keys in the middle of a strip.
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

// save writes the figure as PNG and as SVG into a folder and returns the paths.
func (f *figure) save(folder string) ([]string, error) {
	if f.err != nil {
		return nil, f.err
	}
	w, h := f.size()
	vector := vgsvg.New(w, h)
	f.draw(vector)
	base := filepath.Join(folder, f.name)
	paths := []string{base + ".png", base + ".svg"}
	if err := write(paths[0], func(out io.Writer) error { return png.Encode(out, f.raster(pngDPI)) }); err != nil {
		return nil, err
	}
	return paths, write(paths[1], func(out io.Writer) error {
		_, err := vector.WriteTo(out)
		return err
	})
}

const pngDPI = 200

func (f *figure) raster(dpi int) image.Image {
	w, h := f.size()
	canvas := vgimg.NewWith(vgimg.UseWH(w, h), vgimg.UseDPI(dpi))
	f.draw(canvas)
	return canvas.Image()
}

// write writes a file atomically.
func write(path string, encode func(io.Writer) error) error {
	var content bytes.Buffer
	if err := encode(&content); err != nil {
		return fmt.Errorf("figures: %s: %w", path, err)
	}
	return renameio.WriteFile(path, content.Bytes(), 0o644)
}
