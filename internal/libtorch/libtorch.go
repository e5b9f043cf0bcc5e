// Package libtorch wraps the parts of LibTorch that this module needs in functions that return errors: PyTorch's random generator and layer
// initialisation, the operations of a model, gradients, and Adam. A Scope owns the tensors of a computation and frees them together.
//
// LibTorch keeps its thread pool and its autograd state per thread of the operating system. A goroutine that trains must therefore hold its
// thread (runtime.LockOSThread).
package libtorch

// #cgo CXXFLAGS: -O3
// #include <stdlib.h>
// #include "libtorch.h"
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	"github.com/sugarme/gotch/ts"

	_ "hnn/internal/startup" // ends a program that LibTorch could not start in
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

// Configure sets the number of threads that an operation uses when this thread calls it, 0 for all processors. It also lets the allocator keep
// freed blocks of the size of an activation.
func Configure(threads int) error {
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	return check("configure", C.hnn_torch_configure(C.int(threads)))
}

// Generator is a CPU random generator. It gives the same numbers as PyTorch after torch.manual_seed. Only one goroutine at a time may use it.
// The garbage collector frees it.
type Generator struct{ handle unsafe.Pointer }

// NewGenerator returns a generator with a seed.
func NewGenerator(seed uint32) (*Generator, error) {
	begin()
	g := &Generator{}
	if err := check("generator", C.hnn_torch_generator(C.int64_t(seed), &g.handle)); err != nil {
		return nil, err
	}
	runtime.AddCleanup(g, func(handle unsafe.Pointer) { C.hnn_torch_generator_free(handle) }, g.handle)
	return g, nil
}

// State returns the generator's state, in the format of torch.get_rng_state.
func (g *Generator) State() ([]byte, error) {
	defer runtime.KeepAlive(g)
	state := make([]byte, C.hnn_torch_generator_state_size)
	return state, check("generator state", C.hnn_torch_generator_state(g.handle, unsafe.Pointer(unsafe.SliceData(state))))
}

// SetState restores what State returned.
func (g *Generator) SetState(state []byte) error {
	defer runtime.KeepAlive(g)
	if want := int(C.hnn_torch_generator_state_size); len(state) != want {
		return fmt.Errorf("libtorch: a generator's state has %d bytes, and %d are given", want, len(state))
	}
	return check("generator state", C.hnn_torch_set_generator_state(g.handle, unsafe.Pointer(unsafe.SliceData(state))))
}

// Permutation fills first with the first values of torch.randperm(n). It advances the generator as torch.randperm(n) does.
func (g *Generator) Permutation(n int, first []int64) error {
	defer runtime.KeepAlive(g)
	return check("permutation", C.hnn_torch_permutation(g.handle, C.int64_t(n), (*C.int64_t)(unsafe.SliceData(first)), C.int64_t(len(first))))
}

// Sample fills values with different numbers from 0 to n−1, in random order. Unlike Permutation, it takes no time or memory for the others.
func (g *Generator) Sample(n int, values []int64) error {
	defer runtime.KeepAlive(g)
	return check("sample", C.hnn_torch_sample(g.handle, C.int64_t(n), (*C.int64_t)(unsafe.SliceData(values)), C.int64_t(len(values))))
}

// Normal fills values from the standard normal distribution, as torch.randn does.
func (g *Generator) Normal(values []float32) error {
	defer runtime.KeepAlive(g)
	return check("normal", C.hnn_torch_normal(g.handle, (*C.float)(unsafe.SliceData(values)), C.int64_t(len(values))))
}

// Layer is the memory of a linear layer: a weight of shape (Outputs, Inputs), by rows, and a bias, nil for none.
type Layer struct {
	Inputs, Outputs int
	Weight, Bias    []float32
}

// InitLayers initialises the layers of one module in the published order: each by torch.nn.Linear's default, and then each weight by
// torch.nn.init.orthogonal_ (Saxe, McClelland and Ganguli, 2014).
func (g *Generator) InitLayers(layers []Layer) error {
	defer runtime.KeepAlive(g)
	for _, orthogonal := range []bool{false, true} {
		for _, l := range layers {
			weight, bias := (*C.float)(unsafe.SliceData(l.Weight)), (*C.float)(unsafe.SliceData(l.Bias))
			err := check("initial weights", C.hnn_torch_init_layer(g.handle, flag(orthogonal), C.int64_t(l.Inputs), C.int64_t(l.Outputs), weight, bias))
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// Adam makes one step of Adam; the first has the number 1 (Kingma and Ba, 2015; betas .9 and .999, eps 1e-8, L2 weight decay added to the
// gradient). It changes the parameters and the running mean and square of their gradients in place. On a GPU, steps is a float32 tensor of
// one element: the number of steps made so far. Adam increments it and makes that step in one kernel, so a recorded graph can replay the
// operation. Otherwise steps is nil.
func Adam(parameters, gradients, mean, square []*ts.Tensor, step int, steps *ts.Tensor, learningRate, weightDecay float64) error {
	lists := slices.Concat(parameters, gradients, mean, square)
	err := check("adam", C.hnn_torch_adam(handles(lists), C.size_t(len(parameters)), C.int64_t(step), handle(steps),
		C.double(learningRate), C.double(weightDecay)))
	runtime.KeepAlive(lists)
	runtime.KeepAlive(steps)
	return err
}

// handle returns LibTorch's tensor, or nil for nil.
func handle(t *ts.Tensor) unsafe.Pointer {
	if t == nil {
		return nil
	}
	return t.Ctensor()
}

func handles(list []*ts.Tensor) *unsafe.Pointer {
	result := make([]unsafe.Pointer, len(list))
	for i, t := range list {
		result[i] = handle(t)
	}
	return unsafe.SliceData(result)
}
