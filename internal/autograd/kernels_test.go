package autograd_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"

	"github.com/sugarme/gotch/ts"

	"hnn/hamiltonian"
	"hnn/internal/autograd"
	"hnn/internal/closedform"
	"hnn/internal/kernels"
	"hnn/internal/libtorch"
	"hnn/nets"
)

func normal(r *rand.Rand, n int, scale float64) []float32 {
	list := make([]float32, n)
	for i := range list {
		list[i] = float32(scale * r.NormFloat64())
	}
	return list
}

// lengths returns lengths of irregular steps.
func lengths(r *rand.Rand, n int) []float32 {
	list := make([]float32, n)
	for i := range list {
		list[i] = 0.005 + 0.02*r.Float32()
	}
	return list
}

// randomEquation returns an equation with features, further columns, friction and forces, and random parameters.
func randomEquation(r *rand.Rand) (hamiltonian.Equation, nets.Parameters) {
	half, hidden := 1+r.IntN(4), 1+r.IntN(60)
	n := 2 * half
	e := hamiltonian.Equation{Columns: r.IntN(4)}
	difference := func(columns int) hamiltonian.Feature {
		return hamiltonian.Feature{Column: r.IntN(columns), Minus: r.IntN(columns), Function: hamiltonian.SineOfDifference + hamiltonian.Function(r.IntN(2))}
	}
	some := func() []hamiltonian.Feature {
		list := []hamiltonian.Feature{{Column: r.IntN(n), Function: hamiltonian.Function(r.IntN(3))}}
		for range r.IntN(20) {
			list = append(list, hamiltonian.Feature{Column: r.IntN(n + e.Columns), Function: hamiltonian.Function(r.IntN(4))})
		}
		for range r.IntN(4) {
			list = append(list, difference(n))
		}
		return list
	}
	activation := func() nets.Activation {
		smooth := []nets.Activation{"sigmoid", "softplus", "swish", "tanh"} // at the kinks of the others, rounding would select a derivative
		return smooth[r.IntN(len(smooth))]
	}
	// add adds a network that reads the features, or the state if there are none.
	add := func(features []hamiltonian.Feature, layers ...nets.Layer) int {
		layers[0].Inputs = n
		if features != nil {
			layers[0].Inputs = len(features)
		}
		e.Networks, e.Features = append(e.Networks, nets.Network{Layers: layers}), append(e.Features, features)
		return len(e.Networks) - 1
	}
	var momenta []hamiltonian.Feature
	for j := half; j < n; j++ {
		momenta = append(momenta, hamiltonian.Feature{Column: j})
	}
	energy := add(some(), nets.MLP(1, hidden, 1+r.IntN(3), 2, activation())...)
	kinetic := add(momenta, nets.Layer{Outputs: half, Activation: nets.Square}, nets.Layer{Inputs: half, Outputs: 1})
	whole := add(nil, nets.MLP(1, hidden, 2, n, activation())...)
	constant := add([]hamiltonian.Feature{{Function: hamiltonian.One}}, nets.Layer{Outputs: half * half})
	friction := add(some(), nets.Layer{Outputs: 9, Bias: true, Activation: activation()},
		nets.Layer{Inputs: 9, Outputs: 9, Bias: true, Residual: true, Activation: "tanh"}, nets.Layer{Inputs: 9, Outputs: half * half})
	force := add(some(), nets.Layer{Outputs: half, Bias: true, Activation: activation()})
	triangle := half * (half + 1) / 2
	positions := []hamiltonian.Feature{difference(half)}
	for j := range half {
		positions = append(positions, hamiltonian.Feature{Column: j, Function: hamiltonian.Function(r.IntN(3))})
	}
	mass := add([]hamiltonian.Feature{{Function: hamiltonian.One}}, nets.Layer{Outputs: triangle})
	shape := add(positions, nets.MLP(1, hidden, 1+r.IntN(2), triangle, activation())...)

	first := hamiltonian.Scalar{Network: energy, Output: r.IntN(2)}
	scalars := []hamiltonian.Scalar{first, {Network: kinetic}}
	matrix := make(hamiltonian.Matrix, n)
	for i := range matrix {
		for range n {
			matrix[i] = append(matrix[i], 0.5*r.NormFloat64())
		}
	}
	terms := []hamiltonian.Term{
		hamiltonian.Damped(scalars, n, []int{-1, constant, friction}[r.IntN(3)]),
		hamiltonian.Damped(append(scalars, hamiltonian.Scalar{Network: whole, Output: n - 1}), n, constant),
		{Scalars: scalars, Matrix: matrix, Network: friction},
		{Scalars: []hamiltonian.Scalar{{Network: friction}}, Matrix: matrix, Network: friction},
		hamiltonian.Damped([]hamiltonian.Scalar{{Network: mass, Output: hamiltonian.MassMatrix}}, n, -1),
		{Scalars: append(scalars, hamiltonian.Scalar{Network: shape, Output: hamiltonian.MassMatrix}, hamiltonian.Scalar{Network: mass, Output: hamiltonian.MassMatrix}),
			Matrix: matrix, Network: []int{-1, friction}[r.IntN(2)]},
		hamiltonian.Gradient(first, matrix),
		hamiltonian.Gradient(hamiltonian.Scalar{Network: whole}, hamiltonian.Identity(n)),
		hamiltonian.Force(force, n),
		hamiltonian.Outputs(whole),
	}
	r.Shuffle(len(terms), func(i, j int) { terms[i], terms[j] = terms[j], terms[i] })
	e.Terms = terms[:1+r.IntN(len(terms))]
	parameters := e.Zeros()
	for _, p := range parameters {
		scale := 0.3
		if len(p.Shape) == 2 {
			scale = 0.8 / math.Sqrt(float64(p.Shape[1]))
		}
		copy(p.Values, normal(r, len(p.Values), scale))
	}
	parameters.EachLayer(e.Networks, func(network, layer int, weight, _ []float32) {
		switch network {
		case mass: // near the identity, so that M is positive definite
			for i := range weight {
				weight[i] *= .05
			}
			for i := range half {
				weight[i*(i+3)/2] += 2
			}
		case shape:
			for i := range weight {
				weight[i] *= .5
			}
		}
	})
	return e, parameters
}

