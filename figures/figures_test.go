package figures

import (
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
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

	"hnn/analysis"
	"hnn/datasets"
	"hnn/hamiltonian"
)

// newSources are the truth and the given models, without anything to show.
func newSources(models ...hamiltonian.Model) []*analysis.Source {
	sources := []*analysis.Source{{Name: "truth", Title: "Ground truth", Color: black, HasHamiltonian: true}}
	for _, m := range models {
		sources = append(sources, &analysis.Source{Name: m.Name, Title: m.Title, Color: m.Color, HasHamiltonian: m.Name != "baseline"})
	}
	return sources
}

// example is an analysis whose HNN is the truth, or goes through the training rows if nobody observed the motion. The momenta of the other
// models shrink. A task without a Hamiltonian has the sum of the squares as the learned one.
func example(t *testing.T, task datasets.Task, models ...hamiltonian.Model) *analysis.Analysis {
	t.Helper()
	data, err := task.Generate(0)
	if err != nil {
		t.Fatal(err)
	}
	observed, err := task.Example(data)
	if err != nil {
		t.Fatal(err)
	}
	energy := task.Hamiltonian
	if energy == nil {
		energy = func(state []float64) float64 { return floats.Dot(state, state) }
	}
	a := &analysis.Analysis{Task: task, Data: data, Sources: newSources(models...)}
	states := data.Train.X.Float64(0)
	for i, s := range a.Sources {
		s.Example.Times = observed.Times
		path := slices.Clone(observed.States[0])
		if s.Name == "truth" {
			s.Example.Times = observed.Times[:len(path)]
		}
		for len(path) < len(s.Example.Times) {
			path = append(path, states[len(path)%len(states)])
		}
		if s.Name != "truth" && s.Name != "hnn" {
			for i, state := range path {
				path[i] = slices.Clone(state)
				for j := len(state) / 2; j < len(state); j++ {
					path[i][j] *= math.Exp(-s.Example.Times[i] / 20)
				}
			}
		}
		for _, state := range path {
			s.Learned = append(s.Learned, energy(state))
		}
		s.Example.States, s.Example.Energy = [][][]float64{path}, [][]float64{s.Learned}
		if half := len(path) / 2; task.Excerpt > 0 {
			s.Excerpt = analysis.Motion{Times: s.Example.Times[:half], States: [][][]float64{path[:half]}, Energy: [][]float64{s.Learned[:half]}}
		}
		s.Trials = analysis.Motion{Times: s.Example.Times, States: slices.Repeat(s.Example.States, 6), Energy: slices.Repeat(s.Example.Energy, 6)}
		if s.Name == "hnn" {
			a.Reference = s
		}
		if s.Name != "truth" {
			steps := []float64{0, 1, 2}
			s.Losses = &analysis.Losses{Train: analysis.LossCurve{Steps: steps, Values: []float64{1, 0.1, 0.01 / float64(i)}}}
			s.Losses.Test = s.Losses.Train
		}
		if task.Dimension == 2 {
			s.Plane = &analysis.Plane{Samples: states, Path: path, Points: states[:50]}
			for axis := range s.Plane.Low {
				s.Plane.Low[axis], s.Plane.High[axis] = extended(analysis.Column(append(states, path...), axis), 0.1)
			}
			if s.HasHamiltonian && (s.Name != "truth" || task.Hamiltonian != nil) {
				s.Plane.Hamiltonian = scalars(t)
			}
			if s.Name != "truth" || task.Dynamics != nil {
				s.Plane.Field, s.Plane.Speed = data.Train.DX.Float64(0)[:50], scalars(t)
			}
		}
	}
	if task.Hamiltonian != nil {
		a.Energy = change(a.Reference, observed.States[0])
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

// change follows states at an energy of 1, to 2 and back to 1.
func change(source *analysis.Source, states [][]float64) *analysis.EnergyChange {
	e := &analysis.EnergyChange{Source: source, Metrics: analysis.EnergyMetrics{Change: 1}}
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

func scalars(t *testing.T) *analysis.ScalarGrid {
	t.Helper()
	g, err := analysis.NewScalarGrid([2]float64{-1, -1}, [2]float64{1, 1}, func(points [][]float64) ([]float64, error) {
		var list []float64
		for _, p := range points {
			list = append(list, p[0]*p[0]+p[1]*p[1])
		}
		return list, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestFiguresHoldEveryCurve(t *testing.T) {
	for _, test := range []struct {
		task  datasets.Task
		names []string
	}{
		{datasets.Pendulum, []string{"pend-integration", "pend-energy-drift", "pend-trials", "pend-field"}},
		{datasets.TwoBody, []string{"2body-integration", "2body-energy-drift", "2body-trials", "2body-orbits", "2body-orbits-long"}},
		{own(t, "one", "q1,p1,t"), []string{"one-integration", "one-energy-drift", "one-field"}},
		{own(t, "two", "q1,p1,q2,p2,t"), []string{"two-integration", "two-energy-drift", "two-coordinates"}},
		{own(t, "one-unobserved", "q1,p1,dq1,dp1"), []string{"one-unobserved-integration", "one-unobserved-energy-drift", "one-unobserved-field"}},
		{
			own(t, "two-unobserved", "q1,p1,q2,p2,dq1,dp1,dq2,dp2"),
			[]string{"two-unobserved-integration", "two-unobserved-energy-drift", "two-unobserved-coordinates"},
		},
	} {
		folder := filepath.Join(t.TempDir(), "new")
		a := example(t, test.task, hamiltonian.Baseline, hamiltonian.HNN)
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
			for _, s := range a.Moving() {
				if n := count(picture, s.Color); n < 150 {
					t.Errorf("%s: %d pixels in the colour of %s", name, n, s.Name)
				}
			}
			wellFormed(t, filepath.Join(folder, name+".svg"), "Baseline NN", "Hamiltonian NN")
		}
		titles := []string{"Hamiltonian NN: H above its minimum"}
		if test.task.Hamiltonian != nil {
			energyFigures(t, folder, test.task.Name)
			titles = append(titles, "True energy")
		}
		hamiltonian, plane := filepath.Join(folder, test.task.Name+"-hamiltonian.svg"), test.task.Dimension == 2
		if slices.Contains(paths, hamiltonian) != plane {
			t.Errorf("%s among the files %v", hamiltonian, paths)
		} else if plane {
			wellFormed(t, hamiltonian, titles...)
		}
	}
}

// energyFigures looks for the colours of both levels in the figure of a changed energy, and for that of the stage in its film.
func energyFigures(t *testing.T, folder, task string) {
	t.Helper()
	base := filepath.Join(folder, task+"-add-energy")
	wellFormed(t, base+".svg", "Adding energy", "Removing energy", "Hamiltonian NN&#39;s Hamiltonian")
	file, err := os.Open(base + ".png")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	figure, err := png.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	movie := watched(t, base+".gif", 25)
	for _, c := range []color.NRGBA{firstLevel, changedLevel} {
		if n := count(figure, c); n < 300 {
			t.Errorf("%s: %d pixels in the colour %v", task, n, c)
		}
	}
	if first, changed := count(movie[3], firstLevel), count(movie[3], changedLevel); first < 50 || changed > 0 {
		t.Errorf("%s: before the change, %d pixels in the first level's colour and %d in the other's", task, first, changed)
	}
	if changed := count(movie[12], changedLevel); changed < 50 {
		t.Errorf("%s: after the change, %d pixels in its colour", task, changed)
	}
}

// A third model has its own panels and colour. Without a Hamiltonian in any model there are no contours of one.
func TestFiguresOfOtherModels(t *testing.T) {
	folder := t.TempDir()
	write := func(a *analysis.Analysis) []string {
		t.Helper()
		a.Energy = nil
		paths, err := Write(folder, a, func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		return paths
	}
	write(example(t, datasets.Pendulum, hamiltonian.Baseline, hamiltonian.HNN, hamiltonian.Dissipative))
	for _, name := range []string{"integration", "field", "trials", "energy-drift"} {
		wellFormed(t, filepath.Join(folder, "pend-"+name+".svg"), "Ground truth", "Baseline NN", "Hamiltonian NN", "Dissipative HNN")
	}
	wellFormed(t, filepath.Join(folder, "pend-hamiltonian.svg"), "True energy", "Hamiltonian NN: H above", "Dissipative HNN: H above")
	write(example(t, own(t, "two", "q1,p1,q2,p2,t"), hamiltonian.Baseline, hamiltonian.HNN, hamiltonian.Dissipative)) // rows of 4 and 3 panels
	wellFormed(t, filepath.Join(folder, "two-coordinates.svg"), "Dissipative HNN")

	a := example(t, own(t, "one-unobserved", "q1,p1,dq1,dp1"), hamiltonian.Baseline)
	for _, s := range a.Sources {
		s.Learned, s.Example.Energy, s.Trials.Energy = nil, nil, nil
	}
	for _, path := range write(a) {
		for _, name := range []string{"hamiltonian", "energy", "trials"} {
			if strings.Contains(filepath.Base(path), name) {
				t.Errorf("%s was drawn without an energy", path)
			}
		}
	}
}

func TestImageFigures(t *testing.T) {
	task := datasets.Pixel
	camera, err := datasets.NewCamera(datasets.Screen, task.ImageSide)
	if err != nil {
		t.Fatal(err)
	}
	a := &analysis.Analysis{Task: task, Sources: newSources(hamiltonian.Baseline, hamiltonian.HNN)}
	a.Reference = a.Sources[2]
	swing := datasets.Swing{Angle: math.Pi + 0.4}
	var times, energies []float64
	var states [][]float64
	var film [][]byte
	for i := range 60 {
		times, states, film = append(times, float64(i)), append(states, swing.Coordinates()), append(film, camera.Frame(swing.Angle))
		energies = append(energies, task.Hamiltonian(states[i]))
		swing.Step()
	}
	for _, s := range a.Sources {
		s.Example = analysis.Motion{Times: times, States: [][][]float64{states}, Energy: [][]float64{energies}}
		s.Trials, s.Film = s.Example, film
		s.Plane = &analysis.Plane{Samples: states, Path: states, Points: states, Low: [2]float64{-1, -1}, High: [2]float64{1, 1}}
		if s.Name != "truth" {
			s.Plane.Field, s.Plane.Speed = states, scalars(t)
		}
		if s.HasHamiltonian {
			s.Plane.Hamiltonian = scalars(t)
		}
	}
	a.Energy = change(a.Reference, slices.Repeat(states, 2))
	for range a.Energy.Moments() {
		a.Energy.Film = append(a.Energy.Film, film[0])
	}
	folder := t.TempDir()
	paths, err := Write(folder, a, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) != 12 {
		t.Errorf("%d files, want five figures as PNG and SVG, and two GIFs: %v", len(paths), paths)
	}
	energyFigures(t, folder, "pixel")
	movie := watched(t, filepath.Join(folder, "pixel.gif"), 30)
	// A swing of 0.4 from hanging takes 2π/√15·(1 + 0.4²/16) s: after half of it, in 20ths of a second, the rod is on the other side.
	half := int(math.Round(math.Pi / math.Sqrt(15) * (1 + 0.16/16) * 20))
	if left, right := weight(movie[0]), weight(movie[half/2]); left*right >= 0 || math.Abs(left+right) > 0.3*math.Abs(left) {
		t.Errorf("the rod is at %.2f at first, and at %.2f after half a period", left, right)
	}
}

// weight is the mean horizontal place of the dark pixels in the left panel of a frame, from the panel's middle.
func weight(picture image.Image) float64 {
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

// watched returns the frames of a film as a viewer shows them.
func watched(t *testing.T, path string, frames int) []image.Image {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	movie, err := gif.DecodeAll(file)
	if err != nil || len(movie.Image) != frames {
		t.Fatalf("%s: %d frames, want %d; error %v", path, len(movie.Image), frames, err)
	}
	return shown(movie.Image)
}

// shown returns the whole frames of a film, of which each frame holds only what has changed.
func shown(changes []*image.Paletted) (list []image.Image) {
	screen := image.NewRGBA(changes[0].Rect)
	for _, change := range changes {
		draw.Draw(screen, change.Rect, change, change.Rect.Min, draw.Over)
		list = append(list, &image.RGBA{Pix: slices.Clone(screen.Pix), Stride: screen.Stride, Rect: screen.Rect})
	}
	return list
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
	a := example(t, datasets.TwoBody, hamiltonian.Baseline, hamiltonian.HNN)
	paths, err := filmOrbits(a).save(folder)
	if err != nil {
		t.Fatal(err)
	}
	movie := watched(t, paths[0], frames)
	width := float64(movie[0].Bounds().Dx())
	for _, i := range []int{0, 33, 99} {
		// The first body's black dot is the darkest place in the left third.
		sum, n := 0.0, 0.0
		for y := movie[i].Bounds().Dy() / 8; y < movie[i].Bounds().Dy()*7/8; y++ {
			for x := 10; x < int(width/3)-10; x++ {
				if around(movie[i], x, y) {
					sum, n = sum+float64(x), n+1
				}
			}
		}
		state := a.Sources[0].Example.States[0][i*(len(a.Sources[0].Example.Times)-1)/(frames-1)]
		want := width/6 + state[0]/orbitReach(a)*width/6*0.95
		if got := sum / n; !(math.Abs(got-want) < 0.03*width) {
			t.Errorf("frame %d: the first body is at %.0f, want %.0f of %.0f", i, got, want, width)
		}
	}
}

// around tells whether a pixel and its neighbours to four sides are black.
func around(picture image.Image, x, y int) bool {
	for _, d := range [][2]int{{0, 0}, {2, 0}, {-2, 0}, {0, 2}, {0, -2}} {
		if color.NRGBAModel.Convert(picture.At(x+d[0], y+d[1])) != black {
			return false
		}
	}
	return true
}

func TestDecades(t *testing.T) {
	for want, ends := range map[string][2]float64{"1e−2 1e−1 1e0 1e1": {-2, 1.5}, "1e−8 1e−6 1e−4 1e−2": {-8, -1}} {
		var labels []string
		for _, tick := range decades(ends[0], ends[1]) {
			if tick.Label != "" {
				labels = append(labels, tick.Label)
			}
		}
		if got := strings.Join(labels, " "); got != want {
			t.Errorf("got the ticks %s, want %s", got, want)
		}
	}
}
