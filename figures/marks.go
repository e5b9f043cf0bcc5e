package figures

import (
	"image"
	"image/color"
	"math"
	"sort"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"hnn/analysis"
	"hnn/internal/panels"
)

// stroke is a line. It leaves out the vertices that nobody could see, which keeps an SVG small.
type stroke struct{ *plotter.Line }

// Plot implements plot.Plotter.
func (s stroke) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	list := make([]vg.Point, len(s.XYs))
	for i, point := range s.XYs {
		list[i] = vg.Point{X: x(point.X), Y: y(point.Y)}
	}
	c.StrokeLines(s.LineStyle, c.ClipLinesXY(simplified(list))...)
}

// simplified returns a line with fewer vertices that stays within a tenth of a typographic point of the given one (the algorithm of Douglas and
// Peucker, 1973).
func simplified(line []vg.Point) []vg.Point {
	const tolerance = 0.1
	if len(line) < 3 {
		return line
	}
	last := len(line) - 1
	farthest, distance := 0, 0.0
	for i := 1; i < last; i++ {
		if d := aside(line[i], line[0], line[last]); d > distance {
			farthest, distance = i, d
		}
	}
	if distance <= tolerance {
		return []vg.Point{line[0], line[last]}
	}
	first := simplified(line[:farthest+1])
	return append(first[:len(first)-1:len(first)-1], simplified(line[farthest:])...)
}

// aside returns the distance of a point from the straight line between two others.
func aside(point, from, to vg.Point) float64 {
	along, away := to.Sub(from), point.Sub(from)
	length := along.Dot(along)
	if length > 0 {
		away = away.Sub(along.Scale(max(0, min(1, away.Dot(along)/length))))
	}
	return math.Hypot(float64(away.X), float64(away.Y))
}

// cloud is dots in one colour, drawn as one path, which keeps an SVG small.
type cloud struct {
	plotter.XYs
	color  color.Color
	radius vg.Length
}

// DataRange implements plot.DataRanger.
func (d cloud) DataRange() (xmin, xmax, ymin, ymax float64) { return plotter.XYRange(d.XYs) }

// Plot implements plot.Plotter.
func (d cloud) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	var path vg.Path
	for _, point := range d.XYs {
		if center := (vg.Point{X: x(point.X), Y: y(point.Y)}); c.Contains(center) {
			path.Move(vg.Point{X: center.X + d.radius, Y: center.Y})
			path.Arc(center, d.radius, 0, 2*math.Pi)
			path.Close()
		}
	}
	c.SetColor(d.color)
	c.Fill(path)
}

// arrows shows the directions of a vector field by arrows of one length. The middle of an arrow lies where its vector was evaluated.
type arrows struct {
	points, vectors [][]float64
	length          vg.Length
	style           draw.LineStyle
}

// Plot implements plot.Plotter.
func (a arrows) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for i, point := range a.points {
		middle := vg.Point{X: x(point[0]), Y: y(point[1])}
		direction := vg.Point{X: x(point[0] + a.vectors[i][0]), Y: y(point[1] + a.vectors[i][1])}.Sub(middle)
		size := vg.Length(math.Hypot(float64(direction.X), float64(direction.Y)))
		if size == 0 || !c.Contains(middle) {
			continue
		}
		along := direction.Scale(a.length / 2 / size)
		tip, head := middle.Add(along), along.Scale(0.6)
		across := vg.Point{X: -head.Y, Y: head.X}.Scale(0.5)
		base := tip.Sub(head)
		c.StrokeLine2(a.style, middle.X-along.X, middle.Y-along.Y, base.X, base.Y)
		c.FillPolygon(a.style.Color, []vg.Point{tip, base.Add(across), base.Sub(across)})
	}
}

// isolines are the contour lines of a scalar at some levels. They are drawn cell by cell of its grid (marching squares), so two drawings of one
// scalar are equal to the byte.
type isolines struct {
	*analysis.ScalarGrid
	levels []float64
	style  draw.LineStyle
}

