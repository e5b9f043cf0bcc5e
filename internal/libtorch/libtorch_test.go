package libtorch

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
)

// A generator's permutations are torch.randperm's, wherever in its state they begin, and so are the draws after them.
func TestPermutationIsTorchRandperm(t *testing.T) {
	for _, test := range []struct{ rows, first int }{{1, 1}, {2, 1}, {20, 20}, {445, 50}, {623, 1}, {624, 3}, {625, 0}, {40_000, 200}, {80_000, 600}} {
		for _, before := range []int{0, 5, 623, 700} {
			g := generator(t, 7)
			draw := func(n int) []int64 { // the whole permutation, which shuffles every value
				values := make([]int64, n)
				if err := g.Permutation(n, values); err != nil {
					t.Fatal(err)
				}
				return values
			}
			draw(before + 1)
			state, err := g.State()
			if err != nil {
				t.Fatal(err)
			}
			want, wantNext := draw(test.rows)[:test.first], draw(10)
			if err := g.SetState(state); err != nil {
				t.Fatal(err)
			}
			got := make([]int64, test.first)
			if err := g.Permutation(test.rows, got); err != nil {
				t.Fatal(err)
			}
			if gotNext := draw(10); !slices.Equal(got, want) || !slices.Equal(gotNext, wantNext) {
				t.Errorf("%d of %d after %d draws: got %v, then %v, want %v, then %v", test.first, test.rows, before, got, gotNext, want, wantNext)
			}
		}
	}
	if err := generator(t, 0).Permutation(3, make([]int64, 4)); err == nil {
		t.Error("four of three values were drawn")
	}
}

func generator(t *testing.T, seed uint32) *Generator {
	t.Helper()
	g, err := NewGenerator(seed)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s: got %.9g, want %.9g", what, got, want)
	}
}

// Seed 0 gives PyTorch's initial weights, permutation, and the random numbers after them, whatever another generator does meanwhile.
func TestInitialWeightsEqualPyTorchs(t *testing.T) {
	content, err := os.ReadFile("testdata/published.json")
	if err != nil {
		t.Fatal(err)
	}
	var published struct {
		MLPs []struct {
			In, Out int
			Layers  map[string]struct {
				Shape       []int64
				Sum, RMS    float64
				First, Last []float64
			}
			NextRand []float64 `json:"next_rand"`
		}
		Randperm20 []int64
	}
	if err := json.Unmarshal(content, &published); err != nil {
		t.Fatal(err)
	}
	for _, want := range published.MLPs {
		g := generator(t, 0)
		layers := []Layer{
			{Inputs: want.In, Outputs: 200, Weight: make([]float32, 200*want.In), Bias: make([]float32, 200)},
			{Inputs: 200, Outputs: 200, Weight: make([]float32, 200*200), Bias: make([]float32, 200)},
			{Inputs: 200, Outputs: want.Out, Weight: make([]float32, 200*want.Out)},
		}
		if err := g.InitLayers(layers); err != nil {
			t.Fatal(err)
		}
		for i := range want.NextRand {
			// torch.rand is the lower 24 bits of a draw; a permutation's first value is a draw modulo the number of values.
			state, err := g.State()
			if err != nil {
				t.Fatal(err)
			}
			var value [1]int64
			if err := g.Permutation(1<<24, value[:]); err != nil {
				t.Fatal(err)
			}
			near(t, "the random value after the weights", float64(value[0])/(1<<24), want.NextRand[i], 1e-7)
			if err := g.SetState(state); err != nil {
				t.Fatal(err)
			}
			if err := g.Permutation(2, value[:]); err != nil { // one draw
				t.Fatal(err)
			}
		}
		arrays := map[string][]float32{
			"linear1.weight": layers[0].Weight, "linear1.bias": layers[0].Bias,
			"linear2.weight": layers[1].Weight, "linear2.bias": layers[1].Bias, "linear3.weight": layers[2].Weight,
		}
		if len(want.Layers) != len(arrays) {
			t.Fatalf("%d published arrays, want %d", len(want.Layers), len(arrays))
		}
		for name, data := range arrays {
			layer := want.Layers[name]
			sum, square := 0.0, 0.0
			for _, v := range data {
				sum += float64(v)
				square += float64(v) * float64(v)
			}
			near(t, name+" sum", sum, layer.Sum, 1e-4)
			near(t, name+" root mean square", math.Sqrt(square/float64(len(data))), layer.RMS, 1e-6)
			for i := range layer.First {
				near(t, name+" first", float64(data[i]), layer.First[i], 1e-6)
				near(t, name+" last", float64(data[len(data)-5+i]), layer.Last[i], 1e-6)
			}
		}
	}
	got := make([]int64, 20)
	if err := generator(t, 0).Permutation(20, got); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, published.Randperm20) {
		t.Errorf("randperm(20) of seed 0 is %v, want %v", got, published.Randperm20)
	}
}

