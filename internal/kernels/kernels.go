// Package kernels computes losses, gradients and fields of networks in closed form, layer by layer, without an autograd graph. It uses the
// vector instructions of the processor and its own thread pool. network.hpp, field.hpp and losses.hpp contain the formulas. Results do not
// depend on the number of threads. The environment variable HNN_INSTRUCTION_SET selects an instruction set from InstructionSets. The default
// is the best one.
package kernels

// #cgo CXXFLAGS: -O3 -std=c++17 -DHNN_WITHOUT_TORCH
// #cgo LDFLAGS: -lpthread
// #include "kernels.h"
import "C"

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"unsafe"
)

// Real is the floating-point type of a model.
type Real interface{ float32 | float64 }

// Layer is h = σ(W·x + b), or x + σ(W·x + b) if Residual.
type Layer struct {
	Inputs, Outputs int
	Bias, Residual  bool
	Activation      string // σ: tanh, relu, sigmoid, softplus, selu, elu or swish; "" for none
}

// Term is a term of dx/dt. It is either the gradient of one output of a network, multiplied by Matrix from the right, or all outputs of a
// network.
type Term struct {
	Network, Output int       // index of the output; −1 for all outputs
	Matrix          []float64 // n×n, row-major; nil for all outputs
}

// Config describes a model. New does not check the networks and terms. The caller checks them with nets.Network.Check and
// hamiltonian.Equation.Check.
type Config struct {
	Networks [][]Layer
	Terms    []Term   // dx/dt is their sum; may be empty
	Frames   [][]byte // video frames, nil for a model of states; networks 0 and 1 encode and decode two consecutive frames
	State    int      // number of optimizer state vectors
	Threads  int      // 0 for GOMAXPROCS
}

// Kept selects one of the vectors that a model stores. Each has one number per parameter.
type Kept int

// Values are the parameters. Gradient is the last gradient. FirstState+i is vector i of the optimizer state.
const (
	Values     Kept = C.HNN_VALUES
	Gradient   Kept = C.HNN_GRADIENT
	FirstState Kept = C.HNN_STATE
)

var activations = map[string]int64{"": C.HNN_IDENTITY, "tanh": C.HNN_TANH, "relu": C.HNN_RELU, "sigmoid": C.HNN_SIGMOID,
	"softplus": C.HNN_SOFTPLUS, "selu": C.HNN_SELU, "elu": C.HNN_ELU, "swish": C.HNN_SWISH}

// Model holds networks, their optimizer state and a thread pool. Only one goroutine at a time may use it.
type Model[T Real] struct {
	handle   *C.hnn_model
	networks [][]Layer
	n        int // dimension of a state; 0 without terms
	frames   int
	kept     [][]T
}

