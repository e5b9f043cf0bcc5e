package verdict

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"os"
	"path/filepath"

	"hnn/internal/files"
)

//go:embed index.html.tmpl
var source string

var page = template.Must(template.New("index.html").Funcs(template.FuncMap{"number": number, "percent": percent}).Parse(source))

// Write writes index.html, a page that needs no other file, verdict.json, which has every number, and the page's pictures as PNG into a folder
// (created if needed).
func (v *Verdict) Write(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	var html bytes.Buffer
	if err := page.Execute(&html, struct {
		*Verdict
		Pictures []*picture
	}{v, v.pictures}); err != nil {
		return fmt.Errorf("verdict: %w", err)
	}
	numbers, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("verdict: %w", err)
	}
	for _, p := range v.pictures {
		if err := p.write(folder); err != nil {
			return err
		}
	}
	if err := files.Write(filepath.Join(folder, "index.html"), html.Bytes()); err != nil {
		return err
	}
	return files.Write(filepath.Join(folder, "verdict.json"), append(numbers, '\n'))
}