// The closed forms, with PyTorch's constants of selu.
func TestActivations(t *testing.T) {
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	elu := func(x float64) float64 { return max(x, 0) + min(math.Expm1(x), 0) }
	inputs := []float32{-3, -1, -0.1, 0, 0.5, 2, 4}
	for name, form := range map[string]func(float64) float64{
		"tanh":     math.Tanh,
		"relu":     func(x float64) float64 { return max(x, 0) },
		"sigmoid":  sigmoid,
		"softplus": func(x float64) float64 { return math.Log1p(math.Exp(x)) },
		"selu": func(x float64) float64 {
			return 1.0507009873554805 * (max(x, 0) + min(1.6732632423543772*math.Expm1(x), 0))
		},
		"elu":   elu,
		"swish": func(x float64) float64 { return x * sigmoid(x) },
	} {
		var s Scope
		values := s.Values(s.Activation(name, s.Matrix(inputs, len(inputs))))
		if s.Err() != nil {
			t.Fatal(s.Err())
		}
		for i, x := range inputs {
			near(t, name, float64(values[i]), form(float64(x)), 2e-6)
		}
		s.Free()
	}
}

// Elements come by rows, however they lie in memory.
func TestValues(t *testing.T) {
	var s Scope
	defer s.Free()
	x := s.Matrix([]float32{1, 2, 3, 4, 5, 6}, 3)
	transposed := x.MustTranspose(0, 1, false)
	s.owned = append(s.owned, transposed)
	if got := s.Values(transposed); !slices.Equal(got, []float32{1, 4, 2, 5, 3, 6}) {
		t.Errorf("a transposed matrix gave %v", got)
	}
	if got := s.Values(s.Columns(x, 0, 0)); len(got) > 0 {
		t.Errorf("no columns gave %v", got)
	}
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	if s.Values(s.Indices([]int64{1})); s.Err() == nil {
		t.Error("integers were read as float32")
	}
}

func BenchmarkPermutation(b *testing.B) {
	g, err := NewGenerator(0)
	if err != nil {
		b.Fatal(err)
	}
	rows := make([]int64, 600)
	for b.Loop() {
		if err := g.Permutation(80_000, rows); err != nil {
			b.Fatal(err)
		}
	}
}

// A sample has no number twice; each pair is as frequent as any other; and the time does not depend on the numbers that are not drawn.
func TestSample(t *testing.T) {
	g := generator(t, 3)
	pairs := map[[2]int64]int{}
	const draws, n = 20_000, 5
	for range draws {
		var pair [2]int64
		if err := g.Sample(n, pair[:]); err != nil {
			t.Fatal(err)
		}
		if pair[0] == pair[1] || min(pair[0], pair[1]) < 0 || max(pair[0], pair[1]) >= n {
			t.Fatalf("drew %v of %d", pair, n)
		}
		pairs[pair]++
	}
	chi := 0.0
	for _, count := range pairs {
		expected := float64(draws) / (n * (n - 1))
		chi += math.Pow(float64(count)-expected, 2) / expected
	}
	if len(pairs) != n*(n-1) || chi > 43.8 { // the 99.9% quantile of χ² with 19 degrees of freedom
		t.Errorf("%d pairs, χ² = %g", len(pairs), chi)
	}
	all := make([]int64, 1000)
	if err := g.Sample(len(all), all); err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	for i, v := range all {
		if v != int64(i) {
			t.Fatalf("a sample of all numbers lacks %d", i)
		}
	}
	if err := g.Sample(1<<60, all); err != nil || slices.Max(all) < 1<<58 {
		t.Errorf("of 2^60 numbers, the largest drawn is %d, error %v", slices.Max(all), err)
	}
	if err := g.Sample(3, make([]int64, 4)); err == nil {
		t.Error("four of three values were drawn")
	}
}

// An error of LibTorch is one line, whose first words say what is wrong: no trace of C++ follows.
func TestErrorsAreOneLine(t *testing.T) {
	var s Scope
	defer s.Free()
	x := s.Matrix([]float32{1, 2, 3, 4, 5, 6}, 3)
	s.Matmul(x, x)
	err := s.Err()
	if err == nil || !strings.HasPrefix(err.Error(), "libtorch: matmul: mat1 and mat2 shapes cannot be multiplied") {
		t.Fatalf("got %v", err)
	}
	if text := err.Error(); strings.Contains(text, "\n") || strings.Contains(text, "Exception raised from") || len(text) > 300 {
		t.Errorf("got %q", text)
	}
}
