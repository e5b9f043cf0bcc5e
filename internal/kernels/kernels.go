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
	"cmp"
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
	Activation      string // σ: tanh, relu, sigmoid, softplus, selu, elu, swish or square; "" for none
}

// Function is the function of a column that a network reads.
type Function int64

// The functions of a column. One is 1 for every row.
const (
	Value  Function = C.HNN_VALUE
	Sine   Function = C.HNN_SINE
	Cosine Function = C.HNN_COSINE
	One    Function = C.HNN_ONE
)

// Feature is one input of a network: a function of a column, or the sine or cosine of Column − Minus.
type Feature struct {
	Column   int
	Function Function
	Minus    int // a column, −1 for none
}

// Scalar is one output of one network, or ½ pᵀM⁻¹p if Output is Mass. All outputs of the networks with Mass in a term add up to the lower triangle
// of M, by rows.
type Scalar struct{ Network, Output int }

// Mass is the output of a scalar that belongs to a mass matrix.
const Mass = C.HNN_MASS

// Term is a term of dx/dt. With Scalars, it is the gradient of their sum, multiplied by Matrix from the right, minus LLᵀ times the part of the
// momenta, if Network is not −1. L is the output of Network. Without Scalars, it is the output of Network, added to the columns from Offset on.
type Term struct {
	Scalars []Scalar
	Matrix  []float64 // n×n, row-major; nil without Scalars
	Network int
	Offset  int
}

// After returns the term for a list of networks with count more at its front.
func (t Term) After(count int) Term {
	scalars := slices.Clone(t.Scalars)
	for i := range scalars {
		scalars[i].Network += count
	}
	if t.Scalars = scalars; t.Network >= 0 {
		t.Network += count
	}
	return t
}

// Config describes a model. New does not check the networks and terms. The caller checks them with nets.Network.Check and
// hamiltonian.Equation.Check.
type Config struct {
	Networks [][]Layer
	Features [][]Feature // the inputs of each network; nil for the columns of the row in their order
	Terms    []Term      // dx/dt is their sum; may be empty
	Energy   int         // index of the term whose scalars add up to the energy, for Balance and Energy
	State    int         // dimension of a state
	Columns  int         // columns of a row: the state, and columns that are constant along a step; 0 for State
	Frames   [][]byte    // video frames, nil for a model of states; networks 0 and 1 encode and decode two consecutive frames
	Vectors  int         // number of optimizer state vectors
	Threads  int         // 0 for GOMAXPROCS
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
	"softplus": C.HNN_SOFTPLUS, "selu": C.HNN_SELU, "elu": C.HNN_ELU, "swish": C.HNN_SWISH,
	"square": C.HNN_SQUARE}

