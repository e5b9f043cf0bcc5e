package fit

import (
	"encoding/json"
	"testing"

	"hnn/nets"
)

// FuzzLoad reads models with any settings. What it accepts can be evaluated.
func FuzzLoad(f *testing.F) {
	r := scaled(.1, 1)
	record, err := json.Marshal(r.Record)
	if err != nil {
		f.Fatal(err)
	}
	for _, settings := range []string{
		string(record), `{"model": "port", "scaling": {}}`, `{"model": "port", "scaling": {"scale": [1e308, 0], "center": [0, 0], "time": -1}}`,
		`{"model": "hnn", "config": {"Dimension": 2, "Hidden": 1000000000, "HiddenLayers": 2}, "scaling": {}}`,
		`{"model": "port", "config": {"Dimension": 2000000000, "Hidden": 4, "HiddenLayers": 2000000000}, "scaling": {"scale": [1]}}`, `{"later": 1}`, `{`, "",
	} {
		f.Add([]byte(settings))
	}
	entries := map[string]nets.Entry{}
	for _, entry := range r.Parameters.Entries() {
		entries[entry.Name] = entry
	}
	f.Fuzz(func(t *testing.T, settings []byte) {
		loaded, err := decode(nets.Checkpoint{Entries: entries, Attachments: map[string][]byte{nets.SettingsFile: settings}})
		if err != nil {
			return
		}
		e, err := loaded.Evaluator(1)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		e.Columns = [][]float64{make([]float64, loaded.Equation.Columns)}
		out := make([]float64, loaded.Equation.Dimension())
		if err := e.Field(nil, [][]float64{make([]float64, len(out))}, [][]float64{out}); err != nil {
			t.Fatal(err)
		}
	})
}
