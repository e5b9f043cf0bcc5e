package figures

import (
	"bytes"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"hnn/analysis"
	"hnn/datasets"
	"hnn/examples/extending"
	"hnn/hamiltonian"
)

// The lines of q² + p² are circles: their points are at the radius, and together the pieces are as long as the circumference.
func TestIsolinesOfCircles(t *testing.T) {
	l := isolines{ScalarGrid: scalars(t)}
	for _, radius := range []float64{0.3, 0.9} {
		length := 0.0
		for _, s := range l.segments(radius * radius) {
			length += math.Hypot(s[1].X-s[0].X, s[1].Y-s[0].Y)
			for _, point := range s {
				if got := math.Hypot(point.X, point.Y); math.Abs(got-radius) > 2e-3 {
					t.Fatalf("a point at %g on the line of radius %g", got, radius)
				}
			}
		}
		if want := 2 * math.Pi * radius; math.Abs(length/want-1) > 2e-3 {
			t.Errorf("the line of radius %g has the length %g, want %g", radius, length, want)
		}
	}
}

// At the saddle of x·y, no piece of a line above 0 joins the two quadrants in which x·y is positive.
func TestIsolinesAtSaddle(t *testing.T) {
	g, err := analysis.NewScalarGrid([2]float64{-1, -1}, [2]float64{1, 1}, func(points [][]float64) (list []float64, err error) {
		for _, p := range points {
			list = append(list, p[0]*p[1])
		}
		return list, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	segments := isolines{ScalarGrid: g}.segments(1e-5)
	for _, s := range segments {
		if s[0].X*s[1].X < 0 || s[0].Y*s[1].Y < 0 {
			t.Errorf("a piece leads from %v to %v", s[0], s[1])
		}
	}
	if len(segments) == 0 {
		t.Error("the level has no line")
	}
}

// A line keeps its shape to a tenth of a point with a small part of its points.
func TestSimplified(t *testing.T) {
	const radius, n = 100, 10_000
	line := make([]vg.Point, n+1)
	for i := range line {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / n)
		line[i] = vg.Point{X: vg.Length(radius * cos), Y: vg.Length(radius * sin)}
	}
	kept := simplified(line)
	// The sagitta of a chord over the angle α is r·α²/8: a tenth of a point allows chords of 0.089, 70 for the circle.
	if len(kept) < 70 || len(kept) > 140 || kept[0] != line[0] || kept[len(kept)-1] != line[n] {
		t.Errorf("%d points, from %v to %v", len(kept), kept[0], kept[len(kept)-1])
	}
	for _, point := range line {
		nearest := math.Inf(1)
		for i := range kept[1:] {
			nearest = min(nearest, aside(point, kept[i], kept[i+1]))
		}
		if nearest > 0.1 {
			t.Fatalf("the line misses %v by %g", point, nearest)
		}
	}
}

// A thinned curve has the same mean.
func TestAveraged(t *testing.T) {
	var long plotter.XYs
	for i := range 10_000 {
		long = append(long, plotter.XY{X: float64(i), Y: float64(i % 7)})
	}
	sum := 0.0
	short := averaged(long)
	for _, point := range short {
		sum += point.Y
	}
	if len(short) != 500 || math.Abs(sum/500-3) > 1e-3 || math.Abs(short[0].X-9.5) > 1e-9 {
		t.Errorf("%d points from %g on, with the mean %g", len(short), short[0].X, sum/500)
	}
}

// Of the changes 0 to 14, in any order: R's quantile(0:14, c(.25, .5, .75), type = 1).
func TestChangeQuartiles(t *testing.T) {
	var energies [][]float64
	for _, change := range []float64{7, 3, 0, 14, 9, 1, 2, 8, 13, 4, 12, 6, 5, 11, 10} {
		energies = append(energies, []float64{100, 100 + change})
	}
	q := changeQuartiles(energies)
	if got := []float64{q[0][1], q[1][1], q[2][1]}; !slices.Equal(got, []float64{3, 7, 11}) || q[1][0] != 0 {
		t.Errorf("the quartiles are %v", q)
	}
}

// A learned H = (true − 3) / 2 and its fit give the picture of the true H.
func TestLearnedOnTrueScale(t *testing.T) {
	truth, learned := scalars(t), &analysis.ScalarGrid{}
	var err error
	if learned, err = analysis.NewScalarGrid([2]float64{-1, -1}, [2]float64{1, 1}, func(points [][]float64) (list []float64, err error) {
		for _, p := range points {
			list = append(list, (p[0]*p[0]+p[1]*p[1]-3)/2)
		}
		return list, nil
	}); err != nil {
		t.Fatal(err)
	}
	a := &analysis.Analysis{Sources: newSources(hamiltonian.HNN)}
	s := a.Sources[1]
	s.Plane, s.Fit = &analysis.Plane{Hamiltonian: learned}, &analysis.Fit{Factor: 2, Constant: 3, R2: 1}
	title, value := scaled(a, s)
	if want := "Hamiltonian NN: 2.00 H + 3.00"; title != want {
		t.Errorf("the title is %q, want %q", title, want)
	}
	for _, x := range []float64{10, 29.5, 41.3} {
		if got, want := value(interpolated(learned, x, 17)), interpolated(truth, x, 17); math.Abs(got-want) > 1e-12 {
			t.Errorf("at column %g the learned H is %g, the true one %g", x, got, want)
		}
	}
}

// A Hamiltonian that is constant has a scale; one that is no number is an error that says so.
func TestEnergyBar(t *testing.T) {
	f := &figure{name: "pend-hamiltonian"}
	for _, test := range []struct{ low, high, first, last float64 }{{0, 13.7, 0, 14}, {2, 2, 2, 4}, {0, 0, 0, 1}, {-1e20, -1e20, -1e20, 0}} {
		bar := f.energyBar(test.low, test.high)
		n := len(bar.Edges)
		if f.err != nil || len(bar.Colors) != n-1 || bar.Edges[0].Value != test.first || bar.Edges[n-1].Value != test.last {
			t.Errorf("from %g to %g: %+v, error %v", test.low, test.high, bar, f.err)
		}
	}
	if f.energyBar(0, math.NaN()); f.err == nil || !strings.Contains(f.err.Error(), "pend-hamiltonian: H reaches from 0 to NaN; both must be finite") {
		t.Errorf("the error is %v", f.err)
	}
}

// A viewer of the changes sees the frames.
func TestChangesMakeFrames(t *testing.T) {
	shades := color.Palette{color.White, color.Black, color.NRGBA{255, 0, 0, 255}}
	var drawn []*image.Paletted
	for i := range 5 {
		frame := image.NewPaletted(image.Rect(0, 0, 20, 10), shades)
		frame.SetColorIndex(3*min(i, 3), 4, 1) // the fifth frame equals the fourth
		frame.SetColorIndex(10, min(i, 3), 2)
		drawn = append(drawn, frame)
	}
	parts := changes(drawn)
	for i, got := range shown(parts) {
		for x := range 20 {
			for y := range 10 {
				if color.NRGBAModel.Convert(got.At(x, y)) != color.NRGBAModel.Convert(drawn[i].At(x, y)) {
					t.Fatalf("frame %d at (%d, %d) is %v, want %v", i, x, y, got.At(x, y), drawn[i].At(x, y))
				}
			}
		}
	}
	if parts[2].Rect != image.Rect(3, 1, 11, 5) {
		t.Errorf("the third frame changes %v", parts[2].Rect)
	}
}

// Two drawings of one analysis are equal to the byte. Shown 800 pixels wide, as on a page, every letter of them is 9 pixels high or more, with
// five models too; what is narrower than 800 pixels is shown as it is.
func TestDrawingsRepeatAndAreReadable(t *testing.T) {
	a := example(t, datasets.Pendulum, hamiltonian.Baseline, hamiltonian.HNN, hamiltonian.Dissipative, hamiltonian.Port, extending.KnownFriction)
	a.Energy = nil
	first, second := t.TempDir(), t.TempDir()
	for _, folder := range []string{first, second} {
		if _, err := Write(folder, a, func(string) {}); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(first + "/*.svg")
	if err != nil || len(files) != 6 {
		t.Fatalf("the figures are %v, error %v", files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		again, err := os.ReadFile(filepath.Join(second, filepath.Base(file)))
		if err != nil || !bytes.Equal(content, again) {
			t.Errorf("%s: two drawings differ, error %v", file, err)
		}
		width := number(t, regexp.MustCompile(`<svg width="([0-9.]+)pt"`), content)[0] * 4 / 3 // in pixels, 96 to an inch
		for _, letter := range number(t, regexp.MustCompile(`font-size:([0-9.]+)px`), content) {
			if pixels := letter * 4 / 3 * min(1, 800/width); pixels < 9 {
				t.Errorf("%s, %g pixels wide: a letter of %g pixels", filepath.Base(file), width, pixels)
			}
		}
	}
}

// number returns all numbers that an expression finds.
func number(t *testing.T, expression *regexp.Regexp, content []byte) (list []float64) {
	t.Helper()
	for _, match := range expression.FindAllSubmatch(content, -1) {
		v, err := strconv.ParseFloat(string(match[1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, v)
	}
	if list == nil {
		t.Fatalf("nothing matches %v", expression)
	}
	return list
}
