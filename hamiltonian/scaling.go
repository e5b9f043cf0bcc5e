package hamiltonian

import (
	"fmt"
	"math"
	"slices"
)

// Scaling maps measured quantities to those of order 1 that a model is trained on, and keeps Hamilton's equations:
//
//	q = Center + Scale·Q,  p = Center + Scale·P,  t = Time·T,  H = Energy()·K
//
// It is canonical if the product of the scales of q and p is the same for every pair: dQ/dT = ∂K/∂P and dP/dT = −∂K/∂Q then follow from
// dq/dt = ∂H/∂p and dp/dt = −∂H/∂q.
type Scaling struct {
	Center  []float64 `json:"center"` // by component of the state
	Scale   []float64 `json:"scale"`
	Time    float64   `json:"time"`
	Columns []float64 `json:"columns,omitempty"` // scale of each further column
}

// Check returns an error if the scaling does not fit a state of the given dimension and the given number of further columns, or if a scale is not
// a positive number.
func (s *Scaling) Check(dimension, columns int) error {
	if len(s.Center) != dimension || len(s.Scale) != dimension || len(s.Columns) != columns {
		return fmt.Errorf("the scaling has %d centers, %d scales and %d scales of columns; a row needs %d, %d and %d",
			len(s.Center), len(s.Scale), len(s.Columns), dimension, dimension, columns)
	}
	for _, scale := range append(slices.Concat(s.Scale, s.Columns), s.Time) {
		if !(scale > 0) || math.IsInf(scale, 0) {
			return fmt.Errorf("a scale is %g; it must be a positive number", scale)
		}
	}
	return nil
}

// Energy returns the unit of H: the product of the scales of q1 and p1 over that of time.
func (s *Scaling) Energy() float64 { return s.Scale[0] * s.Scale[len(s.Scale)/2] / s.Time }

// Row appends the scaled state and columns to a row.
func (s *Scaling) Row(row []float32, state, columns []float64) []float32 {
	for j, v := range state {
		row = append(row, float32((v-s.Center[j])/s.Scale[j]))
	}
	for j, v := range columns {
		row = append(row, float32(v/s.Columns[j]))
	}
	return row
}

// Unit returns the scaling that changes nothing.
func Unit(dimension, columns int) *Scaling {
	one := []float64{1}
	return &Scaling{Center: make([]float64, dimension), Scale: slices.Repeat(one, dimension), Time: 1, Columns: slices.Repeat(one, columns)}
}
