// Package files writes files that survive a crash whole, and keeps two programs from writing the same ones.
package files

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// Write replaces the content of a file, or makes the file. Whenever the program or the machine stops, the file holds either all of the old content
// or all of the new. An error leaves the old content.
func Write(path string, content []byte) error {
	return Replace(path, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// Replace is Write for content that a function writes. A link keeps its place, and the file behind it is replaced. What is not a file, such as
// /dev/stdout, is written directly.
func Replace(path string, write func(w io.Writer) error) error {
	if behind, err := filepath.EvalSymlinks(path); err == nil {
		path = behind
	}
	if there, err := os.Stat(path); err == nil && !there.Mode().IsRegular() {
		return through(path, write)
	}
	file, err := pending(path)
	if err != nil {
		return err
	}
	defer discard(file)
	if err := write(file); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := file.CloseAtomicallyReplace(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return Sync(filepath.Dir(path))
}

// through writes to something that exists and is not a regular file.
func through(path string, write func(w io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		_ = f.Close()
		return fmt.Errorf("%s: %w", path, err)
	}
	return f.Close()
}

// temporary holds the names of the temporary files that exist.
var temporary sync.Map

// pending opens the temporary file from which Replace makes a file. It lies in the same folder: another one could be on another disk.
func pending(path string) (*renameio.PendingFile, error) {
	file, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithPermissions(0o644))
	if err == nil {
		temporary.Store(file.Name(), nil)
	}
	return file, err
}

// discard removes a temporary file, unless it has replaced its file.
func discard(file *renameio.PendingFile) {
	_ = file.Cleanup()
	temporary.Delete(file.Name())
}

// Abandon removes the temporary files of all writes that have not ended. A program calls it that ends in their midst.
func Abandon() {
	temporary.Range(func(name, _ any) bool {
		_ = os.Remove(name.(string))
		return true
	})
}

// Probe finds out whether a file of a number of bytes can be written, and leaves none. The error says why not.
func Probe(path string, bytes int64) error {
	file, err := pending(path)
	if err != nil {
		return err
	}
	defer discard(file)
	err = unix.Fallocate(int(file.Fd()), 0, 0, max(1, bytes))
	switch {
	case err == nil, errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS): // some file systems cannot tell
		return nil
	default:
		return fmt.Errorf("%s needs %d kB, which cannot be written there: %w", path, bytes>>10+1, err)
	}
}

// Sync makes the names of files in a folder durable.
func Sync(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
