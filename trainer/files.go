package trainer

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"hnn/nets"
)

// Files returns the paths of a run's files in a folder. A file is a checkpoint, which torch.load opens, with attachments: settings.json (the settings,
// and the final losses of a finished run), losses.csv (step, train_loss, test_loss) and training (the state of the optimizer and of the random
// generator, and the losses with all digits).
func (s Settings) Files(folder string) nets.Run { return nets.NewRun(folder, s.Label()) }

// trainingFile is the attachment with the state of the training: the optimizer's vectors and the following entries, as a checkpoint.
const (
	trainingFile = "training"
	generatorKey = "generator"
	trainKey     = "train_loss"
	testKey      = "test_loss"
)

// state describes a run in settings.json.
type state struct {
	Settings
	*Final
	Steps int `json:"steps_done"`
}

// Claim prepares a folder for the run's files, and locks them until the caller calls release. It refuses a folder that cannot hold them, and one
// where the same names belong to another system.
func (t *Trainer) Claim(folder string) (release func(), err error) {
	const number = 4        // bytes of a float32
	const lossesOfStep = 40 // bytes of a step's losses, in both forms
	const archive = 20_000  // more than the rest of the file
	vectors := int64(1 + len(t.Optimizer.State()))
	return t.Settings.Files(folder).Claim(
		nets.Origin{Task: t.Settings.Task, File: t.Settings.File, Hash: t.Settings.Hash},
		number*vectors*t.Model.Parameters.Count()+int64(lossesOfStep*t.Settings.TotalSteps)+archive)
}

// Save writes the run to its file in a folder. final is nil for a run that did not reach its last step. After a crash, the file is whole: the new
// one or the one before. With final, Save removes the file of the unfinished run if it holds no more steps of this run.
func (t *Trainer) Save(folder string, final *Final) error {
	content, err := t.encode(final, nets.Attachment{Name: nets.LossesFile, Content: t.losses()})
	if err != nil {
		return err
	}
	files := t.Settings.Files(folder)
	if final == nil {
		return files.SaveUnfinished(content)
	}
	if err := files.SaveFinished(content); err != nil {
		return err
	}
	if before, err := t.Settings.find(files.Unfinished); err == nil && before.Steps > 0 && before.Steps <= len(t.Losses.Train) {
		return os.Remove(files.Unfinished)
	}
	return nil
}

// encode returns the run as a checkpoint, with further attachments.
func (t *Trainer) encode(final *Final, more ...nets.Attachment) ([]byte, error) {
	settings, err := nets.EncodeSettings(state{t.Settings, final, len(t.Losses.Train)})
	if err != nil {
		return nil, err
	}
	training, err := t.training()
	if err != nil {
		return nil, err
	}
	attachments := append([]nets.Attachment{{Name: nets.SettingsFile, Content: settings}}, more...)
	return nets.EncodeCheckpoint(t.Model.Parameters.Entries(), append(attachments, nets.Attachment{Name: trainingFile, Content: training})...)
}

// losses returns the losses as CSV.
func (t *Trainer) losses() []byte {
	var table bytes.Buffer
	table.WriteString("step,train_loss,test_loss\n")
	for step, train := range t.Losses.Train {
		fmt.Fprintf(&table, "%d,%g,", step, train)
		if step%t.Settings.TestEvery == 0 {
			fmt.Fprintf(&table, "%g", t.Losses.Test[step])
		}
		table.WriteByte('\n')
	}
	return table.Bytes()
}

// ReadLosses reads the losses of a run's file. It returns nil for a checkpoint that holds none, such as PyTorch's. An error names the file and the line.
func ReadLosses(path string) (*Losses, error) {
	checkpoint, err := nets.ReadCheckpoint(path, nets.LossesFile)
	content, ok := checkpoint.Attachments[nets.LossesFile]
	if err != nil || !ok {
		return nil, err
	}
	rows, err := csv.NewReader(bytes.NewReader(content)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", path, nets.LossesFile, err)
	}
	var losses Losses
	for i, row := range rows[min(1, len(rows)):] { // below the header
		if err := losses.append(i, row); err != nil {
			return nil, fmt.Errorf("%s: %s, line %d: %w", path, nets.LossesFile, i+2, err)
		}
	}
	return &losses, nil
}

// append adds the losses of a row of losses.csv. The test loss may be empty.
func (l *Losses) append(step int, row []string) error {
	if len(row) != 3 || row[0] != strconv.Itoa(step) {
		return fmt.Errorf("the row is %.60q; it must be step %d and its two losses", row, step)
	}
	train, err := strconv.ParseFloat(row[1], 32)
	if err != nil {
		return err
	}
	test := math.NaN()
	if row[2] != "" {
		if test, err = strconv.ParseFloat(row[2], 32); err != nil {
			return err
		}
	}
	l.Train, l.Test = append(l.Train, float32(train)), append(l.Test, float32(test))
	return nil
}

// training returns the state from which Resume continues.
func (t *Trainer) training() ([]byte, error) {
	generator, err := t.sampler.generator.State()
	if err != nil {
		return nil, err
	}
	steps := []int64{int64(len(t.Losses.Train))}
	entries := []nets.Entry{
		{Name: generatorKey, Shape: []int64{int64(len(generator))}, Data: generator},
		{Name: trainKey, Shape: steps, Data: t.Losses.Train},
		{Name: testKey, Shape: steps, Data: t.Losses.Test},
	}
	for _, vector := range t.state {
		entries = append(entries, vector.Entries()...)
	}
	return nets.EncodeCheckpoint(entries)
}

