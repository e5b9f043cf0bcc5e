package report

import (
	"encoding/base64"
	"errors"
	"html/template"
	"io/fs"
	"mime"
	"os"
	"path/filepath"
	"strings"

	"hnn/datasets"
	"hnn/figures"
)

// picture is a figure or a film.
type picture struct {
	Caption string
	Alt     string // says what is seen to readers who do not see it
	file    string
}

// Film reports whether the picture moves.
func (p picture) Film() bool { return filepath.Ext(p.file) == ".gif" }

// Raster reports whether the picture is of pixels, on white also where the page is dark.
func (p picture) Raster() bool { return filepath.Ext(p.file) != ".svg" }

// Data returns the picture's content as a URL, so that the page needs no other file.
func (p picture) Data() (template.URL, error) {
	content, err := os.ReadFile(p.file)
	kind := mime.TypeByExtension(filepath.Ext(p.file))
	return template.URL("data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(content)), err
}

// pictures returns the figures and films of a task, those of the first seed.
func (r Report) pictures(task datasets.Task) (found []picture, err error) {
	for _, kind := range figures.Kinds {
		file, err := smallest(filepath.Join(r.Folder(r.Seeds[0]), task.Name+kind.Suffix))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, picture{kind.Caption, kind.Alt, file})
	}
	return found, nil
}

// smallest returns the path of a picture or, in place of a PNG, that of the SVG beside it, which is sharp at any size, unless it is larger than
// a page should hold.
func smallest(path string) (string, error) {
	const largest = 400_000 // bytes
	stem, isPNG := strings.CutSuffix(path, ".png")
	if vector, err := os.Stat(stem + ".svg"); isPNG && err == nil && vector.Size() < largest {
		return stem + ".svg", nil
	}
	_, err := os.Stat(path)
	return path, err
}
