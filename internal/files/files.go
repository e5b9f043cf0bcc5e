// Package files writes files that survive a crash whole, and keeps two programs from writing the same ones.
package files

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
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
	pending, err := Pending(path)
	if err != nil {
		return err
	}
	defer pending.Cleanup()
	if err := write(pending); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := pending.CloseAtomicallyReplace(); err != nil {
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

// Pending opens the temporary file from which Replace makes a file. It lies in the same folder: another one could be on another disk.
func Pending(path string) (*renameio.PendingFile, error) {
	return renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithPermissions(0o644))
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
