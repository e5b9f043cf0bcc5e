package panels

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"strings"
	"testing"

	"gonum.org/v1/plot/vg"
)

func TestTicksAreRoundNumbers(t *testing.T) {
	for want, ends := range map[string][2]float64{
		"0 5 10 15":           {0, 18.3},
		"−1 0 1":              {-1.3, 1.3},
		"0.00 0.05 0.10 0.15": {-0.001, 0.19},
		"−1.02 −1.01 −1.00":   {-1.025, -0.995},
	} {
		var labels []string
		for _, tick := range Round(ends[0], ends[1]) {
			labels = append(labels, tick.Label)
		}
		if got := strings.Join(labels, " "); got != want {
			t.Errorf("got the ticks %s, want %s", got, want)
		}
	}
}

// Levels enclose the range, in steps of 1, 2 or 5, nine at most.
func TestLevelsEncloseTheRange(t *testing.T) {
	for want, ends := range map[string][2]float64{
		"0 2 4 6 8 10 12 14":                      {0.01, 13.9},
		"−0.4 −0.3 −0.2 −0.1 0.0 0.1 0.2 0.3 0.4": {-0.31, 0.4},
		"0 500 1000 1500 2000 2500":               {0, 2300},
		"0.0 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9": {0, 0.9},
	} {
		var labels []string
		for _, tick := range Levels(ends[0], ends[1]) {
			labels = append(labels, tick.Label)
		}
		if got := strings.Join(labels, " "); got != want {
			t.Errorf("%v: got the levels %s, want %s", ends, got, want)
		}
	}
}

// A row that is longer than three panels breaks into strips of equal length, and the strips of one block of columns stay together.
func TestRowsBreak(t *testing.T) {
	for sources, want := range map[int]string{2: "0:2 1:2", 3: "0:3 1:3", 4: "0:2 1:2 0:2 1:2", 5: "0:3 1:3 0:2 1:2", 7: "0:3 1:3 0:3 1:3 0:1 1:1"} {
		f := Figure{Width: 200, Height: 100}
		for range sources {
			f.Panel(0, "", "", "")
			f.Panel(1, "", "", "")
		}
		var got []string
		for _, s := range f.strips() {
			got = append(got, fmt.Sprintf("%d:%d", s.row, len(s.panels)))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%d sources: row:panels are %v, want %s", sources, got, want)
		}
		if width, height := f.Size(); width > vg.Points(600) || height != vg.Points(float64(100*len(got))) {
			t.Errorf("%d sources: %g by %g points", sources, width.Points(), height.Points())
		}
	}
}

// On a dark page, black becomes nearly white, a grey its mirror image, and a colour stays. On paper nothing changes, and nothing is painted
// below the figure.
func TestSVGSuitsDarkPages(t *testing.T) {
	f := Figure{Width: 200, Height: 150, Keys: []Key{
		{Label: "grey", Style: Style(Grey, 1, Solid)}, {Label: "blue", Style: Style(color.NRGBA{0, 114, 178, 255}, 1, Solid)},
	}}
	f.Panel(0, "A title", "t", "energy")
	document, err := f.SVG()
	if err != nil {
		t.Fatal(err)
	}
	sheet, body, _ := strings.Cut(string(document), "</style>")
	for _, want := range []string{
		`[style*="stroke:#000000"]{stroke:#e8e8e8!important}`, // 232 of 255, 15 to 1 on a page of 18 of 255
		`[style*="stroke:#8C8C8C"]{stroke:#747474!important}`, // 232 − 140·212/255 = 115.6
		`svg text:not([style*="fill:"])`, "prefers-color-scheme:dark",
	} {
		if !strings.Contains(sheet, want) {
			t.Errorf("the style sheet lacks %s: %s", want, sheet)
		}
	}
	if strings.Contains(sheet, "0072B2") || strings.Contains(body, "<rect") || !strings.Contains(body, ">A title</text>") {
		t.Errorf("a colour is mirrored, the figure has a background, or its title is no text")
	}
	if again, err := f.SVG(); err != nil || !bytes.Equal(document, again) {
		t.Errorf("a second drawing differs, error %v", err)
	}
}

// A picture of few colours stays as it is; of many, the frequent ones stay.
func TestFrequentColors(t *testing.T) {
	picture := image.NewRGBA(image.Rect(0, 0, 256, 4))
	blue := color.RGBA{0, 114, 178, 255}
	for x := range 256 {
		picture.Set(x, 0, color.White)
		picture.Set(x, 1, color.White)
		picture.Set(x, 2, blue)
		picture.Set(x, 3, color.Gray{uint8(x)})
	}
	colors := Frequent(10, picture)
	if len(colors) != 10 || colors[0] != (color.RGBA{255, 255, 255, 255}) || colors[1] != blue {
		t.Errorf("the colours are %v", colors)
	}
	for y, want := range []color.Color{color.RGBA{255, 255, 255, 255}, color.RGBA{255, 255, 255, 255}, blue} {
		if got := Paletted(picture, colors).At(77, y); got != want {
			t.Errorf("row %d is %v, want %v", y, got, want)
		}
	}
	if n := len(Frequent(256, picture)); n != 33 { // 32 greys, of which one is white, and blue
		t.Errorf("%d colours, want 33", n)
	}
}

// A legend that is wider than the figure continues on a second line, and the figure grows by it.
func TestLegendFits(t *testing.T) {
	f := Figure{Width: 300, Height: 190}
	f.Panel(0, "", "t", "energy")
	_, bare := f.Size()
	for _, label := range []string{"stored", "supplied − dissipated", "dissipated", "supplied"} {
		f.Keys = append(f.Keys, Key{Label: label})
	}
	if len(f.lines()) != 2 || len(f.lines()[0]) != 3 {
		t.Errorf("the lines are %v", f.lines())
	}
	for _, keys := range f.lines() {
		width := -vg.Points(gap)
		for _, k := range keys {
			width += k.width()
		}
		if width > vg.Points(300) {
			t.Errorf("the line %v has a width of %g points", keys, width.Points())
		}
	}
	if _, height := f.Size(); height != bare+2*vg.Points(legendHeight) {
		t.Errorf("the height is %g, without keys %g", height, bare)
	}
}
