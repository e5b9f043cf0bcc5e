package trainer

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"testing"

	"hnn/datasets"
	"hnn/nets"
)

// FuzzResume reads runs with any settings, generator, losses and vectors. What it accepts, it continues with finite numbers or an error.
func FuzzResume(f *testing.F) {
	s := settings(datasets.Real, 3)
	s.HiddenDim, s.InputNoise = 4, 0.1
	run, err := New(datasets.Real, s, Execution{Threads: 1})
	if err == nil {
		err = run.Run(context.Background(), nil)
	}
	if err != nil {
		f.Fatal(err)
	}
	generator, err := run.sampler.generator.State()
	if err != nil {
		f.Fatal(err)
	}
	losses, err := binary.Append(nil, binary.LittleEndian, run.Losses.Train)
	if err != nil {
		f.Fatal(err)
	}
	content := func(s any) []byte {
		text, err := json.Marshal(s)
		if err != nil {
			f.Fatal(err)
		}
		return text
	}
	s.TotalSteps = 6
	f.Add(content(state{s, nil, 4}), generator, losses, uint16(0))
	f.Add(content(state{s, &Final{}, 4}), generator[:100], losses, uint16(7))
	f.Add(content(state{s, nil, 3}), generator, losses[:5], uint16(1))
	f.Add([]byte(`{"task": "real", "hidden_dim": 1000000000, "layers": 2}`), generator, losses, uint16(0))
	f.Add([]byte(`{"task": "real", "steps_done": 9223372036854775807, "total_steps": -1}`), []byte{}, []byte{}, uint16(3))
	f.Add([]byte(`{"task": "real", "later": 1}`), generator, losses, uint16(0))
	f.Add([]byte(`{"task": "real\u001b[2J", "model": "hnn"}`), generator, losses, uint16(0))
	f.Fuzz(func(t *testing.T, settings, generator, losses []byte, broken uint16) {
		checkpoint := nets.Checkpoint{Entries: map[string]nets.Entry{}, Attachments: map[string][]byte{nets.SettingsFile: settings}}
		there, err := readState(checkpoint)
		if err != nil || s.compare(there.Settings) != nil {
			return
		}
		trainer := start(t, datasets.Real, s)
		floats := make([]float32, len(losses)/4)
		for i := range floats {
			if _, err := binary.Decode(losses[4*i:], binary.LittleEndian, &floats[i]); err != nil {
				t.Fatal(err)
			}
		}
		trainer.newState()
		entries := []nets.Entry{
			{Name: generatorKey, Shape: []int64{int64(len(generator))}, Data: generator},
			{Name: trainKey, Shape: []int64{int64(len(floats))}, Data: floats},
			{Name: testKey, Shape: []int64{int64(len(floats))}, Data: floats},
		}
		for _, vector := range trainer.state {
			entries = append(entries, vector.Entries()...)
		}
		if int(broken) < len(entries) { // 0 breaks the generator's type
			entries[broken].Data, entries[broken].Shape = []int64{1}, []int64{1}
		}
		if checkpoint.Attachments[trainingFile], err = nets.EncodeCheckpoint(entries); err != nil {
			t.Fatal(err)
		}
		for _, entry := range trainer.Model.Parameters.Entries() {
			checkpoint.Entries[entry.Name] = entry
		}
		if err := trainer.restore(checkpoint, there.Steps); err != nil {
			if len(trainer.Losses.Train) > 0 {
				t.Errorf("a run that cannot be resumed left %d losses: %v", len(trainer.Losses.Train), err)
			}
			return
		}
		if len(trainer.Losses.Train) != there.Steps || int(broken) < len(entries) {
			t.Fatalf("%d losses of %d steps, entry %d broken", len(trainer.Losses.Train), there.Steps, broken)
		}
		trainer.Settings.TotalSteps = there.Steps
		if err := trainer.Run(context.Background(), nil); err != nil {
			t.Fatal(err)
		}
	})
}
