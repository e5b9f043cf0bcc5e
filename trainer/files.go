package trainer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/google/renameio/v2"
	"github.com/sugarme/gotch/ts"

	"hnn/autoencoder"
	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/internal/libtorch"
	"hnn/nets"
)

// Files are the paths of what a run leaves in its folder.
type Files struct {
	Checkpoint string // the model's state dict, as torch.save writes one
	Losses     string // CSV: step, train_loss, test_loss
	Settings   string // JSON: the settings, and the final losses of a finished run
	Resume     string // the model, the optimizer, the random generator and the losses so far
}

// FilesIn names the files of a run in a folder.
func (s Settings) FilesIn(folder string) Files {
	base := filepath.Join(folder, s.Label())
	return Files{base + ".tar", base + "-losses.csv", base + ".json", base + ".resume"}
}

// names of what the file for resuming holds beside the model
const (
	meanPrefix   = "adam.mean."
	squarePrefix = "adam.square."
	generatorKey = "generator"
	trainKey     = "train_loss"
	testKey      = "test_loss"
)

// Save writes a run's files into a folder, which it makes if need be; each file appears whole or not at all. final is nil
// for a run that did not end by itself.
func (t *Trainer) Save(folder string, final *Final) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	files := t.Settings.FilesIn(folder)
	state, err := t.objective.model().State()
	if err != nil {
		return err
	}
	settings, err := json.Marshal(t.Settings)
	if err != nil {
		return err
	}
	if err := nets.WriteCheckpoint(files.Checkpoint, state, settings); err != nil {
		return err
	}
	summary, err := json.MarshalIndent(struct {
		Settings
		*Final
		Steps int `json:"steps_done"`
	}{t.Settings, final, len(t.Losses.Train)}, "", "  ")
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(files.Settings, append(summary, '\n'), 0o644); err != nil {
		return err
	}
	if err := t.saveLosses(files.Losses); err != nil {
		return err
	}
	if len(t.Losses.Train) == 0 {
		return nil
	}
	return t.saveResume(files.Resume, state, settings)
}

// Finished tells whether a folder holds the end of a run with these settings.
func Finished(settings Settings, folder string) bool {
	content, err := os.ReadFile(settings.FilesIn(folder).Settings)
	var run struct {
		Settings
		*Final
	}
	return err == nil && json.Unmarshal(content, &run) == nil && run.Final != nil && run.Settings == settings
}

func (t *Trainer) saveLosses(path string) error {
	var csv bytes.Buffer
	csv.WriteString("step,train_loss,test_loss\n")
	for step, train := range t.Losses.Train {
		test := ""
		if step%t.Settings.TestEvery == 0 {
			test = number(t.Losses.Test[step])
		}
		fmt.Fprintf(&csv, "%d,%s,%s\n", step, number(train), test)
	}
	return renameio.WriteFile(path, csv.Bytes(), 0o644)
}

func number(v float32) string { return strconv.FormatFloat(float64(v), 'g', -1, 32) }

func (t *Trainer) saveResume(path string, entries []nets.Entry, settings []byte) error {
	for prefix, list := range t.moments() {
		moments, err := nets.State(prefix, list)
		if err != nil {
			return err
		}
		entries = append(entries, moments...)
	}
	generator, err := libtorch.GeneratorState()
	if err != nil {
		return err
	}
	defer generator.MustDrop()
	bytes := make([]uint8, generator.Numel())
	if err := generator.CopyDataUint8(bytes, uint(len(bytes))); err != nil {
		return err
	}
	steps := []int64{int64(len(t.Losses.Train))}
	return nets.WriteCheckpoint(path, append(entries,
		nets.Entry{Name: generatorKey, Shape: []int64{int64(len(bytes))}, Data: bytes},
		nets.Entry{Name: trainKey, Shape: steps, Data: t.Losses.Train},
		nets.Entry{Name: testKey, Shape: steps, Data: t.Losses.Test}), settings)
}

