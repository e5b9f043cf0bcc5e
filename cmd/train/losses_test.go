package main

import (
	"bytes"
	"encoding/csv"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"hnn/internal/tables"
	"hnn/nets"
)

// The losses of -losses are those of the run's file.
func TestLosses(t *testing.T) {
	for _, format := range []string{".npz", ".parquet"} {
		folder := t.TempDir()
		path := filepath.Join(folder, "losses"+format)
		if out, err := execute(t, "-task", "real", "-total-steps", "20", "-losses", path, "-save-dir", folder); err != nil {
			t.Fatalf("error %v, output %s", err, out)
		}
		written, err := tables.Read(path, func(names []string) (tables.Layout, error) {
			var layout tables.Layout
			for _, name := range names {
				layout.Columns = append(layout.Columns, tables.Column{Name: name, Kind: tables.Wide})
			}
			return layout, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		checkpoint, err := nets.ReadCheckpoint(filepath.Join(folder, "real-hnn.tar"), nets.LossesFile)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(bytes.NewReader(checkpoint.Attachments[nets.LossesFile])).ReadAll()
		if err != nil || len(rows) != 22 || written.Rows != 21 {
			t.Fatalf("%s: %d rows, and %d in the run's file; error %v", format, written.Rows, len(rows), err)
		}
		places := map[string]int{"step": 0, "train_loss": 1, "test_loss": 2}
		if format == ".parquet" { // in alphabetical order
			places = map[string]int{"step": 0, "test_loss": 1, "train_loss": 2}
		}
		for i, name := range rows[0] {
			for row, fields := range rows[1:] {
				want, err := strconv.ParseFloat(fields[i], 32)
				if got := written.Number(row, places[name]); err != nil || got != want {
					t.Fatalf("%s: %s of row %d is %g, want %s", format, name, row, got, fields[i])
				}
			}
		}
	}
	if _, err := execute(t, "-task", "real", "-losses", "losses.txt"); err == nil || !strings.Contains(err.Error(), "written as .npz or .parquet") {
		t.Errorf("error %v", err)
	}
}