// New returns a model with all parameters zero. The caller closes it.
func New[T Real](c Config) (*Model[T], error) {
	set, err := instructionSet()
	if err != nil {
		return nil, err
	}
	n := 0
	if len(c.Terms) > 0 {
		n = c.Networks[c.Terms[0].Network][0].Inputs
	}
	m := &Model[T]{n: n, frames: len(c.Frames)}
	var zero T
	config := C.hnn_config{instruction_set: C.int64_t(set), doubles: C.int64_t(unsafe.Sizeof(zero) / 8), threads: C.int64_t(c.Threads),
		state: C.int64_t(c.State), terms: C.int64_t(len(c.Terms)), frames: C.int64_t(len(c.Frames))}
	if c.Threads <= 0 {
		config.threads = C.int64_t(runtime.GOMAXPROCS(0))
	}
	number := map[bool]int64{true: 1}
	var layers, terms []int64
	for i, network := range c.Networks {
		m.networks = append(m.networks, slices.Clone(network))
		for l, layer := range network {
			if _, ok := activations[layer.Activation]; !ok {
				return nil, fmt.Errorf("kernels: layer %d of network %d has the unknown activation %q", l, i, layer.Activation)
			}
			layers = append(layers, number[l == 0], int64(layer.Inputs), int64(layer.Outputs), number[layer.Bias], number[layer.Residual], activations[layer.Activation])
			config.layers++
		}
	}
	matrices := make([]float64, len(c.Terms)*n*n)
	for i, term := range c.Terms {
		terms = append(terms, int64(term.Network), int64(term.Output))
		copy(matrices[i*n*n:], term.Matrix)
	}
	for i, frame := range c.Frames {
		encoder, decoder := c.Networks[0][0].Inputs, c.Networks[1][len(c.Networks[1])-1].Outputs
		if encoder != 2*len(frame) || decoder != 2*len(frame) {
			return nil, fmt.Errorf("kernels: frame %d has %d pixels, the encoder has %d inputs and the decoder has %d outputs; both need twice the pixels",
				i, len(frame), encoder, decoder)
		}
		config.frame_size = C.int64_t(len(frame))
	}
	frames := slices.Concat(c.Frames...)
	if err := failure(C.hnn_new(&config, (*C.int64_t)(unsafe.SliceData(layers)), (*C.int64_t)(unsafe.SliceData(terms)),
		(*C.double)(unsafe.SliceData(matrices)), (*C.uint8_t)(unsafe.SliceData(frames)), &m.handle)); err != nil {
		return nil, err
	}
	for kind := range 2 + c.State {
		var count C.int64_t
		numbers := C.hnn_vector(m.handle, C.int(kind), &count)
		m.kept = append(m.kept, unsafe.Slice((*T)(numbers), int(count)))
	}
	return m, nil
}

func failure(message *C.char) error {
	if message == nil {
		return nil
	}
	return errors.New("kernels: " + C.GoString(message))
}

// Close stops the model's threads and frees its memory, including the memory of Vector. The model must not be used afterwards.
func (m *Model[T]) Close() {
	C.hnn_free(m.handle)
	*m = Model[T]{}
}

func pointer[T any](values []T) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(values)) }

// layer converts the indices of a layer for C. It panics if an index is invalid or a slice has the wrong length.
func (m *Model[T]) layer(kind Kept, network, layer int, weight, bias []T) (C.int, C.int, C.int) {
	l := m.networks[network][layer]
	biases := 0
	if l.Bias {
		biases = l.Outputs
	}
	if len(m.kept) <= int(kind) || kind < 0 || len(weight) != l.Inputs*l.Outputs || len(bias) != biases {
		panic(fmt.Sprintf("kernels: layer %d of network %d has %d weights and %d biases, got %d and %d for vector %d of %d",
			layer, network, l.Inputs*l.Outputs, biases, len(weight), len(bias), kind, len(m.kept)))
	}
	return C.int(kind), C.int(network), C.int(layer)
}

// Load copies the weight and bias of a layer into one of the model's vectors. Layers count from 0. The weight is row-major with shape
// (outputs, inputs). The bias is nil if the layer has none.
func (m *Model[T]) Load(kind Kept, network, layer int, weight, bias []T) {
	w, i, l := m.layer(kind, network, layer, weight, bias)
	C.hnn_load(m.handle, w, i, l, pointer(weight), pointer(bias))
}

// Store copies the weight and bias of a layer from one of the model's vectors.
func (m *Model[T]) Store(kind Kept, network, layer int, weight, bias []T) {
	w, i, l := m.layer(kind, network, layer, weight, bias)
	C.hnn_store(m.handle, w, i, l, pointer(weight), pointer(bias))
}

// Vector returns one of the model's vectors without a copy. It contains zeros as padding, which must stay zero. An elementwise update keeps
// them zero if it maps zeros to zero. Call Updated after a change to Values.
func (m *Model[T]) Vector(kind Kept) []T { return m.kept[kind] }

// Updated recomputes the transposed weights. Call it after a change to Vector(Values).
func (m *Model[T]) Updated() error {
	return failure(C.hnn_updated(m.handle))
}

