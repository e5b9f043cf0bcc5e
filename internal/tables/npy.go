package tables

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"
)

const (
	magic        = "\x93NUMPY"
	mostHeader   = 1 << 20 // bytes of an array's header
	bufferedSize = 1 << 20 // bytes of a span that are held at once
	spanSize     = 1 << 25 // bytes of a span of a .npy file
)

// array is an array of numpy: rows of fields. A plain array of shape (rows, n) has n fields.
type array struct {
	fields []field
	row    int // bytes
	rows   int
	named  bool // whether the file names the fields
	header int  // bytes before the rows
}

// field is a column of an array.
type field struct {
	element
	name   string
	offset int // in a row
	column int // of the table
}

// element is a data type of numpy.
type element struct {
	code string // such as <f8
	kind byte   // i, f, U, S, or another letter
	size int    // bytes
}

// The header is a Python literal, which numpy and all other known programs write in this form.
var (
	arrayHeader  = regexp.MustCompile(`^\{'descr': (.*), 'fortran_order': (True|False), 'shape': \(([0-9, ]*)\),? ?\}\s*$`)
	elementCode  = regexp.MustCompile(`^[<|]([a-zA-Z])([0-9]{1,7})$`)
	recordHeader = regexp.MustCompile(`^\[(?:` + recordField + `(?:, )?)+\]$`)
	recordFields = regexp.MustCompile(recordField)
)

const recordField = `\((?:'([^'\\]*)'|"([^"\\]*)"), '([^']*)'(?:, \(([0-9]+),\))?\)`

// readNPY reads a structured array, whose fields are the columns.
func readNPY(file io.ReaderAt, size int64, choose Choose) (*Table, error) {
	a, err := readHeader(io.NewSectionReader(file, 0, size), size)
	if err != nil {
		return nil, err
	}
	if !a.named {
		return nil, errors.New("the array has no names of columns; save a structured array, or arrays by name with numpy.savez(file, q=q, p=p, t=t)")
	}
	t, err := tableOf([]array{a}, choose)
	if err != nil {
		return nil, err
	}
	runs := t.Runs
	if t.Labels != nil { // labels are read of all rows
		runs = []Run{{Rows: a.rows}}
	}
	var spans []span
	step := max(1, spanSize/a.row)
	for _, r := range runs {
		for first, end := r.Row, r.Row+r.Rows; first < end; first += step {
			rows := min(step, end-first)
			content := io.NewSectionReader(file, int64(a.header)+int64(first)*int64(a.row), int64(rows)*int64(a.row))
			spans = append(spans, span{array: a, first: first, rows: rows, open: func() (io.ReadCloser, error) { return io.NopCloser(content), nil }})
		}
	}
	return t, t.fill(spans)
}

