package datasets

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	largestText = 1 << 26 // bytes of a text that is held as a whole
	longestLine = 1 << 20 // bytes
	longestName = 100     // bytes; a file name of 255 bytes holds it and what trainings add to it
)

// text passes a user's file on to a parser, line by line. It returns an error about what is no line of a text before a parser takes memory for it.
type text struct {
	name   string // for errors
	source *bufio.Reader
	sum    hash.Hash
	quotes bool // whether a quotation mark must have a second one in its line
	line   int
	rest   []byte // of the line
}

func newText(name string, r io.Reader) *text {
	sum := sha256.New()
	return &text{name: name, source: bufio.NewReaderSize(io.TeeReader(r, sum), longestLine), sum: sum}
}

// Read implements io.Reader. It reads no further than to the end of a line.
func (t *text) Read(p []byte) (int, error) {
	if len(t.rest) == 0 {
		line, err := t.source.ReadSlice('\n')
		if t.line++; t.line == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff")) // the byte order mark that spreadsheets write
		}
		switch {
		case bytes.IndexByte(line, 0) >= 0:
			return 0, t.wrong("the line has a byte 0; it must be text in UTF-8")
		case errors.Is(err, bufio.ErrBufferFull):
			return 0, t.wrong("the line has more than %d bytes", longestLine)
		case t.quotes && !bytes.HasPrefix(line, []byte{comment}) && bytes.Count(line, []byte{'"'})%2 != 0:
			return 0, t.wrong("a quotation mark has no second one in this line")
		case len(line) == 0:
			return 0, err
		}
		t.rest = line
	}
	n := copy(p, t.rest)
	t.rest = t.rest[n:]
	return n, nil
}

// readFile returns the content of a text and its SHA-256 in hexadecimal digits.
func readFile(path string) (content []byte, hash string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, "", err
	}
	defer file.Close()
	t := newText(path, file)
	content, err = io.ReadAll(io.LimitReader(t, largestText+1))
	if len(content) > largestText {
		err = fmt.Errorf("%s has more than %d bytes", path, largestText)
	}
	return content, t.hash(), err
}

func (t *text) wrong(format string, values ...any) error {
	return fmt.Errorf("%s, line %d: "+format, append([]any{t.name, t.line}, values...)...)
}

// hash returns the SHA-256 of what was read, in hexadecimal digits.
func (t *text) hash() string { return hex.EncodeToString(t.sum.Sum(nil)) }

// checkName returns an error about a name from a file, or of one, that a line on a terminal or the name of another file could not hold.
func checkName(name string) error {
	switch {
	case len(name) > longestName:
		return fmt.Errorf("%.20q… has %d bytes; at most %d are possible", name, len(name), longestName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("%q has a character that cannot be printed", name)
	}
	return nil
}
