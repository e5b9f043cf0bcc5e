package kernels

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"gonum.org/v1/gonum/floats"
)

var names = []string{"tanh", "relu", "sigmoid", "softplus", "selu", "elu", "swish"}

// mlp returns layers of the given sizes. The last layer has no activation.
func mlp(activation string, residual bool, sizes ...int) []Layer {
	var layers []Layer
	for l := range len(sizes) - 1 {
		layer := Layer{Inputs: sizes[l], Outputs: sizes[l+1], Bias: true, Activation: activation, Residual: residual && sizes[l] == sizes[l+1]}
		if l == len(sizes)-2 {
			layer.Activation, layer.Residual = "", false
		}
		layers = append(layers, layer)
	}
	return layers
}

func matrix(r *rand.Rand, n int) []float64 { return normal[float64](r, n*n, 1) }

// gradientOf is the gradient of a sum of scalars times a matrix.
func gradientOf(matrix []float64, scalars ...Scalar) Term {
	return Term{Scalars: scalars, Matrix: matrix, Network: -1}
}

func normal[T Real](r *rand.Rand, n int, scale float64) []T {
	list := make([]T, n)
	for i := range list {
		list[i] = T(scale * r.NormFloat64())
	}
	return list
}

func convert[T, S Real](list []S) []T {
	if list == nil {
		return nil
	}
	out := make([]T, len(list))
	for i, v := range list {
		out[i] = T(v)
	}
	return out
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open returns a model with random weights. The seed is fixed. The test closes the model.
func open[T Real](t testing.TB, c Config) *Model[T] {
	t.Helper()
	m, err := New[T](c)
	must(t, err)
	t.Cleanup(m.Close)
	r := rand.New(rand.NewPCG(5, 6))
	for i, network := range c.Networks {
		for l, layer := range network {
			weight := normal[float32](r, layer.Outputs*layer.Inputs, 1.2/math.Sqrt(float64(layer.Inputs)))
			var bias []float32
			if layer.Bias {
				bias = normal[float32](r, layer.Outputs, 0.3)
			}
			m.Load(Values, i, l, convert[T](weight), convert[T](bias))
		}
	}
	return m
}

// near reports an error if the distance of got and want exceeds tolerance times the norm of want.
func near[T, S Real](t *testing.T, name string, got []T, want []S, tolerance float64) {
	t.Helper()
	difference, size := 0.0, 0.0
	for i := range want {
		difference = math.Hypot(difference, float64(got[i])-float64(want[i]))
		size = math.Hypot(size, float64(want[i]))
	}
	if !(difference <= tolerance*size) {
		t.Errorf("%s has relative error %.2g; its norm is %g", name, difference/size, size)
	}
}

// testCase is a model and a batch or windows.
type testCase struct {
	name    string
	config  Config
	batch   Batch[float64]
	windows Windows[float64]
}

// loss returns the loss of a case. With gradient, it also returns the derivatives with respect to the starts of windows.
func loss[T Real](m *Model[T], c testCase, gradient bool) (float64, []T, error) {
	if w := c.windows; w.Count > 0 {
		var starts []T
		if gradient {
			starts = slices.Repeat([]T{T(math.NaN())}, len(w.Starts))
		}
		path := make([]T, len(w.Observed))
		l, err := m.WindowLoss(Windows[T]{w.Count, w.Steps, convert[T](w.Starts), convert[T](w.Constants), convert[T](w.Lengths), convert[T](w.Observed),
			convert[T](w.Weights), path}, starts)
		copy(w.Path, convert[float64](path))
		return l, starts, err
	}
	if gradient {
		l, err := m.Gradient(batch[T](c))
		return l, nil, err
	}
	l, err := m.Loss(batch[T](c))
	return l, nil, err
}

func batch[T Real](c testCase) Batch[T] {
	b := c.batch
	return Batch[T]{convert[T](b.X), convert[T](b.DX), b.Rows, b.Count, b.Whole, convert[T](b.Noise), b.NoiseScale, b.Scheme, b.Step, b.Scale,
		convert[T](b.Steps)}
}

// cases returns models and losses of all kinds with random sizes.
func cases() []testCase {
	r := rand.New(rand.NewPCG(1, 2))
	var list []testCase
	states := func(n, rows int, step float64) Batch[float64] {
		all := rows + 3
		b := Batch[float64]{X: exact(r, all*n, 1), DX: exact(r, all*n, 1), Count: rows, Step: step, Scale: 1 / step}
		if step != 0 {
			b.Scheme = RK4
		}
		if r.IntN(2) == 0 {
			for range rows {
				b.Rows = append(b.Rows, r.Int64N(int64(all)))
			}
		}
		if r.IntN(2) == 0 {
			b.Noise, b.NoiseScale = exact(r, rows*n, 1), 0.3
		}
		return b
	}
	for _, name := range names {
		for depth := range 4 {
			n, hidden := 1+r.IntN(9), 1+r.IntN(40)
			sizes := []int{n}
			for range depth + 1 {
				sizes = append(sizes, hidden)
			}
			for _, step := range []float64{0, 0.3} {
				for _, residual := range []bool{false, true} {
					c := Config{Networks: [][]Layer{mlp(name, residual, append(slices.Clone(sizes), 2)...)}, State: n, Terms: []Term{gradientOf(matrix(r, n), Scalar{0, r.IntN(2)})}}
					title := fmt.Sprintf("%s, %d layers of %d, step %g, residual %t", name, depth+1, hidden, step, residual)
					list = append(list, testCase{name: title, config: c, batch: states(n, 1+r.IntN(70), step)})
					c = Config{Networks: [][]Layer{mlp(name, residual, append(slices.Clone(sizes), n)...)}, State: n, Terms: []Term{{Network: 0}}}
					list = append(list, testCase{name: title + ", baseline", config: c, batch: states(n, 1+r.IntN(70), step)})
				}
			}
		}
		// The terms are gradients and outputs of four networks. One has an activation in the last layer, one no biases, one only residual layers.
		n := 2 + r.IntN(6)
		shared := mlp(name, true, n, 17, 17, n)
		shared[2].Activation = name
		bare := mlp(name, false, n, 9, 24, 1)
		bare[0].Bias, bare[1].Bias, bare[1].Activation, bare[2].Bias = false, false, "", false
		own := mlp(name, false, n, n, n)
		own[0].Residual, own[1].Residual = true, true
		terms := []Term{{Network: 0}, {Network: 3}}
		for _, s := range []Scalar{{0, 1}, {1, 2}, {0, 0}, {2, 0}, {3, 1}} {
			terms = slices.Insert(terms, len(terms)-1, gradientOf(matrix(r, n), s))
		}
		terms[0], terms[1] = terms[1], terms[0]
		list = append(list, testCase{name: name + ", several terms", batch: states(n, 230, 0.1), config: Config{
			Networks: [][]Layer{shared, mlp(name, false, n, 3), bare, own}, State: n, Terms: terms, Energy: 3}})
		list = append(list, imagesCase(r, name))
	}
	for _, name := range names {
		for k := range 8 {
			list = append(list, mixedCase(r, name, k))
		}
	}
	return list
}

// exact returns random numbers that are exact in float32.
func exact(r *rand.Rand, n int, scale float64) []float64 {
	return convert[float64](normal[float32](r, n, scale))
}

// mixedCase returns an equation with features, further columns, friction and forces. Its loss is that of windows if k is even.
func mixedCase(r *rand.Rand, name string, k int) testCase {
	half, hidden := 1+r.IntN(4), 1+r.IntN(30)
	if k == 7 && name == "tanh" {
		half = 65
	}
	n := 2 * half
	width := n + r.IntN(4)
	if k == 6 {
		hidden = 300 // few windows fit in a part
	}
	momenta := []Feature{}
	for j := half; j < n; j++ {
		momenta = append(momenta, Feature{j, Value, -1})
	}
	some := func() []Feature {
		list := []Feature{{r.IntN(n), Function(r.IntN(3)), -1}}
		for range r.IntN(20) {
			list = append(list, Feature{r.IntN(width), Function(r.IntN(4)), -1})
		}
		return list
	}
	c := Config{State: n, Columns: width, Features: [][]Feature{some(), momenta, {{0, One, -1}}, some(), some(), nil}}
	c.Networks = [][]Layer{
		mlp(name, r.IntN(2) == 0, len(c.Features[0]), hidden, hidden, 2),
		{{Inputs: half, Outputs: 5, Activation: "square"}, {Inputs: 5, Outputs: 1}},
		{{Inputs: 1, Outputs: half * half}},
		mlp(name, r.IntN(2) == 0, len(c.Features[3]), 9, half*half),
		mlp(name, false, len(c.Features[4]), 7, half),
		mlp(name, false, width, 11, n),
	}
	if k%3 == 0 {
		c.Networks[3][1].Activation, c.Networks[4][1].Activation = name, name
	}
	two := []Scalar{{0, 1}, {1, 0}}
	terms := []Term{
		{Scalars: two, Matrix: exact(r, n*n, 0.3), Network: 2}, {Scalars: two, Matrix: exact(r, n*n, 0.3), Network: 3},
		{Scalars: []Scalar{{5, n - 1}}, Matrix: exact(r, n*n, 0.3), Network: 3}, {Scalars: []Scalar{{0, 0}, {5, 0}, {0, 1}}, Matrix: exact(r, n*n, 0.3), Network: 2},
		{Network: 4, Offset: half}, {Network: 5}, gradientOf(exact(r, n*n, 0.3), two...), gradientOf(exact(r, n*n, 0.3), Scalar{3, 0}),
	}
	r.Shuffle(len(terms), func(i, j int) { terms[i], terms[j] = terms[j], terms[i] })
	c.Terms = terms[:1+r.IntN(len(terms))]
	t := testCase{name: fmt.Sprintf("%s, mixed terms, %d", name, k), config: c}
	lengths := func(n int) []float64 {
		list := make([]float64, n)
		for i := range list {
			list[i] = float64(float32(0.005 + 0.02*r.Float64()))
		}
		return list
	}
	count := 1 + r.IntN(60)
	switch k { // more windows than fit in a part
	case 2:
		count = 145 + r.IntN(200)
	case 6:
		count = 49 + r.IntN(60)
	}
	if k%2 == 0 {
		w := Windows[float64]{Count: count, Steps: 1 + r.IntN(5), Starts: exact(r, count*n, 0.7)}
		if k == 4 { // longer than a segment
			count = 2
			w.Count, w.Steps, w.Starts = count, 230, exact(r, count*n, 0.7)
		}
		states := count * (w.Steps + 1) * n
		w.Constants, w.Lengths = exact(r, count*w.Steps*(width-n), 1), lengths(count*w.Steps)
		if k == 4 { // a random field may soon leave the range of float32
			floats.Scale(1./256, w.Lengths)
		}
		w.Observed, w.Weights, w.Path = exact(r, states, 1), exact(r, states, 1/float64(count)), make([]float64, states)
		for i := range w.Weights {
			if w.Weights[i] = math.Abs(w.Weights[i]); r.IntN(3) == 0 {
				w.Weights[i], w.Observed[i] = 0, math.NaN()
			}
		}
		t.windows = w
		return t
	}
	all := count + 3
	t.batch = Batch[float64]{X: exact(r, all*width, 1), DX: exact(r, all*n, 1), Count: count, Scheme: Scheme(k / 2 % 4), Step: 0.02, Scale: 50,
		Steps: lengths(all)}
	if r.IntN(2) == 0 {
		for range count {
			t.batch.Rows = append(t.batch.Rows, r.Int64N(int64(all)))
		}
		t.batch.Noise, t.batch.NoiseScale = exact(r, count*n, 1), 0.3
	}
	return t
}

func imagesCase(r *rand.Rand, name string) testCase {
	const size, latent = 12, 4
	frames := make([][]byte, 40)
	for i := range frames {
		frames[i] = make([]byte, size)
		for p := range frames[i] {
			if p%3 != 1 { // every third pixel is zero in all frames
				frames[i][p] = byte(r.IntN(256))
			}
		}
	}
	c := Config{Frames: frames, State: latent, Terms: []Term{gradientOf(matrix(r, latent), Scalar{2, 0}), {Network: 3}},
		Networks: [][]Layer{mlp("relu", true, 2*size, 19, 19, latent), mlp(name, true, latent, 19, 19, 2*size), mlp(name, false, latent, 10, 11, 2), mlp(name, false, latent, 5, latent)}}
	c.Networks[0][0].Bias = r.IntN(2) == 0
	b := Batch[float64]{Count: 21, Noise: exact(r, 21*latent, 1), NoiseScale: 0.1}
	for range b.Count {
		b.Rows = append(b.Rows, r.Int64N(38))
	}
	return testCase{name: "images, " + name, config: c, batch: b}
}

// The float64 gradient agrees with central differences of the loss to 1e-6 of its norm. The differences are along random unit directions
// and single parameters. The starts of windows count as parameters.
func TestGradient(t *testing.T) {
	for _, c := range cases() {
		c.config.Vectors, c.config.Threads = 1, 2
		m := open[float64](t, c.config)
		value, byStarts, err := loss(m, c, true)
		must(t, err)
		if same, _, err := loss(m, c, false); err != nil || math.Abs(same-value) > 1e-14*math.Abs(value) {
			t.Errorf("%s: Loss returns %g and Gradient returns %g (%v)", c.name, same, value, err)
		}
		for i, network := range c.config.Networks { // marks parameters with ones; padding stays zero
			for l, layer := range network {
				ones := slices.Repeat([]float64{1}, layer.Inputs*layer.Outputs)
				bias := slices.Repeat([]float64{1}, layer.Outputs)
				if !layer.Bias {
					bias = nil
				}
				m.Load(FirstState, i, l, ones, bias)
			}
		}
		var parameters []int
		gradient, values := slices.Concat(m.Vector(Gradient), byStarts), m.Vector(Values)
		norm := 0.0
		for i, one := range m.Vector(FirstState) {
			if one == 1 {
				parameters = append(parameters, i)
			} else if gradient[i] != 0 || values[i] != 0 {
				t.Errorf("%s: padding is not zero", c.name)
			}
			norm = math.Hypot(norm, gradient[i])
		}
		for i, g := range byStarts {
			parameters = append(parameters, len(values)+i)
			norm = math.Hypot(norm, g)
		}
		r := rand.New(rand.NewPCG(3, 4))
		at := slices.Concat(values, c.windows.Starts)
		for k := range 8 {
			direction := make([]float64, len(at))
			if k < 2 {
				for _, i := range parameters {
					direction[i] = r.NormFloat64() / math.Sqrt(float64(len(parameters)))
				}
			} else {
				direction[parameters[r.IntN(len(parameters))]] = 1
			}
			want, got := 0.0, 0.0
			for i := range direction {
				got += direction[i] * gradient[i]
			}
			wrong := true
			for h := 1e-6; wrong && h > 1e-8; h /= 4 { // a shorter step avoids kinks of the loss, which relu causes
				want = 0
				for _, sign := range []float64{1, -1} {
					point := slices.Clone(at)
					for i := range point {
						point[i] += sign * h * direction[i]
					}
					copy(c.windows.Starts, point[copy(values, point):])
					must(t, m.Updated())
					l, _, err := loss(m, c, false)
					must(t, err)
					want += sign * l / (2 * h)
				}
				wrong = !(math.Abs(got-want) <= 1e-6*norm+1e-9*math.Abs(value))
			}
			if wrong {
				t.Errorf("%s: the derivative along direction %d is %g, want %g; the norm of the gradient is %g", c.name, k, got, want, norm)
			}
		}
	}
}

// float32 and float64 agree at the same weights. The relative tolerance is 1e-6 for the loss. For the gradient of a layer it is 1e-5 of its
// norm plus 1e-6 of the norm of the whole gradient, since sums can cancel.
func TestSinglePrecision(t *testing.T) {
	for _, c := range cases() {
		if strings.Contains(c.name, "relu") || strings.Contains(c.name, "images") {
			continue // relu has a discontinuous derivative
		}
		m, single := open[float64](t, c.config), open[float32](t, c.config)
		want, starts, err := loss(m, c, true)
		must(t, err)
		got, starts32, err := loss(single, c, true)
		must(t, err)
		near(t, c.name+": the loss", []float64{got}, []float64{want}, 1e-6)
		near(t, c.name+": the gradient by the starts", starts32, starts, 1e-5)
		whole := 0.0
		for _, v := range m.Vector(Gradient) {
			whole = math.Hypot(whole, v)
		}
		for i, network := range c.config.Networks {
			for l := range network {
				w, b := stored(m, Gradient, i, l)
				w32, b32 := stored(single, Gradient, i, l)
				difference, size := 0.0, 0.0
				all32 := append(w32, b32...)
				for k, v := range append(w, b...) {
					difference, size = math.Hypot(difference, v-float64(all32[k])), math.Hypot(size, v)
				}
				if !(difference <= 1e-5*size+1e-6*whole) {
					t.Errorf("%s: the gradient of layer %d of network %d has relative error %g", c.name, l, i, difference/size)
				}
			}
		}
	}
}

func stored[T Real](m *Model[T], kind Kept, network, layer int) (weight, bias []T) {
	l := m.networks[network][layer]
	weight = make([]T, l.Inputs*l.Outputs)
	if l.Bias {
		bias = make([]T, l.Outputs)
	}
	m.Store(kind, network, layer, weight, bias)
	return weight, bias
}

// Results are bitwise equal for any number of threads.
func TestThreads(t *testing.T) {
	for _, c := range cases() {
		var first []float32
		var firstErrors []float64
		for threads := 1; threads <= 3; threads++ {
			c.config.Threads, c.config.Vectors = threads, 2
			m := open[float32](t, c.config)
			for step := 1; step <= 2; step++ {
				_, _, err := loss(m, c, true)
				must(t, err)
				must(t, m.Adam(step, 1e-2, 1e-3))
			}
			_, starts, err := loss(m, c, true)
			must(t, err)
			value, _, err := loss(m, c, false)
			must(t, err)
			each := c.windows.Path
			if each == nil {
				n := m.n
				if c.config.Frames != nil {
					n = 1
				}
				each = make([]float64, c.batch.Count*n)
				must(t, m.Errors(batch[float32](c), each))
				mean := 0.0
				for _, e := range each {
					mean += e / float64(len(each))
				}
				near(t, c.name+": the mean of the errors", []float64{mean}, []float64{value}, 1e-12)
			}
			result := slices.Concat(m.Vector(Gradient), m.Vector(Values), m.Vector(FirstState), m.Vector(FirstState+1), starts, []float32{float32(value)})
			if threads == 1 {
				first, firstErrors = result, slices.Clone(each)
			} else if !slices.Equal(result, first) || !slices.Equal(each, firstErrors) {
				t.Errorf("%s: results with %d threads and with one thread differ", c.name, threads)
			}
		}
	}
}

// The losses and the gradients of the parts of a batch add up to those of the batch.
func TestParts(t *testing.T) {
	for _, c := range cases() {
		if c.windows.Count > 0 {
			continue
		}
		m := open[float64](t, c.config)
		want, _, err := loss(m, c, true)
		must(t, err)
		whole := slices.Clone(m.Vector(Gradient))
		sum, gradient := 0.0, make([]float64, len(whole))
		for _, limits := range [][2]int{{0, c.batch.Count / 3}, {c.batch.Count / 3, c.batch.Count}} {
			part := c
			part.batch = rowsOf(c.batch, limits[0], limits[1], len(c.batch.Noise)/c.batch.Count)
			if part.batch.Count == 0 {
				continue
			}
			value, _, err := loss(m, part, true)
			must(t, err)
			sum += value
			floats.Add(gradient, m.Vector(Gradient))
		}
		near(t, c.name+": the sum of the losses", []float64{sum}, []float64{want}, 1e-12)
		near(t, c.name+": the sum of the gradients", gradient, whole, 1e-10)
	}
}

// rowsOf returns some rows of a batch whose noise has so many columns.
func rowsOf(b Batch[float64], first, last, columns int) Batch[float64] {
	var rows []int64
	for i := first; i < last; i++ {
		row := int64(i)
		if b.Rows != nil {
			row = b.Rows[i]
		}
		rows = append(rows, row)
	}
	b.Whole = b.Count
	b.Rows, b.Count, b.Noise = rows, last-first, b.Noise[first*columns:last*columns]
	return b
}

var reference = map[string]func(float64) float64{
	"":        func(x float64) float64 { return x },
	"tanh":    math.Tanh,
	"relu":    func(x float64) float64 { return max(x, 0) },
	"sigmoid": func(x float64) float64 { return 1 / (1 + math.Exp(-x)) },
	"softplus": func(x float64) float64 {
		if x > 20 {
			return x
		}
		return math.Log1p(math.Exp(x))
	},
	"selu": func(x float64) float64 {
		if x > 0 {
			return 1.0507009873554805 * x
		}
		return 1.0507009873554805 * 1.6732632423543772 * math.Expm1(x)
	},
	"elu": func(x float64) float64 {
		if x > 0 {
			return x
		}
		return math.Expm1(x)
	},
	"swish":  func(x float64) float64 { return x / (1 + math.Exp(-x)) },
	"square": func(x float64) float64 { return x * x / 2 },
}

// Activations agree with package math. The relative tolerance is 2·2⁻²³ for float32, plus an absolute 1e-37, and 1e-14 for float64. First
// derivatives agree with central differences to 1e-8 of a slope of 1 or more.
func TestActivations(t *testing.T) {
	var x []float32
	for k := range 40001 {
		x = append(x, float32(k-20000)/800)
	}
	for k := range 2000 {
		small := float32(math.Exp2(-float64(k) / 20))
		x = append(x, small, -small, -small*80, small*80)
	}
	x = append(x, 0, 100, -100)
	for _, name := range append(slices.Clone(names), "square") {
		c := Config{Networks: [][]Layer{{{Inputs: 1, Outputs: 1, Activation: name}}}, State: 1, Terms: []Term{gradientOf([]float64{1}, Scalar{0, 0})}}
		m32, m64 := open[float32](t, c), open[float64](t, c)
		m32.Load(Values, 0, 0, []float32{1}, nil)
		m64.Load(Values, 0, 0, []float64{1}, nil)
		y32, y64, x64 := make([]float32, len(x)), make([]float64, len(x)), convert[float64](x)
		must(t, m32.Forward(0, x, y32, len(x)))
		must(t, m64.Forward(0, x64, y64, len(x)))
		f, worst, where := reference[name], 0.0, float32(0)
		for i, v := range x64 {
			want := f(v)
			if e := (math.Abs(float64(y32[i])-want) - 1e-37*max(1, math.Abs(v))) / math.Abs(want) * (1 << 23); e > worst {
				worst, where = e, x[i]
			}
			if !(math.Abs(y64[i]-want) <= 1e-14*math.Abs(want)+1e-300) {
				t.Errorf("float64 %s(%g) is %g, want %g", name, v, y64[i], want)
			}
		}
		if !(worst <= 2) {
			t.Errorf("float32 %s(%g) has relative error %.2f·2⁻²³", name, where, worst)
		}
		t.Logf("float32 %s has relative error at most %.2f·2⁻²³", name, worst)

		derivative := make([]float64, len(x))
		must(t, m64.Field(x64, derivative, len(x)))
		for i, v := range x64 {
			const h = 1e-5
			if math.Abs(v) < h || math.Abs(v-20) < h {
				continue // relu has a kink at 0, softplus a jump at 20
			}
			if want := (f(v+h) - f(v-h)) / (2 * h); !(math.Abs(derivative[i]-want) <= 1e-8*max(1, math.Abs(want))) {
				t.Errorf("%s'(%g) is %g, want %g", name, v, derivative[i], want)
			}
		}
	}
}

// forward computes the outputs of a network in Go.
func forward(m *Model[float64], network int, x []float64) []float64 {
	for l, layer := range m.networks[network] {
		w, b := stored(m, Values, network, l)
		y := make([]float64, layer.Outputs)
		for o := range y {
			if b != nil {
				y[o] = b[o]
			}
			for i, v := range x {
				y[o] += w[o*layer.Inputs+i] * v
			}
			y[o] = reference[layer.Activation](y[o])
			if layer.Residual {
				y[o] += x[o]
			}
		}
		x = y
	}
	return x
}

// gradients returns a model whose field is the gradient of one output of a network of m.
func gradients(t *testing.T, m *Model[float64], s Scalar) *Model[float64] {
	t.Helper()
	network := m.networks[s.Network]
	n := network[0].Inputs
	identity := make([]float64, n*n)
	for i := range n {
		identity[i*n+i] = 1
	}
	g, err := New[float64](Config{Networks: [][]Layer{network}, State: n, Terms: []Term{gradientOf(identity, Scalar{0, s.Output})}, Threads: 1})
	must(t, err)
	t.Cleanup(g.Close)
	for l := range network {
		weight, bias := stored(m, Values, s.Network, l)
		g.Load(Values, 0, l, weight, bias)
	}
	return g
}

// plainField returns a function that computes the field at a row in Go. It uses the gradients of scalars. If there is a term of the energy, the
// function also returns the energy, and the powers that gradients dissipate and outputs supply.
func plainField(t *testing.T, m *Model[float64], c Config) func(row []float64) (dxdt, energy []float64) {
	t.Helper()
	functions := []func(float64) float64{Value: reference[""], Sine: math.Sin, Cosine: math.Cos, One: func(float64) float64 { return 1 }}
	slopes := []func(float64) float64{Value: functions[One], Sine: math.Cos, Cosine: func(x float64) float64 { return -math.Sin(x) },
		One: func(float64) float64 { return 0 }}
	features := func(network int) []Feature {
		if c.Features != nil && c.Features[network] != nil {
			return c.Features[network]
		}
		var list []Feature
		for k := range c.Networks[network][0].Inputs {
			list = append(list, Feature{k, Value, -1})
		}
		return list
	}
	inputs := func(network int, row []float64) (phi []float64) {
		for _, f := range features(network) {
			phi = append(phi, functions[f.Function](row[f.Column]))
		}
		return phi
	}
	models := map[Scalar]*Model[float64]{}
	for _, term := range c.Terms {
		for _, s := range term.Scalars {
			models[s] = gradients(t, m, s)
		}
	}
	n, half := m.n, m.n/2
	return func(row []float64) (dxdt, energy []float64) {
		var each, gradients [][]float64 // by term
		dxdt, energy = make([]float64, n), make([]float64, 3)
		for i, term := range c.Terms {
			gradient, dxdt := make([]float64, n), make([]float64, n)
			each, gradients = append(each, dxdt), append(gradients, gradient)
			if term.Scalars == nil {
				for j, v := range forward(m, term.Network, inputs(term.Network, row)) {
					dxdt[term.Offset+j] += v
				}
				continue
			}
			for _, s := range term.Scalars {
				phi := inputs(s.Network, row)
				if i == c.Energy {
					energy[0] += forward(m, s.Network, phi)[s.Output]
				}
				byPhi := make([]float64, len(phi))
				must(t, models[s].Field(phi, byPhi, 1))
				for k, f := range features(s.Network) {
					if f.Column < n {
						gradient[f.Column] += byPhi[k] * slopes[f.Function](row[f.Column])
					}
				}
			}
			for j := range n {
				for k, g := range gradient {
					dxdt[j] += g * term.Matrix[k*n+j]
				}
			}
			if term.Network < 0 {
				continue
			}
			l := forward(m, term.Network, inputs(term.Network, row))
			for i := range half {
				for j := range half {
					for k := range half {
						dxdt[half+i] -= l[i*half+k] * l[j*half+k] * gradient[half+j]
					}
				}
			}
		}
		for i, term := range c.Terms {
			floats.Add(dxdt, each[i])
			if power := floats.Dot(gradients[c.Energy], each[i]); term.Scalars == nil {
				energy[2] += power
			} else {
				energy[1] -= power
			}
		}
		return dxdt, energy
	}
}

// Forward, Field, Balance, Energy, Loss and WindowLoss agree with plain Go code to 1e-12. The gradient of an output, a field with the identity as matrix, agrees
// with central differences to 1e-6. The reference for Field uses it.
func TestConsistency(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			m := open[float64](t, c.config)
			n, rows := m.n, 37
			for i, network := range c.config.Networks {
				inputs, outputs := network[0].Inputs, network[len(network)-1].Outputs
				x, y := normal[float64](r, rows*inputs, 1), make([]float64, rows*outputs)
				must(t, m.Forward(i, x, y, rows))
				gradient := make([]float64, rows*inputs)
				output := r.IntN(outputs)
				must(t, gradients(t, m, Scalar{i, output}).Field(x, gradient, rows))
				var want []float64
				for row := range rows {
					want = append(want, forward(m, i, x[row*inputs:][:inputs])...)
				}
				near(t, "Forward", y, want, 1e-12)
				direction, up, down := normal[float64](r, len(x), 1), slices.Clone(x), slices.Clone(x)
				const h = 1e-6
				for k := range x {
					up[k] += h * direction[k]
					down[k] -= h * direction[k]
				}
				yUp, yDown := make([]float64, len(y)), make([]float64, len(y))
				must(t, m.Forward(i, up, yUp, rows))
				must(t, m.Forward(i, down, yDown, rows))
				for row := range rows {
					got := 0.0
					for k := range inputs {
						got += gradient[row*inputs+k] * direction[row*inputs+k]
					}
					if want := (yUp[row*outputs+output] - yDown[row*outputs+output]) / (2 * h); math.Abs(got-want) > 1e-6*max(1, math.Abs(want)) {
						t.Errorf("the derivative of output %d of network %d is %g, want %g", output, i, got, want)
					}
				}
			}
			x := normal[float64](r, rows*m.columns, 1)
			dxdt, balance, energy := make([]float64, rows*n), make([]float64, rows*(n+2)), make([]float64, rows)
			must(t, m.Field(x, dxdt, rows))
			field := plainField(t, m, c.config)
			var want, wantBalance, wantEnergy []float64
			for row := range slices.Chunk(x, m.columns) {
				dxdt, energy := field(row)
				want, wantBalance, wantEnergy = append(want, dxdt...), slices.Concat(wantBalance, dxdt, energy[1:]), append(wantEnergy, energy[0])
			}
			near(t, "Field", dxdt, want, 1e-12)
			if c.config.Terms[c.config.Energy].Scalars != nil {
				must(t, m.Balance(x, balance, rows))
				must(t, m.Energy(x, energy, rows))
				near(t, "Balance", balance, wantBalance, 1e-12)
				near(t, "Energy", energy, wantEnergy, 1e-12)
			} else if err := m.Energy(x, energy, rows); err == nil || !strings.Contains(err.Error(), "names no term with scalars") {
				t.Errorf("the error without an energy is %v", err)
			}
			lossWant, path := plainLoss(m, c, field)
			value, _, err := loss(m, c, false)
			must(t, err)
			near(t, "the loss", []float64{value}, []float64{lossWant}, 1e-12)
			near(t, "the path", c.windows.Path, path, 1e-12)
		})
	}
}

