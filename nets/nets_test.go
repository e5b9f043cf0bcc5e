package nets

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

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

func TestLoadNamesTheShapeThatDiffers(t *testing.T) {
	checkpoint, err := ReadCheckpoint("../hamiltonian/testdata/spring-hnn.tar")
	if err != nil {
		t.Fatal(err)
	}
	network := Network{Prefix: "differentiable_model.", Layers: MLP(2, 5, 2, 2, "tanh")}
	if err := network.Zeros().Load(checkpoint); err == nil || !strings.Contains(err.Error(), "shape [200 2]") {
		t.Errorf("a checkpoint of another size gave the error %v", err)
	}
	network.Prefix = "model."
	if err := network.Zeros().Load(checkpoint); err == nil || !strings.Contains(err.Error(), "model.linear1.weight") {
		t.Errorf("a checkpoint with other names gave the error %v", err)
	}
}
