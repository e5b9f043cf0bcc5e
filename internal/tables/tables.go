// Package tables reads tables of numbers into flat memory: CSV, numpy's .npy and .npz, and Parquet.
package tables

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Kind says what becomes of a column.
type Kind int

// The kinds of columns. Numbers are finite, and float32 holds them.
const (
	Skip  Kind = iota // not read
	Block             // float32, in the rows of a block
	Wide              // float64
	Time              // as Wide; times that fall back along a label end the reading of CSV after MostFalls falls
	Label             // a text
)

// Column says how a column is read.
type Column struct {
	Name         string // for errors
	Kind         Kind
	Block, Place int // of a Block: which one, and the place in its rows
}

// Layout says how a table is read. At most one column is a Label and one a Time.
type Layout struct {
	Columns []Column
	Widths  []int // numbers in a row, by block
	Share   Share // whose numbers are kept
}

// Choose returns the layout of a table whose columns have the given names, or an error about them.
type Choose func(names []string) (Layout, error)

// Table holds the rows of a table. Of a share, it holds the numbers of the share's rows, and the labels of all rows. It takes the memory of its
// numbers and, while it is read, at most half as much more and a few megabytes for each processor.
type Table struct {
	Rows   int         // whose numbers it holds
	Blocks [][]float32 // of Rows × width numbers, row by row
	Wide   [][]float64 // by column; nil for other kinds
	Total  int         // rows of the file
	Runs   []Run       // those of them that it holds
	Labels []int32     // by row of the file: an index of Names; nil without such a column
	Names  []string    // the labels, in the order of their first rows
	Hash   string      // SHA-256 of the file in hexadecimal digits; empty in a share of a binary file, except the first

	layout Layout
	lines  []shift // of a CSV file
	order  []int   // the place of each row in the file; nil if it is that of the table
}

// shift says that a row and those after it, up to the next shift, are in successive lines from a line on.
type shift struct{ row, line int }

// Where returns the place of a row for an error, such as "line 17" in a CSV file and "row 16" in others. Rows count from 0, places from 1.
func (t *Table) Where(row int) string {
	if row = t.fileRow(row); t.order != nil {
		row = t.order[row]
	}
	return t.line(row)
}

// line returns the place of a row of the file.
func (t *Table) line(row int) string {
	if t.lines == nil {
		return fmt.Sprint("row ", row+1)
	}
	i, found := slices.BinarySearchFunc(t.lines, row, func(s shift, row int) int { return cmp.Compare(s.row, row) })
	if !found {
		i--
	}
	return fmt.Sprint("line ", t.lines[i].line+row-t.lines[i].row)
}

// Number returns a number of a column that is read.
func (t *Table) Number(row, column int) float64 {
	if c := &t.layout.Columns[column]; c.Kind == Block {
		return float64(t.Blocks[c.Block][row*t.layout.Widths[c.Block]+c.Place])
	}
	return t.Wide[column][row]
}

// set stores a number.
func (t *Table) set(column, row int, value float64) {
	if c := &t.layout.Columns[column]; c.Kind == Block {
		t.Blocks[c.Block][row*t.layout.Widths[c.Block]+c.Place] = float32(value)
	} else {
		t.Wide[column][row] = value
	}
}

// put stores a number that is finite and that float32 can hold.
func (t *Table) put(column, row int, value float64) error {
	if err := checkNumber(value); err != nil {
		return err
	}
	t.set(column, row, value)
	return nil
}

// Group brings the rows of each label together, in the order of the labels' first rows, and returns the row after the last one of each, among all
// rows of the file. Without labels, all rows are one group. In a share, the rows of a label must already be together.
func (t *Table) Group() (ends []int, err error) {
	if t.Labels == nil {
		return []int{t.Total}, nil
	}
	ends = make([]int, len(t.Names))
	for _, label := range t.Labels {
		ends[label]++
	}
	for i := range len(ends) - 1 {
		ends[i+1] += ends[i]
	}
	if !slices.IsSorted(t.Labels) {
		if t.layout.Share.parted() {
			return nil, t.unordered()
		}
		t.sort(ends)
	}
	return ends, nil
}

// sort sorts the rows by their labels. Those with the same label keep their order.
func (t *Table) sort(ends []int) {
	next := append([]int{0}, ends...)
	t.order = make([]int, t.Rows)
	for row, label := range t.Labels {
		t.order[next[label]] = row
		next[label]++
	}
	for i, block := range t.Blocks {
		t.Blocks[i] = sorted(block, t.order, t.layout.Widths[i])
	}
	for i, wide := range t.Wide {
		if wide != nil {
			t.Wide[i] = sorted(wide, t.order, 1)
		}
	}
	t.Labels = sorted(t.Labels, t.order, 1)
}

func sorted[T any](values []T, order []int, width int) []T {
	rows := make([]T, 0, len(values))
	for _, row := range order {
		rows = append(rows, values[row*width:(row+1)*width]...)
	}
	return rows
}

// Read reads a table. The extension of its name tells the format: .npy, .npz, .parquet, or else CSV. An error names the file, the line or row, and
// the column, and it is the first one of the file.
func Read(path string, choose Choose) (*Table, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	format := filepath.Ext(path)
	if readers[format] == nil {
		return ReadCSV(path, file, choose)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is a folder, a pipe or a device; only a CSV table may be one", path)
	}
	return readBinary(path, format, file, info.Size(), choose)
}

