// Package kernels computes losses, gradients and fields of networks in closed form, layer by layer: in vector code for the processor at
// hand, on threads of its own, without an automatic differentiation's graph. The formulae stand in network.hpp, field.hpp and losses.hpp.
// No number depends on how many threads there are. The environment variable HNN_INSTRUCTION_SET names the instruction set to use, of
// those that InstructionSets lists; the best one is used otherwise.
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

// Real is a number type of a model.
type Real interface{ float32 | float64 }

// Layer is h = σ(W·x + b), or x + σ(W·x + b) if Residual.
type Layer struct {
	Inputs, Outputs int
	Bias, Residual  bool
	Activation      string // σ: tanh, relu, sigmoid, softplus, selu, elu or swish; "" for none
}

// Term is a part of dx/dt: the gradient of one output of a network, times a matrix from the right; or all outputs of a network.
type Term struct {
	Network, Output int       // the output's number, −1 for all of them
	Matrix          []float64 // n×n, by rows; nil for all outputs
}

// Config describes a model.
type Config struct {
	Networks [][]Layer
	Terms    []Term   // whose sum is dx/dt
	Frames   [][]byte // of a model of images, whose networks 0 and 1 are encoder and decoder of two frames side by side; nil else
	State    int      // how many vectors an optimizer keeps beside values and gradient
	Threads  int      // 0 for all processors that the process may use
}

// Kept names what a model keeps for each parameter.
type Kept int

// What a model keeps: parameters, the last gradient, and an optimizer's state, whose vector number i is FirstState+i.
const (
	Values     Kept = C.HNN_VALUES
	Gradient   Kept = C.HNN_GRADIENT
	FirstState Kept = C.HNN_STATE
)

var activations = map[string]int64{"": C.HNN_IDENTITY, "tanh": C.HNN_TANH, "relu": C.HNN_RELU, "sigmoid": C.HNN_SIGMOID,
	"softplus": C.HNN_SOFTPLUS, "selu": C.HNN_SELU, "elu": C.HNN_ELU, "swish": C.HNN_SWISH}

// Model is networks with an optimizer's state and threads. One goroutine at a time may use it.
type Model[T Real] struct {
	handle   *C.hnn_model
	networks [][]Layer
	n        int // of a state
	frames   int
	kept     [][]T
}