// plainLoss computes the loss in Go from a field and Forward. It also returns the path of windows.
func plainLoss(m *Model[float64], c testCase, slope func(row []float64) (dxdt, energy []float64)) (sum float64, path []float64) {
	field := func(row []float64) []float64 {
		dxdt, _ := slope(row)
		return dxdt
	}
	b, n := c.batch, m.n
	moved := func(x, k []float64, h float64) []float64 {
		out := slices.Clone(x)
		for i := range k {
			out[i] += h * k[i]
		}
		return out
	}
	// rk4 returns the mean derivative over a step.
	rk4 := func(x []float64, h float64) []float64 {
		k1 := field(x)
		k2 := field(moved(x, k1, h/2))
		k3 := field(moved(x, k2, h/2))
		k4 := field(moved(x, k3, h))
		for j := range k1 {
			k1[j] = (k1[j] + 2*k2[j] + 2*k3[j] + k4[j]) / 6
		}
		return k1
	}
	if w := c.windows; w.Count > 0 {
		others := m.columns - n
		for i := range w.Count {
			x := w.Starts[i*n:][:n]
			path = append(path, x...)
			for k := range w.Steps {
				row := slices.Concat(x, w.Constants[(i*w.Steps+k)*others:][:others])
				x = moved(row, rk4(row, w.Lengths[i*w.Steps+k]), w.Lengths[i*w.Steps+k])[:n]
				path = append(path, x...)
			}
		}
		for i, weight := range w.Weights {
			if weight != 0 {
				sum += weight * math.Pow(path[i]-w.Observed[i], 2)
			}
		}
		return sum, path
	}
	for i := range b.Count {
		row := i
		if b.Rows != nil {
			row = int(b.Rows[i])
		}
		noise := make([]float64, n)
		if b.Noise != nil {
			noise = b.Noise[i*n:][:n]
		}
		if c.config.Frames == nil {
			x, dx := b.X[row*m.columns:][:m.columns], b.DX[row*n:][:n]
			var prediction []float64
			switch b.Scheme {
			case AtState:
				prediction = field(x)
			case RK4:
				prediction = moved(make([]float64, n), rk4(x, b.Step), b.Scale*b.Step)
			case Midpoint:
				prediction = field(moved(x, dx, b.Steps[row]/2))
			case MIRK4:
				h := b.Steps[row]
				k1, k2 := field(x), field(moved(x, dx, h))
				k3 := field(moved(moved(moved(x, dx, h/2), k1, h/8), k2, -h/8))
				prediction = make([]float64, n)
				for j := range prediction {
					prediction[j] = (k1[j] + k2[j] + 4*k3[j]) / 6
				}
			}
			for j := range prediction {
				sum += math.Pow(prediction[j]+b.NoiseScale*noise[j]-b.DX[row*n+j], 2) / float64(b.Count*n)
			}
			continue
		}
		var images [2][]float64
		for k := range images {
			for _, frame := range c.config.Frames[row+k : row+k+2] {
				for _, v := range frame {
					images[k] = append(images[k], float64(v)/255)
				}
			}
		}
		z, next := forward(m, 0, images[0]), forward(m, 0, images[1])
		shown, dz := forward(m, 1, z), field(moved(z, noise, b.NoiseScale))
		mean := func(size int, e func(int) float64) (m float64) {
			for k := range size {
				m += e(k) * e(k) / float64(size)
			}
			return m
		}
		sum += (mean(len(shown), func(k int) float64 { return shown[k] - images[0][k] }) +
			mean(n/2, func(k int) float64 { return z[n/2+k] - (next[k] - z[k]) }) +
			0.1*mean(n, func(k int) float64 { return next[k] - z[k] - dz[k] })) / float64(b.Count)
	}
	return sum, nil
}

