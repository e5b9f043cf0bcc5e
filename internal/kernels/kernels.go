// Package kernels computes the losses, gradients and fields of the models in closed form: with fused vector code for the
// processor at hand, on threads of its own, without an automatic differentiation's graph. The formulae stand in dynamics.hpp and
// models.hpp. No number depends on how many threads there are.
package kernels

// #cgo CXXFLAGS: -O3 -DHNN_WITHOUT_TORCH
// #cgo LDFLAGS: -lpthread
// #include "kernels.h"
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"unsafe"
)

// Real is a number type of a model.
type Real interface{ float32 | float64 }

// Dynamics describes a network of two hidden layers, linear1 to linear3, the last without a bias, and the field that it gives.
type Dynamics struct {
	Inputs, Hidden int
	Activation     string      // see Covers
	Scalar         int         // which output's gradient the field is; −1 for the outputs themselves
	Matrix         [][]float32 // by which the gradient is multiplied from the right, of shape (Inputs, Inputs)
}

var activations = map[string]C.int64_t{"tanh": C.HNN_TANH, "sigmoid": C.HNN_SIGMOID, "relu": C.HNN_RELU}

// Covers tells whether there is a closed form for an activation and a number of inputs.
func Covers(activation string, inputs int) bool {
	_, ok := activations[activation]
	return ok && inputs <= C.HNN_MOST_INPUTS
}

func (d Dynamics) c() (C.hnn_dynamics, error) {
	c := C.hnn_dynamics{n: C.int64_t(d.Inputs), hidden: C.int64_t(d.Hidden), activation: activations[d.Activation], scalar: C.int64_t(d.Scalar)}
	if !Covers(d.Activation, d.Inputs) || d.Inputs < 1 || d.Hidden < 1 {
		return c, fmt.Errorf("kernels: there is no closed form for %d inputs, %d hidden units and the activation %q", d.Inputs, d.Hidden, d.Activation)
	}
	for i, row := range d.Matrix {
		for j, v := range row {
			c.matrix[i*d.Inputs+j] = C.double(v)
		}
	}
	return c, nil
}

// Kept names what a model keeps of each parameter.
type Kept C.int

// What a model keeps: a parameter's value, Adam's running mean and square of its gradient, and its last gradient.
const (
	Value    Kept = C.HNN_VALUE
	Mean     Kept = C.HNN_MEAN
	Square   Kept = C.HNN_SQUARE
	Gradient Kept = C.HNN_GRADIENT
)

// Model is a network with Adam's state and its threads. One goroutine at a time may use it.
type Model[T Real] struct{ handle *C.hnn_model }

var errMemory = errors.New("kernels: the memory does not suffice")

func threadsOrAll(threads int) C.int {
	if threads <= 0 {
		threads = runtime.NumCPU()
	}
	return C.int(threads)
}

func doubles[T Real]() C.int {
	var zero T
	if unsafe.Sizeof(zero) == 8 {
		return 1
	}
	return 0
}

// NewDynamics returns a model whose loss is the mean squared error of its field; its layers are linear1 to linear3. It works on a
// number of threads, 0 for all processors. The caller frees it.
func NewDynamics[T Real](threads int, d Dynamics) (*Model[T], error) {
	c, err := d.c()
	if err != nil {
		return nil, err
	}
	m := &Model[T]{C.hnn_new_dynamics(doubles[T](), threadsOrAll(threads), &c)}
	if m.handle == nil {
		return nil, errMemory
	}
	return m, nil
}

// NewPixels returns the autoencoder of two frames, whose latent state the dynamics move; its layers are the autoencoder's linear1 to
// linear8 and the dynamics' three. The frames, of one size each, are copied.
func NewPixels[T Real](threads int, latent Dynamics, frames [][]byte) (*Model[T], error) {
	c, err := latent.c()
	if err != nil {
		return nil, err
	}
	bytes := slices.Concat(frames...)
	m := &Model[T]{C.hnn_new_pixels(doubles[T](), threadsOrAll(threads), &c, C.int64_t(len(frames[0])), C.int64_t(len(frames)),
		(*C.uint8_t)(unsafe.SliceData(bytes)))}
	if m.handle == nil {
		return nil, errMemory
	}
	return m, nil
}

// Free ends the model's threads and frees its memory.
func (m *Model[T]) Free() { C.hnn_free(m.handle) }

func pointer[T Real](values []T) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(values)) }

// Load sets what is kept of a layer, numbered from 0: of its weight, by rows of shape (outputs, inputs), and of its bias, nil where
// there is none.
func (m *Model[T]) Load(what Kept, layer int, weight, bias []T) {
	C.hnn_load(m.handle, C.int(what), C.int(layer), pointer(weight), pointer(bias))
}

// Store copies out what is kept of a layer.
func (m *Model[T]) Store(what Kept, layer int, weight, bias []T) {
	C.hnn_store(m.handle, C.int(what), C.int(layer), pointer(weight), pointer(bias))
}

// Batch are rows to take a loss of: of states and their observed derivatives, or, for pictures, first frames of samples.
type Batch[T Real] struct {
	X, DX      []T     // by rows, of shape (n, Inputs); nil for pictures
	Rows       []int64 // which of them, or which frames; nil for the first Count rows
	Count      int
	Noise      []T // by rows, of shape (Count, Inputs), added to the field, or to the latent states; nil for none
	NoiseScale float64
}

// pass passes the batch's parts one by one: a pointer to Go memory may hold none.
func (m *Model[T]) pass(b Batch[T], gradient, step C.int, learningRate, weightDecay float64) float64 {
	return float64(C.hnn_pass(m.handle, pointer(b.X), pointer(b.DX), (*C.int64_t)(unsafe.SliceData(b.Rows)), C.int64_t(b.Count), pointer(b.Noise),
		C.double(b.NoiseScale), gradient, C.int64_t(step), C.double(learningRate), C.double(weightDecay)))
}

// Loss returns the mean loss of a batch.
func (m *Model[T]) Loss(b Batch[T]) float64 { return m.pass(b, 0, 0, 0, 0) }

// Gradient returns the mean loss of a batch and leaves its gradient for Store.
func (m *Model[T]) Gradient(b Batch[T]) float64 { return m.pass(b, 1, 0, 0, 0) }

// Step makes step number step, from 1, of Adam (Kingma and Ba, 2015; betas .9 and .999, eps 1e-8, L2 weight decay added to the
// gradient) on a batch, and returns the loss before it.
func (m *Model[T]) Step(b Batch[T], step int, learningRate, weightDecay float64) float64 {
	return m.pass(b, 1, C.int(step), learningRate, weightDecay)
}

// Field fills field with the field at states, both by rows of shape (n, Inputs).
func (m *Model[T]) Field(states, field []T, n int) {
	C.hnn_field(m.handle, pointer(states), C.int64_t(n), pointer(field))
}

// InstructionSet names the processor's vector instructions that are in use.
func InstructionSet() string { return C.GoString(C.hnn_instruction_set()) }
