package panels

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Key is an entry of a legend: a line or, if Mark has a shape, a mark, and after it a label.
type Key struct {
	Label string
	Style draw.LineStyle
	Mark  draw.GlyphStyle
}

// Bar is the scale of filled bands: their colours, and the values at their edges. There is one edge more than colours.
type Bar struct {
	Label  string
	Edges  []plot.Tick
	Colors []color.Color
}

const (
	legendHeight = 20 // of a line of keys, in points
	barHeight    = 32
	gap, sample  = 16, 22 // between two keys, and the length of a key's line
)

var (
	letters = text.Style{Color: color.Black, Font: Face(9), YAlign: draw.YCenter, Handler: plot.DefaultTextHandler}
	numbers = text.Style{Color: color.Black, Font: Face(8), XAlign: draw.XCenter, YAlign: draw.YTop, Handler: plot.DefaultTextHandler}
)

// width returns the width of a key with the gap after it.
func (k Key) width() vg.Length { return vg.Points(k.sample()+4+gap) + letters.Width(k.Label) }

// sample returns the width of a key's line or mark in points.
func (k Key) sample() float64 {
	if k.Mark.Shape != nil {
		return 2 * k.Mark.Radius.Points()
	}
	return sample
}

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
		end := x + vg.Points(k.sample())
		if k.Mark.Shape != nil {
			c.DrawGlyph(k.Mark, vg.Point{X: (x + end) / 2, Y: y})
		} else {
			c.StrokeLine2(k.Style, x, y, end, y)
		}
		c.FillText(letters, vg.Point{X: end + vg.Points(4), Y: y}, k.Label)
		x += k.width()
	}
}

// draw draws the bar in the middle of a canvas: the label, and after it the bands above their values.
func (b *Bar) draw(c draw.Canvas) {
	const band, thickness = 34, 9
	label := letters.Width(b.Label) + vg.Points(14) // room for half of the first value
	x := c.Center().X - (label+vg.Points(float64(band*len(b.Colors))))/2
	top := c.Max.Y - vg.Points(4)
	bottom := top - vg.Points(thickness)
	c.FillText(letters, vg.Point{X: x, Y: (top + bottom) / 2}, b.Label)
	x += label
	for i, edge := range b.Edges {
		if i < len(b.Colors) {
			right := x + vg.Points(band)
			c.FillPolygon(b.Colors[i], []vg.Point{{X: x, Y: bottom}, {X: right, Y: bottom}, {X: right, Y: top}, {X: x, Y: top}})
		}
		c.FillText(numbers, vg.Point{X: x, Y: bottom - vg.Points(3)}, edge.Label)
		x += vg.Points(band)
	}
}
