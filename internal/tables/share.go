package tables

import (
	"fmt"
	"slices"
)

// Share is one of several shares of a table's rows. Successive blocks of rows go to the shares in turn, so that each has rows from everywhere. The
// zero value is the whole table.
type Share struct {
	Index int // from 0
	Count int // of the shares
}

// parted reports whether the share is less than the whole table.
func (s Share) parted() bool { return s.Count > 1 }

// owns reports whether the share has a block.
func (s Share) owns(block int) bool { return !s.parted() || block%s.Count == s.Index }

// Run is a stretch of successive rows of a file that a table holds. Rows count from 0.
type Run struct {
	Row   int // the first one in the file
	Local int // its place in the table
	Rows  int // how many there are
}

const (
	blockLines    = 64  // lines of a block of a CSV file
	fairBlocks    = 128 // blocks of a share, where the number of rows is known before they are read
	fewestOfGroup = 16  // row groups for each share from which on the row groups of a Parquet file are the blocks
)

// addRun adds the next rows that are kept. Rows that follow the last run extend it.
func addRun(runs []Run, row, local, rows int) []Run {
	if last := len(runs) - 1; last >= 0 && runs[last].Row+runs[last].Rows == row {
		runs[last].Rows += rows
		return runs
	}
	return append(runs, Run{row, local, rows})
}

// runs returns the rows of a share. starts holds the first row of each block, and the number of rows at its end.
func (s Share) runs(starts []int) (runs []Run) {
	local := 0
	for block := range len(starts) - 1 {
		if rows := starts[block+1] - starts[block]; s.owns(block) && rows > 0 {
			runs = addRun(runs, starts[block], local, rows)
			local += rows
		}
	}
	return runs
}

// blocks divides rows into equal blocks and returns their starts, as runs takes them.
func (s Share) blocks(rows int) (starts []int) {
	size := max(1, rows/max(1, fairBlocks*s.Count))
	for start := 0; start < rows; start += size {
		starts = append(starts, start)
	}
	return append(starts, rows)
}

// kept takes successive rows of the file, and calls each for every piece of them that the table holds: the rows of the file from one on and before
// another. Adding moved to a row of the file gives the row of the table.
func (t *Table) kept(first, rows int, each func(from, to, moved int) error) error {
	for _, r := range t.Runs[t.run(first):] {
		from, to := max(first, r.Row), min(first+rows, r.Row+r.Rows)
		if from >= to {
			return nil
		}
		if err := each(from, to, r.Local-r.Row); err != nil {
			return err
		}
	}
	return nil
}

// holds reports whether the table holds some of successive rows of the file.
func (t *Table) holds(first, rows int) bool {
	i := t.run(first)
	return i < len(t.Runs) && t.Runs[i].Row < first+rows
}

// run returns the index of the first run that ends after a row of the file.
func (t *Table) run(row int) int {
	i, _ := slices.BinarySearchFunc(t.Runs, row, func(r Run, row int) int {
		if r.Row+r.Rows <= row {
			return -1
		}
		return 1
	})
	return i
}

// Place returns where the table holds a row of the file, or else how many of the rows before it the table holds.
func (t *Table) Place(row int) (local int, held bool) {
	i := t.run(row)
	switch {
	case i == len(t.Runs):
		return t.Rows, false
	case row < t.Runs[i].Row:
		return t.Runs[i].Local, false
	}
	return t.Runs[i].Local + row - t.Runs[i].Row, true
}

// fileRow returns the row of the file at which a row of the table stands.
func (t *Table) fileRow(local int) int {
	i, found := slices.BinarySearchFunc(t.Runs, local, func(r Run, local int) int { return r.Local - local })
	if !found {
		i--
	}
	return t.Runs[i].Row + local - t.Runs[i].Local
}

// Cut cuts the rows of the table into pieces of trajectories, and returns the row of the table after each piece. The whole trajectories end before
// the given rows of the file.
func (t *Table) Cut(ends []int) (local []int) {
	first := 0
	for _, end := range ends {
		_ = t.kept(first, end-first, func(_, to, moved int) error {
			local = append(local, to+moved)
			return nil
		}) // each does not fail
		first = end
	}
	return local
}

// unordered returns an error about the first row whose label has occurred before another one, or nil.
func (t *Table) unordered() error {
	for i := 1; i < len(t.Labels); i++ {
		if t.Labels[i] < t.Labels[i-1] {
			return fmt.Errorf("%s belongs to %q, as rows further up do; several processes need the rows of each trajectory one after the other",
				t.line(i), t.Names[t.Labels[i]])
		}
	}
	return nil
}