// Model holds networks, their optimizer state and a thread pool. Only one goroutine at a time may use it.
type Model[T Real] struct {
	handle   *C.hnn_model
	networks [][]Layer
	n        int // dimension of a state; 0 without terms
	columns  int // of a row
	frames   int
	energy   bool // whether there is a term of the energy
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
		n = c.State
	}
	m := &Model[T]{n: n, columns: max(n, c.Columns), frames: len(c.Frames),
		energy: c.Energy >= 0 && c.Energy < len(c.Terms) && c.Terms[c.Energy].Scalars != nil}
	var zero T
	config := C.hnn_config{instruction_set: C.int64_t(set), doubles: C.int64_t(unsafe.Sizeof(zero) / 8), threads: C.int64_t(c.Threads),
		state: C.int64_t(c.Vectors), terms: C.int64_t(len(c.Terms)), frames: C.int64_t(len(c.Frames)),
		dimension: C.int64_t(n), columns: C.int64_t(m.columns), energy: C.int64_t(c.Energy)}
	if c.Threads <= 0 {
		config.threads = C.int64_t(runtime.GOMAXPROCS(0))
	}
	number := map[bool]int64{true: 1}
	var layers, inputs, terms []int64
	for i, network := range c.Networks {
		m.networks = append(m.networks, slices.Clone(network))
		for l, layer := range network {
			if _, ok := activations[layer.Activation]; !ok {
				return nil, fmt.Errorf("kernels: layer %d of network %d has the unknown activation %q", l, i, layer.Activation)
			}
			layers = append(layers, number[l == 0], int64(layer.Inputs), int64(layer.Outputs), number[layer.Bias], number[layer.Residual], activations[layer.Activation])
			config.layers++
		}
		var features []Feature
		if c.Features != nil {
			features = c.Features[i]
		}
		inputs = append(inputs, int64(len(features)))
		for _, f := range features {
			inputs = append(inputs, int64(f.Column), int64(f.Minus), int64(f.Function))
		}
	}
	matrices := make([]float64, len(c.Terms)*n*n)
	for i, term := range c.Terms {
		terms = append(terms, int64(term.Network), int64(term.Offset), int64(len(term.Scalars)))
		for _, s := range term.Scalars {
			terms = append(terms, int64(s.Network), int64(s.Output))
		}
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
	if err := failure(C.hnn_new(&config, (*C.int64_t)(unsafe.SliceData(layers)), (*C.int64_t)(unsafe.SliceData(inputs)),
		(*C.int64_t)(unsafe.SliceData(terms)), (*C.double)(unsafe.SliceData(matrices)), (*C.uint8_t)(unsafe.SliceData(frames)), &m.handle)); err != nil {
		return nil, err
	}
	for kind := range 2 + c.Vectors {
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

// Size returns the part of each vector that the first networks take.
func (m *Model[T]) Size(networks int) int { return int(C.hnn_size(m.handle, C.int(networks))) }

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
// The loss of derivatives is the mean of (prediction + NoiseScale·Noise − DX)². The Scheme names the prediction.
//
// The loss of images has three terms. An image consists of two consecutive frames, and the next image starts one frame later. dz is the
// change of the latent state z = (q, p) from one to the next.
//
//   - The mean squared error of the decoded image.
//   - The mean squared difference of p and the change of q.
//   - 0.1 times the mean squared difference of dz and the field at z + NoiseScale·Noise.
type Batch[T Real] struct {
	X          []T     // row-major, Config.Columns numbers per row; nil for images
	DX         []T     // row-major, n numbers per row; nil for images
	Rows       []int64 // rows of X and DX, or first frames; nil for the first Count
	Count      int
	Whole      int // rows of the batch that these are a part of, 0 for Count; the losses and the gradients of all parts add up to those of the batch
	Noise      []T // Count rows of n numbers, added to the prediction or to the latent states that enter the field; may be nil
	NoiseScale float64
	Scheme     Scheme
	Step       float64 // h of RK4
	Scale      float64 // 1/Step for the mean derivative over a step of RK4
	Steps      []T     // h of each row of X, for Midpoint and MIRK4
}

// Scheme names the prediction that a loss compares with DX. Midpoint and MIRK4 use DX = (x(t+h) − x(t))/h, so both ends of the step.
type Scheme int

const (
	// AtState is the field at X.
	AtState Scheme = C.HNN_FIELD
	// RK4 is Scale times the increment of one classical Runge-Kutta step from X.
	RK4 Scheme = C.HNN_RK4
	// Midpoint is the field at the mean of both ends.
	Midpoint Scheme = C.HNN_MIDPOINT
	// MIRK4 is the mono-implicit Runge-Kutta step of order 4 (Noren, Eidnes and Celledoni, 2023).
	MIRK4 Scheme = C.HNN_MIRK4
)

func (m *Model[T]) loss(b Batch[T], gradient int, each []float64) (float64, error) {
	if m.n == 0 {
		return 0, errNoField
	}
	have := len(b.X) / m.columns
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
	case m.frames == 0 && (len(b.X) != have*m.columns || len(b.DX) != have*m.n):
		return 0, fmt.Errorf("kernels: X has %d numbers and DX has %d; rows of %d and %d are needed", len(b.X), len(b.DX), m.columns, m.n)
	case (b.Scheme == Midpoint || b.Scheme == MIRK4) && len(b.Steps) != have:
		return 0, fmt.Errorf("kernels: Steps has %d numbers, and there are %d rows", len(b.Steps), have)
	case b.Noise != nil && len(b.Noise) < b.Count*m.n:
		return 0, fmt.Errorf("kernels: Noise has %d numbers; %d rows of %d are needed", len(b.Noise), b.Count, m.n)
	}
	// Go memory that is passed to C must not hold Go pointers, so the fields are separate arguments.
	batch := C.hnn_batch{count: C.int64_t(b.Count), whole: C.int64_t(cmp.Or(b.Whole, b.Count)), scheme: C.int64_t(b.Scheme), gradient: C.int64_t(gradient),
		noise_scale: C.double(b.NoiseScale), step: C.double(b.Step), scale: C.double(b.Scale)}
	result := C.hnn_loss(m.handle, batch, pointer(b.X), pointer(b.DX), pointer(b.Steps), (*C.int64_t)(unsafe.SliceData(b.Rows)), pointer(b.Noise),
		(*C.double)(unsafe.SliceData(each)))
	return float64(result.value), failure(result.error)
}

var (
	errNoField  = errors.New("kernels: this model has no terms; a field or a loss needs at least one")
	errNoEnergy = errors.New("kernels: Config.Energy names no term with scalars")
)

// Loss returns the mean loss of a batch, or the share of a part in it.
func (m *Model[T]) Loss(b Batch[T]) (float64, error) { return m.loss(b, 0, nil) }

// Gradient returns what Loss returns and writes its gradient to Vector(Gradient).
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

// Windows are pieces of trajectories. A window is a start and Steps steps of the classical Runge-Kutta method. Arrays are row-major.
type Windows[T Real] struct {
	Count, Steps int
	Starts       []T // Count × n
	Constants    []T // Count × Steps × (Columns − n): the other columns of the rows, constant along a step
	Lengths      []T // Count × Steps
	Observed     []T // Count × (Steps + 1) × n
	Weights      []T // of each squared error, in the shape of Observed; 0 where nothing is observed
	Path         []T // receives the states, in the shape of Observed
}

// WindowLoss returns the sum of Weights·(Path − Observed)². If gradient is not nil, it receives the derivatives with respect to Starts, and
// Vector(Gradient) those with respect to the parameters.
func (m *Model[T]) WindowLoss(w Windows[T], gradient []T) (float64, error) {
	states := w.Count * (w.Steps + 1) * m.n
	switch {
	case m.n == 0:
		return 0, errNoField
	case w.Count < 1 || w.Steps < 1:
		return 0, fmt.Errorf("kernels: there are %d windows of %d steps; both must be 1 or more", w.Count, w.Steps)
	case len(w.Starts) != w.Count*m.n || len(w.Constants) != w.Count*w.Steps*(m.columns-m.n) || len(w.Lengths) != w.Count*w.Steps ||
		len(w.Observed) != states || len(w.Weights) != states || len(w.Path) != states || gradient != nil && len(gradient) != len(w.Starts):
		return 0, fmt.Errorf("kernels: an array of %d windows of %d steps has the wrong length", w.Count, w.Steps)
	}
	result := C.hnn_window_loss(m.handle, C.int64_t(w.Count), C.int64_t(w.Steps), pointer(w.Starts), pointer(w.Constants), pointer(w.Lengths),
		pointer(w.Observed), pointer(w.Weights), pointer(gradient), pointer(w.Path))
	return float64(result.value), failure(result.error)
}

// Field writes the field at rows of x to dxdt. A row has Config.Columns numbers in x and n in dxdt.
func (m *Model[T]) Field(x, dxdt []T, rows int) error {
	return m.evaluate(C.HNN_SLOPE, m.n, x, dxdt, rows)
}

// Balance writes n+2 numbers for each row of x: the field, and what terms with Scalars dissipate and terms without supply of the energy per
// unit of time.
func (m *Model[T]) Balance(x, balance []T, rows int) error {
	return m.evaluate(C.HNN_BALANCE, m.n+2, x, balance, rows)
}

// Energy writes the sum of the scalars of the term Config.Energy at each row of x.
func (m *Model[T]) Energy(x, energy []T, rows int) error {
	return m.evaluate(C.HNN_ENERGY, 1, x, energy, rows)
}

func (m *Model[T]) evaluate(what C.int, width int, x, y []T, rows int) error {
	if err := m.room(x, y, rows, m.columns, width); err != nil || rows == 0 {
		return err
	}
	switch {
	case m.n == 0:
		return errNoField
	case what != C.HNN_SLOPE && !m.energy:
		return errNoEnergy
	}
	return failure(C.hnn_field(m.handle, what, pointer(x), pointer(y), C.int64_t(rows)))
}

// Forward writes the outputs of a network to y. The rows of x are inputs of the network.
func (m *Model[T]) Forward(network int, x, y []T, rows int) error {
	if network < 0 || network >= len(m.networks) {
		return fmt.Errorf("kernels: there is no network %d; the model has %d", network, len(m.networks))
	}
	layers := m.networks[network]
	if err := m.room(x, y, rows, layers[0].Inputs, layers[len(layers)-1].Outputs); err != nil || rows == 0 {
		return err
	}
	return failure(C.hnn_network(m.handle, C.int(network), pointer(x), pointer(y), C.int64_t(rows)))
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
