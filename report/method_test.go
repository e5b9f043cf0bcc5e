package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each drawing is well-formed XML with its labels as text, suits light and dark pages, and is the one that the documentation shows.
func TestDrawings(t *testing.T) {
	list, err := drawings()
	if err != nil {
		t.Fatal(err)
	}
	wanted := map[string][]string{
		"method-spring": {"Mass on a spring", "Noisy observations", "dq/dt = ∂H/∂p, dp/dt = −∂H/∂q", "network", "H", "p = m·dq/dt"},
		"method-graph":  {"Baseline", "HNN", "gradient of H", "∂H/∂p, −∂H/∂q", "loss", "q, p", "observed"},
	}
	if len(list) != len(wanted) {
		t.Fatalf("%d drawings, want %d", len(list), len(wanted))
	}
	for _, d := range list {
		content, err := d.svg()
		if err != nil {
			t.Fatal(err)
		}
		texts := readTexts(t, content)
		for _, want := range append(wanted[d.Name], d.Title) {
			if !texts[want] {
				t.Errorf("%s has no text %q", d.Name, want)
			}
		}
		if !bytes.Contains(content, []byte("@media (prefers-color-scheme: dark)")) {
			t.Errorf("%s has no colours for dark pages", d.Name)
		}
		shown, err := os.ReadFile(filepath.Join("..", "docs", d.Name+".svg"))
		if err != nil || !bytes.Equal(shown, content) {
			t.Errorf("docs/%s.svg is another drawing, error %v; ./reproduce writes it", d.Name, err)
		}
	}
}

// readTexts returns the texts of an SVG picture.
func readTexts(t *testing.T, content []byte) map[string]bool {
	t.Helper()
	texts := map[string]bool{}
	for decoder := xml.NewDecoder(bytes.NewReader(content)); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return texts
		}
		if err != nil {
			t.Fatal(err)
		}
		if text, ok := token.(xml.CharData); ok {
			texts[strings.TrimSpace(string(text))] = true
		}
	}
}

// Every box lies within its drawing, and its text within the box: a letter is at most 8 pixels wide.
func TestTextsFitTheirBoxes(t *testing.T) {
	list, err := drawings()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		for _, b := range d.Boxes {
			if b.X < 0 || b.Y < 0 || b.X+b.Width > d.Width || b.Y+b.Height > d.Height || float64(8*len([]rune(b.Text))) > b.Width {
				t.Errorf("%s: %+v", d.Name, b)
			}
		}
	}
}
