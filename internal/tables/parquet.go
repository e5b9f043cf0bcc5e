package tables

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding"
	"github.com/parquet-go/parquet-go/format"
	"golang.org/x/sync/errgroup"
)

const (
	footerEnd  = 8  // bytes at the end of a file: the length of the footer, and a mark
	mostRows   = 64 // for each byte of a file: a bound of memory, which constant columns alone could pass
	pageBuffer = 1 << 16
)

// The types that are read, as the library names them, of numbers and of labels.
var (
	numberTypes = []string{"DOUBLE", "FLOAT", "INT32", "INT64", "INT(32,true)", "INT(64,true)"}
	labelTypes  = []string{"INT32", "INT64", "INT(32,true)", "INT(64,true)", "STRING", "BYTE_ARRAY"}
)

// readParquet reads a flat Parquet table: each column of a row group is read on its own, in parallel.
func readParquet(file io.ReaderAt, size int64, choose Choose) (t *Table, err error) {
	var names []string
	var content *parquet.File
	if err := guarded(func() (err error) {
		content, err = openParquet(file, size)
		return err
	}); err != nil {
		return nil, err
	}
	columns := content.Root().Columns()
	for _, c := range columns {
		names = append(names, c.Name())
	}
	layout, err := choose(names)
	if err != nil {
		return nil, err
	}
	if err := cmp.Or(checkTypes(columns, layout), checkCompression(content.Metadata().RowGroups)); err != nil {
		return nil, err
	}
	rows, starts := 0, []int{0}
	for _, group := range content.RowGroups() {
		count := group.NumRows()
		if count < 0 || count > mostRows*size-int64(rows) {
			return nil, fmt.Errorf("it announces %d rows in a row group, more than its %d bytes can hold", count, size)
		}
		rows += int(count)
		starts = append(starts, rows)
	}
	if share := layout.Share; len(starts) <= fewestOfGroup*share.Count {
		starts = share.blocks(rows)
	}
	t = newTable(layout, rows, layout.Share.runs(starts))
	return t, t.readGroups(columns, content.RowGroups())
}

// guarded runs a function of the library, which panics on some damaged files, and returns a panic as an error.
func guarded(run func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("it is damaged: %.100s", strings.Split(fmt.Sprint(cause), "\n")[0])
		}
	}()
	return run()
}

// openParquet opens a file whose footer fits it.
func openParquet(file io.ReaderAt, size int64) (*parquet.File, error) {
	end := make([]byte, footerEnd)
	if _, err := file.ReadAt(end, max(0, size-footerEnd)); err != nil {
		return nil, fmt.Errorf("it is no Parquet file: %w", err)
	}
	if footer := int64(binary.LittleEndian.Uint32(end)); footer > size-footerEnd {
		return nil, fmt.Errorf("it is no Parquet file, or damaged: its footer has %d bytes, and the file has %d", footer, size)
	}
	return parquet.OpenFile(file, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true), parquet.ReadBufferSize(pageBuffer))
}

func checkTypes(columns []*parquet.Column, layout Layout) error {
	for i, c := range columns {
		wanted := numberTypes
		switch layout.Columns[i].Kind {
		case Skip:
			continue
		case Label:
			wanted = labelTypes
		}
		if !c.Leaf() || c.Repeated() {
			return fmt.Errorf("column %d (%s) is nested; each row of a column is one value", i+1, layout.Columns[i].Name)
		}
		if kind := c.Type().String(); !slices.Contains(wanted, kind) {
			return fmt.Errorf("column %d (%s) is of type %s; %s are read", i+1, layout.Columns[i].Name, kind, strings.Join(wanted, ", "))
		}
	}
	return nil
}

// checkCompression returns an error about a codec for which the library would allocate any amount of memory on damaged data.
func checkCompression(groups []format.RowGroup) error {
	read := []format.CompressionCodec{format.Uncompressed, format.Snappy, format.Gzip, format.Zstd}
	for _, group := range groups {
		for _, c := range group.Columns {
			if codec := c.MetaData.Codec; !slices.Contains(read, codec) {
				return fmt.Errorf("it is compressed by %v; %v, %v, %v and %v are read", codec, read[0], read[1], read[2], read[3])
			}
		}
	}
	return nil
}

func (t *Table) readGroups(columns []*parquet.Column, groups []parquet.RowGroup) error {
	var workers errgroup.Group
	workers.SetLimit(runtime.GOMAXPROCS(0))
	errs, parts := make([]error, len(groups)*len(columns)), make([]part, len(groups))
	first := 0
	for g, group := range groups {
		rows := part{first: first, rows: int(group.NumRows())}
		parts[g] = rows
		for i, c := range columns {
			if kind := t.layout.Columns[i].Kind; kind == Skip || kind != Label && !t.holds(rows.first, rows.rows) {
				continue
			}
			workers.Go(func() error {
				errs[g*len(columns)+i] = guarded(func() error {
					names, err := t.readChunk(i, group.ColumnChunks()[c.Index()], rows)
					if t.layout.Columns[i].Kind == Label {
						parts[g].names = names
					}
					return err
				})
				return nil
			})
		}
		first += rows.rows
	}
	_ = workers.Wait() // errs holds the errors
	if err := firstError(errs); err != nil {
		return err
	}
	t.relabel(parts)
	return nil
}

