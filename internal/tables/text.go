package tables

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
)

const largestText = 1 << 26 // bytes

// ReadText returns the content of a text with lines of up to 1 MiB, without the byte order mark of spreadsheets, and the SHA-256 of the file in
// hexadecimal digits. It holds up to 64 MiB.
func ReadText(path string) (content []byte, hash string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = file.Close() }()
	sum := sha256.New()
	source := &chunks{name: path, source: io.TeeReader(file, sum), line: 1}
	for {
		c, err := source.next()
		if errors.Is(err, io.EOF) {
			return content, hex.EncodeToString(sum.Sum(nil)), nil
		}
		if err != nil {
			return nil, "", err
		}
		if content = append(content, c.text...); len(content) > largestText {
			return nil, "", fmt.Errorf("%s has more than %d bytes", path, largestText)
		}
		for len(c.text) > 0 {
			if line, number := c.cut(); checkLine(line) != nil {
				return nil, "", wrongLine(path, number, checkLine(line))
			}
		}
		c.free()
	}
}
