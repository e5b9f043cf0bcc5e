// Package panels lays out plots: rows of panels in one style, under a legend that they share.
package panels

import (
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// The dashes of a line.
var (
	Solid  []vg.Length
	Dashed = []vg.Length{vg.Points(5), vg.Points(2.5)}
	Dotted = []vg.Length{vg.Points(1.2), vg.Points(2)}
)

// Style is the look of a line; its width is in points.
func Style(c color.Color, width float64, dashes []vg.Length) draw.LineStyle {
	return draw.LineStyle{Color: c, Width: vg.Points(width), Dashes: dashes}
}

// Face is the font of all figures, in points.
func Face(size float64) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: vg.Points(size)}
}

// Round marks the multiples of 1, 2 or 5 times a power of ten, two to six of them.
func Round(low, high float64) []plot.Tick {
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
		ticks = append(ticks, plot.Tick{Value: value, Label: Minus(strconv.FormatFloat(value, 'f', decimals, 64))})
	}
	return ticks
}

// Minus replaces the hyphen of a negative number by the minus sign, which is as wide as a digit.
func Minus(number string) string { return strings.Replace(number, "-", "−", 1) }

// Key is an entry of a legend.
type Key struct {
	Label string
	Style draw.LineStyle
}

// Figure is rows of panels under a legend. Its rows may differ in length.
type Figure struct {
	Rows          [][]*plot.Plot
	Keys          []Key
	Width, Height float64 // of a panel with its labels, in points
	Square        int     // number of rows, from the first on, that have the same scale on both axes
}

// Panel adds an empty plot to a row.
func (f *Figure) Panel(row int, title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.TextStyle.Font, p.Title.Padding = Face(10), vg.Points(4)
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Label.TextStyle.Font, axis.Tick.Label.Font = Face(9), Face(7.5)
		axis.Padding, axis.Tick.Marker = 0, plot.TickerFunc(Round)
	}
	for len(f.Rows) <= row {
		f.Rows = append(f.Rows, nil)
	}
	f.Rows[row] = append(f.Rows[row], p)
	return p
}

func (f *Figure) columns() int {
	return len(slices.MaxFunc(f.Rows, func(a, b []*plot.Plot) int { return len(a) - len(b) }))
}

// Size is that of the canvas which Draw fills.
func (f *Figure) Size() (w, h vg.Length) {
	return vg.Points(f.Width * float64(f.columns())), vg.Points(f.Height*float64(len(f.Rows)) + legendHeight*float64(len(f.lines())))
}

const legendHeight = 20 // of a line

// Draw draws the figure.
func (f *Figure) Draw(canvas vg.CanvasSizer) {
	c := draw.New(canvas)
	for _, keys := range f.lines() {
		line(draw.Crop(c, 0, 0, c.Max.Y-c.Min.Y-vg.Points(legendHeight), 0), keys)
		c = draw.Crop(c, 0, 0, 0, -vg.Points(legendHeight))
	}
	rows := make([][]*plot.Plot, len(f.Rows))
	for i, row := range f.Rows {
		rows[i] = append(slices.Clone(row), make([]*plot.Plot, f.columns()-len(row))...)
	}
	tiles := draw.Tiles{
		Rows: len(rows), Cols: f.columns(), PadX: vg.Points(10), PadY: vg.Points(8),
		PadLeft: vg.Points(4), PadRight: vg.Points(10), PadTop: vg.Points(3), PadBottom: vg.Points(3),
	}
	aligned := plot.Align(rows, tiles, c)
	for i, row := range f.Rows {
		for j, p := range row {
			if i < f.Square {
				equalize(p, aligned[i][j])
			}
			drawPanel(p, aligned[i][j])
		}
	}
}

// Raster draws the figure as pixels.
func (f *Figure) Raster(dpi int) *vgimg.Canvas {
	canvas := vgimg.NewWith(vgimg.UseWH(f.Size()), vgimg.UseDPI(dpi))
	f.Draw(canvas)
	return canvas
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

var letters = text.Style{Color: color.Black, Font: Face(9), YAlign: draw.YCenter, Handler: plot.DefaultTextHandler}

const gap, sample = 16, 22 // between two keys of the legend, and of a key's line

// width returns that of a key with the gap behind it.
func (k Key) width() vg.Length { return vg.Points(sample+4+gap) + letters.Width(k.Label) }

// lines divides the keys into as few lines of the legend as the figure's width allows.
func (f *Figure) lines() (lines [][]Key) {
	free := vg.Length(0)
	for _, k := range f.Keys {
		if free -= k.width(); free < -vg.Points(gap) || lines == nil {
			lines, free = append(lines, nil), vg.Points(f.Width*float64(f.columns()))-k.width()
		}
		lines[len(lines)-1] = append(lines[len(lines)-1], k)
	}
	return lines
}

// line draws a line of the legend.
func line(c draw.Canvas, keys []Key) {
	total := -vg.Points(gap)
	for _, k := range keys {
		total += k.width()
	}
	x, y := c.Center().X-total/2, c.Center().Y
	for _, k := range keys {
		c.StrokeLine2(k.Style, x, y, x+vg.Points(sample), y)
		c.FillText(letters, vg.Point{X: x + vg.Points(sample+4), Y: y}, k.Label)
		x += k.width()
	}
}