// check returns what is wrong with a configuration, or the number of a state's components.
func (c Config) check() (int, error) {
	fail := func(format string, values ...any) (int, error) { return 0, fmt.Errorf("kernels: "+format, values...) }
	for i, network := range c.Networks {
		if len(network) == 0 {
			return fail("network %d has no layers", i)
		}
		for l, layer := range network {
			if layer.Inputs < 1 || layer.Outputs < 1 {
				return fail("layer %d of network %d has %d inputs and %d outputs", l, i, layer.Inputs, layer.Outputs)
			}
			if l > 0 && layer.Inputs != network[l-1].Outputs {
				return fail("layer %d of network %d has %d inputs, and the layer before has %d outputs", l, i, layer.Inputs, network[l-1].Outputs)
			}
			if layer.Residual && layer.Inputs != layer.Outputs {
				return fail("layer %d of network %d is residual, but has %d inputs and %d outputs", l, i, layer.Inputs, layer.Outputs)
			}
			if _, ok := activations[layer.Activation]; !ok {
				return fail("layer %d of network %d has the unknown activation %q", l, i, layer.Activation)
			}
		}
	}
	if len(c.Terms) == 0 && c.Frames != nil {
		return fail("images need a field of their latent state, and there are no terms")
	}
	n := 0
	for i, term := range c.Terms {
		if term.Network < 0 || term.Network >= len(c.Networks) {
			return fail("term %d is of network %d, and there are %d networks", i, term.Network, len(c.Networks))
		}
		if c.Frames != nil && term.Network < 2 {
			return fail("term %d is of network %d, which is the images' encoder or decoder", i, term.Network)
		}
		network := c.Networks[term.Network]
		inputs, outputs := network[0].Inputs, network[len(network)-1].Outputs
		if i == 0 {
			n = inputs
		}
		switch {
		case inputs != n:
			return fail("term %d is of a network with %d inputs, and the first one of one with %d", i, inputs, n)
		case term.Output < -1 || term.Output >= outputs:
			return fail("term %d is of output %d, and the network has %d", i, term.Output, outputs)
		case term.Output == -1 && outputs != n:
			return fail("term %d is of a network with %d inputs and %d outputs, which must be as many", i, n, outputs)
		case term.Output == -1 && term.Matrix != nil:
			return fail("term %d is of outputs, which have no matrix", i)
		case term.Output >= 0 && len(term.Matrix) != n*n:
			return fail("the matrix of term %d has %d numbers, not %d", i, len(term.Matrix), n*n)
		}
	}
	if c.State < 0 {
		return fail("an optimizer cannot keep %d vectors", c.State)
	}
	if c.Frames == nil {
		return n, nil
	}
	if len(c.Frames) < 3 {
		return fail("a sample is three frames, and there are %d", len(c.Frames))
	}
	size := len(c.Frames[0])
	for i, frame := range c.Frames {
		if len(frame) != size {
			return fail("frame %d has %d pixels, and the first has %d", i, len(frame), size)
		}
	}
	if len(c.Networks) < 2 {
		return fail("images need an encoder and a decoder, and there are %d networks", len(c.Networks))
	}
	encoder, decoder := c.Networks[0], c.Networks[1]
	first, code := encoder[0], encoder[len(encoder)-1].Outputs
	last := decoder[len(decoder)-1]
	switch {
	case size == 0 || first.Inputs != 2*size || last.Outputs != 2*size:
		return fail("two frames have %d pixels, the encoder %d inputs and the decoder %d outputs", 2*size, first.Inputs, last.Outputs)
	case code != n || decoder[0].Inputs != n || n%2 != 0:
		return fail("the encoder has %d outputs, the decoder %d inputs and the field %d: they must be the same even number", code, decoder[0].Inputs, n)
	case first.Residual || last.Residual:
		return fail("the encoder's first layer and the decoder's last cannot be residual")
	}
	return n, nil
}

