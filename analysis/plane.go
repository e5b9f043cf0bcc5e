package analysis

import (
	"fmt"

	"gonum.org/v1/gonum/floats"

	"hnn/integrator"
)

// Plane is a phase plane, or the latent plane of a model.
type Plane struct {
	Samples       [][]float64 // the training set; for images, the test set
	Path          [][]float64 // the states of the example by time
	Points, Field [][]float64 // a grid over the samples, and the field at its points; no Field if it is not known
	// Hamiltonian is the source's Hamiltonian on the grid's rectangle, or nil.
	Hamiltonian *ScalarGrid
}

// planes fills in the planes of all sources.
func (a *Analysis) planes(subjects []*subject, truth integrator.Field) (err error) {
	var energy quantity
	if a.Task.Hamiltonian != nil {
		energy = each(a.Task.Hamiltonian)
	}
	if a.Task.ImageSide == 0 {
		for _, s := range a.Sources {
			s.Plane = &Plane{Samples: a.Data.Train.X, Path: s.Example.States[0]}
		}
	}
	if err := a.Sources[0].Plane.fill(truth, energy); err != nil {
		return err
	}
	for _, s := range subjects {
		var energy quantity
		if s.HasHamiltonian {
			energy = s.evaluator.Hamiltonian
		}
		if err := s.Plane.fill(s.evaluator.Field, energy); err != nil {
			return fmt.Errorf("%s: %w", s.Title, err)
		}
	}
	return nil
}

// fill evaluates a field and a Hamiltonian on a rectangle a little larger than the samples' bounding box. Either may be nil.
func (p *Plane) fill(field integrator.Field, hamiltonian quantity) (err error) {
	const lines, margin = 13, 0.025
	var low, high [2]float64
	for axis := range low {
		values := Column(p.Samples, axis)
		low[axis], high[axis] = floats.Min(values), floats.Max(values)
		wider := margin * (high[axis] - low[axis])
		low[axis], high[axis] = low[axis]-wider, high[axis]+wider
	}
	for _, x := range floats.Span(make([]float64, lines), low[0], high[0]) {
		for _, y := range floats.Span(make([]float64, lines), low[1], high[1]) {
			p.Points = append(p.Points, []float64{x, y})
		}
	}
	if field != nil {
		p.Field = make([][]float64, len(p.Points))
		for i := range p.Field {
			p.Field[i] = make([]float64, 2)
		}
		if err := field(make([]float64, len(p.Points)), p.Points, p.Field); err != nil {
			return err
		}
	}
	if hamiltonian != nil {
		p.Hamiltonian, err = NewScalarGrid(low, high, hamiltonian)
	}
	return err
}

// ScalarGrid holds a scalar on a rectangle of a plane. It implements plotter.GridXYZ.
type ScalarGrid struct {
	x, y   []float64
	values []float64 // row by row: of the first y at each x, and so on
}

// NewScalarGrid evaluates a scalar on 60×60 points over the rectangle between two corners. scalar returns one value for each point (x, y).
func NewScalarGrid(low, high [2]float64, scalar func(points [][]float64) ([]float64, error)) (*ScalarGrid, error) {
	const lines = 60
	g := &ScalarGrid{
		x: floats.Span(make([]float64, lines), low[0], high[0]),
		y: floats.Span(make([]float64, lines), low[1], high[1]),
	}
	var points [][]float64
	for _, y := range g.y {
		for _, x := range g.x {
			points = append(points, []float64{x, y})
		}
	}
	var err error
	g.values, err = scalar(points)
	return g, err
}

// Dims returns the numbers of columns and rows.
func (g *ScalarGrid) Dims() (columns, rows int) { return len(g.x), len(g.y) }

// X returns the x of a column.
func (g *ScalarGrid) X(column int) float64 { return g.x[column] }

// Y returns the y of a row.
func (g *ScalarGrid) Y(row int) float64 { return g.y[row] }

// Z returns the scalar at a column and a row.
func (g *ScalarGrid) Z(column, row int) float64 { return g.values[row*len(g.x)+column] }