// model returns the kernel of an equation.
func model(t *testing.T, e hamiltonian.Equation, p nets.Parameters, threads int) *kernels.Model[float32] {
	t.Helper()
	config := closedform.Equation(e)
	config.Threads = threads
	m, err := closedform.New(config, e.Networks, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// oracle is an equation with its parameters as tensors.
type oracle struct {
	*autograd.Equation
	s          libtorch.Scope
	parameters []*ts.Tensor
}

func newOracle(t *testing.T, e hamiltonian.Equation, parameters nets.Parameters) *oracle {
	o := &oracle{}
	t.Cleanup(o.s.Free)
	for _, p := range parameters {
		o.parameters = append(o.parameters, o.s.Tensor(p.Values, p.Shape, true))
	}
	o.Equation = autograd.NewEquation(&o.s, e, o.parameters)
	return o
}

// matrix returns a tensor, nil for no columns.
func (o *oracle) matrix(values []float32, columns int) *ts.Tensor {
	if columns == 0 {
		return nil
	}
	return o.s.Matrix(values, columns)
}

// moved returns x + a·h·k, where h holds a number for each row.
func (o *oracle) moved(x, h *ts.Tensor, a float64, k *ts.Tensor) *ts.Tensor {
	return o.s.Add(x, o.s.Scale(a, o.s.Multiply(h, k)))
}

// rk4 returns the mean derivative over a step of the classical Runge-Kutta method.
func (o *oracle) rk4(x, columns, h *ts.Tensor) *ts.Tensor {
	s := &o.s
	k1 := o.TimeDerivative(s, x, columns)
	k2 := o.TimeDerivative(s, o.moved(x, h, 0.5, k1), columns)
	k3 := o.TimeDerivative(s, o.moved(x, h, 0.5, k2), columns)
	k4 := o.TimeDerivative(s, o.moved(x, h, 1, k3), columns)
	return s.Scale(1.0/6, s.Add(s.Add(k1, s.Scale(2, s.Add(k2, k3))), k4))
}

// compare compares a loss and its gradients with those of automatic differentiation. Both gradients end with that by others.
func (o *oracle) compare(t *testing.T, m *kernels.Model[float32], p nets.Parameters, value float64, others []float32, loss *ts.Tensor, variables ...*ts.Tensor) {
	t.Helper()
	tensors := o.s.Gradients(loss, append(slices.Clone(o.parameters), variables...), false)
	want := float64(o.s.Values(loss)[0])
	if o.s.Err() != nil {
		t.Fatal(o.s.Err())
	}
	if !(math.Abs(value-want) <= 1e-5*want) {
		t.Errorf("the loss is %g, want %g", value, want)
	}
	got := append(o.Zeros(), nets.Parameter{Name: "starts", Values: others})
	got.EachLayer(o.Networks, func(network, layer int, weight, bias []float32) {
		m.Store(kernels.Gradient, network, layer, weight, bias)
	})
	// A gradient that is a thousandth of the largest is the rest of sums that cancelled, and has their rounding.
	largest := func(values []float32) (most float64) {
		for _, v := range values {
			most = max(most, math.Abs(float64(v)))
		}
		return most
	}
	size := 0.0
	for _, tensor := range tensors {
		size = max(size, 1e-3*largest(o.s.Values(tensor)))
	}
	if size == 0 {
		t.Error("the gradient is zero")
	}
	for i, tensor := range tensors {
		want, worst := o.s.Values(tensor), 0.0
		for j := range want {
			worst = max(worst, math.Abs(float64(got[i].Values[j]-want[j])))
		}
		if !(worst <= 2e-5*max(size, largest(want))) {
			t.Errorf("the gradient by array %d of %d, %s, is off by %g, and the largest is %g", i, len(tensors), got[i].Name, worst, largest(want))
		}
	}
}

// The losses of random equations and their gradients are those of LibTorch's automatic differentiation, for every scheme and irregular steps.
func TestSchemesEqualAutomaticDifferentiation(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 60 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			e, parameters := randomEquation(r)
			n, width := e.Dimension(), e.Width()
			rows, count := 4+r.IntN(100), 1+r.IntN(250)
			b := kernels.Batch[float32]{X: normal(r, rows*width, 1), DX: normal(r, rows*n, 1), Count: count, Scheme: kernels.Scheme(i % 4), Steps: lengths(r, rows)}
			if b.Scheme == kernels.RK4 {
				b.Step, b.Scale = 0.02, 50
			}
			var x, columns, dx, h []float32
			for range count {
				row := r.IntN(rows)
				b.Rows = append(b.Rows, int64(row))
				x, columns = append(x, b.X[row*width:][:n]...), append(columns, b.X[row*width+n:(row+1)*width]...)
				dx, h = append(dx, b.DX[row*n:][:n]...), append(h, b.Steps[row])
			}
			m := model(t, e, parameters, 1)
			value, err := m.Gradient(b)
			if err != nil {
				t.Fatal(err)
			}
			o := newOracle(t, e, parameters)
			start, others, target, step := o.s.Variable(x, n), o.matrix(columns, e.Columns), o.s.Matrix(dx, n), o.s.Matrix(h, 1)
			var prediction *ts.Tensor
			switch b.Scheme {
			case kernels.AtState:
				prediction = o.TimeDerivative(&o.s, start, others)
			case kernels.RK4:
				prediction = o.rk4(start, others, o.s.Matrix([]float32{0.02}, 1))
			case kernels.Midpoint:
				prediction = o.TimeDerivative(&o.s, o.moved(start, step, 0.5, target), others)
			case kernels.MIRK4:
				k1, k2 := o.TimeDerivative(&o.s, start, others), o.TimeDerivative(&o.s, o.moved(start, step, 1, target), others)
				k3 := o.TimeDerivative(&o.s, o.moved(o.moved(start, step, 0.5, target), step, 1.0/8, o.s.Sub(k1, k2)), others)
				prediction = o.s.Scale(1.0/6, o.s.Add(o.s.Add(k1, k2), o.s.Scale(4, k3)))
			}
			o.compare(t, m, parameters, value, nil, o.s.Mean(o.s.SquaredError(prediction, target)))
		})
	}
}

