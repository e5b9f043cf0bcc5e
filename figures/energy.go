package figures

import (
	"image/color"
	"path/filepath"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg/draw"

	"hnn/analysis"
)

// The colours of the two levels of energy, as in the paper. Between the levels they are mixed.
var (
	firstLevel   = color.NRGBA{20, 50, 220, 255}
	changedLevel = color.NRGBA{215, 20, 40, 255}
)

// energyPath is the path of an analysis that changes its energy.
type energyPath struct {
	*analysis.EnergyChange
	a *analysis.Analysis
}

// changedEnergy shows how energy is added and removed (figure 5 of the paper): the path to the changed energy, the path back, and over time
// the true energy and the learned Hamiltonian.
func changedEnergy(a *analysis.Analysis) *figure {
	e := energyPath{a.Energy, a}
	f := &figure{name: a.Task.Name + "-add-energy", width: 230, height: 200, rows: make([][]*plot.Plot, 2), keys: []key{
		{"First energy", style(firstLevel, 1.6, solid)}, {"Along the gradient", style(between(firstLevel, changedLevel, 0.5), 1.6, solid)},
		{"Changed energy", style(changedLevel, 1.6, solid)}, {"Requested", style(grey, 1, dashed)},
	}}
	if a.Task.Bodies > 0 {
		f.square = 1
	}
	titles := []string{"Adding energy", "Removing energy"}
	if !e.Metrics.Adds() {
		slices.Reverse(titles)
	}
	for i, title := range titles {
		p := e.plane(title)
		for _, stage := range e.Stages[2*i : 2*i+3] {
			e.draw(f, p, stage, 0, len(stage.Times)-1)
		}
		f.rows[0] = append(f.rows[0], p)
	}
	energy, learned := e.energies(f), panel(hamiltonianTitle(e.Source), a.Task.Labels.Time, "")
	limits(&learned.X, energy.X.Min, energy.X.Max)
	for _, stage := range e.Stages {
		e.curve(f, energy, stage, stage.Energy, len(stage.Times)-1)
		e.curve(f, learned, stage, stage.Learned, len(stage.Times)-1)
	}
	margin := 0.08 * (learned.Y.Max - learned.Y.Min)
	limits(&learned.Y, learned.Y.Min-margin, learned.Y.Max+margin)
	f.rows[1] = []*plot.Plot{energy, learned}
	return f
}

// colorAt is the colour of the learned Hamiltonian at a time of a stage.
func (e energyPath) colorAt(stage analysis.Stage, time int) color.NRGBA {
	first, changed := e.Metrics.Levels[0].Learned, e.Metrics.Levels[1].Learned
	return between(firstLevel, changedLevel, min(1, max(0, (stage.Learned[time]-first)/(changed-first))))
}

// segments calls draw with the pieces of a stage between two times, and the style of each.
func (e energyPath) segments(stage analysis.Stage, from, to int, draw func(from, to int, s draw.LineStyle)) {
	length := max(1, to-from)
	if first, last := e.colorAt(stage, 0), e.colorAt(stage, len(stage.Times)-1); first != last {
		length = 8 // along the gradient; along the symplectic gradient the colour stays
	}
	for ; from < to; from += length {
		end := min(to, from+length)
		draw(from, end, style(e.colorAt(stage, (from+end)/2), 1.4, solid))
	}
}

// draw adds the piece of a stage between two times to a plane.
func (e energyPath) draw(f *figure, p *plot.Plot, stage analysis.Stage, from, to int) {
	e.segments(stage, from, to, func(from, to int, s draw.LineStyle) {
		for body := range max(1, e.a.Task.Bodies) {
			x, y := place(stage.States[from:to+1], e.a.Task.Bodies, body)
			f.line(p, x, y, s)
		}
	})
}

// curve plots a quantity of a stage over time, up to a given time.
func (e energyPath) curve(f *figure, p *plot.Plot, stage analysis.Stage, values []float64, to int) {
	e.segments(stage, 0, to, func(from, to int, s draw.LineStyle) { f.line(p, stage.Times[from:to+1], values[from:to+1], s) })
}

