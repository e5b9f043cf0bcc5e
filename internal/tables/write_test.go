package tables

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"slices"
	"testing"
)

// What is written is read again, by readers that read what numpy and pyarrow write.
func TestWritten(t *testing.T) {
	outputs := []Output{
		{Name: "trajectory", Labels: slices.Values(slices.Repeat([]string{"a", "µ, 2"}, 10_000))},
		{Name: "t", Numbers: func(yield func(float64) bool) {
			for i := range 20_000 {
				yield(float64(i) / 3)
			}
		}},
	}
	var npz, parquet bytes.Buffer
	if err := WriteNPZ(&npz, 20_000, outputs); err != nil {
		t.Fatal(err)
	}
	if err := WriteParquet(&parquet, outputs); err != nil {
		t.Fatal(err)
	}
	for format, content := range map[string][]byte{".npz": npz.Bytes(), ".parquet": parquet.Bytes()} {
		table, err := readBinary("written", format, bytes.NewReader(content), int64(len(content)), byName)
		if err != nil {
			t.Fatal(err)
		}
		times := table.Wide[slices.IndexFunc(table.layout.Columns, func(c Column) bool { return c.Name == "t" })]
		for row := range 20_000 {
			if times[row] != float64(row)/3 || table.Names[table.Labels[row]] != []string{"a", "µ, 2"}[row%2] {
				t.Fatalf("%s: row %d is %g of %q", format, row, times[row], table.Names[table.Labels[row]])
			}
		}
		if ends, err := table.Group(); err != nil || !slices.Equal(ends, []int{10_000, 20_000}) || times[1] != 1./3 || table.Where(1) != "row 3" {
			t.Errorf("%s: grouped, the trajectories end at %v; row 1 is %s", format, ends, table.Where(1))
		}
	}
}

// Arrays are written as numpy writes them (testdata/make.py), byte by byte.
func TestArraysAreThoseOfNumpy(t *testing.T) {
	var written bytes.Buffer
	if err := WriteNPZ(&written, 3, []Output{
		{Name: "t", Numbers: slices.Values([]float64{0, .5, .1})},
		{Name: "trajectory", Labels: slices.Values([]string{"b", "µ 2", "b"})},
	}); err != nil {
		t.Fatal(err)
	}
	ours, err := zip.NewReader(bytes.NewReader(written.Bytes()), int64(written.Len()))
	if err != nil {
		t.Fatal(err)
	}
	numpys, err := zip.OpenReader("testdata/rows.npz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = numpys.Close() }()
	for _, name := range []string{"t.npy", "trajectory.npy"} {
		got, err := fs.ReadFile(ours, name)
		want, other := fs.ReadFile(numpys, name)
		if err != nil || other != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is %q, want %q; errors %v, %v", name, got, want, err, other)
		}
	}
}
