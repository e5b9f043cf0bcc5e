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
	Alt     string // what it shows, for readers who do not see it
	file    string
}

// Film reports whether the picture moves.
func (p picture) Film() bool { return filepath.Ext(p.file) == ".gif" }

// Raster reports whether the picture consists of pixels. It then needs white behind it, even on a dark page.
func (p picture) Raster() bool { return filepath.Ext(p.file) != ".svg" }

// Data returns the picture's content as a URL, so that the page needs no other file.
func (p picture) Data() (template.URL, error) {
	content, err := os.ReadFile(p.file)
	kind := mime.TypeByExtension(filepath.Ext(p.file))
	return template.URL("data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(content)), err
}

// pictures returns the figures and films of a task for the first seed.
func (r Report) pictures(task datasets.Task) (found []picture, err error) {
	for _, kind := range figures.Kinds {
		file, err := best(filepath.Join(r.Folder(r.Seeds[0]), task.Name+kind.Suffix))
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

// best returns the path of a picture. In place of a PNG it returns the SVG beside it, which is sharp at any size, if that is small enough for a page.
func best(path string) (string, error) {
	const largest = 400_000 // bytes
	stem, isPNG := strings.CutSuffix(path, ".png")
	if vector, err := os.Stat(stem + ".svg"); isPNG && err == nil && vector.Size() < largest {
		return stem + ".svg", nil
	}
	_, err := os.Stat(path)
	return path, err
}