// The losses of windows and their gradients by the parameters and the starts are those of LibTorch's automatic differentiation. They do not
// depend on the number of threads.
func TestWindowsEqualAutomaticDifferentiation(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 24 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			e, parameters := randomEquation(r)
			n := e.Dimension()
			w := kernels.Windows[float32]{Count: 1 + r.IntN(40), Steps: 1 + r.IntN(6)}
			if i%4 == 3 {
				w.Count = 145 + r.IntN(200) // more windows than fit in a part
			}
			states := w.Count * (w.Steps + 1) * n
			w.Starts, w.Constants, w.Lengths = normal(r, w.Count*n, 0.5), normal(r, w.Count*w.Steps*e.Columns, 1), lengths(r, w.Count*w.Steps)
			w.Observed, w.Weights, w.Path = normal(r, states, 1), make([]float32, states), make([]float32, states)
			for i := range w.Weights {
				if w.Weights[i] = r.Float32() / float32(w.Count); r.IntN(3) == 0 {
					w.Weights[i] = 0
				}
			}
			o := newOracle(t, e, parameters)
			s := &o.s
			start := s.Variable(w.Starts, n)
			// at returns the part of an array that belongs to time k of all windows.
			at := func(array []float32, times, columns, k int) *ts.Tensor {
				var values []float32
				for window := range w.Count {
					values = append(values, array[(window*times+k)*columns:][:columns]...)
				}
				return o.matrix(values, columns)
			}
			x, loss, path := start, (*ts.Tensor)(nil), [][]float32{}
			for k := range w.Steps + 1 {
				squares := s.Multiply(at(w.Weights, w.Steps+1, n, k), s.SquaredError(x, at(w.Observed, w.Steps+1, n, k)))
				sum := s.Scale(float64(w.Count*n), s.Mean(squares))
				if path = append(path, s.Values(x)); loss == nil {
					loss = sum
				} else {
					loss = s.Add(loss, sum)
				}
				if k < w.Steps {
					h := at(w.Lengths, w.Steps, 1, k)
					x = o.moved(x, h, 1, o.rk4(x, at(w.Constants, w.Steps, e.Columns, k), h))
				}
			}
			for i, weight := range w.Weights {
				if weight == 0 {
					w.Observed[i] = float32(math.NaN()) // nothing is observed
				}
			}
			var first []float32
			for _, threads := range []int{1, 4} {
				m, starts := model(t, e, parameters, threads), make([]float32, len(w.Starts))
				value, err := m.WindowLoss(w, starts)
				if err != nil {
					t.Fatal(err)
				}
				result := slices.Concat(m.Vector(kernels.Gradient), starts, w.Path, []float32{float32(value)})
				if threads == 1 {
					first = result
					o.compare(t, m, parameters, value, starts, loss, start)
				} else if !slices.Equal(result, first) {
					t.Errorf("the results with one thread and with %d threads differ", threads)
				}
			}
			for k, want := range path {
				for j, v := range want {
					if got := w.Path[(j/n*(w.Steps+1)+k)*n+j%n]; !(math.Abs(float64(got-v)) <= 1e-5*max(1, math.Abs(float64(v)))) {
						t.Errorf("window %d is at %g at time %d, want %g", j/n, got, k, v)
					}
				}
			}
		})
	}
}

// Runs the comparisons with each instruction set that is not in use.
func TestInstructionSets(t *testing.T) {
	const variable = "HNN_INSTRUCTION_SET"
	if os.Getenv(variable) != "" {
		t.Skip(variable + " is set")
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if errors.Is(exec.Command(program, "-test.list", "^$").Run(), syscall.ENOEXEC) {
		t.Skip("the test runs in an emulator and cannot start its own executable")
	}
	for _, set := range kernels.InstructionSets() {
		if set == kernels.InstructionSet() {
			continue
		}
		t.Run(set, func(t *testing.T) {
			c := exec.Command(program, "-test.run", "AutomaticDifferentiation")
			c.Env = append(os.Environ(), variable+"="+set)
			if out, err := c.CombinedOutput(); err != nil {
				t.Errorf("%v:\n%s", err, out)
			}
		})
	}
}
