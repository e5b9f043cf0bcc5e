package tables

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"unicode"
	"unsafe"

	"golang.org/x/sync/errgroup"
)

const (
	comment = '#'
	quote   = '"'
)

// MostFalls is how often the time may fall back along labels before a CSV table, which is wrong and may have no end, is read no further.
const MostFalls = 1000

// ReadCSV reads a CSV table, which may be a pipe. The first line names the columns. Lines that begin with # are comments. A line has up to 1 MiB.
// A field in quotes ends in its line. Errors name the table by the given name.
func ReadCSV(name string, r io.Reader, choose Choose) (*Table, error) {
	sum := sha256.New()
	source := &chunks{name: name, source: io.TeeReader(r, sum), line: 1}
	p := parser{name: name}
	rest, err := p.header(source, choose)
	if err != nil {
		return nil, err
	}
	pieces, err := p.pieces(rest, source)
	if err != nil {
		for _, piece := range pieces {
			piece.free()
		}
		return nil, err
	}
	t := join(p.layout, pieces)
	if t.Total == 0 {
		return nil, fmt.Errorf("%s has no rows below its header", name)
	}
	t.Hash = hex.EncodeToString(sum.Sum(nil))
	return t, nil
}

// parser reads the rows of a CSV table.
type parser struct {
	name   string
	layout Layout
	label  int          // the column of labels; −1 if there is none
	time   int          // that of times; −1 if there is none
	falls  atomic.Int64 // of the time
}

// header reads up to the line that names the columns, and returns the rest of its chunk.
func (p *parser) header(source *chunks, choose Choose) (chunk, error) {
	for {
		c, err := source.next()
		switch {
		case errors.Is(err, io.EOF):
			return c, fmt.Errorf("%s is empty; its first line must name the columns, such as q1, p1, dq1, dp1", p.name)
		case err != nil:
			return c, err
		}
		for len(c.text) > 0 {
			line, number := c.cut()
			names, err := p.fields(nil, line)
			if err == nil && names != nil {
				p.layout, err = choose(cloned(names))
			}
			if err != nil {
				return c, p.wrong(number, err)
			}
			if names != nil {
				p.label, p.time = p.layout.find(Label), p.layout.find(Time)
				return c, nil
			}
		}
		c.free()
	}
}

// cloned returns fields in memory of their own.
func cloned(fields []string) []string {
	own := make([]string, len(fields))
	for i, field := range fields {
		own[i] = strings.Clone(field)
	}
	return own
}

// wrong returns an error about a line.
func (p *parser) wrong(line int, err error) error {
	var syntax *csv.ParseError
	if errors.As(err, &syntax) {
		return fmt.Errorf("%s, line %d, character %d: %w", p.name, line, syntax.Column, syntax.Err)
	}
	return wrongLine(p.name, line, err)
}

// pieces parses chunks in parallel, and returns their pieces in order and the first error.
func (p *parser) pieces(c chunk, source *chunks) (pieces []*piece, err error) {
	var workers errgroup.Group
	workers.SetLimit(runtime.GOMAXPROCS(0))
	var stop atomic.Bool
	for err == nil && !stop.Load() {
		rows := min(bytes.Count(c.text, []byte{'\n'}), len(c.text)/len(p.layout.Columns)) + 1
		piece, failed := newPiece(p.layout, rows)
		if failed != nil {
			err = failed
			break
		}
		pieces = append(pieces, piece)
		now := c
		workers.Go(func() error {
			defer now.free()
			if piece.err = p.parse(now, piece); piece.err != nil || p.falls.Load() > MostFalls {
				stop.Store(true)
			}
			return nil
		})
		c, err = source.next()
	}
	_ = workers.Wait() // the pieces hold their errors
	for _, piece := range pieces {
		if piece.err != nil {
			return pieces, piece.err
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return pieces, err
}

// parse fills a piece with the rows of a chunk.
func (p *parser) parse(c chunk, to *piece) error {
	l := newLabels()
	var fields []string
	for len(c.text) > 0 {
		line, number := c.cut()
		var err error
		if fields, err = p.fields(fields[:0], line); err != nil {
			return p.wrong(number, err)
		}
		if len(fields) == 0 {
			continue
		}
		if len(fields) != len(p.layout.Columns) {
			return p.wrong(number, fmt.Errorf("%d columns, but the header names %d", len(fields), len(p.layout.Columns)))
		}
		if place, err := p.row(fields, number, to, l); err != nil {
			return fmt.Errorf("%s, line %d, column %d (%s): %w", p.name, number, place+1, p.layout.Columns[place].Name, err)
		}
		to.addShift(to.Total, number)
		to.Total++
	}
	to.Names = l.names
	return nil
}

// row adds the row of a line to a piece: its label and, if the share has the line, its numbers. With an error it returns the place of the column.
func (p *parser) row(fields []string, line int, to *piece, l *labels) (place int, err error) {
	row, label := to.Rows, int32(0)
	if p.label >= 0 {
		if label, err = l.number(strings.TrimSpace(fields[p.label])); err != nil {
			return p.label, err
		}
		to.Labels[to.Total] = label
	}
	if !p.layout.Share.owns(line / blockLines) {
		return 0, nil
	}
	for i := range p.layout.Columns {
		c := &p.layout.Columns[i]
		if c.Kind == Skip || c.Kind == Label {
			continue
		}
		value, err := ParseNumber(fields[i])
		if err != nil {
			return i, err
		}
		to.set(i, row, value)
	}
	if p.time >= 0 && l.falls(label, to.Wide[p.time][row]) {
		p.falls.Add(1)
	}
	to.Runs = addRun(to.Runs, to.Total, row, 1)
	to.Rows++
	return 0, nil
}

// fields appends the fields of a line without spaces before them; none for a comment or an empty line. They share the line's memory.
func (p *parser) fields(fields []string, line []byte) ([]string, error) {
	if err := checkLine(line); err != nil {
		return nil, err
	}
	if len(line) == 0 || line[0] == comment {
		return fields, nil
	}
	if bytes.IndexByte(line, quote) >= 0 {
		return quotedFields(line)
	}
	text := unsafe.String(unsafe.SliceData(line), len(line))
	for {
		field, rest, more := strings.Cut(text, ",")
		fields = append(fields, strings.TrimLeftFunc(field, unicode.IsSpace))
		if !more {
			return fields, nil
		}
		text = rest
	}
}

func quotedFields(line []byte) ([]string, error) {
	if bytes.Count(line, []byte{quote})%2 != 0 {
		return nil, errors.New("a quotation mark has no second one in this line")
	}
	r := csv.NewReader(bytes.NewReader(line))
	r.TrimLeadingSpace = true
	return r.Read()
}
