package fit

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/nets"
)

// Record describes a trained model. A checkpoint holds it as JSON.
type Record struct {
	nets.Origin
	Model   string `json:"model"`
	Loss    string `json:"loss"`
	Seed    uint64 `json:"seed"`
	Request string `json:"request_sha256"` // SHA-256 of the options and the observations, which determine the model
	Candidate
	Candidates   []Candidate          `json:"candidates"`    // all forms that the validation compared
	TestFraction float64              `json:"test_fraction"` // last part of the observations, which Fit was not given (Observations.Split)
	Config       hamiltonian.Config   `json:"config"`
	Scaling      *hamiltonian.Scaling `json:"scaling"`
}

// Files returns the paths of a model of a task in a folder. A seed above 0 is part of the name. A file is a checkpoint, which torch.load opens. Its
// attachments are settings.json (the Record) and losses.csv.
func Files(folder, task, model string, seed uint64) nets.Run {
	label := task + "-" + model
	if seed > 0 {
		label += fmt.Sprintf("-seed%d", seed)
	}
	return nets.NewRun(folder, label)
}

// request identifies a training: the same request gives the same model.
func request(o Options, observed datasets.Observations) (string, error) {
	content, err := json.Marshal(struct {
		Options
		Model    string
		Observed datasets.Observations
	}{o, o.Model.Name, observed})
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:]), err
}

// Trained returns the finished model in a folder, which Fit would give again for the same options and observations. It returns an error if the model
// is one of others, and nil if there is none or its file is damaged.
func Trained(files nets.Run, o Options, observed datasets.Observations) (*Result, error) {
	r, err := Load(files.Finished)
	if err != nil {
		return nil, nil
	}
	wanted, err := request(o, observed)
	if err == nil && r.Record.Request != wanted {
		err = fmt.Errorf("%s is a finished model of other options or data; train without -resume to replace it", files.Finished)
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Save writes the model to its file. A model whose training was interrupted is not finished. After a crash, the file is whole: the new one or the
// one before.
func (r *Result) Save(files nets.Run, finished bool) error {
	record, err := nets.EncodeSettings(r.Record)
	if err != nil {
		return err
	}
	content, err := nets.EncodeCheckpoint(r.Parameters.Entries(),
		nets.Attachment{Name: nets.SettingsFile, Content: record}, nets.Attachment{Name: nets.LossesFile, Content: r.losses()})
	if err != nil {
		return err
	}
	if !finished {
		return files.SaveUnfinished(content)
	}
	if err := files.SaveFinished(content); err != nil {
		return err
	}
	if err := os.Remove(files.Unfinished); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// losses returns the losses as CSV.
func (r *Result) losses() []byte {
	var csv bytes.Buffer
	csv.WriteString("step,part,loss,validation\n")
	for _, p := range r.Losses {
		fmt.Fprintf(&csv, "%d,%s,%.8g,", p.Step, p.Part, p.Loss)
		if p.Validation > 0 {
			fmt.Fprintf(&csv, "%.8g", p.Validation)
		}
		csv.WriteByte('\n')
	}
	return csv.Bytes()
}

// Load reads a model that Save wrote.
func Load(path string) (*Result, error) {
	checkpoint, err := nets.ReadCheckpoint(path, nets.SettingsFile)
	if err != nil {
		return nil, err
	}
	r, err := decode(checkpoint)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

func decode(checkpoint nets.Checkpoint) (*Result, error) {
	r := &Result{}
	var kind struct{ Scaling *hamiltonian.Scaling }
	content := checkpoint.Attachments[nets.SettingsFile]
	if json.Unmarshal(content, &kind) != nil || kind.Scaling == nil {
		return nil, errors.New("this is no model of a measured system; ./train makes one if the table has times and no derivatives")
	}
	if err := nets.DecodeSettings(content, &r.Record); err != nil {
		return nil, err
	}
	if !(r.Record.TestFraction >= 0 && r.Record.TestFraction < 1) {
		return nil, fmt.Errorf("its settings: the test fraction is %g; it must be at least 0 and below 1", r.Record.TestFraction)
	}
	model, err := hamiltonian.Find(r.Record.Model)
	if err != nil {
		return nil, err
	}
	c := r.Record.Config
	if err := cmp.Or(c.Check(), r.Record.Scaling.Check(c.Dimension, c.Inputs+c.Constants)); err != nil {
		return nil, fmt.Errorf("its settings: %w", err)
	}
	r.Dynamics = hamiltonian.Dynamics{Equation: model.Equation(c), Scaling: r.Record.Scaling}
	if err := r.Equation.Check(); err != nil {
		return nil, err
	}
	r.Parameters = r.Equation.Shapes()
	return r, r.Parameters.Load(checkpoint)
}

// Bytes returns about the size of a model's file, and not less: that of the largest form, with the losses of all steps.
func (o Options) Bytes(observed datasets.Observations) int64 {
	const number, lossesOfStep, mostSteps, rest = 4, 40, 10_000, 20_000
	c := hamiltonian.Config{
		Dimension: 2 * observed.Positions, Hidden: cmp.Or(o.Hidden, 128), HiddenLayers: o.Layers, Activation: o.Activation, FieldType: o.FieldType,
		Inputs: len(observed.Inputs), Constants: len(observed.Constants), Kinetic: hamiltonian.General, Friction: hamiltonian.StateFriction,
	}
	return int64(rest+lossesOfStep*mostSteps*o.Effort) + number*o.Model.Equation(c).Shapes().Count()
}
