// Package panels lays out plots: rows of panels in one style, under a legend that they share. It writes them as SVG and as PNG.
package panels

import (
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// The colours without a hue. An SVG mirrors them, and every other grey, on a dark page.
var (
	Black = color.NRGBA{0, 0, 0, 255}
	Grey  = color.NRGBA{140, 140, 140, 255}
	White = color.NRGBA{255, 255, 255, 255}
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
	return multiples(step, math.Ceil(low/step-1e-9), math.Floor(high/step+1e-9))
}

// Levels returns successive multiples of 1, 2 or 5 times a power of ten that enclose a range, with at most nine steps between them. The range must be
// finite and not empty.
func Levels(low, high float64) []plot.Tick {
	const most = 9
	for power := math.Pow(10, math.Floor(math.Log10((high-low)/most))); ; power *= 10 {
		for _, factor := range []float64{1, 2, 5} {
			step := factor * power
			if first, last := math.Floor(low/step+1e-9), math.Ceil(high/step-1e-9); last-first <= most {
				return multiples(step, first, last)
			}
		}
	}
}

// multiples returns the multiples of a step, with as many decimals as the step has.
func multiples(step, first, last float64) (ticks []plot.Tick) {
	decimals := max(0, int(math.Ceil(-math.Log10(step)-1e-9)))
	for i := first; i <= last; i++ {
		value := i*step + 0 // turns −0 into 0
		ticks = append(ticks, plot.Tick{Value: value, Label: Minus(strconv.FormatFloat(value, 'f', decimals, 64))})
	}
	return ticks
}

// Minus replaces the hyphen of a negative number by the minus sign, which is as wide as a digit.
func Minus(number string) string { return strings.Replace(number, "-", "−", 1) }

// widest is the largest width of a figure in points: 800 pixels of a page, at which the letters of a panel are 10 pixels high.
const widest = 600

// Figure is rows of panels under a legend. Its rows may differ in length. A row that would be wider than 600 points continues below.
type Figure struct {
	Rows          [][]*plot.Plot
	Keys          []Key
	Bar           *Bar    // nil for none
	Width, Height float64 // of a panel with its labels, in points
	Square        int     // number of rows, from the first on, that have the same scale on both axes
}

// Panel adds an empty plot to a row.
func (f *Figure) Panel(row int, title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.TextStyle.Font, p.Title.Padding = Face(10), vg.Points(4)
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Label.TextStyle.Font, axis.Tick.Label.Font = Face(9), Face(8)
		axis.Padding, axis.Tick.Marker = 0, plot.TickerFunc(Round)
	}
	for len(f.Rows) <= row {
		f.Rows = append(f.Rows, nil)
	}
	f.Rows[row] = append(f.Rows[row], p)
	return p
}

// strip is a part of a row: panels that stand side by side.
type strip struct {
	row    int
	panels []*plot.Plot
}

// strips breaks rows that are longer than a strip may be. The first strips of all rows come first, then the second ones of all rows, so that panels
// that belong together stay together.
func (f *Figure) strips() (list []strip) {
	columns := f.columns()
	for first := 0; first < f.longest(); first += columns {
		for i, row := range f.Rows {
			if first < len(row) {
				list = append(list, strip{i, row[first:min(len(row), first+columns)]})
			}
		}
	}
	return list
}

func (f *Figure) longest() int {
	return len(slices.MaxFunc(f.Rows, func(a, b []*plot.Plot) int { return len(a) - len(b) }))
}

// columns divides the longest row into equal strips: four panels become two and two.
func (f *Figure) columns() int {
	most, n := max(1, int(widest/f.Width+1e-9)), f.longest()
	strips := (n + most - 1) / most
	return (n + strips - 1) / strips
}

// Size returns the width and the height of the canvas that Draw fills.
func (f *Figure) Size() (w, h vg.Length) {
	height := f.Height*float64(len(f.strips())) + legendHeight*float64(len(f.lines()))
	if f.Bar != nil {
		height += barHeight
	}
	return vg.Points(f.Width * float64(f.columns())), vg.Points(height)
}

// Draw draws the figure.
func (f *Figure) Draw(canvas vg.CanvasSizer) {
	c := draw.New(canvas)
	for _, keys := range f.lines() {
		line(cutTop(&c, legendHeight), keys)
	}
	if f.Bar != nil {
		f.Bar.draw(cutTop(&c, barHeight))
	}
	strips := f.strips()
	rows := make([][]*plot.Plot, len(strips))
	for i, s := range strips {
		rows[i] = append(slices.Clone(s.panels), make([]*plot.Plot, f.columns()-len(s.panels))...)
	}
	tiles := draw.Tiles{
		Rows: len(rows), Cols: f.columns(), PadX: vg.Points(10), PadY: vg.Points(8),
		PadLeft: vg.Points(4), PadRight: vg.Points(10), PadTop: vg.Points(3), PadBottom: vg.Points(3),
	}
	aligned := plot.Align(rows, tiles, c)
	for i, s := range strips {
		for j, p := range s.panels {
			if s.row < f.Square {
				equalize(p, aligned[i][j])
			}
			drawPanel(p, aligned[i][j])
		}
	}
}

// cutTop cuts a strip of a height in points off the top of a canvas, and returns it.
func cutTop(c *draw.Canvas, height vg.Length) draw.Canvas {
	top := draw.Crop(*c, 0, 0, c.Max.Y-c.Min.Y-height, 0)
	*c = draw.Crop(*c, 0, 0, 0, -height)
	return top
}

// Raster draws the figure as pixels, on white.
func (f *Figure) Raster(dpi int) *vgimg.Canvas {
	canvas := vgimg.NewWith(vgimg.UseWH(f.Size()), vgimg.UseDPI(dpi))
	f.Draw(canvas)
	return canvas
}

// drawPanel draws a plot. Its title stands above the middle of the data, at the same height in every panel of a row, and inside of the tile.
func drawPanel(p *plot.Plot, tile draw.Canvas) {
	data, half := p.DataCanvas(tile), p.Title.TextStyle.Width(p.Title.Text)/2
	title := vg.Point{
		X: max(tile.Min.X+half, min(data.Center().X, tile.Max.X-half)),
		Y: data.Max.Y + 2*p.Title.Padding + p.Title.TextStyle.Height(p.Title.Text),
	}
	tile.FillText(p.Title.TextStyle, title, p.Title.Text)
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