// Saved says how far the run of a file is. It is zero if there is no file.
type Saved struct {
	Path     string
	Steps    int // that its weights have had: the last one is Steps − 1
	Finished bool
}

// ErrOtherSettings says that a file is of a run with other settings or other data. The errors of Find, Unfinished and Resume wrap it.
var ErrOtherSettings = errors.New("the run has other settings")

// Find returns how far the run in a folder is: the unfinished one or, if it has more steps, the finished one. It returns an error if a file is damaged,
// or if the run has other settings. TotalSteps and the path of the data may differ.
func (s Settings) Find(folder string) (Saved, error) {
	unfinished, err := s.Unfinished(folder)
	if err != nil {
		return Saved{}, err
	}
	finished, err := s.find(s.Files(folder).Finished)
	if finished.Steps > unfinished.Steps || unfinished.Steps == 0 {
		return finished, err
	}
	return unfinished, nil
}

// Unfinished is Find for the unfinished run alone.
func (s Settings) Unfinished(folder string) (Saved, error) { return s.find(s.Files(folder).Unfinished) }

func (s Settings) find(path string) (Saved, error) {
	checkpoint, err := nets.ReadCheckpoint(path, nets.SettingsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return Saved{}, nil
	}
	if err == nil {
		err = nets.VerifyCheckpoint(path)
	}
	if err != nil {
		return Saved{}, err
	}
	there, err := readState(checkpoint)
	if err == nil {
		err = s.compare(there.Settings)
	}
	if err != nil {
		return Saved{}, fmt.Errorf("%s: %w", path, err)
	}
	return Saved{path, there.Steps, there.Final != nil}, nil
}

// Resume restores the run in a folder, as Find finds it. Run then continues exactly where that run stopped. Without a run in the folder, the
// trainer stays at its start. Resume returns an error if the run has had more steps than TotalSteps allows.
func (t *Trainer) Resume(folder string) error {
	saved, err := t.Settings.Find(folder)
	switch {
	case errors.Is(err, ErrOtherSettings):
		return fmt.Errorf("%w; give the same ones, or train anew without -resume", err)
	case err != nil || saved.Steps == 0:
		return err
	case saved.Steps > t.Settings.TotalSteps+1:
		return fmt.Errorf("%s has made step %d already, and the last step is to be %d; give at least -total-steps %d, or train anew without -resume",
			saved.Path, saved.Steps-1, t.Settings.TotalSteps, saved.Steps-1)
	}
	path := saved.Path
	checkpoint, err := nets.ReadCheckpoint(path, trainingFile)
	if err != nil {
		return err
	}
	if err := t.restore(checkpoint, saved.Steps); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func (t *Trainer) restore(checkpoint nets.Checkpoint, steps int) error {
	training, err := nets.DecodeCheckpoint(checkpoint.Attachments[trainingFile])
	if err != nil {
		return fmt.Errorf("the state of its training: %w", err)
	}
	generator, _ := training.Entries[generatorKey].Data.([]uint8)
	train, _ := training.Entries[trainKey].Data.([]float32)
	test, _ := training.Entries[testKey].Data.([]float32)
	if slices.ContainsFunc(train, func(loss float32) bool { return !finite(loss) }) {
		return errors.New("the state of its training has a loss that is not finite")
	}
	if generator == nil || len(train) != steps || len(test) != steps {
		return fmt.Errorf("the state of its training has %d and %d losses of %d steps", len(train), len(test), steps)
	}
	for _, key := range []string{generatorKey, trainKey, testKey} {
		delete(training.Entries, key)
	}
	t.newState()
	var vectors nets.Parameters
	for _, vector := range t.state {
		vectors = append(vectors, vector...)
	}
	if err := cmp.Or(t.Model.Parameters.Load(checkpoint), vectors.Load(training)); err != nil {
		return err
	}
	if err := t.sampler.generator.SetState(generator); err != nil {
		return err
	}
	t.Losses = Losses{Train: train, Test: test}
	return nil
}

// readState reads the settings of a run's checkpoint. It names fields of a later version and settings that Check refuses.
func readState(c nets.Checkpoint) (s state, err error) {
	content, ok := c.Attachments[nets.SettingsFile]
	if !ok {
		return s, errors.New("the checkpoint has no settings; ./train writes them")
	}
	if err := nets.DecodeSettings(content, &s); err != nil {
		return s, err
	}
	if s.Steps < 1 || s.Steps > s.TotalSteps+1 {
		return s, fmt.Errorf("its settings: %d steps are done, and the last step is %d", s.Steps, s.TotalSteps)
	}
	if err := s.Check(); err != nil {
		return s, fmt.Errorf("its settings: %w", err)
	}
	return s, nil
}

// compare names the settings that differ from those of another run, and decide its numbers.
func (s Settings) compare(there Settings) error {
	there.TotalSteps, there.File = s.TotalSteps, s.File
	here, other := reflect.ValueOf(s), reflect.ValueOf(there)
	var differ []string
	for i := range here.NumField() {
		name, _, _ := strings.Cut(here.Type().Field(i).Tag.Get("json"), ",")
		a, b := here.Field(i).Interface(), other.Field(i).Interface()
		switch {
		case a == b:
		case name == "data_sha256":
			differ = append(differ, fmt.Sprintf("its data had other content than %q", s.File))
		default:
			differ = append(differ, fmt.Sprintf("%s was %q", name, fmt.Sprint(b))+fmt.Sprintf(" and is %q", fmt.Sprint(a)))
		}
	}
	if differ == nil {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrOtherSettings, strings.Join(differ, ", "))
}
