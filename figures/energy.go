package figures

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"

	"hnn/analysis"
	"hnn/internal/panels"
)

// The colours of the two levels of energy, as in the paper. Between the levels they are mixed.
var (
	firstLevel   = color.NRGBA{40, 100, 230, 255}
	changedLevel = color.NRGBA{220, 45, 50, 255}
)

// energyPath is a figure of an analysis that changes its energy.
type energyPath struct {
	*figure
	*analysis.EnergyChange
	a *analysis.Analysis
}

// changedEnergy shows how energy is added and removed (figure 5 of the paper): the path to the changed energy, the path back, and over time
// the true energy and the learned Hamiltonian.
func changedEnergy(a *analysis.Analysis) *figure {
	f := &figure{name: a.Task.Name + "-add-energy", Figure: panels.Figure{Width: 290, Height: 225, Square: min(1, a.Task.Bodies), Keys: []panels.Key{
		{Label: "First energy", Style: panels.Style(firstLevel, 1.6, panels.Solid)},
		{Label: "Along the gradient", Style: panels.Style(between(firstLevel, changedLevel, 0.5), 1.6, panels.Solid)},
		{Label: "Changed energy", Style: panels.Style(changedLevel, 1.6, panels.Solid)},
		{Label: "Requested", Style: panels.Style(grey, 1, panels.Dashed)},
	}}}
	f.Keys = append(f.Keys, startKeys(a)...)
	e := energyPath{f, a.Energy, a}
	for i, title := range e.titles() {
		p := e.plane(title)
		shown := e.Stages[2*i : 2*i+3]
		for _, stage := range shown {
			e.draw(p, stage, 0, len(stage.Times)-1, tracks(a.Task.Bodies, stage.States)...)
		}
		e.marks(p, shown)
	}
	energy, learned := e.energies(1), f.Panel(1, hamiltonianTitle(e.Source), a.Task.Labels.Time, "")
	learned.X.Min, learned.X.Max = energy.X.Min, energy.X.Max
	for _, stage := range e.Stages {
		e.draw(energy, stage, 0, len(stage.Times)-1, curve(stage.Times, stage.Energy))
		e.draw(learned, stage, 0, len(stage.Times)-1, curve(stage.Times, stage.Learned))
	}
	learned.Y.Min, learned.Y.Max = extended([]float64{learned.Y.Min, learned.Y.Max}, 0.08)
	return f
}

// titles are those of the way to the changed energy and of the way back.
func (e energyPath) titles() []string {
	if e.Metrics.Adds() {
		return []string{"Adding energy", "Removing energy"}
	}
	return []string{"Removing energy", "Adding energy"}
}

// colorAt is the colour of the learned Hamiltonian at a time of a stage.
func (e energyPath) colorAt(stage analysis.Stage, time int) color.NRGBA {
	first, changed := e.Metrics.Levels[0].Learned, e.Metrics.Levels[1].Learned
	return between(firstLevel, changedLevel, min(1, max(0, (stage.Learned[time]-first)/(changed-first))))
}

// draw adds the pieces of a stage's curves between two times to a plot.
func (e energyPath) draw(p *plot.Plot, stage analysis.Stage, from, to int, curves ...plotter.XYs) {
	length := max(1, to-from)
	if first, last := e.colorAt(stage, 0), e.colorAt(stage, len(stage.Times)-1); first != last {
		length = 8 // along the gradient; along the symplectic gradient the colour stays
	}
	for ; from < to; from += length {
		end := min(to, from+length)
		for _, c := range curves {
			e.line(p, c[from:end+1], panels.Style(e.colorAt(stage, (from+end)/2), 1.4, panels.Solid))
		}
	}
}

// marks adds the start of each body in the first stage of some, and its end in the last.
func (e energyPath) marks(p *plot.Plot, stages []analysis.Stage) {
	first, last := stages[0], stages[len(stages)-1]
	path := [][]float64{first.States[0], last.States[len(last.States)-1]}
	for body, track := range tracks(e.a.Task.Bodies, path) {
		e.ends(p, track, body, e.colorAt(first, 0), e.colorAt(last, len(last.Times)-1))
	}
}

// plane adds a plane that has room for the whole path, with the contours of the learned Hamiltonian. For bodies it is a square.
func (e energyPath) plane(title string) *plot.Plot {
	p := e.figure.plane(e.a, e.Source)
	p.Title.Text = title
	var x, y []float64
	for _, stage := range e.Stages {
		for _, state := range stage.States {
			bodies := max(1, e.a.Task.Bodies)
			x, y = append(x, state[:bodies]...), append(y, state[bodies:2*bodies]...)
		}
	}
	if e.a.Task.Bodies > 0 {
		x = append(x, y...)
		y = x
	}
	p.X.Min, p.X.Max = extended(x, 0.05)
	p.Y.Min, p.Y.Max = extended(y, 0.05)
	if e.Source.Plane != nil {
		contours(p, e.Source.Plane.Hamiltonian)
	}
	return p
}

// energies adds a panel with the requested energies and room for the energy over time.
func (e energyPath) energies(row int) *plot.Plot {
	p := e.Panel(row, "Total energy", e.a.Task.Labels.Time, e.a.Task.Labels.Energy)
	var all []float64
	for _, stage := range e.Stages {
		all = append(all, stage.Energy...)
		p.X.Min, p.X.Max = 0, stage.Times[len(stage.Times)-1]
	}
	p.Y.Min, p.Y.Max = extended(all, 0.08)
	for _, level := range e.Metrics.Levels[:2] {
		e.line(p, curve([]float64{p.X.Min, p.X.Max}, []float64{level.Requested, level.Requested}), panels.Style(grey, 1, panels.Dashed))
	}
	return p
}

// filmEnergy films every second moment of the path: the decoded image, the bodies or the point of the plane, and the energy so far.
func filmEnergy(a *analysis.Analysis) *figure {
	const tail = 150 // times
	moments := a.Energy.Moments()
	return &figure{name: a.Task.Name + "-add-energy", frames: (len(moments) + 1) / 2, frame: func(i int) *figure {
		moment := moments[2*i]
		e := energyPath{&figure{Figure: panels.Figure{Width: 190, Height: 185}}, a.Energy, a}
		now := moment.Time
		stage, title := e.Stages[moment.Stage], e.Source.Title
		if moment.Stage%2 == 1 {
			title = e.titles()[moment.Stage/2]
		}
		if e.Film != nil {
			e.picture(0, "Decoded image", "", e.Film[2*i], a.Task.ImageSide)
		}
		p := e.plane(title)
		e.draw(p, stage, max(0, now-tail), now, tracks(a.Task.Bodies, stage.States)...)
		for _, point := range tracks(a.Task.Bodies, stage.States[now:now+1]) {
			e.dots(p, point, e.colorAt(stage, now), 4)
		}
		energy := e.energies(0)
		for _, past := range e.Stages[:moment.Stage] {
			e.draw(energy, past, 0, len(past.Times)-1, curve(past.Times, past.Energy))
		}
		e.draw(energy, stage, 0, now, curve(stage.Times, stage.Energy))
		e.dots(energy, plotter.XYs{{X: stage.Times[now], Y: stage.Energy[now]}}, e.colorAt(stage, now), 3)
		return e.figure
	}}
}