// readChunk reads a column of a row group, and returns its labels if it has some.
func (t *Table) readChunk(column int, chunk parquet.ColumnChunk, rows part) ([]string, error) {
	pages := chunk.Pages()
	defer func() { _ = pages.Close() }()
	l, left := newLabels(), rows.rows
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) && left == 0 {
			return l.names, nil
		}
		if err != nil {
			return nil, fmt.Errorf("column %d (%s) is damaged: %w", column+1, t.layout.Columns[column].Name, err)
		}
		count, err := t.readPage(column, page, part{first: rows.first + rows.rows - left, rows: left}, l)
		parquet.Release(page)
		if err != nil {
			return nil, err
		}
		left -= count
	}
}

// readPage reads a page into rows, and returns the number of its rows.
func (t *Table) readPage(column int, page parquet.Page, rows part, l *labels) (int, error) {
	name, count := t.layout.Columns[column].Name, int(page.NumValues())
	if page.NumNulls() > 0 {
		row := rows.first + max(0, bytes.IndexByte(page.DefinitionLevels(), 0))
		return 0, &placed{row, column, name, errors.New("the value is null; each row needs one")}
	}
	if count > rows.rows {
		return 0, fmt.Errorf("column %d (%s) has more rows than its row group", column+1, name)
	}
	to := pageTarget{Table: t, column: column, first: rows.first, count: count, labels: l}
	values := page.Data()
	if dictionary := page.Dictionary(); dictionary != nil {
		to.indexed, to.indices, values = true, values.Int32(), dictionary.Page().Data()
	}
	switch values.Kind() {
	case encoding.Double:
		return count, putNumbers(to, values.Double())
	case encoding.Float:
		return count, putNumbers(to, values.Float())
	case encoding.Int64:
		return count, putNumbers(to, values.Int64())
	case encoding.Int32:
		return count, putNumbers(to, values.Int32())
	case encoding.ByteArray:
		return count, putTexts(to, values)
	}
	return 0, fmt.Errorf("column %d (%s) has values of the type %s", column+1, name, values.Kind())
}

// pageTarget is where the values of a page go.
type pageTarget struct {
	*Table
	column, first, count int
	labels               *labels
	indexed              bool    // whether the page holds indices of values in a dictionary
	indices              []int32 // of each row
}

func putNumbers[T float32 | float64 | int32 | int64](to pageTarget, values []T) error {
	if to.layout.Columns[to.column].Kind == Label {
		return putLabels(to, values, func(value T) string { return strconv.FormatInt(int64(value), 10) })
	}
	if err := to.check(len(values)); err != nil {
		return err
	}
	return to.kept(to.first, to.count, func(from, until, moved int) error {
		for row := from; row < until; row++ {
			if err := to.put(to.column, row+moved, float64(values[to.index(row-to.first)])); err != nil {
				return &placed{row, to.column, to.layout.Columns[to.column].Name, err}
			}
		}
		return nil
	})
}

func putTexts(to pageTarget, values encoding.Values) error {
	content, ends := values.ByteArray()
	texts := make([]string, max(0, len(ends)-1))
	for i := range texts {
		texts[i] = string(content[ends[i]:ends[i+1]])
	}
	return putLabels(to, texts, strings.TrimSpace)
}

func putLabels[T comparable](to pageTarget, values []T, text func(T) string) error {
	if err := to.check(len(values)); err != nil {
		return err
	}
	var before T
	label := int32(0)
	for i := range to.count {
		value := values[to.index(i)]
		if i == 0 || value != before {
			var err error
			if label, err = to.labels.number(text(value)); err != nil {
				return &placed{to.first + i, to.column, to.layout.Columns[to.column].Name, err}
			}
		}
		before, to.Labels[to.first+i] = value, label
	}
	return nil
}

// index returns the place of a row's value among those of the page or of its dictionary.
func (to pageTarget) index(row int) int {
	if to.indexed {
		return int(to.indices[row])
	}
	return row
}

// check returns an error if a row has no value among so many.
func (to pageTarget) check(values int) error {
	switch {
	case !to.indexed && values != to.count || to.indexed && len(to.indices) != to.count:
		return to.damaged("a page has other than the announced number of values")
	case slices.ContainsFunc(to.indices, func(index int32) bool { return index < 0 || int(index) >= values }):
		return to.damaged("an index is beyond its dictionary")
	}
	return nil
}

func (to pageTarget) damaged(how string) error {
	return fmt.Errorf("column %d (%s) is damaged: %s", to.column+1, to.layout.Columns[to.column].Name, how)
}
