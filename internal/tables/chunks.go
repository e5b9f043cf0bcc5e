package tables

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
)

const longestLine = 1 << 20 // bytes, and those of a chunk

// chunk is a part of a text that begins with a line and ends with one.
type chunk struct {
	text   []byte
	line   int // number of its first line
	memory *[longestLine]byte
}

// chunks cuts a text into chunks.
type chunks struct {
	name   string // for errors
	source io.Reader
	line   int // that the next chunk begins with
	rest   []byte
	failed error // of the source
}

var chunkMemory = sync.Pool{New: func() any { return new([longestLine]byte) }}

func (c chunk) free() { chunkMemory.Put(c.memory) }

// next returns the next chunk, io.EOF after the last one, or an error about what is no line.
func (s *chunks) next() (chunk, error) {
	if s.failed != nil {
		return chunk{}, s.failed
	}
	c := chunk{line: s.line, memory: chunkMemory.Get().(*[longestLine]byte)}
	kept := copy(c.memory[:], s.rest)
	count, err := io.ReadFull(s.source, c.memory[kept:])
	c.text = c.memory[:kept+count]
	switch end := bytes.LastIndexByte(c.text, '\n') + 1; {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		if s.failed = io.EOF; len(c.text) == 0 {
			return c, io.EOF
		}
	case end == 0 && err == nil:
		if err := checkLine(c.text); err != nil {
			return c, wrongLine(s.name, c.line, err)
		}
		return c, wrongLine(s.name, c.line, fmt.Errorf("the line has more than %d bytes", longestLine))
	default:
		s.failed = err
		s.rest, c.text = append(s.rest[:0], c.text[end:]...), c.text[:end]
	}
	s.line += bytes.Count(c.text, []byte{'\n'})
	if c.line == 1 {
		c.text = bytes.TrimPrefix(c.text, []byte("\ufeff")) // the byte order mark that spreadsheets write
	}
	return c, nil
}

// cut returns the first line of a chunk, without its end, and removes it from the chunk.
func (c *chunk) cut() (line []byte, number int) {
	line, c.text, _ = bytes.Cut(c.text, []byte{'\n'})
	c.line++
	return bytes.TrimSuffix(line, []byte{'\r'}), c.line - 1
}

func checkLine(line []byte) error {
	if bytes.IndexByte(line, 0) >= 0 {
		return errors.New("the line has a byte 0; it must be text in UTF-8")
	}
	return nil
}

func wrongLine(name string, line int, err error) error {
	return fmt.Errorf("%s, line %d: %w", name, line, err)
}
