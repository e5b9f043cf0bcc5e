package prediction_test

import (
	"path/filepath"
	"slices"
	"testing"

	"hnn/internal/tables"
	"hnn/prediction"
)

// Every format has the same columns and rows.
func TestFormats(t *testing.T) {
	at := starts([]float64{0, 0.1}, []float64{1, 0}, []float64{0, 0.25})
	at.Trajectories[1].Label = `b,"c"`
	p := prediction.Prediction{Energy: true, Trajectories: []prediction.Predicted{
		{States: [][]float64{{1, 0}, {0.5, -1e-20}}, Deviations: [][]float64{{0, 0}, {0.1, 2}}, H: []float64{1, 2}},
		{States: [][]float64{{0, 0.25}, {3, 4}}, Deviations: [][]float64{{0, 0}, {5, 1}}, H: []float64{1, 7}},
	}}
	want := map[string][]float64{
		"t": {0, .1, 0, .1}, "q1": {1, .5, 0, 3}, "p1": {0, -1e-20, .25, 4}, "H": {1, 2, 1, 7}, "sd_q1": {0, .1, 0, 5}, "sd_p1": {0, 2, 0, 1},
	}
	for _, name := range []string{"out.csv", "out.npz", "out.parquet"} {
		path := filepath.Join(t.TempDir(), name)
		if err := prediction.Write(path, at, p); err != nil {
			t.Fatal(err)
		}
		var columns []string
		table, err := tables.Read(path, func(names []string) (layout tables.Layout, err error) {
			columns = names
			for _, name := range names {
				c := tables.Column{Name: name, Kind: tables.Wide}
				if name == "trajectory" {
					c.Kind = tables.Label
				}
				layout.Columns = append(layout.Columns, c)
			}
			return layout, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(columns) != 1+len(want) || !slices.Equal(table.Names, []string{"1", `b,"c"`}) || !slices.Equal(table.Labels, []int32{0, 0, 1, 1}) {
			t.Errorf("%s has the columns %q, and labels %v of %q", name, columns, table.Labels, table.Names)
		}
		for i, column := range columns {
			if column != "trajectory" && !slices.Equal(table.Wide[i], want[column]) {
				t.Errorf("%s: %s is %v, want %v", name, column, table.Wide[i], want[column])
			}
		}
	}
}
