package libtorch

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/sugarme/gotch"
	"github.com/sugarme/gotch/ts"
)

// Scope owns the tensors that a computation makes and frees them together. It carries the first error: after one, every
// operation returns nil and does nothing, so that a formula reads as a formula and Err is asked once at its end. LibTorch's
// graph keeps what a later gradient needs, whatever the scope frees.
type Scope struct {
	owned []*ts.Tensor
	err   error
}

// Err returns the first error of the scope's operations.
func (s *Scope) Err() error { return s.err }

// Free drops every tensor that the scope still owns.
func (s *Scope) Free() {
	for _, t := range s.owned {
		if err := t.Drop(); err != nil && s.err == nil {
			s.err = err
		}
	}
	s.owned = s.owned[:0]
}

// Keep makes the scope the owner of the result of a call into gotch.
func (s *Scope) Keep(t *ts.Tensor, err error) *ts.Tensor {
	if err != nil {
		if s.err == nil {
			s.err = err
		}
		return nil
	}
	s.owned = append(s.owned, t)
	return t
}

// apply runs an operation unless an earlier one failed.
func (s *Scope) apply(operation func() (*ts.Tensor, error)) *ts.Tensor {
	if s.err != nil {
		return nil
	}
	return s.Keep(operation())
}

// Linear returns x·weightᵀ + bias; bias may be nil.
func (s *Scope) Linear(x, weight, bias *ts.Tensor) *ts.Tensor {
	if bias == nil {
		bias = ts.None
	}
	return s.apply(func() (*ts.Tensor, error) { return ts.Linear(x, weight, bias) })
}

// Matmul returns the matrix product a·b.
func (s *Scope) Matmul(a, b *ts.Tensor) *ts.Tensor {
	return s.apply(func() (*ts.Tensor, error) { return a.Matmul(b, false) })
}

// Add returns a + b.
func (s *Scope) Add(a, b *ts.Tensor) *ts.Tensor {
	return s.apply(func() (*ts.Tensor, error) { return a.Add(b, false) })
}

// Sub returns a − b.
func (s *Scope) Sub(a, b *ts.Tensor) *ts.Tensor {
	return s.apply(func() (*ts.Tensor, error) { return a.Sub(b, false) })
}

// Mul returns the elementwise product.
func (s *Scope) Mul(a, b *ts.Tensor) *ts.Tensor {
	return s.apply(func() (*ts.Tensor, error) { return a.Mul(b, false) })
}

// Scale returns a·x.
func (s *Scope) Scale(a float64, x *ts.Tensor) *ts.Tensor {
	return s.apply(func() (*ts.Tensor, error) {
		scalar := ts.FloatScalar(a)
		defer scalar.MustDrop()
		return x.MulScalar(scalar, false)
	})
}

// Sum returns the sum over all elements.
func (s *Scope) Sum(x *ts.Tensor) *ts.Tensor {
	return s.apply(func() (*ts.Tensor, error) { return x.Sum(x.DType(), false) })
}

// Apply returns an elementwise function of x, such as an activation.
func (s *Scope) Apply(f func(x *ts.Tensor) (*ts.Tensor, error), x *ts.Tensor) *ts.Tensor {
	return s.apply(func() (*ts.Tensor, error) { return f(x) })
}

// Columns returns some columns of a matrix, from the given one on.
func (s *Scope) Columns(x *ts.Tensor, first, count int) *ts.Tensor {
	return s.apply(func() (*ts.Tensor, error) { return x.Narrow(1, int64(first), int64(count), false) })
}

// SquaredError returns the elementwise (a − b)².
func (s *Scope) SquaredError(a, b *ts.Tensor) *ts.Tensor {
	difference := s.Sub(a, b)
	return s.apply(func() (*ts.Tensor, error) { return difference.Square(false) })
}

// Mean returns the mean over all elements.
func (s *Scope) Mean(x *ts.Tensor) *ts.Tensor {
	return s.apply(func() (*ts.Tensor, error) { return x.Mean(x.DType(), false) })
}

// RowMeans returns the mean over the columns of each row of a matrix.
func (s *Scope) RowMeans(x *ts.Tensor) *ts.Tensor {
	return s.apply(func() (*ts.Tensor, error) { return x.MeanDim([]int64{1}, false, x.DType(), false) })
}

