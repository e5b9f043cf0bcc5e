package hamiltonian

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"hnn/internal/libtorch"
	"hnn/nets"
)

// The README's Python loads a checkpoint of ours into PyTorch, and finds our energies and field at states of any sign.
func TestPyTorchEvaluatesCheckpoints(t *testing.T) {
	if output, err := exec.Command("python3", "-c", "import torch").CombinedOutput(); err != nil {
		lines := strings.Split(strings.TrimSpace(string(output)), "\n")
		t.Skipf("no python3 with torch is on the PATH, and nothing was compared with PyTorch: %v, %s", err, lines[len(lines)-1])
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "```python\n")
	program, _, found := strings.Cut(rest, "```\n")
	if !found {
		t.Fatal("the README shows no Python")
	}

	if err := libtorch.Seed(0); err != nil {
		t.Fatal(err)
	}
	model, err := New(Config{Dimension: 2, Hidden: 200, Activation: "tanh"})
	if err != nil {
		t.Fatal(err)
	}
	defer model.Free()
	state, err := model.State()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "runs"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := nets.WriteCheckpoint(filepath.Join(folder, "runs/real-hnn.tar"), state, []byte(`{"task": "real"}`)); err != nil {
		t.Fatal(err)
	}

	states := [][]float64{{1, 0}, {-0.5, 1.25}, {0, -2}, {3, 0.125}}
	question, err := json.Marshal(states)
	if err != nil {
		t.Fatal(err)
	}
	python := exec.Command("python3", "-c", program+`
import json, sys
x = torch.tensor(json.loads(sys.argv[1]), requires_grad=True)
print(json.dumps({"energies": model.energy(x).tolist(), "field": model.field(x).tolist()}))
`, string(question))
	var complaints bytes.Buffer
	python.Dir, python.Stderr = folder, &complaints
	output, err := python.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, complaints.String())
	}
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	var want struct {
		Energies []float64
		Field    [][]float64
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &want); err != nil || len(want.Energies) != len(states) {
		t.Fatalf("Python printed %s: %v", output, err)
	}

	energies, err := model.Hamiltonian(states)
	if err != nil {
		t.Fatal(err)
	}
	field, err := model.Field(1)
	if err != nil {
		t.Fatal(err)
	}
	derivatives := [][]float64{{0, 0}, {0, 0}, {0, 0}, {0, 0}}
	if err := field(nil, states, derivatives); err != nil {
		t.Fatal(err)
	}
	for i, x := range states {
		if !(math.Abs(energies[i]-want.Energies[i]) < 1e-6) {
			t.Errorf("at %v our energy is %g, PyTorch's %g", x, energies[i], want.Energies[i])
		}
		for axis, got := range derivatives[i] {
			if !(math.Abs(got-want.Field[i][axis]) < 1e-6) {
				t.Errorf("at %v component %d of our field is %g, PyTorch's %g", x, axis, got, want.Field[i][axis])
			}
		}
	}
}
