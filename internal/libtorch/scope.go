package libtorch

// #include <stdlib.h>
// #include "libtorch.h"
import "C"

import (
	"runtime"
	"unsafe"

	"github.com/sugarme/gotch/ts"
)

// Scope owns the tensors that a computation makes and frees them together. It keeps the first error. After an
// error, every operation does nothing and returns nil, so a formula needs only one call of Err at its end. LibTorch's autograd
// graph keeps the tensors that a later gradient needs, even if the scope frees them.
type Scope struct {
	CUDA  bool // whether new tensors live on the GPU
	owned []*ts.Tensor
	err   error
}

// Err returns the first error of the scope's operations.
func (s *Scope) Err() error { return s.err }

// Free drops every tensor that the scope owns.
func (s *Scope) Free() {
	for _, t := range s.owned {
		if err := t.Drop(); err != nil && s.err == nil {
			s.err = err
		}
	}
	s.owned = s.owned[:0]
}

// Keep makes the scope the owner of tensors.
func (s *Scope) Keep(tensors ...*ts.Tensor) { s.owned = append(s.owned, tensors...) }

// operator calls a LibTorch function, unless an earlier operation of the scope failed.
func (s *Scope) operator(what string, call func(result *unsafe.Pointer) *C.char, operands ...*ts.Tensor) *ts.Tensor {
	if s.err != nil {
		return nil
	}
	var result unsafe.Pointer
	s.err = check(what, call(&result))
	runtime.KeepAlive(operands)
	if s.err != nil {
		return nil
	}
	t := ts.FromCtensor(result)
	s.owned = append(s.owned, t)
	return t
}

func handle(t *ts.Tensor) unsafe.Pointer {
	if t == nil {
		return nil
	}
	return t.Ctensor()
}

// Linear returns x·weightᵀ + bias. A bias may be nil.
func (s *Scope) Linear(x, weight, bias *ts.Tensor) *ts.Tensor {
	return s.operator("linear", func(r *unsafe.Pointer) *C.char { return C.hnn_torch_linear(handle(x), handle(weight), handle(bias), r) }, x, weight, bias)
}

// Activation returns the elementwise nonlinearity of a name (nets.Activations).
func (s *Scope) Activation(name string, x *ts.Tensor) *ts.Tensor {
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	return s.operator(name, func(r *unsafe.Pointer) *C.char { return C.hnn_torch_activation(text, handle(x), r) }, x)
}

// Matmul returns the matrix product a·b.
func (s *Scope) Matmul(a, b *ts.Tensor) *ts.Tensor {
	return s.operator("matmul", func(r *unsafe.Pointer) *C.char { return C.hnn_torch_matmul(handle(a), handle(b), r) }, a, b)
}

// Add returns a + b.
func (s *Scope) Add(a, b *ts.Tensor) *ts.Tensor {
	return s.operator("add", func(r *unsafe.Pointer) *C.char { return C.hnn_torch_add(handle(a), handle(b), r) }, a, b)
}

// Sub returns a − b.
func (s *Scope) Sub(a, b *ts.Tensor) *ts.Tensor {
	return s.operator("sub", func(r *unsafe.Pointer) *C.char { return C.hnn_torch_sub(handle(a), handle(b), r) }, a, b)
}

// Mul returns the elementwise product.
func (s *Scope) Mul(a, b *ts.Tensor) *ts.Tensor {
	return s.operator("mul", func(r *unsafe.Pointer) *C.char { return C.hnn_torch_mul(handle(a), handle(b), r) }, a, b)
}

// Scale returns a·x.
func (s *Scope) Scale(a float64, x *ts.Tensor) *ts.Tensor {
	return s.operator("scale", func(r *unsafe.Pointer) *C.char { return C.hnn_torch_scale(C.double(a), handle(x), r) }, x)
}

// Shift returns x + n for integers.
func (s *Scope) Shift(x *ts.Tensor, n int64) *ts.Tensor {
	return s.operator("shift", func(r *unsafe.Pointer) *C.char { return C.hnn_torch_shift(handle(x), C.int64_t(n), r) }, x)
}

// Sum returns the sum over all elements.
func (s *Scope) Sum(x *ts.Tensor) *ts.Tensor {
	return s.operator("sum", func(r *unsafe.Pointer) *C.char { return C.hnn_torch_sum(handle(x), r) }, x)
}