// readHeader reads the header of an array that fills size bytes.
func readHeader(r io.Reader, size int64) (a array, err error) {
	start := make([]byte, len(magic)+4)
	if _, err := io.ReadFull(r, start); err != nil || string(start[:len(magic)]) != magic {
		return a, errors.New("it does not begin as numpy's arrays do")
	}
	length := int64(binary.LittleEndian.Uint16(start[len(magic)+2:]))
	switch version := start[len(magic)]; version {
	case 1:
	case 2, 3:
		rest := make([]byte, 2)
		if _, err := io.ReadFull(r, rest); err != nil {
			return a, errors.New("its header is cut off")
		}
		length |= int64(binary.LittleEndian.Uint16(rest)) << 16
		start = append(start, rest...)
	default:
		return a, fmt.Errorf("it has version %d of numpy's format; 1 to 3 are read", version)
	}
	if length > mostHeader || length > size {
		return a, fmt.Errorf("its header has %d bytes; the file has %d, and at most %d are read", length, size, mostHeader)
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(r, text); err != nil {
		return a, errors.New("its header is cut off")
	}
	if a, err = parseHeader(string(text)); err != nil {
		return a, err
	}
	a.header = len(start) + len(text)
	if content := size - int64(a.header); int64(a.rows) > content/int64(a.row) || int64(a.rows)*int64(a.row) != content {
		return a, fmt.Errorf("its %d rows of %d bytes do not fill the %d bytes after its header", a.rows, a.row, content)
	}
	return a, nil
}

// parseHeader reads the text of a header.
func parseHeader(text string) (a array, err error) {
	parts := arrayHeader.FindStringSubmatch(text)
	if parts == nil {
		return a, fmt.Errorf("its header is %.60q, which does not give descr, fortran_order and shape", text)
	}
	shape, err := parseShape(parts[3])
	if err != nil {
		return a, err
	}
	a.rows = shape[0]
	columns := 1
	if len(shape) == 2 {
		columns = shape[1]
	}
	if parts[2] == "True" && len(shape) == 2 && min(a.rows, columns) > 1 {
		return a, errors.New("it is in Fortran's order; numpy.ascontiguousarray gives the order that is read")
	}
	if recordHeader.MatchString(parts[1]) {
		if len(shape) != 1 {
			return a, fmt.Errorf("it is structured and has the shape (%s); (rows,) is read", parts[3])
		}
		a.named = true
		return a, a.parseRecord(parts[1])
	}
	e, err := parseElement(strings.Trim(parts[1], "'"))
	if err != nil {
		return a, err
	}
	return a, a.add("", e, columns, len(shape) == 2)
}

// parseShape returns one or two lengths.
func parseShape(text string) (shape []int, err error) {
	for part := range strings.SplitSeq(strings.TrimSuffix(text, ","), ",") {
		length, err := strconv.ParseInt(strings.TrimSpace(part), 10, 64)
		if err != nil || len(shape) == 2 {
			return nil, fmt.Errorf("its shape is (%.40s); (rows,) and (rows, n) are read", text)
		}
		shape = append(shape, int(length))
	}
	return shape, nil
}

// parseRecord reads the fields of a structured array. Those without a name are only padding.
func (a *array) parseRecord(text string) error {
	for _, parts := range recordFields.FindAllStringSubmatch(text, -1) {
		name, count := parts[1]+parts[2], 1
		e, err := parseElement(parts[3])
		if err != nil {
			return err
		}
		if parts[4] != "" {
			if count, err = strconv.Atoi(parts[4]); err != nil {
				return fmt.Errorf("its field %.40q has the shape (%.40s,)", name, parts[4])
			}
		}
		if name == "" && e.kind == 'V' {
			a.row += e.size
			continue
		}
		if err := a.add(name, e, count, parts[4] != ""); err != nil {
			return err
		}
	}
	return nil
}

// add adds a field, or several that are numbered.
func (a *array) add(name string, e element, count int, numbered bool) error {
	if e.size == 0 || count < 1 || count > (longestLine-a.row)/e.size {
		return fmt.Errorf("a row of it has no bytes, or more than %d", longestLine)
	}
	for i := range count {
		f := field{element: e, name: name, offset: a.row}
		if numbered {
			f.name = numberedName(name, i+1)
		}
		a.fields, a.row = append(a.fields, f), a.row+e.size
	}
	return nil
}

// numberedName puts a number behind a name and before its unit.
func numberedName(name string, number int) string {
	if before, unit, found := strings.Cut(name, " ["); found {
		return fmt.Sprintf("%s%d [%s", before, number, unit)
	}
	return fmt.Sprint(name, number)
}

func parseElement(code string) (element, error) {
	parts := elementCode.FindStringSubmatch(code)
	if parts == nil {
		return element{}, fmt.Errorf("its type is %.40q; '<f4', '<f8', '<i4' and '<i8' are read, and '<U' and '|S' as labels", code)
	}
	size, _ := strconv.Atoi(parts[2]) // digits
	if parts[1] == "U" {
		size *= 4
	}
	return element{code: code, kind: parts[1][0], size: size}, nil
}

// number returns the number in the bytes of an element.
func (e element) number(content []byte) (float64, error) {
	switch e.code {
	case "<f8":
		return math.Float64frombits(binary.LittleEndian.Uint64(content)), nil
	case "<f4":
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(content))), nil
	case "<i8":
		return float64(int64(binary.LittleEndian.Uint64(content))), nil
	case "<i4":
		return float64(int32(binary.LittleEndian.Uint32(content))), nil
	}
	return 0, fmt.Errorf("its type is %.40q; numbers are '<f4', '<f8', '<i4' or '<i8'", e.code)
}

