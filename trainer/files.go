package trainer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"hnn/nets"
)

// Files holds the paths of the files that Save writes.
type Files struct {
	Checkpoint string // the model's state dict, as torch.save writes one
	Losses     string // CSV: step, train_loss, test_loss
	Settings   string // JSON: the settings, and the final losses of a finished run
	Resume     string // the model, the optimizer, the random generator and the losses so far
}

// FilesIn returns the paths of a run's files in a folder.
func (s Settings) FilesIn(folder string) Files {
	base := filepath.Join(folder, s.Label())
	return Files{base + ".tar", base + "-losses.csv", base + ".json", base + ".resume"}
}

// The resume file holds these entries, the model and the optimizer's state.
const (
	generatorKey = "generator"
	trainKey     = "train_loss"
	testKey      = "test_loss"
)

// Save writes a run's files into a folder and creates the folder if necessary. It replaces each file atomically. final is nil for a run that
// did not reach its last step.
func (t *Trainer) Save(folder string, final *Final) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	files := t.Settings.FilesIn(folder)
	settings, err := json.Marshal(t.Settings)
	if err != nil {
		return err
	}
	if err := nets.WriteCheckpoint(files.Checkpoint, t.Model.Parameters.Entries(), settings); err != nil {
		return err
	}
	content, err := json.MarshalIndent(summary{t.Settings, final, len(t.Losses.Train)}, "", "  ")
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(files.Settings, append(content, '\n'), 0o644); err != nil {
		return err
	}
	var csv bytes.Buffer
	csv.WriteString("step,train_loss,test_loss\n")
	for step, train := range t.Losses.Train {
		fmt.Fprintf(&csv, "%d,%g,", step, train)
		if step%t.Settings.TestEvery == 0 {
			fmt.Fprintf(&csv, "%g", t.Losses.Test[step])
		}
		csv.WriteByte('\n')
	}
	if err := renameio.WriteFile(files.Losses, csv.Bytes(), 0o644); err != nil || len(t.Losses.Train) == 0 {
		return err
	}
	generator, err := t.sampler.generator.State()
	if err != nil {
		return err
	}
	var entries []nets.Entry
	for _, vector := range t.vectors() {
		entries = append(entries, vector.Entries()...)
	}
	steps := []int64{int64(len(t.Losses.Train))}
	return nets.WriteCheckpoint(files.Resume, append(entries,
		nets.Entry{Name: generatorKey, Shape: []int64{int64(len(generator))}, Data: generator},
		nets.Entry{Name: trainKey, Shape: steps, Data: t.Losses.Train},
		nets.Entry{Name: testKey, Shape: steps, Data: t.Losses.Test}), settings)
}

// summary is the JSON of a run.
type summary struct {
	Settings
	*Final
	Steps int `json:"steps_done"`
}

// Finished reports whether the folder holds a finished run with these settings.
func Finished(settings Settings, folder string) bool {
	content, err := os.ReadFile(settings.FilesIn(folder).Settings)
	var run summary
	return err == nil && json.Unmarshal(content, &run) == nil && run.Final != nil && run.Settings == settings
}

// Resume restores the run that Save wrote into a folder. Run then continues exactly where that run stopped. All settings except TotalSteps
// must equal those of the saved run.
func (t *Trainer) Resume(folder string) error {
	path := t.Settings.FilesIn(folder).Resume
	checkpoint, err := nets.ReadCheckpoint(path)
	if err != nil {
		return fmt.Errorf("there is no run to resume: %w", err)
	}
	generator, _ := checkpoint.Entries[generatorKey].Data.([]uint8)
	train, _ := checkpoint.Entries[trainKey].Data.([]float32)
	test, _ := checkpoint.Entries[testKey].Data.([]float32)
	var settings Settings
	if err := json.Unmarshal(checkpoint.Settings, &settings); err != nil || generator == nil || len(train) == 0 || len(train) != len(test) {
		return fmt.Errorf("%s is not a file of a run that can be resumed", path)
	}
	settings.TotalSteps = t.Settings.TotalSteps
	if settings != t.Settings {
		return fmt.Errorf("%s is of a run with other settings: %+v, and now they are %+v", path, settings, t.Settings)
	}
	t.newState()
	for _, vector := range t.vectors() {
		if err := vector.Load(checkpoint); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	if err := t.sampler.generator.SetState(generator); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	t.Losses = Losses{Train: train, Test: test}
	return nil
}
