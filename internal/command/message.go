package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"hnn/internal/files"
	"hnn/internal/libtorch"
)

// mostCharacters bounds a line on stderr.
const mostCharacters = 300

// Note writes one line on stderr for the user. What could move the cursor of a terminal, or is no text, is written as in Go's strings; a text beyond
// 300 characters lacks its middle.
func Note(stderr io.Writer, name, text string) {
	fmt.Fprintln(stderr, shorten(printable(name+": "+text)))
}

// Exit ends the program. After an interruption it prints nothing, and the status is 128 and the number of the signal, as a shell's. If nobody reads
// the output any more, it prints nothing, and the status is that of SIGPIPE. After any other error it prints a line as Note; the status is 2 if
// -cuda found no GPU, and 1 otherwise.
func Exit(name string, err error) {
	text, status := outcome(err)
	if text != "" {
		Note(os.Stderr, name, text)
	}
	files.Abandon()
	os.Exit(status)
}

// outcome returns what an error says to the user, nothing if it is not worth a word, and the exit status.
func outcome(err error) (text string, status int) {
	const ofSignals = 128
	var caught interruption
	switch {
	case errors.As(err, &caught):
		return "", ofSignals + int(caught)
	case errors.Is(err, context.Canceled):
		return "", ofSignals + int(syscall.SIGINT)
	case errors.Is(err, syscall.EPIPE):
		return "", ofSignals + int(syscall.SIGPIPE)
	case errors.Is(err, libtorch.ErrNoCUDA):
		return err.Error(), 2
	default:
		return err.Error(), 1
	}
}

// printable replaces the characters that a terminal would not print, and bytes that are no characters. The end of a line becomes a space.
func printable(text string) string {
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch character := text[:size]; {
		case r == '\n':
			b.WriteByte(' ')
		case unicode.IsPrint(r) && (r != utf8.RuneError || size > 1):
			b.WriteString(character)
		default:
			quoted := strconv.Quote(character)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		text = text[size:]
	}
	return b.String()
}

// shorten cuts the middle out of a text that is too long: its start says where, and its end says what.
func shorten(text string) string {
	characters := []rune(text)
	if len(characters) <= mostCharacters {
		return text
	}
	half := mostCharacters / 2
	return string(characters[:half-1]) + "…" + string(characters[len(characters)-half:])
}