// label returns the label in the bytes of an element.
func (e element) label(content []byte) (string, error) {
	switch {
	case e.kind == 'S':
		return string(bytes.TrimRight(content, "\x00")), nil
	case e.kind == 'U':
		var text strings.Builder
		for ; len(content) > 0; content = content[4:] {
			text.WriteRune(rune(binary.LittleEndian.Uint32(content)))
		}
		return strings.TrimRight(text.String(), "\x00"), nil
	case e.code == "<i8":
		return strconv.FormatInt(int64(binary.LittleEndian.Uint64(content)), 10), nil
	}
	value, err := e.number(content)
	return strconv.FormatFloat(value, 'f', -1, 64), err
}

// tableOf returns a table with memory for arrays of as many rows each, and sets the columns of their fields.
func tableOf(arrays []array, choose Choose) (*Table, error) {
	var names []string
	for _, a := range arrays {
		for i := range a.fields {
			a.fields[i].column = len(names)
			names = append(names, a.fields[i].name)
		}
	}
	layout, err := choose(names)
	if err != nil {
		return nil, err
	}
	rows := arrays[0].rows
	return newTable(layout, rows, layout.Share.runs(layout.Share.blocks(rows))), nil
}

// span is a part of an array's rows, and what opens its bytes.
type span struct {
	array
	first, rows int
	open        func() (io.ReadCloser, error)
}

// fill reads spans in parallel.
func (t *Table) fill(spans []span) error {
	parts, errs := make([]part, len(spans)), make([]error, len(spans))
	var workers errgroup.Group
	workers.SetLimit(runtime.GOMAXPROCS(0))
	for i, s := range spans {
		workers.Go(func() error {
			parts[i], errs[i] = t.read(s)
			return nil
		})
	}
	_ = workers.Wait() // errs holds the errors
	if err := firstError(errs); err != nil {
		return err
	}
	t.relabel(parts)
	return nil
}

// read reads a span.
func (t *Table) read(s span) (part, error) {
	content, err := s.open()
	if err != nil {
		return part{}, err
	}
	defer func() { _ = content.Close() }()
	l := newLabels()
	step := max(1, bufferedSize/s.row)
	buffer := make([]byte, min(step, s.rows)*s.row)
	labelled := false
	for first := 0; first < s.rows; first += step {
		rows := min(step, s.rows-first)
		if _, err := io.ReadFull(content, buffer[:rows*s.row]); err != nil {
			return part{}, fmt.Errorf("the rows from %d on cannot be read: %w", s.first+first+1, err)
		}
		for _, f := range s.fields {
			if err := t.decode(f, buffer[:rows*s.row], s.row, s.first+first, l); err != nil {
				return part{}, err
			}
			labelled = labelled || t.layout.Columns[f.column].Kind == Label
		}
	}
	if _, err := io.ReadFull(content, make([]byte, 1)); !errors.Is(err, io.EOF) { // a zip compares its checksum only at the end
		return part{}, fmt.Errorf("the rows from %d on are damaged: %w", s.first+1, err)
	}
	if !labelled {
		return part{}, nil
	}
	return part{s.first, s.rows, l.names}, nil
}

// decode puts a field of successive rows into the table, from the row first of the file on.
func (t *Table) decode(f field, content []byte, row, first int, l *labels) error {
	switch t.layout.Columns[f.column].Kind {
	case Skip:
		return nil
	case Label:
		return t.decodeLabels(f, content, row, first, l)
	}
	return t.kept(first, len(content)/row, func(from, to, moved int) error {
		for i := from; i < to; i++ {
			value, err := f.number(content[(i-first)*row+f.offset:][:f.size])
			if err == nil {
				err = t.put(f.column, i+moved, value)
			}
			if err != nil {
				return &placed{i, f.column, t.layout.Columns[f.column].Name, err}
			}
		}
		return nil
	})
}

func (t *Table) decodeLabels(f field, content []byte, row, first int, l *labels) error {
	var before []byte
	label := int32(0)
	for i := first; len(content) > 0; i, content = i+1, content[row:] {
		raw := content[f.offset : f.offset+f.size]
		if !bytes.Equal(raw, before) {
			name, err := f.label(raw)
			if err == nil {
				label, err = l.number(strings.TrimSpace(name))
			}
			if err != nil {
				return &placed{i, f.column, t.layout.Columns[f.column].Name, err}
			}
		}
		before, t.Labels[i] = raw, label
	}
	return nil
}
