package tables

import (
	"math"
	"slices"
	"strings"
)

// find returns the column of a kind; −1 if there is none.
func (l Layout) find(kind Kind) int {
	return slices.IndexFunc(l.Columns, func(c Column) bool { return c.Kind == kind })
}

// labels numbers the labels of some rows.
type labels struct {
	numbers map[string]int32
	names   []string
	times   []float64 // the last one of each
}

func newLabels() *labels { return &labels{numbers: map[string]int32{}} }

// number returns the number of a label.
func (l *labels) number(name string) (int32, error) {
	if last := len(l.names) - 1; last >= 0 && l.names[last] == name {
		return int32(last), nil
	}
	number, known := l.numbers[name]
	if known {
		return number, nil
	}
	if err := CheckName(name); err != nil {
		return 0, err
	}
	number, name = int32(len(l.names)), strings.Clone(name)
	l.numbers[name], l.names = number, append(l.names, name)
	return number, nil
}

// falls notes the time of a row and reports whether it does not follow that of the row with this label before.
func (l *labels) falls(label int32, time float64) bool {
	for len(l.times) <= int(label) {
		l.times = append(l.times, math.Inf(-1))
	}
	before := l.times[label]
	l.times[label] = time
	return time <= before
}

// part is rows whose labels are numbered on their own.
type part struct {
	first, rows int
	names       []string // by number
}

// relabel numbers the labels of parts, which are in the order of their rows, in common.
func (t *Table) relabel(parts []part) {
	common := newLabels()
	for _, p := range parts {
		if t.Labels == nil || len(p.names) == 0 {
			continue
		}
		numbers := make([]int32, len(p.names))
		for i, name := range p.names {
			numbers[i], _ = common.number(name) // it was checked
		}
		for row, label := range t.Labels[p.first : p.first+p.rows] {
			t.Labels[p.first+row] = numbers[label]
		}
	}
	t.Names = common.names
}
