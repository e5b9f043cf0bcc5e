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
	})
}

func FuzzNPY(f *testing.F)     { fuzzFormat(f, ".npy") }
func FuzzNPZ(f *testing.F)     { fuzzFormat(f, ".npz") }
func FuzzParquet(f *testing.F) { fuzzFormat(f, ".parquet") }
