package nets

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sugarme/gotch"
	"github.com/sugarme/gotch/ts"

	"hnn/internal/libtorch"
)

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s: got %.9g, want %.9g", what, got, want)
	}
}

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
		if err := libtorch.Seed(0); err != nil {
			t.Fatal(err)
		}
		m, err := NewMLP(want.In, 200, want.Out, "tanh")
		if err != nil {
			t.Fatal(err)
		}
		next, err := ts.Rand([]int64{5}, gotch.Float, gotch.CPU)
		if err != nil {
			t.Fatal(err)
		}
		values, err := libtorch.Values(next)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range want.NextRand {
			near(t, "the random value after the weights", float64(values[i]), v, 1e-7)
		}
		state, err := State("", m.Parameters())
		if err != nil {
			t.Fatal(err)
		}
		if len(state) != len(want.Layers) {
			t.Errorf("%d parameters, want %d", len(state), len(want.Layers))
		}
		for _, entry := range state {
			layer := want.Layers[entry.Name]
			data := entry.Data.([]float32)
			if !slices.Equal(entry.Shape, layer.Shape) {
				t.Fatalf("%s has shape %v, want %v", entry.Name, entry.Shape, layer.Shape)
			}
			sum, square := 0.0, 0.0
			for _, v := range data {
				sum += float64(v)
				square += float64(v) * float64(v)
			}
			name := fmt.Sprintf("mlp %d-%d %s", want.In, want.Out, entry.Name)
			near(t, name+" sum", sum, layer.Sum, 1e-4)
			near(t, name+" root mean square", math.Sqrt(square/float64(len(data))), layer.RMS, 1e-6)
			for i := range layer.First {
				near(t, name+" first", float64(data[i]), layer.First[i], 1e-6)
				near(t, name+" last", float64(data[len(data)-5+i]), layer.Last[i], 1e-6)
			}
		}
		next.MustDrop()
		m.Free()
	}

	if err := libtorch.Seed(0); err != nil {
		t.Fatal(err)
	}
	permutation := ts.MustRandperm(20, gotch.Int64, gotch.CPU)
	defer permutation.MustDrop()
	if got := permutation.Vals().([]int64); !slices.Equal(got, published.Randperm20) {
		t.Errorf("randperm(20) of seed 0 is %v, want %v", got, published.Randperm20)
	}
}

// The closed forms, with PyTorch's constants of selu.
func TestActivations(t *testing.T) {
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	elu := func(x float64) float64 { return max(x, 0) + min(math.Expm1(x), 0) }
	forms := map[Activation]func(float64) float64{
		"tanh":     math.Tanh,
		"relu":     func(x float64) float64 { return max(x, 0) },
		"sigmoid":  sigmoid,
		"softplus": func(x float64) float64 { return math.Log1p(math.Exp(x)) },
		"selu": func(x float64) float64 {
			return 1.0507009873554805 * (max(x, 0) + min(1.6732632423543772*math.Expm1(x), 0))
		},
		"elu":   elu,
		"swish": func(x float64) float64 { return x * sigmoid(x) },
	}
	if len(forms) != len(activations) {
		t.Errorf("%d activations are offered, and %d are tested", len(activations), len(forms))
	}
	inputs := []float64{-3, -1, -0.1, 0, 0.5, 2, 4}
	for name, form := range forms {
		var s libtorch.Scope
		values := s.Values(name.Apply(&s, s.Matrix([][]float64{inputs})))
		if s.Err() != nil {
			t.Fatal(s.Err())
		}
		for i, x := range inputs {
			near(t, fmt.Sprintf("%s(%g)", name, x), float64(values[i]), form(x), 2e-6)
		}
		s.Free()
	}
	if err := Activation("gelu").Check(); err == nil || !strings.Contains(err.Error(), "elu, relu, selu") {
		t.Errorf("an unknown activation gave the error %v", err)
	}
}

var entries = []Entry{
	{Name: "differentiable_model.linear1.weight", Shape: []int64{2, 3}, Data: []float32{1, -2, 3.5, 4, 5, -6e-9}},
	{Name: "step", Shape: []int64{2}, Data: []int64{7, -1 << 40}},
	{Name: "generator", Shape: []int64{3}, Data: []uint8{0, 127, 255}},
}

func TestCheckpointRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.tar")
	if err := WriteCheckpoint(path, entries, []byte(`{"task": "spring"}`)); err != nil {
		t.Fatal(err)
	}
	read, err := ReadCheckpoint(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(read.Settings) != `{"task": "spring"}` {
		t.Errorf("the settings are %s", read.Settings)
	}
	for _, want := range entries {
		if got := read.Entries[want.Name]; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

// Python's own unpickler reads what WriteCheckpoint writes, with no other globals than the ones torch.load(weights_only=True)
// allows; torch.load itself needs PyTorch, which the build does not, and is tested in package hamiltonian where it is there.
func TestPythonReadsCheckpoints(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.tar")
	if err := WriteCheckpoint(path, entries, []byte(`{"task": "spring"}`)); err != nil {
		t.Fatal(err)
	}
	output, err := exec.Command("python3", "testdata/read_checkpoint.py", path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	want := `differentiable_model.linear1.weight (2, 3) (3, 1) [1.0, -2.0, 3.5, 4.0, 5.0, -6e-09]
step (2,) (1,) [7, -1099511627776]
generator (3,) (1,) [0, 127, 255]
`
	if string(output) != want {
		t.Errorf("Python read\n%s\nwant\n%s", output, want)
	}
}

func TestDamagedCheckpointsGiveOneLine(t *testing.T) {
	folder := t.TempDir()
	good := filepath.Join(folder, "good.tar")
	if err := WriteCheckpoint(good, entries, nil); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string][]byte{
		"empty.tar": nil, "text.tar": []byte("no checkpoint"), "cut.tar": content[:len(content)/2],
		"pickle.tar": []byte(strings.Replace(string(content), "_rebuild_tensor_v2", "_rebuild_nothings", 1)),
	} {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadCheckpoint(path); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got the error %v", name, err)
		}
	}
}