// Adam applies one step of Adam (Kingma and Ba, 2015) with the last gradient. Steps count from 1. The betas are 0.9 and 0.999, and eps is
// 1e-8. L2 weight decay is added to the gradient. The first two state vectors hold the first and second moment estimates.
func (m *Model[T]) Adam(step int, learningRate, weightDecay float64) error {
	if step < 1 || len(m.kept) < int(FirstState)+2 {
		return fmt.Errorf("kernels: Adam got step %d and %d state vectors; steps count from 1, and it needs two vectors", step, len(m.kept)-int(FirstState))
	}
	return failure(C.hnn_adam(m.handle, C.int64_t(step), C.double(learningRate), C.double(weightDecay)))
}

// Batch selects the samples of a loss. A sample is a state and its derivative or, for images, three consecutive frames.
//
// The loss of derivatives is the mean of (prediction + NoiseScale·Noise − DX)². The prediction is the field at X. If Step is not 0, it is
// Scale times the increment of one classical Runge-Kutta step of that length.
//
// The loss of images has three terms. An image consists of two consecutive frames, and the next image starts one frame later. dz is the
// change of the latent state z = (q, p) from one to the next.
//
//   - The mean squared error of the decoded image.
//   - The mean squared difference of p and the change of q.
//   - 0.1 times the mean squared difference of dz and the field at z + NoiseScale·Noise.
type Batch[T Real] struct {
	X, DX      []T     // row-major, n numbers per row; nil for images
	Rows       []int64 // rows of X and DX, or first frames; nil for the first Count
	Count      int
	Noise      []T // Count rows of n numbers, added to the prediction or to the latent states that enter the field; may be nil
	NoiseScale float64
	Step       float64 // 0 to compare DX with the field
	Scale      float64 // 1/Step for the mean derivative over a step
}

func (m *Model[T]) loss(b Batch[T], gradient C.int, each []float64) (float64, error) {
	if m.n == 0 {
		return 0, errNoField
	}
	have := len(b.X) / m.n
	if m.frames > 0 {
		have = m.frames - 2
	}
	last := int64(b.Count) - 1
	if b.Rows != nil {
		if len(b.Rows) < b.Count {
			return 0, fmt.Errorf("kernels: Count is %d, but Rows has %d rows", b.Count, len(b.Rows))
		}
		first := int64(0)
		last = 0
		for _, row := range b.Rows[:max(b.Count, 0)] {
			first, last = min(first, row), max(last, row)
		}
		if first < 0 {
			last = first
		}
	}
	switch {
	case b.Count < 1:
		return 0, fmt.Errorf("kernels: Count is %d; it must be 1 or more", b.Count)
	case last >= int64(have) || last < 0:
		return 0, fmt.Errorf("kernels: a row of the batch is out of range; there are %d rows", have)
	case m.frames == 0 && len(b.X) != len(b.DX):
		return 0, fmt.Errorf("kernels: X has %d numbers and DX has %d; they must be equal", len(b.X), len(b.DX))
	case b.Noise != nil && len(b.Noise) < b.Count*m.n:
		return 0, fmt.Errorf("kernels: Noise has %d numbers; %d rows of %d are needed", len(b.Noise), b.Count, m.n)
	}
	// Go memory that is passed to C must not hold Go pointers, so the fields are separate arguments.
	result := C.hnn_loss(m.handle, pointer(b.X), pointer(b.DX), (*C.int64_t)(unsafe.SliceData(b.Rows)), C.int64_t(b.Count), pointer(b.Noise),
		C.double(b.NoiseScale), C.double(b.Step), C.double(b.Scale), gradient, (*C.double)(unsafe.SliceData(each)))
	return float64(result.value), failure(result.error)
}

var errNoField = errors.New("kernels: this model has no terms; a field or a loss needs at least one")

// Loss returns the mean loss of a batch.
func (m *Model[T]) Loss(b Batch[T]) (float64, error) { return m.loss(b, 0, nil) }