// Adam agrees with algorithm 1 of Kingma and Ba with weight decay in the gradient. The next gradient uses the new values.
func TestAdam(t *testing.T) {
	for _, c := range cases()[:20] {
		c.config.Vectors = 3
		m := open[float64](t, c.config)
		values := slices.Clone(m.Vector(Values))
		mean, square := make([]float64, len(values)), make([]float64, len(values))
		for step := 1; step <= 4; step++ {
			const rate, decay = 1e-2, 1e-1
			_, err := m.Gradient(c.batch)
			must(t, err)
			for i, g := range m.Vector(Gradient) {
				g += decay * values[i]
				mean[i] = .9*mean[i] + .1*g
				square[i] = .999*square[i] + .001*g*g
				values[i] -= rate * mean[i] / (1 - math.Pow(.9, float64(step))) / (math.Sqrt(square[i]/(1-math.Pow(.999, float64(step)))) + 1e-8)
			}
			must(t, m.Adam(step, rate, decay))
			near(t, "values", m.Vector(Values), values, 1e-13)
			near(t, "means", m.Vector(FirstState), mean, 1e-13)
			near(t, "squares", m.Vector(FirstState+1), square, 1e-13)
		}
		loss, err := m.Gradient(c.batch)
		must(t, err)
		gradient := slices.Clone(m.Vector(Gradient))
		must(t, m.Updated())
		same, err := m.Gradient(c.batch)
		if err != nil || same != loss || !slices.Equal(gradient, m.Vector(Gradient)) {
			t.Errorf("%s: Updated changes the gradient after Adam (%v)", c.name, err)
		}
	}
}

