package nets

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"hnn/internal/files"
)

// Run holds the paths of a training's files. The state of a training is one file, so that all of it is of one moment. A training writes Unfinished
// until its end. Then this file becomes Finished, so a finished run is replaced only by another finished one.
type Run struct {
	Finished   string // LABEL.tar
	Unfinished string // LABEL-unfinished.tar
	lock       string
}

// NewRun returns the paths in a folder.
func NewRun(folder, label string) Run {
	base := filepath.Join(folder, label)
	return Run{Finished: base + ".tar", Unfinished: base + "-unfinished.tar", lock: base + ".lock"}
}

// The attachments of a run's checkpoint.
const (
	SettingsFile = "settings.json" // JSON with at least the fields of Origin
	LossesFile   = "losses.csv"
)

// Origin says what a run learns from. The settings in a run's file contain these fields.
type Origin struct {
	Task string `json:"task"`
	File string `json:"data,omitempty"`        // the user's data
	Hash string `json:"data_sha256,omitempty"` // SHA-256 of that file
}

// Claim prepares the folder for a training, before it spends any time: it makes the folder, locks the run's files, and checks that a file of about
// the given number of bytes can be written there. It removes what a killed training left. The caller calls release at the end. Claim returns an
// error if the files are those of another task, or of another table of the same name.
func (r Run) Claim(origin Origin, bytes int64) (release func(), err error) {
	folder := filepath.Dir(r.Finished)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	if release, err = files.Lock(r.lock); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Finished, err)
	}
	for _, err := range []error{r.checkOrigin(r.Finished, origin), r.checkOrigin(r.Unfinished, origin), r.clean(folder), r.checkSpace(folder, bytes)} {
		if err != nil {
			release()
			return nil, err
		}
	}
	return release, nil
}

// checkOrigin refuses to replace a whole file of another origin. The same table may have changed: it has the same path.
func (r Run) checkOrigin(path string, origin Origin) error {
	checkpoint, err := ReadCheckpoint(path, SettingsFile)
	if err != nil {
		return nil
	}
	var there Origin
	if json.Unmarshal(checkpoint.Attachments[SettingsFile], &there) != nil || there.Task == "" {
		return nil
	}
	switch {
	case there.Task != origin.Task:
		return fmt.Errorf("%s is a model of %q, and would become one of %q; choose another -save-dir", path, there.Task, origin.Task)
	case there.Hash != origin.Hash && there.File != origin.File:
		return fmt.Errorf("%s learned from %q, and would learn from %q; choose another -save-dir", path, there.File, origin.File)
	}
	return nil
}

// clean removes the temporary files of a training that was killed while it saved.
func (r Run) clean(folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		number, ours := strings.CutPrefix(e.Name(), "."+filepath.Base(r.Unfinished))
		if ours && number != "" && strings.Trim(number, "0123456789") == "" {
			if err := os.Remove(filepath.Join(folder, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r Run) checkSpace(folder string, bytes int64) error {
	free, err := files.Probe(r.Unfinished) // which has the longest name
	if err != nil {
		return fmt.Errorf("the run cannot be saved: %w", err)
	}
	if need := 2 * bytes; free < need { // the old file and the new one exist at the same time
		return fmt.Errorf("%s has %d kB of free disk space, and the run needs %d kB", folder, free>>10, need>>10+1)
	}
	return nil
}

// Save replaces the file of the unfinished run. If the run is finished, this file then becomes that of the finished run. Save makes the folder if
// necessary.
func (r Run) Save(content []byte, finished bool) error {
	if err := os.MkdirAll(filepath.Dir(r.Finished), 0o755); err != nil {
		return err
	}
	if err := files.Write(r.Unfinished, content); err != nil || !finished {
		return err
	}
	if err := os.Rename(r.Unfinished, r.Finished); err != nil {
		return err
	}
	return files.Sync(filepath.Dir(r.Finished))
}

// Last returns the path of the unfinished run or, if there is none, that of the finished run. It is empty if there is no run.
func (r Run) Last() (string, error) {
	for _, path := range []string{r.Unfinished, r.Finished} {
		if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return path, err
		}
	}
	return "", nil
}
