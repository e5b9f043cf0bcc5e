package tables

import (
	"archive/zip"
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
)

// Output is a column to write. It can be read several times.
type Output struct {
	Name    string
	Numbers iter.Seq[float64]
	Labels  iter.Seq[string] // in place of numbers, unless it is nil
}

// Writer returns what writes a table in the format of a path's extension, .npz or .parquet, and nil for any other.
func Writer(path string) func(w io.Writer, rows int, columns []Output) error {
	switch filepath.Ext(path) {
	case ".npz":
		return WriteNPZ
	case ".parquet":
		return func(w io.Writer, _ int, columns []Output) error { return WriteParquet(w, columns) }
	}
	return nil
}

// WriteNPZ writes a numpy archive. Each column is an array of shape (rows,): numbers as float64, labels as text.
func WriteNPZ(w io.Writer, rows int, columns []Output) error {
	archive := zip.NewWriter(w)
	for _, c := range columns {
		record, err := archive.CreateHeader(&zip.FileHeader{Name: c.Name + ".npy", Method: zip.Store})
		if err != nil {
			return err
		}
		content := bufio.NewWriter(record)
		if c.Labels != nil {
			writeTexts(content, rows, c.Labels)
		} else {
			writeFloats(content, rows, c.Numbers)
		}
		if err := content.Flush(); err != nil {
			return err
		}
	}
	return archive.Close()
}

// Flush returns the errors of these writes.

func writeFloats(w *bufio.Writer, rows int, numbers iter.Seq[float64]) {
	writeHeader(w, "<f8", rows)
	for v := range numbers {
		_, _ = w.Write(binary.LittleEndian.AppendUint64(w.AvailableBuffer(), math.Float64bits(v)))
	}
}

func writeTexts(w *bufio.Writer, rows int, texts iter.Seq[string]) {
	longest := 1
	for text := range texts {
		longest = max(longest, utf8.RuneCountInString(text))
	}
	writeHeader(w, fmt.Sprint("<U", longest), rows)
	for text := range texts {
		element := make([]byte, 0, 4*longest)
		for _, r := range text {
			element = binary.LittleEndian.AppendUint32(element, uint32(r))
		}
		_, _ = w.Write(element[:4*longest])
	}
}

// writeHeader writes a header of version 1, after which the numbers begin at a multiple of 64 bytes.
func writeHeader(w *bufio.Writer, element string, rows int) {
	text := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%d,), }", element, rows)
	start := len(magic) + 4
	text += strings.Repeat(" ", 63-(start+len(text))%64) + "\n"
	_, _ = w.WriteString(magic + "\x01\x00")
	_, _ = w.Write(binary.LittleEndian.AppendUint16(nil, uint16(len(text))))
	_, _ = w.WriteString(text)
}

const rowsAtOnce = 8192 // that are given to the Parquet library

// WriteParquet writes a Parquet file of one row group: numbers as doubles, labels as strings, in the alphabetical order of their names.
func WriteParquet(w io.Writer, columns []Output) error {
	fields := parquet.Group{}
	for _, c := range columns {
		if fields[c.Name] = parquet.Leaf(parquet.DoubleType); c.Labels != nil {
			fields[c.Name] = parquet.Encoded(parquet.String(), &parquet.RLEDictionary)
		}
	}
	columns = slices.SortedFunc(slices.Values(columns), func(a, b Output) int { return strings.Compare(a.Name, b.Name) })
	writer := parquet.NewWriter(w, parquet.NewSchema("table", fields), parquet.Compression(&parquet.Snappy))
	for i, to := range writer.ColumnWriters() {
		values := convert(columns[i].Numbers, parquet.DoubleValue)
		if columns[i].Labels != nil {
			values = convert(columns[i].Labels, func(text string) parquet.Value { return parquet.ByteArrayValue([]byte(text)) })
		}
		for block := range blocks(values) {
			if _, err := to.WriteRowValues(block); err != nil {
				return err
			}
		}
	}
	return writer.Close()
}

func convert[T any](values iter.Seq[T], value func(T) parquet.Value) iter.Seq[parquet.Value] {
	return func(yield func(parquet.Value) bool) {
		for v := range values {
			if !yield(value(v)) {
				return
			}
		}
	}
}

// blocks returns the values in blocks that share memory.
func blocks(values iter.Seq[parquet.Value]) iter.Seq[[]parquet.Value] {
	return func(yield func([]parquet.Value) bool) {
		block := make([]parquet.Value, 0, rowsAtOnce)
		for v := range values {
			if block = append(block, v); len(block) == cap(block) {
				if !yield(block) {
					return
				}
				block = block[:0]
			}
		}
		if len(block) > 0 {
			yield(block)
		}
	}
}
