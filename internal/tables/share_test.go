package tables

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
)

const sharedRows = 20_000

// sharedRow is row i of a table of ten trajectories.
type sharedRow struct {
	Q          float64 `parquet:"q"`
	Time       float64 `parquet:"t"`
	Trajectory int64   `parquet:"trajectory"`
}

func rowToShare(i int) sharedRow {
	return sharedRow{float64(i), float64(i) / 8, int64(10 * i / sharedRows)}
}

// tablesToShare returns the same rows in each format, by file name: the extension is behind the last dot.
func tablesToShare(t *testing.T) map[string][]byte {
	t.Helper()
	var text strings.Builder
	text.WriteString("# rows\nq,t,trajectory\n")
	array := fmt.Appendf(nil, "{'descr': [('q', '<f8'), ('t', '<f8'), ('trajectory', '<i8')], 'fortran_order': False, 'shape': (%d,), }\n", sharedRows)
	array = append(binary.LittleEndian.AppendUint16([]byte(magic+"\x01\x00"), uint16(len(array))), array...)
	for i := range sharedRows {
		row := rowToShare(i)
		if i%777 == 5 {
			text.WriteString("# a comment\n\n")
		}
		fmt.Fprintf(&text, "%g,%g,%d\n", row.Q, row.Time, row.Trajectory)
		array = binary.LittleEndian.AppendUint64(array, math.Float64bits(row.Q))
		array = binary.LittleEndian.AppendUint64(array, math.Float64bits(row.Time))
		array = binary.LittleEndian.AppendUint64(array, uint64(row.Trajectory))
	}
	numbers := func(of func(row sharedRow) float64) func(yield func(float64) bool) {
		return func(yield func(float64) bool) {
			for i := range sharedRows {
				if !yield(of(rowToShare(i))) {
					return
				}
			}
		}
	}
	var npz bytes.Buffer
	if err := WriteNPZ(&npz, sharedRows, []Output{
		{Name: "q", Numbers: numbers(func(row sharedRow) float64 { return row.Q })},
		{Name: "t", Numbers: numbers(func(row sharedRow) float64 { return row.Time })},
		{Name: "trajectory", Labels: func(yield func(string) bool) {
			for i := range sharedRows {
				if !yield(fmt.Sprint(rowToShare(i).Trajectory)) {
					return
				}
			}
		}},
	}); err != nil {
		t.Fatal(err)
	}
	tables := map[string][]byte{"text.csv": []byte(text.String()), "array.npy": array, "arrays.npz": npz.Bytes()}
	for _, group := range []int{100, 7000} {
		var content bytes.Buffer
		w := parquet.NewGenericWriter[sharedRow](&content, parquet.MaxRowsPerRowGroup(int64(group)), parquet.PageBufferSize(1000))
		for i := range sharedRows {
			if _, err := w.Write([]sharedRow{rowToShare(i)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		tables[fmt.Sprint("groups of ", group, ".parquet")] = content.Bytes()
	}
	return tables
}

// Each row is in one share, at the place that the share names, and with the numbers and the line of the whole table.
func TestShares(t *testing.T) {
	for name, content := range tablesToShare(t) {
		read := func(share Share) *Table {
			t.Helper()
			choose := func(names []string) (Layout, error) {
				layout, err := byName(names)
				layout.Share = share
				return layout, err
			}
			table, err := ReadCSV(name, bytes.NewReader(content), choose)
			if format := name[strings.LastIndex(name, "."):]; format != ".csv" {
				table, err = readBinary(name, format, bytes.NewReader(content), int64(len(content)), choose)
			}
			if err != nil {
				t.Fatal(err)
			}
			return table
		}
		whole := read(Share{})
		for _, count := range []int{1, 2, 3, 7} {
			holders := make([]int, sharedRows)
			for index := range count {
				table := read(Share{index, count})
				ends, err := table.Group()
				if err != nil || len(ends) != 10 || ends[3] != 4*sharedRows/10 || table.Total != sharedRows {
					t.Fatalf("%s: %d rows in trajectories that end at %v, error %v", name, table.Total, ends, err)
				}
				if fair := sharedRows / count; table.Rows < fair*9/10 || table.Rows > fair*11/10 {
					t.Errorf("%s: share %d of %d holds %d rows", name, index, count, table.Rows)
				}
				held := 0
				for row := range sharedRows {
					local, mine := table.Place(row)
					if local != held {
						t.Fatalf("%s: row %d has the place %d behind %d rows", name, row, local, held)
					}
					if !mine {
						continue
					}
					held++
					holders[row]++
					if table.Number(local, 0) != float64(row) || table.Number(local, 1) != float64(row)/8 || table.Where(local) != whole.Where(row) {
						t.Fatalf("%s: share %d of %d has %g, %g at %s as row %d", name, index, count, table.Number(local, 0), table.Number(local, 1),
							table.Where(local), row)
					}
				}
				pieces := table.Cut(ends)
				if !slices.IsSorted(pieces) || pieces[len(pieces)-1] != table.Rows {
					t.Errorf("%s: the pieces end at %v of %d rows", name, pieces, table.Rows)
				}
				first := 0
				for _, end := range pieces {
					for local := first + 1; local < end; local++ {
						before, now := int(table.Number(local-1, 0)), int(table.Number(local, 0))
						if now != before+1 || rowToShare(now).Trajectory != rowToShare(before).Trajectory {
							t.Fatalf("%s: a piece holds rows %d and %d", name, before, now)
						}
					}
					first = end
				}
			}
			if slices.Min(holders) != 1 || slices.Max(holders) != 1 {
				t.Errorf("%s: a row is in %d to %d of %d shares", name, slices.Min(holders), slices.Max(holders), count)
			}
		}
	}
}

// A share of a table whose trajectories are mixed is refused.
func TestMixedShare(t *testing.T) {
	table, err := ReadCSV("text", strings.NewReader("q,trajectory\n1,a\n2,b\n3,a\n"), func(names []string) (Layout, error) {
		layout, err := byName(names)
		layout.Share = Share{0, 2}
		return layout, err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := table.Group(); err == nil || !strings.Contains(err.Error(), `line 4 belongs to "a"`) {
		t.Errorf("error %v", err)
	}
}
