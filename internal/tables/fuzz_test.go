package tables

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// Any bytes are a table of finite numbers, or an error.
func fuzzFormat(f *testing.F, format string) {
	seeds, err := filepath.Glob("testdata/*" + format)
	if err != nil || len(seeds) == 0 {
		f.Fatal("there are no seeds", err)
	}
	for _, seed := range seeds {
		content, err := os.ReadFile(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		table, err := readBinary("fuzz", format, bytes.NewReader(content), int64(len(content)), byNameOrSkip)
		if err != nil {
			return
		}
		ends, err := table.Group()
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range table.layout.Columns {
			for row := 0; row < table.Rows && c.Kind != Skip && c.Kind != Label; row++ {
				if v := table.Number(row, i); math.IsNaN(v) || math.IsInf(v, 0) {
					t.Fatalf("row %d has %g", row, v)
				}
			}
		}
		if ends[len(ends)-1] != table.Rows {
			t.Fatalf("the groups end at %v of %d rows", ends, table.Rows)
		}
		share, err := readBinary("fuzz", format, bytes.NewReader(content), int64(len(content)), func(names []string) (Layout, error) {
			layout, err := byNameOrSkip(names)
			layout.Share = Share{Index: 1, Count: 3}
			return layout, err
		})
		if err != nil || share.Total != table.Total {
			t.Fatalf("a share of a table that can be read has the error %v", err)
		}
		if table.order != nil { // its rows have moved
			return
		}
		for row := range table.Rows {
			local, has := share.Place(row)
			for i, c := range table.layout.Columns {
				if has && c.Kind != Skip && c.Kind != Label && share.Number(local, i) != table.Number(row, i) {
					t.Fatalf("row %d of a share has %g, want %g", row, share.Number(local, i), table.Number(row, i))
				}
			}
		}
	})
}

func FuzzNPY(f *testing.F)     { fuzzFormat(f, ".npy") }
func FuzzNPZ(f *testing.F)     { fuzzFormat(f, ".npz") }
func FuzzParquet(f *testing.F) { fuzzFormat(f, ".parquet") }
