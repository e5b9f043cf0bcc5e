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

	"hnn/nets"
)

// The Python of docs/python.md loads a checkpoint of ours into PyTorch, and finds our energies and field at states of any sign.
func TestPyTorchEvaluatesCheckpoints(t *testing.T) {
	if output, err := exec.Command("python3", "-c", "import torch").CombinedOutput(); err != nil {
		lines := strings.Split(strings.TrimSpace(string(output)), "\n")
		t.Skipf("no python3 with torch is on the PATH, and nothing was compared with PyTorch: %v, %s", err, lines[len(lines)-1])
	}
	page, err := os.ReadFile("../docs/python.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```python\n")
	program, _, found := strings.Cut(rest, "```\n")
	if !found {
		t.Fatal("docs/python.md shows no Python")
	}

	model := random(HNN, Config{Dimension: 2, Hidden: 200, HiddenLayers: 2, Activation: "tanh"})
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "runs"), 0o700); err != nil {
		t.Fatal(err)
	}
	content, err := nets.EncodeCheckpoint(model.Parameters.Entries(), nets.Attachment{Name: nets.SettingsFile, Content: []byte(`{"task": "real"}`)})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "runs/real-hnn.tar"), content, 0o600); err != nil {
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

	e := evaluator(t, model)
	energies, err := e.Hamiltonian(states)
	if err != nil {
		t.Fatal(err)
	}
	derivatives := evaluate(t, e.Field, states)
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