// Beside returns the columns of a and, to their right, those of b.
func (s *Scope) Beside(a, b *ts.Tensor) *ts.Tensor {
	return s.apply(func() (*ts.Tensor, error) { return ts.Cat([]*ts.Tensor{a, b}, 1) })
}

// Gradient returns ∂(Σ output)/∂x, differentiable again.
func (s *Scope) Gradient(output, x *ts.Tensor) *ts.Tensor {
	sum := s.Sum(output)
	return s.apply(func() (*ts.Tensor, error) {
		g, err := Gradient(sum, []*ts.Tensor{x}, true)
		if err != nil {
			return nil, err
		}
		return g[0], nil
	})
}

// Slice makes a float32 tensor of shape (rows, columns) of its elements in row-major order.
func (s *Scope) Slice(values []float32, columns int) *ts.Tensor {
	return s.apply(func() (*ts.Tensor, error) { return FromSlice(values, int64(len(values)/columns), int64(columns)) })
}

// Matrix makes a float32 tensor of shape (rows, columns).
func (s *Scope) Matrix(rows [][]float64) *ts.Tensor {
	return s.apply(func() (*ts.Tensor, error) { return FromRows(rows) })
}

// Variable makes a float32 tensor of shape (rows, columns) by which an output can be differentiated.
func (s *Scope) Variable(rows [][]float64) *ts.Tensor {
	return s.apply(func() (*ts.Tensor, error) {
		x, err := FromRows(rows)
		if err != nil {
			return nil, err
		}
		return x, x.RequiresGrad_(true)
	})
}

// Indices makes a tensor of int64 of shape (n).
func (s *Scope) Indices(values []int64) *ts.Tensor {
	return s.apply(func() (*ts.Tensor, error) {
		t, err := ts.OfSlice(values)
		if err != nil {
			return nil, err
		}
		return Place(t)
	})
}

// Shift returns x + n for integers.
func (s *Scope) Shift(x *ts.Tensor, n int64) *ts.Tensor {
	return s.apply(func() (*ts.Tensor, error) {
		scalar := ts.IntScalar(n)
		defer scalar.MustDrop()
		return x.AddScalar(scalar, false)
	})
}

// Values returns the elements of a float32 tensor in row-major order.
func (s *Scope) Values(x *ts.Tensor) []float32 {
	if s.err != nil {
		return nil
	}
	values, err := Values(x)
	if err != nil {
		s.err = err
	}
	return values
}

// FromSlice makes a float32 tensor of the given shape; the caller drops it.
func FromSlice(values []float32, shape ...int64) (*ts.Tensor, error) {
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), 4*len(values))
	t, err := ts.OfDataSize(bytes, shape, gotch.Float)
	if err != nil {
		return nil, err
	}
	return Place(t)
}

// FromRows makes a float32 tensor of shape (rows, columns); the caller drops it.
func FromRows(rows [][]float64) (*ts.Tensor, error) {
	if len(rows) == 0 {
		return nil, errors.New("libtorch: a matrix of no rows")
	}
	values := make([]float32, 0, len(rows)*len(rows[0]))
	for _, row := range rows {
		for _, v := range row {
			values = append(values, float32(v))
		}
	}
	return FromSlice(values, int64(len(rows)), int64(len(rows[0])))
}

// Values returns the elements of a float32 tensor in row-major order. gotch's own copy inspects every element by reflection first,
// which takes a hundred times as long.
func Values(x *ts.Tensor) ([]float32, error) {
	if x.DType() != gotch.Float {
		return nil, fmt.Errorf("libtorch: the elements are %v, and not float32", x.DType())
	}
	rows, err := x.Contiguous(false)
	if err == nil && OnCUDA() {
		rows, err = rows.To(gotch.CPU, true)
	}
	if err != nil {
		return nil, err
	}
	defer rows.MustDrop()
	values := make([]float32, rows.Numel())
	if len(values) == 0 {
		return values, nil
	}
	elements, err := rows.DataPtr()
	if err != nil {
		return nil, err
	}
	copy(values, unsafe.Slice((*float32)(elements), len(values)))
	return values, nil
}

// Rows returns the rows of x that the index names.
func (s *Scope) Rows(x, index *ts.Tensor) *ts.Tensor {
	return s.apply(func() (*ts.Tensor, error) { return x.IndexSelect(0, index, false) })
}
