// Package libtorch holds what gotch lacks, behind functions that return errors: the default initialisation of layers in
// PyTorch's order of draws, a gradient over several inputs, Adam with a state that can be saved, the random generator's
// state, and a Scope that frees the tensors of a computation together.
//
// A goroutine that trains must hold its thread (runtime.LockOSThread): LibTorch keeps its thread pool and its autograd
// state per thread of the operating system.
package libtorch

// #cgo CXXFLAGS: -O3
// #include <stdlib.h>
// #include "libtorch.h"
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/sugarme/gotch/ts"
)

func check(what string, message *C.char) error {
	if message == nil {
		return nil
	}
	defer C.free(unsafe.Pointer(message))
	return fmt.Errorf("libtorch: %s: %w", what, errors.New(C.GoString(message)))
}

func flag(set bool) C.int {
	if set {
		return 1
	}
	return 0
}

// Configure sets the number of threads of one operator (0 for all processors) and lets the allocator keep blocks of the
// size of an activation. Call it once, before the first tensor is made.
func Configure(threads int) error {
	if threads <= 0 {
		threads = runtime.NumCPU()
	}
	return check("configure", C.hnn_configure(C.int(threads)))
}

// Seed sets the random generator as torch.manual_seed does.
func Seed(seed int64) error { return check("seed", C.hnn_manual_seed(C.int64_t(seed))) }

// GeneratorState returns the state of the random generator, a tensor of bytes that the caller drops.
func GeneratorState() (*ts.Tensor, error) {
	var state unsafe.Pointer
	if err := check("generator state", C.hnn_generator_state(&state)); err != nil {
		return nil, err
	}
	return ts.FromCtensor(state), nil
}

// SetGeneratorState restores what GeneratorState returned.
func SetGeneratorState(state *ts.Tensor) error {
	defer runtime.KeepAlive(state)
	return check("set generator state", C.hnn_set_generator_state(state.Ctensor()))
}

// Permutation fills first with the first values of torch.randperm(n), and draws as many random numbers.
func Permutation(n int, first []int64) error {
	return check("permutation", C.hnn_permutation(C.int64_t(n), (*C.int64_t)(unsafe.SliceData(first)), C.int64_t(len(first))))
}

// Normal fills values from the standard normal distribution, as torch.randn does.
func Normal(values []float32) error {
	return check("normal", C.hnn_normal((*C.float)(unsafe.SliceData(values)), C.int64_t(len(values))))
}

// NewLinear draws a layer as torch.nn.Linear(in, out) does: a weight of shape (out, in) and a bias of shape (out), nil
// when bias is false. Both require gradients and belong to the caller.
func NewLinear(in, out int64, bias bool) (weight, biases *ts.Tensor, err error) {
	var w, b unsafe.Pointer
	if err := check("linear layer", C.hnn_linear(C.int64_t(in), C.int64_t(out), flag(bias), &w, &b)); err != nil {
		return nil, nil, err
	}
	weight = ts.FromCtensor(w)
	if bias {
		biases = ts.FromCtensor(b)
	}
	return weight, biases, nil
}

// Orthogonal redraws a matrix in place as torch.nn.init.orthogonal_ does (Saxe et al., 2013).
func Orthogonal(weight *ts.Tensor) error {
	defer runtime.KeepAlive(weight)
	return check("orthogonal initialisation", C.hnn_orthogonal(weight.Ctensor()))
}

func pointers(list []*ts.Tensor) []unsafe.Pointer {
	result := make([]unsafe.Pointer, len(list))
	for i, t := range list {
		result[i] = t.Ctensor()
	}
	return result
}

// Gradient returns the derivative of the scalar output with respect to each input, zero where it does not depend on it.
// With createGraph the derivatives can be differentiated again. The caller drops them.
func Gradient(output *ts.Tensor, inputs []*ts.Tensor, createGraph bool) ([]*ts.Tensor, error) {
	in, out := pointers(inputs), make([]unsafe.Pointer, len(inputs))
	err := check("gradient", C.hnn_gradient(output.Ctensor(), &in[0], C.size_t(len(in)), flag(createGraph), &out[0]))
	runtime.KeepAlive(output)
	runtime.KeepAlive(inputs)
	if err != nil {
		return nil, err
	}
	gradients := make([]*ts.Tensor, len(out))
	for i, p := range out {
		gradients[i] = ts.FromCtensor(p)
	}
	return gradients, nil
}

// Adam applies step number step (from 1) of Adam (Kingma and Ba, 2015; betas .9 and .999, eps 1e-8, L2 weight decay added
// to the gradient) to the parameters in place, and updates the running mean and square of the gradients.
func Adam(parameters, gradients, mean, square []*ts.Tensor, step int, learningRate, weightDecay float64) error {
	p, g, m, s := pointers(parameters), pointers(gradients), pointers(mean), pointers(square)
	err := check("adam", C.hnn_adam(&p[0], &g[0], &m[0], &s[0], C.size_t(len(p)), C.int64_t(step), C.double(learningRate),
		C.double(weightDecay)))
	runtime.KeepAlive([][]*ts.Tensor{parameters, gradients, mean, square})
	return err
}
