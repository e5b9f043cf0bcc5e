package tables

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// piece holds the rows of one chunk until the rows of all are counted. Its memory is not Go's, so that it can go back as soon as it is copied: two
// copies of a table never exist.
type piece struct {
	Table
	memory []byte
	err    error // the first one; the rows end before it
}

// newPiece returns a piece with memory for up to the given number of rows.
func newPiece(layout Layout, rows int) (*piece, error) {
	p := &piece{Table: Table{layout: layout, Wide: make([][]float64, len(layout.Columns))}}
	size := 0
	for _, width := range layout.Widths {
		size += 4 * width * rows
	}
	for _, c := range layout.Columns {
		size += map[Kind]int{Wide: 8, Time: 8, Label: 4}[c.Kind] * rows
	}
	if size == 0 {
		return p, nil
	}
	var err error
	if p.memory, err = unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE); err != nil {
		return nil, fmt.Errorf("there is no memory for %d bytes of numbers: %w", size, err)
	}
	free := p.memory
	for i, c := range layout.Columns {
		if c.Kind == Wide || c.Kind == Time {
			p.Wide[i] = take[float64](&free, rows)
		}
	}
	for _, width := range layout.Widths {
		p.Blocks = append(p.Blocks, take[float32](&free, rows*width))
	}
	for _, c := range layout.Columns {
		if c.Kind == Label {
			p.Labels = take[int32](&free, rows)
		}
	}
	return p, nil
}

// take returns the first part of free memory as numbers.
func take[T any](free *[]byte, count int) []T {
	var one T
	numbers := unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(*free))), count)
	*free = (*free)[count*int(unsafe.Sizeof(one)):]
	return numbers
}

func (p *piece) free() {
	if p.memory != nil {
		_ = unix.Munmap(p.memory)
		p.memory = nil
	}
}

// join makes a table of pieces and frees them.
func join(layout Layout, pieces []*piece) *Table {
	total, held := 0, 0
	var runs []Run
	for _, p := range pieces {
		for _, r := range p.Runs {
			runs = addRun(runs, total+r.Row, held+r.Local, r.Rows)
		}
		total, held = total+p.Total, held+p.Rows
	}
	t := newTable(layout, total, runs)
	var copies errgroup.Group
	copies.SetLimit(runtime.GOMAXPROCS(0))
	parts := make([]part, len(pieces))
	first, at := 0, 0
	for i, p := range pieces {
		for _, s := range p.lines {
			t.addShift(first+s.row, s.line)
		}
		row, local := first, at
		copies.Go(func() error {
			t.paste(row, local, p)
			p.free()
			return nil
		})
		parts[i], first, at = part{first, p.Total, p.Names}, first+p.Total, at+p.Rows
	}
	_ = copies.Wait() // copies do not fail
	t.relabel(parts)
	return t
}

// paste copies a piece into the table. Its first row is the given row of the file, and its numbers go to the rows of the table from at on.
func (t *Table) paste(first, at int, p *piece) {
	for i, block := range t.Blocks {
		width := t.layout.Widths[i]
		copy(block[at*width:], p.Blocks[i][:p.Rows*width])
	}
	for i, wide := range t.Wide {
		if wide != nil {
			copy(wide[at:], p.Wide[i][:p.Rows])
		}
	}
	if t.Labels != nil {
		copy(t.Labels[first:], p.Labels[:p.Total])
	}
}

// addShift notes the line of a row, if it does not follow from the row before.
func (t *Table) addShift(row, line int) {
	if last := len(t.lines) - 1; last < 0 || t.lines[last].line+row-t.lines[last].row != line {
		t.lines = append(t.lines, shift{row, line})
	}
}
