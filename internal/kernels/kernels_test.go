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

// testCase is a model and a batch.
type testCase struct {
	name   string
	config Config
	batch  Batch[float64]
}

func (c testCase) batch32() Batch[float32] {
	b := c.batch
	return Batch[float32]{X: convert[float32](b.X), DX: convert[float32](b.DX), Rows: b.Rows, Count: b.Count, Noise: convert[float32](b.Noise),
		NoiseScale: b.NoiseScale, Step: b.Step, Scale: b.Scale}
}

// cases returns models and losses of all kinds with random sizes.
func cases() []testCase {
	r := rand.New(rand.NewPCG(1, 2))
	var list []testCase
	batch := func(n, rows int, step float64) Batch[float64] {
		all := rows + 3
		b := Batch[float64]{X: convert[float64](normal[float32](r, all*n, 1)), DX: convert[float64](normal[float32](r, all*n, 1)), Count: rows, Step: step, Scale: 1 / step}
		if r.IntN(2) == 0 {
			for range rows {
				b.Rows = append(b.Rows, r.Int64N(int64(all)))
			}
		}
		if r.IntN(2) == 0 {
			b.Noise, b.NoiseScale = convert[float64](normal[float32](r, rows*n, 1)), 0.3
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
					c := Config{Networks: [][]Layer{mlp(name, residual, append(slices.Clone(sizes), 2)...)}, Terms: []Term{{0, r.IntN(2), matrix(r, n)}}}
					list = append(list, testCase{fmt.Sprintf("%s, %d layers of %d, step %g, residual %t", name, depth+1, hidden, step, residual), c, batch(n, 1+r.IntN(70), step)})
					c = Config{Networks: [][]Layer{mlp(name, residual, append(slices.Clone(sizes), n)...)}, Terms: []Term{{0, -1, nil}}}
					list = append(list, testCase{list[len(list)-1].name + ", baseline", c, batch(n, 1+r.IntN(70), step)})
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
		list = append(list, testCase{name + ", several terms", Config{
			Networks: [][]Layer{shared, mlp(name, false, n, 3), bare, own},
			Terms:    []Term{{0, 1, matrix(r, n)}, {0, -1, nil}, {1, 2, matrix(r, n)}, {0, 0, matrix(r, n)}, {2, 0, matrix(r, n)}, {3, 1, matrix(r, n)}, {3, -1, nil}},
		}, batch(n, 230, 0.1)})
		list = append(list, imagesCase(r, name))
	}
	return list
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
	c := Config{Frames: frames, Terms: []Term{{2, 0, matrix(r, latent)}, {3, -1, nil}},
		Networks: [][]Layer{mlp("relu", true, 2*size, 19, 19, latent), mlp(name, true, latent, 19, 19, 2*size), mlp(name, false, latent, 10, 11, 2), mlp(name, false, latent, 5, latent)}}
	c.Networks[0][0].Bias = r.IntN(2) == 0
	b := Batch[float64]{Count: 21, Noise: convert[float64](normal[float32](r, 21*latent, 1)), NoiseScale: 0.1}
	for range b.Count {
		b.Rows = append(b.Rows, r.Int64N(38))
	}
	return testCase{"images, " + name, c, b}
}

// The float64 gradient agrees with central differences of the loss to 1e-6 of its norm. The differences are along random unit directions
// and single parameters.
func TestGradient(t *testing.T) {
	for _, c := range cases() {
		c.config.State, c.config.Threads = 1, 2
		m := open[float64](t, c.config)
		loss, err := m.Gradient(c.batch)
		must(t, err)
		if same, err := m.Loss(c.batch); err != nil || math.Abs(same-loss) > 1e-14*loss {
			t.Errorf("%s: Loss returns %g and Gradient returns %g (%v)", c.name, same, loss, err)
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
		gradient, values := m.Vector(Gradient), m.Vector(Values)
		norm := 0.0
		for i, one := range m.Vector(FirstState) {
			if one == 1 {
				parameters = append(parameters, i)
			} else if gradient[i] != 0 || values[i] != 0 {
				t.Errorf("%s: padding is not zero", c.name)
			}
			norm = math.Hypot(norm, gradient[i])
		}
		r := rand.New(rand.NewPCG(3, 4))
		at := slices.Clone(values)
		for k := range 8 {
			direction := make([]float64, len(values))
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
					for i := range values {
						values[i] = at[i] + sign*h*direction[i]
					}
					must(t, m.Updated())
					l, err := m.Loss(c.batch)
					must(t, err)
					want += sign * l / (2 * h)
				}
				wrong = !(math.Abs(got-want) <= 1e-6*norm+1e-9*loss)
			}
			if wrong {
				t.Errorf("%s: the derivative along direction %d is %g, want %g; the norm of the gradient is %g", c.name, k, got, want, norm)
			}
		}
		copy(values, at)
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
		want, err := m.Gradient(c.batch)
		must(t, err)
		got, err := single.Gradient(c.batch32())
		must(t, err)
		near(t, c.name+": the loss", []float64{got}, []float64{want}, 1e-6)
		whole := 0.0
		for _, v := range m.Vector(Gradient) {
			whole = math.Hypot(whole, v)
		}
		for i, network := range c.config.Networks {
			for l := range network {
				w, b := stored(m, Gradient, i, l)
				w32, b32 := stored(single, Gradient, i, l)
				difference, size := 0.0, 0.0
				for k, v := range append(w, b...) {
					difference, size = math.Hypot(difference, v-float64(append(w32, b32...)[k])), math.Hypot(size, v)
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
			c.config.Threads, c.config.State = threads, 2
			m := open[float32](t, c.config)
			b := c.batch32()
			for step := 1; step <= 2; step++ {
				_, err := m.Gradient(b)
				must(t, err)
				must(t, m.Adam(step, 1e-2, 1e-3))
			}
			_, err := m.Gradient(b)
			must(t, err)
			loss, err := m.Loss(b)
			must(t, err)
			n := m.n
			if c.config.Frames != nil {
				n = 1
			}
			each := make([]float64, b.Count*n)
			must(t, m.Errors(b, each))
			mean := 0.0
			for _, e := range each {
				mean += e / float64(len(each))
			}
			near(t, c.name+": the mean of the errors", []float64{mean}, []float64{loss}, 1e-12)
			result := slices.Concat(m.Vector(Gradient), m.Vector(Values), m.Vector(FirstState), m.Vector(FirstState+1), []float32{float32(loss)})
			if threads == 1 {
				first, firstErrors = result, each
			} else if !slices.Equal(result, first) || !slices.Equal(each, firstErrors) {
				t.Errorf("%s: results with %d threads and with one thread differ", c.name, threads)
			}
		}
	}
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
	"swish": func(x float64) float64 { return x / (1 + math.Exp(-x)) },
}

// Activations agree with package math. The relative tolerance is 2·2⁻²³ for float32, plus an absolute 1e-37, and 1e-14 for float64. First
// derivatives agree with central differences to 1e-8.
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
	for _, name := range names {
		c := Config{Networks: [][]Layer{{{Inputs: 1, Outputs: 1, Activation: name}}}, Terms: []Term{{0, 0, []float64{1}}}}
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
		must(t, m64.ScalarGradient(0, 0, x64, derivative, len(x)))
		for i, v := range x64 {
			const h = 1e-5
			if math.Abs(v) < h || math.Abs(v-20) < h {
				continue // relu has a kink at 0, softplus a jump at 20
			}
			if want := (f(v+h) - f(v-h)) / (2 * h); !(math.Abs(derivative[i]-want) <= 1e-8) {
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

// Forward, Field and Loss agree with plain Go code to 1e-12. The reference for Field uses Forward and ScalarGradient, and the reference for
// Loss uses Forward and Field. ScalarGradient agrees with central differences to 1e-6.
func TestConsistency(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, c := range cases() {
		m := open[float64](t, c.config)
		n, rows := m.n, 37
		for i, network := range c.config.Networks {
			inputs, outputs := network[0].Inputs, network[len(network)-1].Outputs
			x, y := normal[float64](r, rows*inputs, 1), make([]float64, rows*outputs)
			must(t, m.Forward(i, x, y, rows))
			gradient := make([]float64, rows*inputs)
			output := r.IntN(outputs)
			must(t, m.ScalarGradient(i, output, x, gradient, rows))
			for row := range rows {
				near(t, c.name+": Forward", y[row*outputs:][:outputs], forward(m, i, x[row*inputs:][:inputs]), 1e-12)
			}
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
					t.Errorf("%s: the derivative of output %d of network %d is %g, want %g", c.name, output, i, got, want)
				}
			}
		}
		x := normal[float64](r, rows*n, 1)
		dxdt, want, part := make([]float64, rows*n), make([]float64, rows*n), make([]float64, rows*n)
		must(t, m.Field(x, dxdt, rows))
		for _, term := range c.config.Terms {
			if term.Output < 0 {
				must(t, m.Forward(term.Network, x, part, rows))
				for i := range want {
					want[i] += part[i]
				}
				continue
			}
			must(t, m.ScalarGradient(term.Network, term.Output, x, part, rows))
			for i := range want {
				for k := range n {
					want[i] += part[i/n*n+k] * term.Matrix[k*n+i%n]
				}
			}
		}
		near(t, c.name+": Field", dxdt, want, 1e-12)
		lossWant := plainLoss(t, m, c)
		loss, err := m.Loss(c.batch)
		must(t, err)
		near(t, c.name+": the loss", []float64{loss}, []float64{lossWant}, 1e-12)
	}
}

// plainLoss computes the loss in Go from Field and Forward.
func plainLoss(t *testing.T, m *Model[float64], c testCase) float64 {
	t.Helper()
	b, n, sum := c.batch, m.n, 0.0
	field := func(x []float64) []float64 {
		out := make([]float64, n)
		must(t, m.Field(x, out, 1))
		return out
	}
	moved := func(x, k []float64, h float64) []float64 {
		out := slices.Clone(x)
		for i := range k {
			out[i] += h * k[i]
		}
		return out
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
			x := b.X[row*n:][:n]
			prediction := field(x)
			if b.Step != 0 {
				k1 := prediction
				k2 := field(moved(x, k1, b.Step/2))
				k3 := field(moved(x, k2, b.Step/2))
				k4 := field(moved(x, k3, b.Step))
				prediction = make([]float64, n)
				for j := range prediction {
					prediction[j] = b.Scale * b.Step / 6 * (k1[j] + 2*k2[j] + 2*k3[j] + k4[j])
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
	return sum
}

// Adam agrees with algorithm 1 of Kingma and Ba with weight decay in the gradient. The next gradient uses the new values.
func TestAdam(t *testing.T) {
	for _, c := range cases()[:20] {
		c.config.State = 3
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
	c.config.State = 2
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
	identity := []float64{1, 0, 0, 1}
	frames := [][]byte{{1, 2}, {3, 4}, {5, 6}}
	latent, field := mlp("", false, 2, 2), []Term{{2, -1, nil}}
	for want, c := range map[string]Config{
		"unknown activation": {Networks: [][]Layer{mlp("sine", false, 2, 3, 1)}, Terms: []Term{{0, 0, identity}}},
		"memory":             {Networks: [][]Layer{mlp("tanh", false, 2, 1<<20, 1<<20, 1)}, Terms: []Term{{0, 0, identity}}},
		"6 inputs":           {Networks: [][]Layer{mlp("tanh", false, 6, 2), mlp("tanh", false, 2, 4), latent}, Terms: field, Frames: frames},
		"6 outputs":          {Networks: [][]Layer{mlp("tanh", false, 4, 2), mlp("tanh", false, 2, 6), latent}, Terms: field, Frames: frames},
		"frame 2 has 1":      {Networks: [][]Layer{mlp("tanh", false, 4, 2), mlp("tanh", false, 2, 4), latent}, Terms: field, Frames: [][]byte{{1, 2}, {3, 4}, {5}}},
	} {
		if m, err := New[float32](c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want one with %q", err, want)
			if err == nil {
				m.Close()
			}
		}
	}
	m, err := New[float32](Config{Networks: [][]Layer{mlp("tanh", false, 2, 3, 1)}, Terms: []Term{{0, 0, identity}}})
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
	} {
		if _, err := m.Gradient(b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want one with %q", err, want)
		}
	}
	for want, err := range map[string]error{
		"needs two":         m.Adam(1, 1, 1),
		"output has 5":      m.Field(x, x[:5], 3),
		"no network 1":      m.Forward(1, x, x, 3),
		"no output 1":       m.ScalarGradient(0, 1, x, x, 3),
		"out has 5 numbers": m.Errors(Batch[float32]{X: x, DX: x, Count: 3}, make([]float64, 5)),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want one with %q", err, want)
		}
	}
	m.Close()
	m, err = New[float32](Config{Networks: [][]Layer{mlp("tanh", false, 4, 2), mlp("tanh", false, 2, 4), latent}, Terms: field, Frames: frames[:2]})
	must(t, err)
	defer m.Close()
	if _, err := m.Loss(Batch[float32]{Count: 1}); err == nil || !strings.Contains(err.Error(), "there are 0 rows") {
		t.Errorf("the error without a third frame is %v", err)
	}
}

// A model without terms supports Forward and Adam. Field and Gradient return an error.
func TestNoTerms(t *testing.T) {
	m := open[float64](t, Config{Networks: [][]Layer{mlp("tanh", false, 2, 3, 1)}, State: 2})
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
