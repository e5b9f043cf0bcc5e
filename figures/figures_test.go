package figures

import (
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/plot"

	"hnn/analysis"
	"hnn/datasets"
)

// example is an analysis whose models are the truth, or go through the training rows where the motion was not observed, but for the
// baseline's momenta, which shrink. Where the task has no Hamiltonian, the sum of the squares is taken for what the HNN has learned.
func example(t *testing.T, task datasets.Task) *analysis.Analysis {
	t.Helper()
	data, err := task.Generate(0)
	if err != nil {
		t.Fatal(err)
	}
	truth, err := task.Example(data)
	if err != nil {
		t.Fatal(err)
	}
	energy := task.Hamiltonian
	if energy == nil {
		energy = func(state []float64) float64 { return floats.Dot(state, state) }
	}
	a := &analysis.Analysis{Task: task, Data: data}
	a.Example.Times = truth.Times
	path := truth.States[0]
	for len(path) < len(truth.Times) {
		path = append(path, data.Train.X[len(path)%len(data.Train.X)])
	}
	a.Example.Paths[analysis.Truth], a.Example.Paths[analysis.HNN] = truth.States, [][][]float64{path}
	shrunk := make([][]float64, len(path))
	for i, state := range path {
		shrunk[i] = slices.Clone(state)
		for j := len(state) / 2; j < len(state); j++ {
			shrunk[i][j] *= math.Exp(-truth.Times[i] / 20)
		}
	}
	a.Example.Paths[analysis.Baseline] = [][][]float64{shrunk}
	for s, paths := range a.Example.Paths {
		for _, state := range paths[0] {
			a.Conserved[s] = append(a.Conserved[s], energy(state))
		}
		a.Example.Energies[s] = [][]float64{a.Conserved[s]}
	}
	a.Trials = a.Example
	if task.Dimension == 2 {
		a.Grid = &analysis.Grid{Points: data.Train.X[:50]}
		for _, s := range analysis.Sources {
			if s != analysis.Truth || task.Dynamics != nil {
				a.Grid.Fields[s] = data.Train.DX[:50]
			}
		}
	}
	return a
}

// own makes a task of a table of a rotation in each of two degrees of freedom, or in the first.
func own(t *testing.T, name, columns string) datasets.Task {
	t.Helper()
	content := columns + "\n"
	for row := range 500 {
		time := 0.1 * float64(row)
		for i, column := range strings.Split(columns, ",") {
			if i > 0 {
				content += ","
			}
			content += fmt.Sprint(map[string]float64{
				"t": time, "q1": 5 + math.Cos(time), "p1": -math.Sin(time), "q2": math.Cos(2*time + 1), "p2": -2 * math.Sin(2*time+1),
				"dq1": -math.Sin(time), "dp1": -math.Cos(time), "dq2": -2 * math.Sin(2*time+1), "dp2": -4 * math.Cos(2*time+1),
			}[column])
		}
		content += "\n"
	}
	path := filepath.Join(t.TempDir(), name+".csv")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	task, err := datasets.FromTable(path)
	if err != nil {
		t.Fatal(err)
	}
	return task
}

