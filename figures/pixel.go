package figures

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"

	"hnn/analysis"
)

const latentPosition, latentVelocity = "latent position z1", "latent velocity z2"

// WritePixels is Write for the analysis of a task on pictures.
func WritePixels(folder string, a *analysis.Pixels, progress func(stage string)) ([]string, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	builders := []func(*analysis.Pixels) (figure, error){latentSpace, latentHamiltonian, latentIntegration, filmstrip, latentReversal}
	if a.Energy != nil {
		builders = append(builders, changedLatentEnergy)
	}
	paths, err := saveAll(folder, a, builders, progress)
	if err != nil {
		return nil, err
	}
	progress("filming the pendulum")
	path, err := animate(filepath.Join(folder, a.Task.Name+".gif"), len(a.Frames), greys(), func(i int) (figure, error) {
		f := figure{width: 150, height: 160, square: 1}
		f.rows = [][]*plot.Plot{pictures(a, i, func(s analysis.Source) string { return s.String() }, fmt.Sprintf("frame %d", i))}
		return f, nil
	})
	paths = append(paths, path)
	if err != nil || a.Energy == nil {
		return paths, err
	}
	progress("filming the change of energy")
	path, err = latentPath(a).film(folder, func(moment int) *plot.Plot {
		return picture("Decoded picture", "", a.Energy.Film[moment], a.Side)
	})
	return append(paths, path), err
}

// latentSpace shows where the test samples lie in the true phase plane and in the two latent planes, the latent fields, and the
// example's trajectory in each (figure 4 of the paper).
func latentSpace(a *analysis.Pixels) (figure, error) {
	f := figure{name: a.Task.Name + "-latent", width: 190, height: 185}
	var row []*plot.Plot
	for _, s := range analysis.Sources {
		x, y := latentPosition, latentVelocity
		if s == analysis.Truth {
			x, y = a.Task.Labels.Position, a.Task.Labels.Momentum
		}
		p := panel(s.String(), x, y)
		if err := dots(p, points(a.Cloud[s]), lighter(black, 0.7), 0.6); err != nil {
			return f, err
		}
		if g := a.Grids[s]; g != nil {
			longest := 0.0
			spanX, spanY := span(g.Points, 0), span(g.Points, 1)
			for _, v := range g.Fields[s] {
				longest = max(longest, math.Abs(v[0])/spanX, math.Abs(v[1])/spanY)
			}
			p.Add(arrows{points: g.Points, vectors: g.Fields[s], scale: 0.1 / longest, style: style(grey, 0.6, solid)})
		}
		if err := line(p, analysis.Column(a.Latent[s], 0), analysis.Column(a.Latent[s], 1), style(colorOf(s), 1.2, solid)); err != nil {
			return f, err
		}
		row = append(row, p)
	}
	f.rows = [][]*plot.Plot{row}
	return f, nil
}

func span(points [][]float64, axis int) float64 {
	values := analysis.Column(points, axis)
	return floats.Max(values) - floats.Min(values)
}

// latentIntegration follows the example by the coordinates that fit the latent states: the angle, the coordinates' error and
// the energy.
func latentIntegration(a *analysis.Pixels) (figure, error) {
	f := figure{name: a.Task.Name + "-integration", width: 190, height: 165, keys: sourceKeys(analysis.Sources[:])}
	angle := panel("Angle", a.Task.Labels.Time, a.Task.Labels.Position)
	errors := panel("MSE between coordinates", a.Task.Labels.Time, "")
	energy := panel("Total energy", a.Task.Labels.Time, a.Task.Labels.Energy)
	for _, s := range []analysis.Source{analysis.Baseline, analysis.Truth, analysis.HNN} {
		look := style(colorOf(s), 1.3, solid)
		total, deviation := make([]float64, len(a.Frames)), make([]float64, len(a.Frames))
		for i, state := range a.Example[s] {
			total[i] = a.Task.Hamiltonian(state)
			d := floats.Distance(state, a.Example[analysis.Truth][i], 2)
			deviation[i] = d * d / 2
		}
		curves := map[*plot.Plot][]float64{angle: analysis.Column(a.Example[s], 0), energy: total}
		if s != analysis.Truth {
			curves[errors] = deviation
		}
		for p, values := range curves {
			if err := line(p, a.Frames, values, look); err != nil {
				return f, err
			}
		}
	}
	f.rows = [][]*plot.Plot{{angle, errors, energy}}
	return f, nil
}

// filmstrip shows every twentieth picture of the example, by the truth, the baseline and the HNN.
func filmstrip(a *analysis.Pixels) (figure, error) {
	f := figure{name: a.Task.Name + "-filmstrip", width: 62, height: 70, rows: make([][]*plot.Plot, len(analysis.Sources))}
	f.square = len(f.rows)
	for i := 0; i < len(a.Frames); i += 20 {
		for s, p := range pictures(a, i, func(analysis.Source) string { return "" }, "") {
			if s == 0 {
				p.Title.Text = fmt.Sprintf("frame %d", i)
			}
			if i == 0 {
				p.Y.Label.Text = analysis.Sources[s].String()
			}
			p.Title.TextStyle.Font, p.Y.Label.TextStyle.Font = face(7), face(7)
			f.rows[s] = append(f.rows[s], p)
		}
	}
	return f, nil
}

// pictures draws the picture of each source at one time of the example.
func pictures(a *analysis.Pixels, i int, title func(analysis.Source) string, label string) []*plot.Plot {
	var list []*plot.Plot
	for _, s := range analysis.Sources {
		list = append(list, picture(title(s), label, a.Film[s][i], a.Side))
	}
	return list
}

// picture shows a frame of so many rows and columns.
func picture(title, label string, frame []byte, side int) *plot.Plot {
	p := panel(title, label, "")
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Tick.Marker, axis.LineStyle.Width = plot.ConstantTicks{}, 0
		limits(axis, 0, 1)
	}
	p.Add(plotter.NewImage(enlarge(frame, side), 0, 0, 1, 1))
	return p
}

// enlarge draws the bytes of a frame dark on light, each as a square, so that no viewer smooths it.
func enlarge(frame []byte, side int) image.Image {
	const zoom = 8
	picture := image.NewGray(image.Rect(0, 0, side*zoom, side*zoom))
	for y := range side * zoom {
		for x := range side * zoom {
			picture.SetGray(x, y, color.Gray{255 - 2*min(127, frame[y/zoom*side+x/zoom])})
		}
	}
	return picture
}

func greys() color.Palette {
	var colors color.Palette
	for v := 0; v < 256; v += 3 {
		colors = append(colors, color.Gray{uint8(v)})
	}
	return colors
}
