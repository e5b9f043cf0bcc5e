package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hnn/internal/files"
)

// manifest names the files of an analysis, with their SHA-256: the runs that it read, and the results that it wrote. It has the format of sha256sum, so
// that `sha256sum -c` checks it in the folder of the seed.
type manifest struct {
	folder string   // of the seed
	task   string   // whose name begins those of the results
	runs   []string // paths of the runs, from that folder
}

func (m manifest) path() string { return filepath.Join(m.folder, m.task+"-analyze.sha256") }

// write lists the files as they are now.
func (m manifest) write() error {
	results, err := filepath.Glob(filepath.Join(m.folder, "results", m.task+"-*"))
	if err != nil {
		return err
	}
	names := slices.Clone(m.runs)
	for _, path := range results {
		names = append(names, filepath.Join("results", filepath.Base(path)))
	}
	var content bytes.Buffer
	for _, name := range names {
		hash, err := m.hash(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(&content, "%s  %s\n", hash, name)
	}
	return files.Write(m.path(), content.Bytes())
}

// holds reports whether the analysis of these runs is there, and no file of it has changed since.
func (m manifest) holds() bool {
	content, err := os.ReadFile(m.path())
	if err != nil {
		return false
	}
	missing := slices.Clone(m.runs)
	for line := range strings.Lines(string(content)) {
		want, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if got, err := m.hash(name); err != nil || got != want {
			return false
		}
		missing = slices.DeleteFunc(missing, func(run string) bool { return run == name })
	}
	return len(missing) == 0
}

func (m manifest) hash(name string) (string, error) {
	file, err := os.Open(filepath.Join(m.folder, name))
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, file)
	return hex.EncodeToString(sum.Sum(nil)), err
}
