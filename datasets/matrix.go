package datasets

import "math"

// Matrix is rows of numbers in one block of memory, in the precision that models compute with.
type Matrix struct {
	Columns int
	Values  []float32 // row by row
}

// Rows returns the number of rows.
func (m Matrix) Rows() int { return len(m.Values) / max(1, m.Columns) }

// Row returns row i. It shares the memory of the matrix.
func (m Matrix) Row(i int) []float32 {
	return m.Values[i*m.Columns : (i+1)*m.Columns : (i+1)*m.Columns]
}

// Slice returns the rows from first on and before last. They share the memory of the matrix.
func (m Matrix) Slice(first, last int) Matrix {
	return Matrix{m.Columns, m.Values[first*m.Columns : last*m.Columns]}
}

// Float64 returns a copy of the rows or, if there are more than most, of that many evenly spaced ones. 0 stands for all rows.
func (m Matrix) Float64(most int) [][]float64 {
	count := m.Rows()
	if most > 0 {
		count = min(count, most)
	}
	rows := make([][]float64, count)
	for i := range rows {
		rows[i] = make([]float64, m.Columns)
		for j, v := range m.Row(i * m.Rows() / count) {
			rows[i][j] = float64(v)
		}
	}
	return rows
}

// MatrixOf returns the rows in a matrix.
func MatrixOf(rows [][]float64) Matrix {
	if len(rows) == 0 {
		return Matrix{}
	}
	m := Matrix{Columns: len(rows[0]), Values: make([]float32, 0, len(rows)*len(rows[0]))}
	for _, row := range rows {
		for _, v := range row {
			m.Values = append(m.Values, float32(v))
		}
	}
	return m
}

// column returns column j in double precision.
func (m Matrix) column(j int) []float64 {
	values := make([]float64, m.Rows())
	for i := range values {
		values[i] = float64(m.Values[i*m.Columns+j])
	}
	return values
}

// variance returns the mean squared distance of the rows from their mean.
func (m Matrix) variance() float64 {
	means := make([]float64, m.Columns)
	for i := range m.Rows() {
		for j, v := range m.Row(i) {
			means[j] += float64(v) / float64(m.Rows())
		}
	}
	return m.meanSquare(means)
}

// meanSquare returns the mean squared distance of the rows from a point.
func (m Matrix) meanSquare(point []float64) float64 {
	sum := 0.0
	for i := range m.Rows() {
		for j, v := range m.Row(i) {
			distance := float64(v) - point[j]
			sum += distance * distance
		}
	}
	return sum / float64(m.Rows())
}

// unwrap removes jumps of more than half a turn between successive rows of a column. A turn of 0 is none.
func (m Matrix) unwrap(j int, turn float64) {
	for i := 1; i < m.Rows() && turn > 0; i++ {
		change := float64(m.Row(i)[j]) - float64(m.Row(i - 1)[j])
		m.Row(i)[j] = float32(float64(m.Row(i)[j]) - turn*math.Round(change/turn))
	}
}
