package nets

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
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
	File string `json:"data,omitempty"`        // absolute path of the user's data
	Hash string `json:"data_sha256,omitempty"` // SHA-256 of that file
}

// data names the data in a message.
func (o Origin) data() string {
	if o.File == "" {
		return "its own data"
	}
	return strconv.Quote(o.File)
}

// Claim prepares the folder for a training, before it spends any time: it makes the folder, locks the run's files, and checks that a file of about
// the given number of bytes can be written there. It removes what a killed training left. The caller calls release at the end. Claim returns an
// error if the files are those of another task, or of another table of the same name, or cannot be read.
func (r Run) Claim(origin Origin, bytes int64) (release func(), err error) {
	folder := filepath.Dir(r.Finished)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	if release, err = files.Lock(r.lock); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Finished, err)
	}
	if err := cmp.Or(r.checkOrigin(r.Finished, origin), r.checkOrigin(r.Unfinished, origin), r.clean(folder), files.Probe(r.Unfinished, bytes)); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// checkOrigin refuses to replace a whole file of another origin. The same table may have changed: it has the same path.
func (r Run) checkOrigin(path string, origin Origin) error {
	if there, err := os.Lstat(path); err == nil && there.IsDir() {
		return fmt.Errorf("%s is a folder, and the run needs a file of that name", path)
	}
	checkpoint, err := ReadCheckpoint(path, SettingsFile)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return err
	case err != nil:
		return nil // there is none, or it is damaged
	}
	var there Origin
	if json.Unmarshal(checkpoint.Attachments[SettingsFile], &there) != nil || there.Task == "" {
		return nil
	}
	switch {
	case there.Task != origin.Task:
		return fmt.Errorf("%s is a model of %q, and would become one of %q; choose another -save-dir", path, there.Task, origin.Task)
	case there.Hash != origin.Hash && (there.File != origin.File || !isFile(origin.File)):
		return fmt.Errorf("%s learned from %s, and would learn from %s; choose another -save-dir", path, there.data(), origin.data())
	}
	return nil
}

// isFile reports whether a path names a file, and no pipe: what comes out of a pipe is something else each time.
func isFile(path string) bool {
	there, err := os.Stat(path)
	return err == nil && there.Mode().IsRegular()
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

// SaveUnfinished replaces the file of the unfinished run. It makes the folder if necessary.
func (r Run) SaveUnfinished(content []byte) error { return r.save(r.Unfinished, content) }

// SaveFinished replaces the file of the finished run. It makes the folder if necessary. The caller removes the file of the unfinished run if it holds
// no more than this.
func (r Run) SaveFinished(content []byte) error { return r.save(r.Finished, content) }

func (r Run) save(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return files.Write(path, content)
}