// Gradient returns the mean loss of a batch and writes its gradient to Vector(Gradient).
func (m *Model[T]) Gradient(b Batch[T]) (float64, error) { return m.loss(b, 1, nil) }

// Errors writes the terms of the mean loss to out. These are Count rows of n squared errors or, for images, one loss per sample.
func (m *Model[T]) Errors(b Batch[T], out []float64) error {
	want := b.Count
	if m.frames == 0 {
		want *= m.n
	}
	if len(out) != want {
		return fmt.Errorf("kernels: out has %d numbers; it needs %d", len(out), want)
	}
	_, err := m.loss(b, 0, out)
	return err
}

// Field writes the field at the states x to dxdt. Both have n numbers per row.
func (m *Model[T]) Field(x, dxdt []T, rows int) error {
	if err := m.room(x, dxdt, rows, m.n, m.n); err != nil || rows == 0 {
		return err
	}
	if m.n == 0 {
		return errNoField
	}
	return failure(C.hnn_field(m.handle, pointer(x), pointer(dxdt), C.int64_t(rows)))
}

// ScalarGradient writes the gradient of one output of a network to gradient. The rows of x are inputs of the network.
func (m *Model[T]) ScalarGradient(network, output int, x, gradient []T, rows int) error {
	inputs, outputs, err := m.shape(network)
	if err == nil && (output < 0 || output >= outputs) {
		err = fmt.Errorf("kernels: there is no output %d of network %d; it has %d", output, network, outputs)
	}
	if err == nil {
		err = m.room(x, gradient, rows, inputs, inputs)
	}
	if err != nil || rows == 0 {
		return err
	}
	return failure(C.hnn_network(m.handle, C.int(network), C.int(output), pointer(x), pointer(gradient), C.int64_t(rows)))
}

// Forward writes the outputs of a network to y. The rows of x are inputs of the network.
func (m *Model[T]) Forward(network int, x, y []T, rows int) error {
	inputs, outputs, err := m.shape(network)
	if err == nil {
		err = m.room(x, y, rows, inputs, outputs)
	}
	if err != nil || rows == 0 {
		return err
	}
	return failure(C.hnn_network(m.handle, C.int(network), -1, pointer(x), pointer(y), C.int64_t(rows)))
}

// shape returns the number of inputs and outputs of a network.
func (m *Model[T]) shape(network int) (inputs, outputs int, err error) {
	if network < 0 || network >= len(m.networks) {
		return 0, 0, fmt.Errorf("kernels: there is no network %d; the model has %d", network, len(m.networks))
	}
	layers := m.networks[network]
	return layers[0].Inputs, layers[len(layers)-1].Outputs, nil
}

// room checks that x and y have enough rows.
func (m *Model[T]) room(x, y []T, rows, inputs, outputs int) error {
	if rows < 0 || len(x) < rows*inputs || len(y) < rows*outputs {
		return fmt.Errorf("kernels: the input has %d numbers and the output has %d; %d rows of %d and %d are needed", len(x), len(y), rows, inputs, outputs)
	}
	return nil
}

// InstructionSets returns the names of the instruction sets that both the processor and the package support, best first.
func InstructionSets() []string {
	var names []string
	for {
		name := C.hnn_instruction_set(C.int(len(names)))
		if name == nil {
			return names
		}
		names = append(names, C.GoString(name))
	}
}

var instructionSet = sync.OnceValues(func() (int, error) {
	name := os.Getenv("HNN_INSTRUCTION_SET")
	if name == "" {
		return 0, nil
	}
	sets := InstructionSets()
	i := slices.Index(sets, name)
	if i < 0 {
		return 0, fmt.Errorf("kernels: HNN_INSTRUCTION_SET is %q; this processor supports %s", name, strings.Join(sets, ", "))
	}
	return i, nil
})

// InstructionSet returns the name of the instruction set in use.
func InstructionSet() string {
	i, _ := instructionSet()
	return InstructionSets()[i]
}