func TestFiguresHoldEveryCurve(t *testing.T) {
	for _, test := range []struct {
		task  datasets.Task
		names []string
	}{
		{datasets.Pendulum, []string{"pend-integration", "pend-energy-drift", "pend-field"}},
		{datasets.TwoBody, []string{"2body-integration", "2body-energy-drift", "2body-orbits"}},
		{own(t, "one", "q1,p1,t"), []string{"one-integration", "one-energy-drift", "one-field"}},
		{own(t, "two", "q1,p1,q2,p2,t"), []string{"two-integration", "two-energy-drift", "two-coordinates"}},
		{own(t, "one-unobserved", "q1,p1,dq1,dp1"), []string{"one-unobserved-integration", "one-unobserved-energy-drift", "one-unobserved-field"}},
		{
			own(t, "two-unobserved", "q1,p1,q2,p2,dq1,dp1,dq2,dp2"),
			[]string{"two-unobserved-integration", "two-unobserved-energy-drift", "two-unobserved-coordinates"},
		},
	} {
		folder := filepath.Join(t.TempDir(), "new")
		a := example(t, test.task)
		paths, err := Write(folder, a, func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range test.names {
			for _, extension := range []string{".png", ".svg"} {
				if path := filepath.Join(folder, name+extension); !slices.Contains(paths, path) {
					t.Errorf("%s is not among the files %v", path, paths)
				}
			}
			file, err := os.Open(filepath.Join(folder, name+".png"))
			if err != nil {
				t.Fatal(err)
			}
			picture, err := png.Decode(file)
			file.Close()
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range sourcesOf(a.Example) {
				if n := count(picture, colorOf(s)); n < 300 {
					t.Errorf("%s: %d pixels in the colour of %s", name, n, s)
				}
			}
			wellFormed(t, filepath.Join(folder, name+".svg"), "Baseline NN", "Hamiltonian NN")
		}
	}
}

func TestPixelFigures(t *testing.T) {
	camera, err := datasets.NewCamera(datasets.Screen, datasets.PictureSide)
	if err != nil {
		t.Fatal(err)
	}
	a := &analysis.Pixels{Task: datasets.Pixel, Side: datasets.PictureSide}
	swing := datasets.Swing{Angle: math.Pi + 0.4}
	for i := range 60 {
		a.Frames = append(a.Frames, float64(i))
		for _, s := range analysis.Sources {
			a.Film[s] = append(a.Film[s], camera.Frame(swing.Angle))
			a.Example[s] = append(a.Example[s], swing.Coordinates())
		}
		swing.Step()
	}
	a.Latent, a.Cloud = a.Example, a.Example
	a.Grids[analysis.HNN] = &analysis.Grid{Points: a.Example[0]}
	a.Grids[analysis.HNN].Fields[analysis.HNN] = a.Example[0]
	folder := t.TempDir()
	paths, err := WritePixels(folder, a, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) != 7 {
		t.Errorf("%d files, want three figures as PNG and SVG, and a GIF: %v", len(paths), paths)
	}
	file, err := os.Open(filepath.Join(folder, "pixel.gif"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	movie, err := gif.DecodeAll(file)
	if err != nil || len(movie.Image) != 60 {
		t.Fatalf("%d frames, error %v", len(movie.Image), err)
	}
	// A swing of 0.4 from hanging takes 2π/√15·(1 + 0.4²/16) s: after half of it, in 20ths of a second, the rod is on the other side.
	half := int(math.Round(math.Pi / math.Sqrt(15) * (1 + 0.16/16) * 20))
	if left, right := weight(movie.Image[0]), weight(movie.Image[half]); left*right >= 0 || math.Abs(left+right) > 0.3*math.Abs(left) {
		t.Errorf("the rod is at %.2f at first, and at %.2f after half a period", left, right)
	}
}

// weight is the mean horizontal place of the dark pixels of a film's first picture, from its middle.
func weight(picture *image.Paletted) float64 {
	sum, n := 0.0, 0.0
	third := picture.Bounds().Dx() / 3
	for y := picture.Bounds().Dy() / 5; y < picture.Bounds().Dy()*4/5; y++ {
		for x := range third {
			if v, _, _, _ := picture.At(x, y).RGBA(); v < 0x2000 {
				sum, n = sum+float64(x), n+1
			}
		}
	}
	return sum/n - float64(third)/2
}

func count(picture image.Image, want color.NRGBA) int {
	n := 0
	for y := range picture.Bounds().Dy() {
		for x := range picture.Bounds().Dx() {
			if color.NRGBAModel.Convert(picture.At(x, y)) == want {
				n++
			}
		}
	}
	return n
}

func wellFormed(t *testing.T, path string, words ...string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range words {
		if !strings.Contains(string(content), word) {
			t.Errorf("%s lacks %q", path, word)
		}
	}
	decoder := xml.NewDecoder(strings.NewReader(string(content)))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
}

// In each frame of the film the true and the HNN's bodies are where the trajectory has them.
func TestFilmMoves(t *testing.T) {
	folder := t.TempDir()
	a := example(t, datasets.TwoBody)
	path, err := film(folder, a)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	movie, err := gif.DecodeAll(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(movie.Image) != frames {
		t.Fatalf("%d frames, want %d", len(movie.Image), frames)
	}
	width := float64(movie.Image[0].Bounds().Dx())
	for _, i := range []int{0, 50, 149} {
		// The first body's black dot is the darkest place in the left third.
		sum, n := 0.0, 0.0
		for y := movie.Image[i].Bounds().Dy() / 8; y < movie.Image[i].Bounds().Dy()*7/8; y++ {
			for x := 10; x < int(width/3)-10; x++ {
				if around(movie.Image[i], x, y) {
					sum, n = sum+float64(x), n+1
				}
			}
		}
		state := a.Example.Paths[analysis.Truth][0][i*(len(a.Example.Times)-1)/(frames-1)]
		want := width/6 + state[0]/orbitReach(a)*width/6*0.95
		if got := sum / n; !(math.Abs(got-want) < 0.03*width) {
			t.Errorf("frame %d: the first body is at %.0f, want %.0f of %.0f", i, got, want, width)
		}
	}
}

// around tells whether a pixel and its neighbours to four sides are black.
func around(picture *image.Paletted, x, y int) bool {
	for _, d := range [][2]int{{0, 0}, {2, 0}, {-2, 0}, {0, 2}, {0, -2}} {
		if color.NRGBAModel.Convert(picture.At(x+d[0], y+d[1])) != black {
			return false
		}
	}
	return true
}

func TestTicksAreRoundNumbers(t *testing.T) {
	for want, ticks := range map[string]string{
		"0 5 10 15":           labels(round{}.Ticks(0, 18.3)),
		"−1 0 1":              labels(round{}.Ticks(-1.3, 1.3)),
		"0.00 0.05 0.10 0.15": labels(round{}.Ticks(-0.001, 0.19)),
		"−1.02 −1.01 −1.00":   labels(round{}.Ticks(-1.025, -0.995)),
		"1e−2 1e−1 1e0 1e1":   labels(decades{}.Ticks(-2, 1.5)),
		"1e−8 1e−6 1e−4 1e−2": labels(decades{}.Ticks(-8, -1)),
	} {
		if ticks != want {
			t.Errorf("got the ticks %s, want %s", ticks, want)
		}
	}
}

func labels(ticks []plot.Tick) string {
	var list []string
	for _, tick := range ticks {
		if tick.Label != "" {
			list = append(list, fmt.Sprint(tick.Label))
		}
	}
	return strings.Join(list, " ")
}
