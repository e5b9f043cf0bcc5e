package figures

import (
	"image/color"
	"math"
	"testing"

	"hnn/examples/extending"
	"hnn/hamiltonian"
)

// vision maps linear red, green and blue to what an eye without one kind of cones sees: the matrices of severity 1 of Machado, Oliveira and
// Fernandes, A physiologically-based model for simulation of color vision deficiency, IEEE TVCG 15 (2009), table 1.
type vision [3][3]float64

var visions = map[string]vision{
	"all cones":    {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
	"protanopia":   {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}},
	"deuteranopia": {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}},
}

// The colours of the truth, of four models and of a user's one stay apart for every eye, by ten times what is just noticeable (2.3), and every
// model's colour is as clear on white and on a dark page as graphics need: a contrast of 3 (WCAG 2, 1.4.11).
func TestPalette(t *testing.T) {
	// CIELAB of sRGB's primaries and white under D65, by the standard IEC 61966-2-1.
	for c, want := range map[color.NRGBA][3]float64{
		{255, 0, 0, 255}: {53.24, 80.09, 67.20}, {0, 255, 0, 255}: {87.73, -86.18, 83.18}, {0, 0, 255, 255}: {32.30, 79.19, -107.86}, white: {100, 0, 0},
	} {
		if got := visions["all cones"].lab(c); distance(got, want) > 0.05 {
			t.Errorf("%v is %v in CIELAB, want %v", c, got, want)
		}
	}
	colors := map[string]color.NRGBA{"truth": black, extending.KnownFriction.Name: extending.KnownFriction.Color}
	for _, m := range hamiltonian.Models {
		colors[m.Name] = m.Color
	}
	page := color.NRGBA{18, 18, 18, 255}
	for name, c := range colors {
		for other, d := range colors {
			for eye, v := range visions {
				if apart := distance(v.lab(c), v.lab(d)); name < other && apart < 23 {
					t.Errorf("%s: %s and %s are %.1f apart", eye, name, other, apart)
				}
			}
		}
		if name != "truth" && min(contrast(c, white), contrast(c, page)) < 3 {
			t.Errorf("%s has a contrast of %.2f to white and of %.2f to a dark page", name, contrast(c, white), contrast(c, page))
		}
	}
	if got := contrast(black, white); got != 21 {
		t.Errorf("black and white have a contrast of %g, want 21", got)
	}
}

// linear undoes the encoding of sRGB.
func linear(c color.NRGBA) (rgb [3]float64) {
	for i, v := range []uint8{c.R, c.G, c.B} {
		encoded := float64(v) / 255
		if rgb[i] = encoded / 12.92; encoded > 0.04045 {
			rgb[i] = math.Pow((encoded+0.055)/1.055, 2.4)
		}
	}
	return rgb
}

// lab returns a colour in CIELAB, as an eye sees it.
func (v vision) lab(c color.NRGBA) [3]float64 {
	var seen [3]float64
	for i, row := range v {
		for j, share := range linear(c) {
			seen[i] += row[j] * share
		}
		seen[i] = max(0, min(1, seen[i]))
	}
	f := func(x, y, z, white float64) float64 {
		ratio := (x*seen[0] + y*seen[1] + z*seen[2]) / white
		if ratio > 216.0/24389 {
			return math.Cbrt(ratio)
		}
		return (24389.0/27*ratio + 16) / 116
	}
	x, y, z := f(0.4124564, 0.3575761, 0.1804375, 0.95047), f(0.2126729, 0.7151522, 0.0721750, 1), f(0.0193339, 0.1191920, 0.9503041, 1.08883)
	return [3]float64{116*y - 16, 500 * (x - y), 200 * (y - z)}
}

func distance(a, b [3]float64) float64 {
	return math.Hypot(math.Hypot(a[0]-b[0], a[1]-b[1]), a[2]-b[2])
}

// contrast is WCAG's ratio of two luminances.
func contrast(a, b color.NRGBA) float64 {
	luminance := func(c color.NRGBA) float64 {
		rgb := linear(c)
		return 0.2126*rgb[0] + 0.7152*rgb[1] + 0.0722*rgb[2]
	}
	light, dark := luminance(a), luminance(b)
	if light < dark {
		light, dark = dark, light
	}
	return (light + 0.05) / (dark + 0.05)
}