// Mean returns the mean over all elements.
func (s *Scope) Mean(x *ts.Tensor) *ts.Tensor {
	return s.operator("mean", func(r *unsafe.Pointer) *C.char { return C.hnn_torch_mean(handle(x), r) }, x)
}

// RowMeans returns the mean over the columns of each row of a matrix.
func (s *Scope) RowMeans(x *ts.Tensor) *ts.Tensor {
	return s.operator("row means", func(r *unsafe.Pointer) *C.char { return C.hnn_torch_row_means(handle(x), r) }, x)
}

// SquaredError returns the elementwise (a − b)².
func (s *Scope) SquaredError(a, b *ts.Tensor) *ts.Tensor {
	difference := s.Sub(a, b)
	return s.operator("square", func(r *unsafe.Pointer) *C.char { return C.hnn_torch_square(handle(difference), r) }, difference)
}

// Columns returns count columns of a matrix from the column first on.
func (s *Scope) Columns(x *ts.Tensor, first, count int) *ts.Tensor {
	return s.operator("columns", func(r *unsafe.Pointer) *C.char {
		return C.hnn_torch_columns(handle(x), C.int64_t(first), C.int64_t(count), r)
	}, x)
}

// Rows returns the rows of x that the index names.
func (s *Scope) Rows(x, index *ts.Tensor) *ts.Tensor {
	return s.operator("rows", func(r *unsafe.Pointer) *C.char { return C.hnn_torch_rows(handle(x), handle(index), r) }, x, index)
}

// Concat returns the columns of a followed by those of b.
func (s *Scope) Concat(a, b *ts.Tensor) *ts.Tensor {
	return s.operator("concat", func(r *unsafe.Pointer) *C.char { return C.hnn_torch_concat(handle(a), handle(b), r) }, a, b)
}

// Gradient returns ∂(Σ output)/∂x as a tensor that can itself be differentiated.
func (s *Scope) Gradient(output, x *ts.Tensor) *ts.Tensor {
	sum := s.Sum(output)
	if s.err != nil {
		return nil
	}
	g, err := Gradient(sum, []*ts.Tensor{x}, true)
	if s.err = err; err != nil {
		return nil
	}
	s.Keep(g[0])
	return g[0]
}

// Matrix makes a float32 tensor of shape (rows, columns) from elements in row-major order.
func (s *Scope) Matrix(values []float32, columns int) *ts.Tensor {
	return s.Tensor(values, []int64{int64(len(values) / columns), int64(columns)}, false)
}

// Variable is Matrix with requires_grad: outputs can be differentiated with respect to it.
func (s *Scope) Variable(values []float32, columns int) *ts.Tensor {
	return s.Tensor(values, []int64{int64(len(values) / columns), int64(columns)}, true)
}

// Tensor makes a float32 tensor of one or two dimensions from elements in row-major order.
func (s *Scope) Tensor(values []float32, shape []int64, requiresGradient bool) *ts.Tensor {
	rows, columns := shape[0], int64(0)
	if len(shape) > 1 {
		columns = shape[1]
	}
	return s.place(requiresGradient, s.operator("tensor", func(r *unsafe.Pointer) *C.char {
		return C.hnn_torch_from_floats((*C.float)(unsafe.SliceData(values)), C.int64_t(rows), C.int64_t(columns), r)
	}))
}

// Indices makes a tensor of int64 of shape (n).
func (s *Scope) Indices(values []int64) *ts.Tensor {
	return s.place(false, s.operator("indices", func(r *unsafe.Pointer) *C.char {
		return C.hnn_torch_from_integers((*C.int64_t)(unsafe.SliceData(values)), C.int64_t(len(values)), r)
	}))
}

// place moves a new tensor to the scope's device.
func (s *Scope) place(requiresGradient bool, t *ts.Tensor) *ts.Tensor {
	if !s.CUDA && !requiresGradient {
		return t
	}
	return s.operator("device", func(r *unsafe.Pointer) *C.char {
		return C.hnn_torch_to_device(handle(t), flag(s.CUDA), flag(requiresGradient), r)
	}, t)
}

// Values returns the elements of a float32 tensor in row-major order.
func (s *Scope) Values(x *ts.Tensor) []float32 {
	if s.err != nil {
		return nil
	}
	values := make([]float32, x.Numel())
	s.err = check("values", C.hnn_torch_values(x.Ctensor(), (*C.float)(unsafe.SliceData(values))))
	runtime.KeepAlive(x)
	return values
}
