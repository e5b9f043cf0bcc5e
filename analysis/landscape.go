package analysis

import (
	"gonum.org/v1/gonum/floats"
)

// Landscape is a quantity over a rectangle of the phase plane. It implements plotter.GridXYZ.
type Landscape struct {
	x, y   []float64
	height []float64 // by y, and for each by x
}

// landscapeLines is the number of a landscape's points in either direction.
const landscapeLines = 60

// NewLandscape evaluates a quantity over the rectangle between two corners.
func NewLandscape(low, high [2]float64, quantity func(points [][]float64) ([]float64, error)) (*Landscape, error) {
	l := &Landscape{
		x: floats.Span(make([]float64, landscapeLines), low[0], high[0]),
		y: floats.Span(make([]float64, landscapeLines), low[1], high[1]),
	}
	var points [][]float64
	for _, y := range l.y {
		for _, x := range l.x {
			points = append(points, []float64{x, y})
		}
	}
	var err error
	l.height, err = quantity(points)
	return l, err
}

// Dims returns the number of columns and of rows.
func (l *Landscape) Dims() (columns, rows int) { return len(l.x), len(l.y) }

// X returns the place of a column.
func (l *Landscape) X(column int) float64 { return l.x[column] }

// Y returns the place of a row.
func (l *Landscape) Y(row int) float64 { return l.y[row] }

// Z returns the quantity at a column and a row.
func (l *Landscape) Z(column, row int) float64 { return l.height[row*len(l.x)+column] }