// Repeated steps allocate no Go memory.
func TestAllocations(t *testing.T) {
	c := cases()[0]
	c.config.Vectors = 2
	m := open[float64](t, c.config)
	dxdt := make([]float64, len(c.batch.X))
	if count := testing.AllocsPerRun(20, func() {
		_, err := m.Gradient(c.batch)
		_, err2 := m.Loss(c.batch)
		if err != nil || err2 != nil || m.Adam(1, 1e-3, 0) != nil || m.Field(c.batch.X, dxdt, len(dxdt)/m.n) != nil {
			t.Error("failed")
		}
	}); count != 0 {
		t.Errorf("%g allocations", count)
	}
}

func TestErrors(t *testing.T) {
	frames := [][]byte{{1, 2}, {3, 4}, {5, 6}}
	latent, field, energy := mlp("", false, 2, 2), []Term{{Network: 2}}, []Term{gradientOf([]float64{1, 0, 0, 1}, Scalar{0, 0})}
	for want, c := range map[string]Config{
		"unknown activation": {Networks: [][]Layer{mlp("sine", false, 2, 3, 1)}, State: 2, Terms: energy},
		"memory":             {Networks: [][]Layer{mlp("tanh", false, 2, 1<<20, 1<<20, 1)}, State: 2, Terms: energy},
		"6 inputs":           {Networks: [][]Layer{mlp("tanh", false, 6, 2), mlp("tanh", false, 2, 4), latent}, State: 2, Terms: field, Frames: frames},
		"6 outputs":          {Networks: [][]Layer{mlp("tanh", false, 4, 2), mlp("tanh", false, 2, 6), latent}, State: 2, Terms: field, Frames: frames},
		"frame 2 has 1":      {Networks: [][]Layer{mlp("tanh", false, 4, 2), mlp("tanh", false, 2, 4), latent}, State: 2, Terms: field, Frames: [][]byte{{1, 2}, {3, 4}, {5}}},
	} {
		if m, err := New[float32](c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want one with %q", err, want)
			if err == nil {
				m.Close()
			}
		}
	}
	m, err := New[float32](Config{Networks: [][]Layer{mlp("tanh", false, 2, 3, 1)}, State: 2, Terms: energy})
	must(t, err)
	x := make([]float32, 6)
	for want, b := range map[string]Batch[float32]{
		"Count is 0":    {X: x, DX: x},
		"Rows has 1":    {X: x, DX: x, Rows: []int64{0}, Count: 2},
		"out of range":  {X: x, DX: x, Rows: []int64{3}, Count: 1},
		"range; there":  {X: x, DX: x, Rows: []int64{-1, 2}, Count: 2},
		"DX has 4":      {X: x, DX: x[:4], Count: 1},
		"Noise has 3":   {X: x, DX: x, Count: 2, Noise: x[:3]},
		"there are 3 r": {X: x, DX: x, Count: 4},
		"Steps has 2":   {X: x, DX: x, Count: 3, Scheme: MIRK4, Steps: x[:2]},
	} {
		if _, err := m.Gradient(b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want one with %q", err, want)
		}
	}
	_, few := m.WindowLoss(Windows[float32]{Count: 1}, nil)
	_, short := m.WindowLoss(Windows[float32]{Count: 1, Steps: 2, Starts: x[:2], Lengths: x[:2], Observed: x, Weights: x, Path: x[:5]}, nil)
	for want, err := range map[string]error{
		"1 windows of 0":    few,
		"the wrong length":  short,
		"needs two":         m.Adam(1, 1, 1),
		"output has 5":      m.Field(x, x[:5], 3),
		"no network 1":      m.Forward(1, x, x, 3),
		"out has 5 numbers": m.Errors(Batch[float32]{X: x, DX: x, Count: 3}, make([]float64, 5)),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want one with %q", err, want)
		}
	}
	m.Close()
	m, err = New[float32](Config{Networks: [][]Layer{mlp("tanh", false, 4, 2), mlp("tanh", false, 2, 4), latent}, State: 2, Terms: field, Frames: frames[:2]})
	must(t, err)
	defer m.Close()
	if _, err := m.Loss(Batch[float32]{Count: 1}); err == nil || !strings.Contains(err.Error(), "there are 0 rows") {
		t.Errorf("the error without a third frame is %v", err)
	}
}