// New returns a model whose parameters are zero. The caller closes it.
func New[T Real](c Config) (*Model[T], error) {
	set, err := instructionSet()
	if err != nil {
		return nil, err
	}
	n, err := c.check()
	if err != nil {
		return nil, err
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
	for _, network := range c.Networks {
		m.networks = append(m.networks, slices.Clone(network))
		for l, layer := range network {
			layers = append(layers, number[l == 0], int64(layer.Inputs), int64(layer.Outputs), number[layer.Bias], number[layer.Residual], activations[layer.Activation])
			config.layers++
		}
	}
	matrices := make([]float64, len(c.Terms)*n*n)
	for i, term := range c.Terms {
		terms = append(terms, int64(term.Network), int64(term.Output))
		copy(matrices[i*n*n:], term.Matrix)
	}
	if c.Frames != nil {
		config.frame_size = C.int64_t(len(c.Frames[0]))
	}
	frames := slices.Concat(c.Frames...)
	if err := failure(C.hnn_new(&config, (*C.int64_t)(unsafe.SliceData(layers)), (*C.int64_t)(unsafe.SliceData(terms)),
		(*C.double)(unsafe.SliceData(matrices)), (*C.uint8_t)(unsafe.SliceData(frames)), &m.handle)); err != nil {
		return nil, err
	}
	for what := range 2 + c.State {
		var count C.int64_t
		numbers := C.hnn_vector(m.handle, C.int(what), &count)
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

// Close ends the model's threads and frees its memory, that of Vector included.
func (m *Model[T]) Close() {
	C.hnn_free(m.handle)
	*m = Model[T]{}
}

func pointer[T any](values []T) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(values)) }

// layer checks the numbers of a layer, and that slices have its parameters.
func (m *Model[T]) layer(what Kept, network, layer int, weight, bias []T) (C.int, C.int, C.int) {
	l := m.networks[network][layer]
	biases := 0
	if l.Bias {
		biases = l.Outputs
	}
	if len(m.kept) <= int(what) || what < 0 || len(weight) != l.Inputs*l.Outputs || len(bias) != biases {
		panic(fmt.Sprintf("kernels: kept %d of layer %d of network %d has weight and bias of %d and %d numbers, not %d and %d; of %d vectors",
			what, layer, network, l.Inputs*l.Outputs, biases, len(weight), len(bias), len(m.kept)))
	}
	return C.int(what), C.int(network), C.int(layer)
}

// Load sets what is kept of a layer, numbered from 0: of its weight, by rows of shape (outputs, inputs), and of its bias, nil where
// there is none.
func (m *Model[T]) Load(what Kept, network, layer int, weight, bias []T) {
	w, i, l := m.layer(what, network, layer, weight, bias)
	C.hnn_load(m.handle, w, i, l, pointer(weight), pointer(bias))
}

// Store copies out what is kept of a layer.
func (m *Model[T]) Store(what Kept, network, layer int, weight, bias []T) {
	w, i, l := m.layer(what, network, layer, weight, bias)
	C.hnn_store(m.handle, w, i, l, pointer(weight), pointer(bias))
}

// Vector returns all of what is kept as one vector, in the model's own memory. It contains padding: zeros, which must stay zeros, as they
// do under any rule for each element that gives zero for zeros. Updated must be called when values were changed.
func (m *Model[T]) Vector(what Kept) []T { return m.kept[what] }

// Updated brings up to date what is made of the values, after Vector(Values) was changed.
func (m *Model[T]) Updated() error {
	if err := m.open(); err != nil {
		return err
	}
	return failure(C.hnn_updated(m.handle))
}

// Adam makes step number step, from 1, of Adam (Kingma and Ba, 2015; betas .9 and .999, eps 1e-8, L2 weight decay added to the gradient)
// with the last gradient. The means of gradients and of their squares are the first two vectors of the state.
func (m *Model[T]) Adam(step int, learningRate, weightDecay float64) error {
	if err := m.open(); err != nil {
		return err
	}
	if step < 1 || len(m.kept) < int(FirstState)+2 {
		return fmt.Errorf("kernels: step %d of Adam with a state of %d vectors: steps count from 1, and it needs two", step, len(m.kept)-int(FirstState))
	}
	return failure(C.hnn_adam(m.handle, C.int64_t(step), C.double(learningRate), C.double(weightDecay)))
}

func (m *Model[T]) open() error {
	if m.handle == nil {
		return errors.New("kernels: the model is closed")
	}
	return nil
}

// Batch is rows to take a loss of: of states and derivatives, or, for images, the first frames of samples.
//
// The loss of derivatives is the mean of (prediction + NoiseScale·Noise − DX)². The prediction is the field at X or, where Step is not 0,
// Scale times the increment of one step of that length of the classical Runge-Kutta method.
//
// The loss of images is the mean squared difference of two frames and what the decoder makes of their code, plus that of the code's second
// half and the change of its first half to the following frames, plus 0.1 times that of the code's change and the field.
type Batch[T Real] struct {
	X, DX      []T     // by rows of n; nil for images
	Rows       []int64 // which of them, or which frames; nil for the first Count rows
	Count      int
	Noise      []T // Count rows of n, added to the prediction, or to the codes that the field is given; nil for none
	NoiseScale float64
	Step       float64 // 0 to compare the field itself
	Scale      float64 // 1/Step for a mean derivative
}

func (m *Model[T]) loss(b Batch[T], gradient C.int, each []float64) (float64, error) {
	if err := m.open(); err != nil {
		return 0, err
	}
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
			return 0, fmt.Errorf("kernels: a batch of %d rows names %d", b.Count, len(b.Rows))
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
		return 0, fmt.Errorf("kernels: a batch has %d rows", b.Count)
	case last >= int64(have) || last < 0:
		return 0, fmt.Errorf("kernels: a batch has a row that is not among the %d there are", have)
	case m.frames == 0 && len(b.X) != len(b.DX):
		return 0, fmt.Errorf("kernels: a batch has %d numbers of states and %d of derivatives", len(b.X), len(b.DX))
	case b.Noise != nil && len(b.Noise) < b.Count*m.n:
		return 0, fmt.Errorf("kernels: a batch of %d rows of %d has %d numbers of noise", b.Count, m.n, len(b.Noise))
	}
	// One by one: a pointer to Go memory may hold none.
	result := C.hnn_loss(m.handle, pointer(b.X), pointer(b.DX), (*C.int64_t)(unsafe.SliceData(b.Rows)), C.int64_t(b.Count), pointer(b.Noise),
		C.double(b.NoiseScale), C.double(b.Step), C.double(b.Scale), gradient, (*C.double)(unsafe.SliceData(each)))
	return float64(result.value), failure(result.error)
}

