package libtorch

// #include "libtorch.h"
import "C"

import (
	"runtime"
	"slices"
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

// own calls a function that makes a number of tensors, unless an earlier operation of the scope failed.
func (s *Scope) own(what string, count int, call func(results *unsafe.Pointer) *C.char) []*ts.Tensor {
	tensors, results := make([]*ts.Tensor, count), make([]unsafe.Pointer, count)
	begin()
	if s.err == nil {
		s.err = check(what, call(&results[0]))
	}
	if s.err != nil {
		return tensors
	}
	for i, r := range results {
		tensors[i] = ts.FromCtensor(r)
	}
	s.owned = append(s.owned, tensors...)
	return tensors
}

// operator calls an operator of libtorch.cpp.
func (s *Scope) operator(name string, numbers []float64, operands ...*ts.Tensor) *ts.Tensor {
	defer runtime.KeepAlive(operands)
	return s.own(name, 1, func(result *unsafe.Pointer) *C.char {
		characters := (*C.char)(unsafe.Pointer(unsafe.StringData(name)))
		return C.hnn_torch_operator(characters, C.size_t(len(name)), handles(operands), (*C.double)(unsafe.SliceData(numbers)), result)
	})[0]
}

// Linear returns x·weightᵀ + bias. A bias may be nil.
func (s *Scope) Linear(x, weight, bias *ts.Tensor) *ts.Tensor {
	return s.operator("linear", nil, x, weight, bias)
}

// Activation returns the elementwise nonlinearity of a name (nets.Activations).
func (s *Scope) Activation(name string, x *ts.Tensor) *ts.Tensor { return s.operator(name, nil, x) }

// Matmul returns the matrix product a·b.
func (s *Scope) Matmul(a, b *ts.Tensor) *ts.Tensor { return s.operator("matmul", nil, a, b) }

// Add returns a + b.
func (s *Scope) Add(a, b *ts.Tensor) *ts.Tensor { return s.operator("add", nil, a, b) }

// Sub returns a − b.
func (s *Scope) Sub(a, b *ts.Tensor) *ts.Tensor { return s.operator("sub", nil, a, b) }

// Multiply returns the elementwise product of a and b.
func (s *Scope) Multiply(a, b *ts.Tensor) *ts.Tensor { return s.operator("multiply", nil, a, b) }

// Divide returns the elementwise quotient of a and b.
func (s *Scope) Divide(a, b *ts.Tensor) *ts.Tensor { return s.operator("divide", nil, a, b) }

// Scale returns a·x.
func (s *Scope) Scale(a float64, x *ts.Tensor) *ts.Tensor {
	return s.operator("scale", []float64{a}, x)
}

// Shift returns x + n for integers.
func (s *Scope) Shift(x *ts.Tensor, n int) *ts.Tensor {
	return s.operator("shift", []float64{float64(n)}, x)
}

// Mean returns the mean over all elements.
func (s *Scope) Mean(x *ts.Tensor) *ts.Tensor { return s.operator("mean", nil, x) }

// RowMeans returns the mean over the columns of each row of a matrix.
func (s *Scope) RowMeans(x *ts.Tensor) *ts.Tensor { return s.operator("row means", nil, x) }

// SquaredError returns the elementwise (a − b)².
func (s *Scope) SquaredError(a, b *ts.Tensor) *ts.Tensor {
	return s.operator("squared error", nil, a, b)
}

// Columns returns count columns of a matrix from the column first on.
func (s *Scope) Columns(x *ts.Tensor, first, count int) *ts.Tensor {
	return s.operator("columns", []float64{float64(first), float64(count)}, x)
}

// Elements returns count elements of a vector, or rows of a matrix, from the first on, in x's memory.
func (s *Scope) Elements(x *ts.Tensor, first, count int) *ts.Tensor {
	return s.operator("elements", []float64{float64(first), float64(count)}, x)
}

// Rows returns the rows of x that the index names.
func (s *Scope) Rows(x, index *ts.Tensor) *ts.Tensor { return s.operator("rows", nil, x, index) }

// Concat returns the columns of a followed by those of b.
func (s *Scope) Concat(a, b *ts.Tensor) *ts.Tensor { return s.operator("concat", nil, a, b) }

// Gradient returns ∂(Σ output)/∂x as a tensor that can itself be differentiated.
func (s *Scope) Gradient(output, x *ts.Tensor) *ts.Tensor {
	return s.Gradients(s.operator("sum", nil, output), []*ts.Tensor{x}, true)[0]
}

// Gradients returns the derivative of the scalar output with respect to each input, zero where it does not depend on it.
// With createGraph the derivatives can be differentiated again.
func (s *Scope) Gradients(output *ts.Tensor, inputs []*ts.Tensor, createGraph bool) []*ts.Tensor {
	defer runtime.KeepAlive(output)
	defer runtime.KeepAlive(inputs)
	return s.own("gradient", len(inputs), func(gradients *unsafe.Pointer) *C.char {
		return C.hnn_torch_gradient(output.Ctensor(), handles(inputs), C.size_t(len(inputs)), flag(createGraph), gradients)
	})
}

// Matrix makes a float32 tensor of shape (rows, columns) from elements in row-major order.
func (s *Scope) Matrix(values []float32, columns int) *ts.Tensor {
	return s.Tensor(values, []int64{int64(len(values) / columns), int64(columns)}, false)
}

// Variable is Matrix with requires_grad: outputs can be differentiated with respect to it.
func (s *Scope) Variable(values []float32, columns int) *ts.Tensor {
	return s.Tensor(values, []int64{int64(len(values) / columns), int64(columns)}, true)
}

// Tensor makes a float32 tensor from elements in row-major order.
func (s *Scope) Tensor(values []float32, shape []int64, requiresGradient bool) *ts.Tensor {
	return newTensor(s, values, shape, requiresGradient)
}

// Indices makes a tensor of int64 of shape (n).
func (s *Scope) Indices(values []int64) *ts.Tensor {
	return newTensor(s, values, []int64{int64(len(values))}, false)
}

// Local makes an unset tensor with x's shape in the processor's memory. If x is on a GPU, the memory is pinned, so that the GPU can copy by itself.
func (s *Scope) Local(x *ts.Tensor) *ts.Tensor { return s.operator("local", nil, x) }

// newTensor makes a tensor on the scope's device or, without values, an unset one in the CPU's memory.
func newTensor[T float32 | int64](s *Scope, values []T, shape []int64, requiresGradient bool) *ts.Tensor {
	_, integers := any(values).([]int64)
	return s.own("tensor", 1, func(result *unsafe.Pointer) *C.char {
		return C.hnn_torch_tensor(unsafe.Pointer(unsafe.SliceData(values)), (*C.int64_t)(unsafe.SliceData(shape)), C.size_t(len(shape)),
			flag(integers), flag(s.CUDA), flag(requiresGradient), result)
	})[0]
}

// Values returns the elements of a float32 tensor in row-major order.
func (s *Scope) Values(x *ts.Tensor) []float32 {
	return slices.Clone(Memory[float32](s, s.operator("values", nil, x)))
}

// Memory returns the elements of a contiguous tensor on the processor, in the tensor's own memory.
func Memory[T float32 | int64](s *Scope, x *ts.Tensor) []T {
	if s.err != nil {
		return nil
	}
	elements, err := x.DataPtr()
	if s.err = err; err != nil {
		return nil
	}
	return unsafe.Slice((*T)(elements), x.Numel())
}