// A model without terms supports Forward and Adam. Field and Gradient return an error.
func TestNoTerms(t *testing.T) {
	m := open[float64](t, Config{Networks: [][]Layer{mlp("tanh", false, 2, 3, 1)}, Vectors: 2})
	x, y := []float64{1, 2, 3, 4}, make([]float64, 2)
	must(t, m.Forward(0, x, y, 2))
	near(t, "Forward", y[1:], forward(m, 0, x[2:]), 1e-12)
	must(t, m.Adam(1, 1, 1))
	_, err := m.Gradient(Batch[float64]{X: x, DX: x, Count: 2})
	for _, err := range []error{err, m.Field(x, x, 2)} {
		if err == nil || !strings.Contains(err.Error(), "no terms") {
			t.Errorf("the error is %v", err)
		}
	}
}

// Runs the other tests with each instruction set that is not in use. An unknown instruction set is an error.
func TestInstructionSets(t *testing.T) {
	const variable = "HNN_INSTRUCTION_SET"
	if os.Getenv(variable) != "" {
		t.Skip(variable + " is set")
	}
	program, err := os.Executable()
	must(t, err)
	if errors.Is(exec.Command(program, "-test.list", "^$").Run(), syscall.ENOEXEC) {
		t.Skip("the test runs in an emulator and cannot start its own executable")
	}
	run := func(set, tests string) (string, error) {
		c := exec.Command(program, "-test.run", tests)
		c.Env = append(os.Environ(), variable+"="+set)
		out, err := c.CombinedOutput()
		return string(out), err
	}
	for _, set := range InstructionSets() {
		if set == InstructionSet() {
			continue
		}
		t.Run(set, func(t *testing.T) {
			if out, err := run(set, "."); err != nil {
				t.Errorf("%v:\n%s", err, out)
			}
		})
	}
	if out, err := run("abacus", "TestAdam"); err == nil || !strings.Contains(out, `"abacus"`) || !strings.Contains(out, strings.Join(InstructionSets(), ", ")) {
		t.Errorf("an unknown instruction set gives the error %v:\n%s", err, out)
	}
}
