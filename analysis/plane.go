package analysis

import (
	"gonum.org/v1/gonum/floats"

	"hnn/integrator"
)

// Plane is a phase plane, or the latent plane of a model.
type Plane struct {
	Samples       [][]float64 // the training set; for images, the test set
	Path          [][]float64 // the states of the example by time
	Low, High     [2]float64  // the corners of a rectangle around the samples
	Points, Field [][]float64 // a grid in the rectangle, and the field at its points; Field is nil if it is unknown or fitted to measurements
	Rates         [][]float64 // of a truth without Field: the observed derivatives of the samples; else nil
	// Speed is the length of the field's vectors, and Hamiltonian the source's Hamiltonian, both on the rectangle. Either may be nil.
	Speed, Hamiltonian *ScalarGrid
}

// fill evaluates a field and a Hamiltonian on a rectangle a little larger than the samples' bounding box. Either may be nil.
func (p *Plane) fill(field integrator.Field, hamiltonian quantity) (err error) {
	const lines, margin = 15, 0.05
	for axis := range p.Low {
		values := Column(p.Samples, axis)
		low, high := floats.Min(values), floats.Max(values)
		wider := margin * (high - low)
		p.Low[axis], p.High[axis] = low-wider, high+wider
	}
	p.Points = lattice(p.Low, p.High, lines).inner().points()
	if field != nil {
		if p.Field, err = vectors(field, p.Points); err != nil {
			return err
		}
		if p.Speed, err = NewScalarGrid(p.Low, p.High, speed(field)); err != nil {
			return err
		}
	}
	if hamiltonian != nil {
		p.Hamiltonian, err = NewScalarGrid(p.Low, p.High, hamiltonian)
	}
	return err
}

// vectors evaluates a field at points of a plane.
func vectors(field integrator.Field, points [][]float64) ([][]float64, error) {
	out := make([][]float64, len(points))
	for i := range out {
		out[i] = make([]float64, 2)
	}
	return out, field(make([]float64, len(points)), points, out)
}

// speed returns the length of a field's vectors.
func speed(field integrator.Field) quantity {
	return func(points [][]float64) ([]float64, error) {
		lengths := make([]float64, len(points))
		out, err := vectors(field, points)
		for i, v := range out {
			lengths[i] = floats.Norm(v, 2)
		}
		return lengths, err
	}
}

// ScalarGrid holds a scalar on a rectangle of a plane. It implements plotter.GridXYZ.
type ScalarGrid struct {
	x, y   []float64
	values []float64 // column by column: of all y at the first x, and so on
}

// NewScalarGrid evaluates a scalar on 60×60 points over the rectangle between two corners. scalar returns one value for each point (x, y).
func NewScalarGrid(low, high [2]float64, scalar func(points [][]float64) ([]float64, error)) (g *ScalarGrid, err error) {
	const lines = 60
	g = lattice(low, high, lines)
	g.values, err = scalar(g.points())
	return g, err
}

// lattice returns a grid without values.
func lattice(low, high [2]float64, lines int) *ScalarGrid {
	return &ScalarGrid{x: floats.Span(make([]float64, lines), low[0], high[0]), y: floats.Span(make([]float64, lines), low[1], high[1])}
}

// inner returns the grid without its edge, so that what is drawn at its points stays inside.
func (g *ScalarGrid) inner() *ScalarGrid {
	return &ScalarGrid{x: g.x[1 : len(g.x)-1], y: g.y[1 : len(g.y)-1]}
}

// points returns the points of the grid in the order of the values.
func (g *ScalarGrid) points() (points [][]float64) {
	for _, x := range g.x {
		for _, y := range g.y {
			points = append(points, []float64{x, y})
		}
	}
	return points
}

// Dims returns the numbers of columns and rows.
func (g *ScalarGrid) Dims() (columns, rows int) { return len(g.x), len(g.y) }

// X returns the x of a column.
func (g *ScalarGrid) X(column int) float64 { return g.x[column] }

// Y returns the y of a row.
func (g *ScalarGrid) Y(row int) float64 { return g.y[row] }

// Z returns the scalar at a column and a row.
func (g *ScalarGrid) Z(column, row int) float64 { return g.values[column*len(g.y)+row] }