// plane is an empty plane that has room for the whole path, with the contours of the learned Hamiltonian. For bodies it is a square.
func (e energyPath) plane(title string) *plot.Plot {
	labelX, labelY := planeLabels(e.a, e.Source)
	p := panel(title, labelX, labelY)
	var all [2][]float64
	for _, stage := range e.Stages {
		for body := range max(1, e.a.Task.Bodies) {
			x, y := place(stage.States, e.a.Task.Bodies, body)
			all[0], all[1] = append(all[0], x...), append(all[1], y...)
		}
	}
	if e.a.Task.Bodies > 0 {
		all[0] = append(all[0], all[1]...)
		all[1] = all[0]
	}
	for axis, a := range []*plot.Axis{&p.X, &p.Y} {
		low, high := extended(all[axis], 0.05)
		limits(a, low, high)
	}
	if e.Source.Plane != nil {
		contours(p, e.Source.Plane.Hamiltonian)
	}
	return p
}

// energies is a panel with the requested energies and room for the energy over time.
func (e energyPath) energies(f *figure) *plot.Plot {
	p := panel("Total energy", e.a.Task.Labels.Time, e.a.Task.Labels.Energy)
	var all []float64
	for _, stage := range e.Stages {
		all = append(all, stage.Energy...)
	}
	end := e.Stages[len(e.Stages)-1].Times
	limits(&p.X, 0, end[len(end)-1])
	p.Y.Min, p.Y.Max = extended(all, 0.08)
	for _, level := range e.Metrics.Levels[:2] {
		f.line(p, []float64{p.X.Min, p.X.Max}, []float64{level.Requested, level.Requested}, style(grey, 1, dashed))
	}
	return p
}

// filmEnergy films the path: the decoded image, the bodies or the point of the plane, and the energy so far. It returns the path of the GIF.
func filmEnergy(folder string, a *analysis.Analysis) (string, error) {
	const tail = 150 // times
	e := energyPath{a.Energy, a}
	moments := e.Moments()
	return animate(filepath.Join(folder, a.Task.Name+"-add-energy.gif"), len(moments), energyPalette(), func(i int) *figure {
		f := &figure{width: 190, height: 185}
		now := moments[i]
		stage := e.Stages[now.Stage]
		p := e.plane(e.Source.Title)
		if now.Stage%2 == 1 {
			p.Title.Text = map[bool]string{true: "Adding energy", false: "Removing energy"}[e.Metrics.Adds() == (now.Stage == 1)]
		}
		e.draw(f, p, stage, max(0, now.Time-tail), now.Time)
		for body := range max(1, a.Task.Bodies) {
			x, y := place(stage.States[now.Time:now.Time+1], a.Task.Bodies, body)
			f.dots(p, plotter.XYs{{X: x[0], Y: y[0]}}, e.colorAt(stage, now.Time), 4)
		}
		energy := e.energies(f)
		for _, past := range e.Stages[:now.Stage] {
			e.curve(f, energy, past, past.Energy, len(past.Times)-1)
		}
		e.curve(f, energy, stage, stage.Energy, now.Time)
		f.dots(energy, plotter.XYs{{X: stage.Times[now.Time], Y: stage.Energy[now.Time]}}, e.colorAt(stage, now.Time), 3)
		f.rows = [][]*plot.Plot{{p, energy}}
		if e.Film != nil {
			f.rows[0] = slices.Insert(f.rows[0], 0, picture("Decoded image", "", e.Film[i], a.Task.ImageSide))
		}
		return f
	})
}

// energyPalette holds the colours of a path, each in steps towards white for the edges, and greys.
func energyPalette() color.Palette {
	var colors color.Palette
	for mixed := range 11 {
		c := between(firstLevel, changedLevel, float64(mixed)/10)
		for tint := range 8 {
			colors = append(colors, lighter(c, float64(tint)/8))
		}
	}
	return append(colors, greys()...)
}
