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
		a.Trials.Paths[s] = slices.Repeat(paths, 6)
		a.Trials.Energies[s] = slices.Repeat(a.Example.Energies[s], 6)
	}
	a.Trials.Times = a.Example.Times
	if task.Hamiltonian != nil {
		a.Energy = change(truth.States[0])
	}
	a.Reversals = reversals(analysis.Sources[:]...)
	if task.Dimension == 2 {
		a.Landscapes[analysis.HNN] = landscape(t)
		if task.Hamiltonian != nil {
			a.Landscapes[analysis.Truth] = landscape(t)
		}
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

// change goes along states at an energy of 1, to 2 and back to 1.
func change(states [][]float64) *analysis.EnergyChange {
	e := &analysis.EnergyChange{Metrics: analysis.EnergyMetrics{Change: 1}}
	for _, energy := range []float64{1, 2, 1} {
		e.Metrics.Levels = append(e.Metrics.Levels, analysis.EnergyLevel{Requested: energy, Learned: energy})
	}
	for stage := range 5 {
		s := analysis.Stage{States: states[:101]}
		for i := range s.States {
			share := float64(i) / 100
			s.Times = append(s.Times, float64(stage)+share)
			s.Learned = append(s.Learned, [...]float64{1, 1 + share, 2, 2 - share, 1}[stage])
		}
		s.Energy = s.Learned
		e.Stages = append(e.Stages, s)
	}
	return e
}

// reversals are those of exact ways back but for 1e-3.
func reversals(of ...analysis.Source) (r [len(analysis.Sources)]analysis.Reversals) {
	for _, s := range of {
		for _, m := range analysis.Methods {
			r[s][m] = analysis.Reversal{
				Times: []float64{0, 1, 2}, Distance: []float64{0, 1, 2 + float64(s), 1, 0}, Departure: []float64{1e-3, 1e-4 / float64(1+s), 0},
			}
		}
	}
	return r
}

func landscape(t *testing.T) *analysis.Landscape {
	t.Helper()
	l, err := analysis.NewLandscape([2]float64{-1, -1}, [2]float64{1, 1}, func(points [][]float64) ([]float64, error) {
		var list []float64
		for _, p := range points {
			list = append(list, p[0]*p[0]+p[1]*p[1])
		}
		return list, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestFiguresHoldEveryCurve(t *testing.T) {
	for _, test := range []struct {
		task  datasets.Task
		names []string
	}{
		{datasets.Pendulum, []string{"pend-integration", "pend-energy-drift", "pend-reversibility", "pend-trials", "pend-field"}},
		{datasets.TwoBody, []string{"2body-integration", "2body-energy-drift", "2body-reversibility", "2body-trials", "2body-orbits"}},
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
		titles := []string{"HNN-conserved quantity"}
		if test.task.Hamiltonian != nil {
			energyFigures(t, folder, test.task.Name)
			titles = append(titles, "Total energy")
		}
		hamiltonian, plane := filepath.Join(folder, test.task.Name+"-hamiltonian.svg"), test.task.Dimension == 2
		if slices.Contains(paths, hamiltonian) != plane {
			t.Errorf("%s among the files %v", hamiltonian, paths)
		} else if plane {
			wellFormed(t, hamiltonian, titles...)
		}
	}
}

// energyFigures looks for both levels in the figure of a changed energy, and in its film for that of the stage.
func energyFigures(t *testing.T, folder, task string) {
	t.Helper()
	base := filepath.Join(folder, task+"-add-energy")
	wellFormed(t, base+".svg", "Adding energy", "Removing energy", "HNN-conserved quantity")
	file, err := os.Open(base + ".png")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	figure, err := png.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	film, err := os.Open(base + ".gif")
	if err != nil {
		t.Fatal(err)
	}
	defer film.Close()
	movie, err := gif.DecodeAll(film)
	if err != nil || len(movie.Image) != 50 {
		t.Fatalf("%s: %d pictures in the film, want 50; error %v", task, len(movie.Image), err)
	}
	for _, c := range []color.NRGBA{firstLevel, changedLevel} {
		if n := count(figure, c); n < 300 {
			t.Errorf("%s: %d pixels in the colour %v", task, n, c)
		}
	}
	if first, changed := count(movie.Image[5], firstLevel), count(movie.Image[5], changedLevel); first < 50 || changed > 0 {
		t.Errorf("%s: before the change, %d pixels in the first level's colour and %d in the other's", task, first, changed)
	}
	if changed := count(movie.Image[25], changedLevel); changed < 50 {
		t.Errorf("%s: after the change, %d pixels in its colour", task, changed)
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
	a.Landscapes[analysis.Truth], a.Landscapes[analysis.HNN] = landscape(t), landscape(t)
	a.Reversals = reversals(analysis.Baseline, analysis.HNN)
	a.Energy = change(slices.Repeat(a.Example[0], 2))
	for range a.Energy.Moments() {
		a.Energy.Film = append(a.Energy.Film, a.Film[0][0])
	}
	a.Grids[analysis.HNN] = &analysis.Grid{Points: a.Example[0]}
	a.Grids[analysis.HNN].Fields[analysis.HNN] = a.Example[0]
	folder := t.TempDir()
	paths, err := WritePixels(folder, a, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) != 14 {
		t.Errorf("%d files, want six figures as PNG and SVG, and two GIFs: %v", len(paths), paths)
	}
	energyFigures(t, folder, "pixel")
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