func (t *Trainer) moments() map[string][]nets.Parameter {
	return map[string][]nets.Parameter{meanPrefix: t.mean, squarePrefix: t.square}
}

// Resume restores what Save wrote into a folder, so that Run continues exactly where that run stopped. All settings but the
// number of steps must be those of the saved run.
func (t *Trainer) Resume(folder string) error {
	path := t.Settings.FilesIn(folder).Resume
	checkpoint, err := nets.ReadCheckpoint(path)
	if err != nil {
		return fmt.Errorf("nothing to resume: %w", err)
	}
	generator, _ := checkpoint.Entries[generatorKey].Data.([]uint8)
	train, _ := checkpoint.Entries[trainKey].Data.([]float32)
	test, _ := checkpoint.Entries[testKey].Data.([]float32)
	var settings Settings
	if err := json.Unmarshal(checkpoint.Settings, &settings); err != nil || generator == nil || len(train) == 0 || len(train) != len(test) {
		return fmt.Errorf("%s is no file of a run that can be resumed", path)
	}
	settings.TotalSteps = t.Settings.TotalSteps
	if settings != t.Settings {
		return fmt.Errorf("%s is of a run with other settings: %+v, and now they are %+v", path, settings, t.Settings)
	}
	if err := t.objective.model().SetState(checkpoint); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for prefix, list := range t.moments() {
		if err := nets.SetState(prefix, list, checkpoint); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	state, err := ts.OfSlice(generator)
	if err != nil {
		return err
	}
	defer state.MustDrop()
	if err := libtorch.SetGeneratorState(state); err != nil {
		return err
	}
	t.Losses = Losses{Train: train, Test: test}
	return nil
}

// LoadModel reads the model of a task on vectors from a checkpoint, and returns it with the settings of its run. Those of a
// PyTorch state dict, which carries none, are taken to be the published ones, with the hidden layers' size that its weights have.
func LoadModel(task datasets.Task, baseline bool, path string) (*hamiltonian.Model, Settings, error) {
	return load(task, baseline, path, hamiltonian.CheckpointPrefix+"linear1.bias", Settings.network)
}

// LoadPixelModel is LoadModel for the model of a task on pictures.
func LoadPixelModel(task datasets.Task, baseline bool, path string) (*autoencoder.PixelHNN, Settings, error) {
	return load(task, baseline, path, "autoencoder.linear1.bias", Settings.pixelNetwork)
}

// load reads a checkpoint into what draw makes of its settings; hidden names an entry with a hidden layer's size.
func load[M model](task datasets.Task, baseline bool, path, hidden string, draw func(Settings, datasets.Task) (M, error)) (M, Settings, error) {
	var none M
	checkpoint, err := nets.ReadCheckpoint(path)
	if err != nil {
		return none, Settings{}, err
	}
	wanted := DefaultSettings(task)
	wanted.Baseline = baseline
	settings := wanted
	if checkpoint.Settings != nil {
		if err := json.Unmarshal(checkpoint.Settings, &settings); err != nil {
			return none, settings, fmt.Errorf("%s: its settings are damaged: %w", path, err)
		}
		if settings.Task != task.Name || settings.Baseline != baseline {
			return none, settings, fmt.Errorf("%s is the checkpoint of a %s, and a %s is needed here", path, settings.Label(), wanted.Label())
		}
	} else if bias := checkpoint.Entries[hidden]; len(bias.Shape) == 1 {
		settings.HiddenDim = int(bias.Shape[0])
	}
	network, err := draw(settings, task)
	if err != nil {
		return none, settings, fmt.Errorf("%s: %w", path, err)
	}
	if err := network.SetState(checkpoint); err != nil {
		network.Free()
		return none, settings, fmt.Errorf("%s is no checkpoint of a %s: %w", path, wanted.Label(), err)
	}
	return network, settings, nil
}
