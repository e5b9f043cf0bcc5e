package nets

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var entries = []Entry{
	{Name: "differentiable_model.linear1.weight", Shape: []int64{2, 3}, Data: []float32{1, -2, 3.5, 4, 5, -6e-9}},
	{Name: "step", Shape: []int64{2}, Data: []int64{7, -1 << 40}},
	{Name: "generator", Shape: []int64{3}, Data: []uint8{0, 127, 255}},
	{Name: "nothing", Shape: []int64{0, 2}, Data: []float32{}},
	{Name: "scale", Shape: []int64{}, Data: []float32{2.5}},
}

// written returns the path of a checkpoint of entries.
func written(t *testing.T) string {
	content, err := EncodeCheckpoint(entries, Attachment{"settings.json", []byte(`{"task": "spring"}`)}, Attachment{"losses.csv", []byte("step\n")})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "model.tar")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCheckpointRoundTrip(t *testing.T) {
	read, err := ReadCheckpoint(written(t), "settings.json", "none.json")
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string][]byte{"settings.json": []byte(`{"task": "spring"}`)}; !reflect.DeepEqual(read.Attachments, want) {
		t.Errorf("the attachments are %q, want %q", read.Attachments, want)
	}
	if len(read.Entries) != len(entries) {
		t.Errorf("got %d entries, want %d", len(read.Entries), len(entries))
	}
	for _, want := range entries {
		if got := read.Entries[want.Name]; !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

// Python's own unpickler reads what EncodeCheckpoint writes, with no other globals than the ones torch.load(weights_only=True)
// allows; torch.load itself needs PyTorch, which the build does not, and is tested in package hamiltonian where it is there.
func TestPythonReadsCheckpoints(t *testing.T) {
	output, err := exec.Command("python3", "testdata/read_checkpoint.py", written(t)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	want := `differentiable_model.linear1.weight (2, 3) (3, 1) [1.0, -2.0, 3.5, 4.0, 5.0, -6e-09]
step (2,) (1,) [7, -1099511627776]
generator (3,) (1,) [0, 127, 255]
nothing (0, 2) (2, 1) []
scale () () [2.5]
`
	if string(output) != want {
		t.Errorf("Python read\n%s\nwant\n%s", output, want)
	}
}

func TestNetworkErrors(t *testing.T) {
	for want, n := range map[string]Network{
		"a network has no layer":      {},
		"elu, relu, selu, sigmoid":    {Layers: MLP(2, 5, 2, 1, "gelu")},
		"linear1 has 0 inputs":        {Layers: MLP(0, 5, 2, 1, "tanh")},
		"linear2 has 4 inputs":        {Layers: []Layer{{Inputs: 2, Outputs: 3}, {Inputs: 4, Outputs: 1}}},
		"encoder.linear5 is residual": {Prefix: "encoder.", First: 5, Layers: []Layer{{Inputs: 2, Outputs: 3, Residual: true}}},
	} {
		if err := n.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got the error %v, want one with %q", n, err, want)
		}
	}
	if err := (Network{Layers: ResidualMLP(10, 5, 2)}).Check(); err != nil {
		t.Error(err)
	}
}

func TestLoadRefusesOtherArrays(t *testing.T) {
	network := Network{Layers: MLP(1, 2, 1, 1, "tanh")}
	good := func() Checkpoint {
		return Checkpoint{Entries: map[string]Entry{
			"linear1.weight": {"linear1.weight", []int64{2, 1}, []float32{1, 2}},
			"linear1.bias":   {"linear1.bias", []int64{2}, []float32{3, 4}},
			"linear2.weight": {"linear2.weight", []int64{1, 2}, []float32{5, 6}},
		}}
	}
	for want, change := range map[string]func(entries map[string]Entry){
		`the checkpoint lacks "linear1.bias"`: func(e map[string]Entry) {
			delete(e, "linear1.bias")
		},
		`lacks "linear1.weight", "linear1.bias", "linear2.weight", and holds "a", "b", "c" and 2 more`: func(e map[string]Entry) {
			clear(e)
			for _, name := range []string{"e", "d", "c", "b", "a"} {
				e[name] = Entry{}
			}
		},
		`holds "linear9.weight", which the model lacks`: func(e map[string]Entry) {
			e["linear9.weight"] = Entry{}
		},
		`"linear2.weight" is []float32 of shape [2 1], and the model needs []float32 of shape [1 2]`: func(e map[string]Entry) {
			e["linear2.weight"] = Entry{"linear2.weight", []int64{2, 1}, []float32{5, 6}}
		},
		`"linear2.weight" is []int64 of shape [1 2]`: func(e map[string]Entry) {
			e["linear2.weight"] = Entry{"", []int64{1, 2}, []int64{5, 6}}
		},
		`"linear2.weight" is []float32 of shape [1 2]`: func(e map[string]Entry) {
			e["linear2.weight"] = Entry{"", []int64{1, 2}, []float32{5}}
		},
		`"linear2.weight" holds NaN at position 1; weights are fin`: func(e map[string]Entry) {
			e["linear2.weight"].Data.([]float32)[1] = float32(math.NaN())
		},
		`"linear1.bias" holds -Inf at position 0`: func(e map[string]Entry) {
			e["linear1.bias"].Data.([]float32)[0] = float32(math.Inf(-1))
		},
	} {
		checkpoint, parameters := good(), network.Zeros()
		change(checkpoint.Entries)
		if err := parameters.Load(checkpoint); err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 300 {
			t.Errorf("got the error %v, want one with %s", err, want)
		}
		if !reflect.DeepEqual(parameters, network.Zeros()) {
			t.Errorf("%s: the parameters changed to %v", want, parameters)
		}
	}
	for _, parameters := range []Parameters{network.Zeros(), network.Shapes()} {
		want := "[{linear1.weight [2 1] [1 2]} {linear1.bias [2] [3 4]} {linear2.weight [1 2] [5 6]}]"
		if err := parameters.Load(good()); err != nil || fmt.Sprint(parameters) != want {
			t.Errorf("got %v, %v, want %s", parameters, err, want)
		}
	}
}

// The settings of a file may announce any size. Its shapes are compared before there is memory for the network.
func TestShapesOfAHugeNetworkTakeNoMemory(t *testing.T) {
	checkpoint, err := ReadCheckpoint("../hamiltonian/testdata/spring-hnn.tar")
	if err != nil {
		t.Fatal(err)
	}
	huge := Network{Prefix: "differentiable_model.", Layers: MLP(2, 1_000_000_000, 2, 2, "tanh")}
	want := `"differentiable_model.linear1.weight" is []float32 of shape [200 2], and the model needs []float32 of shape [1000000000 2]`
	if err := huge.Shapes().Load(checkpoint); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got the error %v, want one with %s", err, want)
	}
}