// DataRange implements plot.DataRanger.
func (l isolines) DataRange() (xmin, xmax, ymin, ymax float64) {
	columns, rows := l.Dims()
	return l.X(0), l.X(columns - 1), l.Y(0), l.Y(rows - 1)
}

// Plot implements plot.Plotter.
func (l isolines) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	c.SetLineStyle(l.style)
	for _, level := range l.levels {
		var path vg.Path
		for _, s := range l.segments(level) {
			from, to := vg.Point{X: x(s[0].X), Y: y(s[0].Y)}, vg.Point{X: x(s[1].X), Y: y(s[1].Y)}
			if c.Contains(from) && c.Contains(to) {
				path.Move(from)
				path.Line(to)
			}
		}
		c.Stroke(path)
	}
}

// segments returns the pieces of the line at a level. A cell has none, one or, around a saddle, two.
func (l isolines) segments(level float64) (list [][2]plotter.XY) {
	columns, rows := l.Dims()
	for i := range columns - 1 {
		for j := range rows - 1 {
			crossings := l.crossings(i, j, level)
			if len(crossings) == 4 && (l.Z(i, j) > level) != (l.middle(i, j) > level) {
				crossings = append(crossings[1:], crossings[0]) // at a saddle: the last crossing joins the first, around the first corner
			}
			for k := 0; k+1 < len(crossings); k += 2 {
				list = append(list, [2]plotter.XY{crossings[k], crossings[k+1]})
			}
		}
	}
	return list
}

// crossings returns the points at which a level crosses the edges of a cell, around the cell from its first corner on.
func (l isolines) crossings(i, j int, level float64) (list []plotter.XY) {
	corners := [5][2]int{{i, j}, {i + 1, j}, {i + 1, j + 1}, {i, j + 1}, {i, j}}
	for k, from := range corners[:4] {
		to := corners[k+1]
		a, b := l.Z(from[0], from[1]), l.Z(to[0], to[1])
		if (a > level) == (b > level) {
			continue
		}
		share := (level - a) / (b - a)
		list = append(list, plotter.XY{
			X: l.X(from[0]) + share*(l.X(to[0])-l.X(from[0])),
			Y: l.Y(from[1]) + share*(l.Y(to[1])-l.Y(from[1])),
		})
	}
	return list
}

func (l isolines) middle(i, j int) float64 {
	return (l.Z(i, j) + l.Z(i+1, j) + l.Z(i, j+1) + l.Z(i+1, j+1)) / 4
}

// bands returns a picture of a scalar in the colours of a bar. value maps the scalar to the scale of the bar.
func bands(g *analysis.ScalarGrid, value func(float64) float64, bar *panels.Bar) *plotter.Image {
	const fine = 6 // pixels between two points of the grid
	columns, rows := g.Dims()
	width, height := (columns-1)*fine, (rows-1)*fine
	picture := image.NewPaletted(image.Rect(0, 0, width, height), color.Palette(bar.Colors))
	for column := range width {
		for row := range height {
			z := value(interpolated(g, (float64(column)+0.5)/fine, (float64(row)+0.5)/fine))
			band := sort.Search(len(bar.Colors)-1, func(i int) bool { return z < bar.Edges[i+1].Value })
			picture.SetColorIndex(column, height-1-row, uint8(band))
		}
	}
	return plotter.NewImage(picture, g.X(0), g.Y(0), g.X(columns-1), g.Y(rows-1))
}

// interpolated returns a scalar between the points of its grid, at a column and a row.
func interpolated(g *analysis.ScalarGrid, column, row float64) float64 {
	i, j := int(column), int(row)
	x, y := column-float64(i), row-float64(j)
	return (1-x)*(1-y)*g.Z(i, j) + x*(1-y)*g.Z(i+1, j) + (1-x)*y*g.Z(i, j+1) + x*y*g.Z(i+1, j+1)
}