// readers holds the readers of the formats that are no text.
var readers = map[string]func(io.ReaderAt, int64, Choose) (*Table, error){".npy": readNPY, ".npz": readNPZ, ".parquet": readParquet}

func readBinary(name, format string, file io.ReaderAt, size int64, choose Choose) (*Table, error) {
	var sum string
	var hashing sync.WaitGroup
	t, err := readers[format](file, size, func(names []string) (Layout, error) {
		layout, err := choose(names)
		if err == nil && layout.Share.Index == 0 { // the other shares are spared the rest of the file
			hashing.Go(func() { sum = hashOf(io.NewSectionReader(file, 0, size)) })
		}
		return layout, err
	})
	hashing.Wait()
	var place *placed
	switch {
	case errors.As(err, &place):
		return nil, fmt.Errorf("%s, %w", name, err)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	case t.Total == 0:
		return nil, fmt.Errorf("%s has no rows", name)
	}
	t.Hash = sum
	return t, nil
}

// hashOf returns the SHA-256 of a file; nothing if it cannot be read, which the reader of its numbers finds too.
func hashOf(file io.Reader) string {
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return ""
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// newTable returns a table with memory for runs of a file's rows.
func newTable(layout Layout, total int, runs []Run) *Table {
	rows := 0
	for _, r := range runs {
		rows += r.Rows
	}
	t := &Table{Rows: rows, Total: total, Runs: runs, layout: layout, Wide: make([][]float64, len(layout.Columns))}
	for _, width := range layout.Widths {
		t.Blocks = append(t.Blocks, make([]float32, rows*width))
	}
	for i, c := range layout.Columns {
		switch c.Kind {
		case Wide, Time:
			t.Wide[i] = make([]float64, rows)
		case Label:
			t.Labels = make([]int32, total)
		}
	}
	return t
}

// placed is an error about a number or label.
type placed struct {
	row, column int
	name        string // of the column
	err         error
}

func (p *placed) Error() string {
	return fmt.Sprintf("row %d, column %d (%s): %v", p.row+1, p.column+1, p.name, p.err)
}

func (p *placed) Unwrap() error { return p.err }

// firstError returns the error of the first row, and of the first column in it; an error about no row comes before those.
func firstError(errs []error) (first error) {
	var before *placed
	for _, err := range errs {
		var now *placed
		switch {
		case err == nil:
		case !errors.As(err, &now):
			return err
		case before == nil || cmp.Or(cmp.Compare(now.row, before.row), cmp.Compare(now.column, before.column)) < 0:
			first, before = err, now
		}
	}
	return first
}

// ParseNumber returns a finite number that float32 can hold. It reads no hexadecimal digits and no underscores, which Go's numbers may have.
func ParseNumber(field string) (float64, error) {
	if value, ok := shortDecimal(field); ok {
		return value, nil
	}
	value, err := strconv.ParseFloat(strings.TrimSpace(field), 64)
	switch {
	case err == nil && math.Abs(value) <= math.MaxFloat32 && !goSyntax(field):
		return value, nil
	case errors.Is(err, strconv.ErrRange) || err == nil && !math.IsNaN(value) && !math.IsInf(value, 0) && !goSyntax(field):
		return 0, beyond(field)
	}
	return 0, fmt.Errorf("%.40q is not a finite number", field)
}

const shortDigits = 15 // decimal digits that float64 holds exactly

var powersOfTen = [shortDigits + 1]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// shortDecimal reads a number of up to 15 digits without an exponent, as most are, in a fraction of strconv's time. The digits and the power of ten are
// exact, so their quotient is rounded once: it is strconv's.
func shortDecimal(field string) (value float64, ok bool) {
	text, negative := strings.CutPrefix(field, "-")
	if len(text) > shortDigits+1 {
		return 0, false
	}
	mantissa, digits, decimals, step := uint64(0), 0, 0, 0 // step: of decimals for a digit
	for i := range len(text) {
		switch c := text[i]; {
		case '0' <= c && c <= '9':
			mantissa, digits, decimals = 10*mantissa+uint64(c-'0'), digits+1, decimals+step
		case c == '.' && step == 0:
			step = 1
		default:
			return 0, false
		}
	}
	if value = float64(mantissa) / powersOfTen[min(decimals, shortDigits)]; negative {
		value = -value
	}
	return value, 0 < digits && digits <= shortDigits
}

// goSyntax reports whether a number is written as in 1_000 or 0x1p3.
func goSyntax(field string) bool {
	return strings.IndexByte(field, '_') >= 0 || strings.IndexByte(field, 'x') >= 0 || strings.IndexByte(field, 'X') >= 0
}

func beyond(field string) error {
	return fmt.Errorf("%.40q is beyond float32, which holds numbers up to %.2g", field, math.MaxFloat32)
}

// checkNumber returns an error about a number that is not finite or that float32 cannot hold.
func checkNumber(value float64) error {
	switch {
	case math.Abs(value) <= math.MaxFloat32:
		return nil
	case math.IsNaN(value) || math.IsInf(value, 0):
		return fmt.Errorf("%g is not a finite number", value)
	}
	return beyond(strconv.FormatFloat(value, 'g', -1, 64))
}

const longestName = 100 // bytes; a file name of 255 bytes holds it and what trainings add to it

// CheckName returns an error about a name from a file, or of one, that a line on a terminal or the name of another file could not hold.
func CheckName(name string) error {
	switch {
	case len(name) > longestName:
		return fmt.Errorf("%.20q… has %d bytes; at most %d are possible", name, len(name), longestName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("%q has a character that cannot be printed", name)
	}
	return nil
}