var errNoField = errors.New("kernels: this model has no terms, and so neither a field nor a loss")

// Loss returns the mean loss of a batch.
func (m *Model[T]) Loss(b Batch[T]) (float64, error) { return m.loss(b, 0, nil) }

// Gradient returns the mean loss of a batch, and leaves its gradient in Vector(Gradient).
func (m *Model[T]) Gradient(b Batch[T]) (float64, error) { return m.loss(b, 1, nil) }

// Errors fills out with what the loss is the mean of: squared errors, by rows of n, or the losses of samples of images.
func (m *Model[T]) Errors(b Batch[T], out []float64) error {
	want := b.Count
	if m.frames == 0 {
		want *= m.n
	}
	if len(out) != want {
		return fmt.Errorf("kernels: there are %d errors, and room for %d", want, len(out))
	}
	_, err := m.loss(b, 0, out)
	return err
}

// Field fills dxdt with the field at states x, both by rows of n.
func (m *Model[T]) Field(x, dxdt []T, rows int) error {
	if err := m.room(x, dxdt, rows, m.n, m.n); err != nil || rows == 0 {
		return err
	}
	if m.n == 0 {
		return errNoField
	}
	return failure(C.hnn_field(m.handle, pointer(x), pointer(dxdt), C.int64_t(rows)))
}

// ScalarGradient fills gradient with the gradient of one output of a network at rows x of its inputs.
func (m *Model[T]) ScalarGradient(network, output int, x, gradient []T, rows int) error {
	inputs, outputs, err := m.shape(network)
	if err == nil && (output < 0 || output >= outputs) {
		err = fmt.Errorf("kernels: output %d of network %d, which has %d", output, network, outputs)
	}
	if err == nil {
		err = m.room(x, gradient, rows, inputs, inputs)
	}
	if err != nil || rows == 0 {
		return err
	}
	return failure(C.hnn_network(m.handle, C.int(network), C.int(output), pointer(x), pointer(gradient), C.int64_t(rows)))
}

// Forward fills y with the outputs of a network at rows x of its inputs.
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

// shape returns how many inputs and outputs a network has.
func (m *Model[T]) shape(network int) (inputs, outputs int, err error) {
	if network < 0 || network >= len(m.networks) {
		return 0, 0, fmt.Errorf("kernels: network %d of %d", network, len(m.networks))
	}
	layers := m.networks[network]
	return layers[0].Inputs, layers[len(layers)-1].Outputs, nil
}

// room checks that slices have as many rows as are asked for.
func (m *Model[T]) room(x, y []T, rows, inputs, outputs int) error {
	if err := m.open(); err != nil {
		return err
	}
	if rows < 0 || len(x) < rows*inputs || len(y) < rows*outputs {
		return fmt.Errorf("kernels: %d rows of %d numbers to %d, and there are %d and room for %d", rows, inputs, outputs, len(x), len(y))
	}
	return nil
}

// InstructionSets names the vector instructions that this processor has and the package knows, best first.
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
		return 0, fmt.Errorf("kernels: HNN_INSTRUCTION_SET is %q, and this processor has %s", name, strings.Join(sets, ", "))
	}
	return i, nil
})

// InstructionSet names the one in use.
func InstructionSet() string {
	i, _ := instructionSet()
	return InstructionSets()[i]
}
