package fit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"

	"hnn/hamiltonian"
	"hnn/nets"
)

// Record describes a trained model. A checkpoint holds it as JSON.
type Record struct {
	Task  string `json:"task"`
	Model string `json:"model"`
	Loss  string `json:"loss"`
	Seed  uint64 `json:"seed"`
	Candidate
	Candidates   []Candidate          `json:"candidates"`    // all forms that the validation compared
	TestFraction float64              `json:"test_fraction"` // last part of the observations, which Fit was not given (Observations.Split)
	Config       hamiltonian.Config   `json:"config"`
	Scaling      *hamiltonian.Scaling `json:"scaling"`
}

// Path returns the path of a checkpoint in a folder: that of a model of a measured system. A seed above 0 is part of the name.
func Path(folder, task, model string, seed uint64) string {
	name := task + "-" + model
	if seed > 0 {
		name += fmt.Sprintf("-seed%d", seed)
	}
	return filepath.Join(folder, name+".tar")
}

// Save writes the model of a task as a checkpoint, which PyTorch's torch.load opens, and the losses beside it: those of my-port.tar go to
// my-port-losses.csv. It replaces each file atomically.
func (r *Result) Save(path, task string) error {
	r.Record.Task = task
	record, err := json.Marshal(r.Record)
	if err != nil {
		return err
	}
	if err := nets.WriteCheckpoint(path, r.Parameters.Entries(), record); err != nil {
		return err
	}
	var csv bytes.Buffer
	csv.WriteString("step,part,loss,validation\n")
	for _, p := range r.Losses {
		fmt.Fprintf(&csv, "%d,%s,%.8g,", p.Step, p.Part, p.Loss)
		if p.Validation > 0 {
			fmt.Fprintf(&csv, "%.8g", p.Validation)
		}
		csv.WriteByte('\n')
	}
	return renameio.WriteFile(strings.TrimSuffix(path, ".tar")+"-losses.csv", csv.Bytes(), 0o644)
}

// Load reads a model that Save wrote.
func Load(path string) (*Result, error) {
	checkpoint, err := nets.ReadCheckpoint(path)
	if err != nil {
		return nil, err
	}
	r := &Result{}
	if err := json.Unmarshal(checkpoint.Settings, &r.Record); err != nil || r.Record.Scaling == nil {
		return nil, fmt.Errorf("%s is no model of a measured system; ./train makes one if the table has times and no derivatives", path)
	}
	model, err := hamiltonian.Find(r.Record.Model)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r.Dynamics = hamiltonian.Dynamics{Equation: model.Equation(r.Record.Config), Scaling: r.Record.Scaling}
	if err := r.Equation.Check(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r.Parameters = r.Equation.Zeros()
	if err := r.Parameters.Load(checkpoint); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}
