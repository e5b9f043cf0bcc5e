package figures

import (
	"image/color"
	"math"
	"path/filepath"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"

	"hnn/analysis"
	"hnn/datasets"
)

// The colours of a path that changes its energy: those of its two levels, as in the paper. Between them they are mixed.
var (
	firstLevel   = color.NRGBA{20, 50, 220, 255}
	changedLevel = color.NRGBA{215, 20, 40, 255}
)

// energyPath is a path that changes its energy, and the plane in which it is shown.
type energyPath struct {
	*analysis.EnergyChange
	name    string
	learned *analysis.Landscape // under the path; nil for bodies
	bodies  int                 // whose places are shown; 0 for the phase plane
	x, y    string              // labels of the plane's axes
	labels  datasets.Labels
}

// changedEnergy is the figure of a task on vectors.
func changedEnergy(a *analysis.Analysis) (figure, error) { return vectorPath(a).figure() }

// changedLatentEnergy is the figure of a task on pictures.
func changedLatentEnergy(a *analysis.Pixels) (figure, error) { return latentPath(a).figure() }

func vectorPath(a *analysis.Analysis) energyPath {
	p := energyPath{
		EnergyChange: a.Energy, name: a.Task.Name, learned: a.Landscapes[analysis.HNN], bodies: a.Task.Bodies,
		x: a.Task.Labels.Position, y: a.Task.Labels.Momentum, labels: a.Task.Labels,
	}
	switch {
	case p.bodies > 0:
		p.x, p.y = "x", "y"
	case a.Task.Dimension > 2:
		p.x, p.y = "q1", "q2"
	}
	return p
}

func latentPath(a *analysis.Pixels) energyPath {
	return energyPath{
		EnergyChange: a.Energy, name: a.Task.Name, learned: a.Landscapes[analysis.HNN],
		x: latentPosition, y: latentVelocity, labels: a.Task.Labels,
	}
}

// figure shows how energy is added and removed (figure 5 of the paper): the path to the changed energy, the path back, and the true
// energy and what the HNN conserves, over time.
func (e energyPath) figure() (figure, error) {
	f := figure{name: e.name + "-add-energy", width: 230, height: 200, keys: []key{
		{"First energy", style(firstLevel, 1.6, solid)}, {"Along the gradient", style(between(firstLevel, changedLevel, 0.5), 1.6, solid)},
		{"Changed energy", style(changedLevel, 1.6, solid)}, {"Requested", style(grey, 1, dashed)},
	}}
	if e.bodies > 0 {
		f.square = 1
	}
	titles := []string{"Adding energy", "Removing energy"}
	if !e.Metrics.Adds() {
		titles[0], titles[1] = titles[1], titles[0]
	}
	var planes []*plot.Plot
	for i, title := range titles {
		p := e.plane(title)
		for _, stage := range e.Stages[2*i : 2*i+3] {
			if err := e.draw(p, stage, 0, len(stage.Times)-1); err != nil {
				return f, err
			}
		}
		planes = append(planes, p)
	}
	energy, err := e.energies()
	if err != nil {
		return f, err
	}
	learned := panel("HNN-conserved quantity", e.labels.Time, "")
	limits(&learned.X, energy.X.Min, energy.X.Max)
	for _, stage := range e.Stages {
		if err := e.curve(energy, stage, stage.Energy, len(stage.Times)-1); err != nil {
			return f, err
		}
		if err := e.curve(learned, stage, stage.Learned, len(stage.Times)-1); err != nil {
			return f, err
		}
	}
	margin := 0.08 * (learned.Y.Max - learned.Y.Min)
	limits(&learned.Y, learned.Y.Min-margin, learned.Y.Max+margin)
	f.rows = [][]*plot.Plot{planes, {energy, learned}}
	return f, nil
}

// colorAt is the colour of what the HNN has learned to conserve, at a time of a stage.
func (e energyPath) colorAt(stage analysis.Stage, time int) color.NRGBA {
	first, changed := e.Metrics.Levels[0].Learned, e.Metrics.Levels[1].Learned
	return between(firstLevel, changedLevel, min(1, max(0, (stage.Learned[time]-first)/(changed-first))))
}

// segments calls draw with short pieces of a stage and their colours, up to a time.
func (e energyPath) segments(stage analysis.Stage, from, to int, draw func(from, to int, c color.NRGBA) error) error {
	// Along the symplectic gradient the colour stays.
	length := max(1, to-from)
	if first, last := e.colorAt(stage, 0), e.colorAt(stage, len(stage.Times)-1); first != last {
		length = 8
	}
	for ; from < to; from += length {
		end := min(to, from+length)
		if err := draw(from, end, e.colorAt(stage, (from+end)/2)); err != nil {
			return err
		}
	}
	return nil
}

// draw adds the piece of a stage between two times to a plane.
func (e energyPath) draw(p *plot.Plot, stage analysis.Stage, from, to int) error {
	return e.segments(stage, from, to, func(from, to int, c color.NRGBA) error {
		for body := range max(1, e.bodies) {
			x, y := e.places(stage.States[from:to+1], body)
			if err := line(p, x, y, style(c, 1.4, solid)); err != nil {
				return err
			}
		}
		return nil
	})
}

// curve adds a quantity over the time of a stage, up to a time.
func (e energyPath) curve(p *plot.Plot, stage analysis.Stage, values []float64, to int) error {
	return e.segments(stage, 0, to, func(from, to int, c color.NRGBA) error {
		return line(p, stage.Times[from:to+1], values[from:to+1], style(c, 1.4, solid))
	})
}

// places are those of a body, or the phase plane's points, by time.
func (e energyPath) places(states [][]float64, body int) (x, y []float64) {
	return analysis.Column(states, body), analysis.Column(states, max(1, e.bodies)+body)
}

// plane is the empty plane that holds the whole path, with the contours of the learned Hamiltonian; for bodies, a square.
func (e energyPath) plane(title string) *plot.Plot {
	p := panel(title, e.x, e.y)
	low, high := [2]float64{math.Inf(1), math.Inf(1)}, [2]float64{math.Inf(-1), math.Inf(-1)}
	for _, stage := range e.Stages {
		for body := range max(1, e.bodies) {
			x, y := e.places(stage.States, body)
			for axis, values := range [][]float64{x, y} {
				low[axis], high[axis] = min(low[axis], floats.Min(values)), max(high[axis], floats.Max(values))
			}
		}
	}
	if e.bodies > 0 {
		low = [2]float64{min(low[0], low[1]), min(low[0], low[1])}
		high = [2]float64{max(high[0], high[1]), max(high[0], high[1])}
	}
	for axis, a := range []*plot.Axis{&p.X, &p.Y} {
		margin := 0.05 * (high[axis] - low[axis])
		limits(a, low[axis]-margin, high[axis]+margin)
	}
	if e.learned != nil {
		contours(p, e.learned)
	}
	return p
}

// energies is the empty panel of the energy over time, with the requested levels.
func (e energyPath) energies() (*plot.Plot, error) {
	p := panel("Total energy", e.labels.Time, e.labels.Energy)
	low, high := math.Inf(1), math.Inf(-1)
	for _, stage := range e.Stages {
		low, high = min(low, floats.Min(stage.Energy)), max(high, floats.Max(stage.Energy))
	}
	end := e.Stages[len(e.Stages)-1].Times
	limits(&p.X, 0, end[len(end)-1])
	limits(&p.Y, low-0.08*(high-low), high+0.08*(high-low))
	for _, level := range e.Metrics.Levels[:2] {
		if err := line(p, []float64{p.X.Min, p.X.Max}, []float64{level.Requested, level.Requested}, style(grey, 1, dashed)); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// film shows the path on its way, beside the energy so far: the bodies or the point of the plane, and what the camera would see.
func (e energyPath) film(folder string, see func(moment int) *plot.Plot) (string, error) {
	moments := e.Moments()
	return animate(filepath.Join(folder, e.name+"-add-energy.gif"), len(moments), energyPalette(), func(i int) (figure, error) {
		f := figure{width: 190, height: 185}
		now := moments[i]
		stage := e.Stages[now.Stage]
		p := e.plane("Hamiltonian NN")
		if now.Stage%2 == 1 {
			p.Title.Text = map[bool]string{true: "Adding energy", false: "Removing energy"}[e.Metrics.Adds() == (now.Stage == 1)]
		}
		const tail = 150
		if err := e.draw(p, stage, max(0, now.Time-tail), now.Time); err != nil {
			return f, err
		}
		for body := range max(1, e.bodies) {
			x, y := e.places(stage.States[now.Time:now.Time+1], body)
			if err := dots(p, plotter.XYs{{X: x[0], Y: y[0]}}, e.colorAt(stage, now.Time), 4); err != nil {
				return f, err
			}
		}
		energy, err := e.energies()
		if err != nil {
			return f, err
		}
		for number, s := range e.Stages[:now.Stage+1] {
			to := len(s.Times) - 1
			if number == now.Stage {
				to = now.Time
			}
			if err := e.curve(energy, s, s.Energy, to); err != nil {
				return f, err
			}
		}
		if err := dots(energy, plotter.XYs{{X: stage.Times[now.Time], Y: stage.Energy[now.Time]}}, e.colorAt(stage, now.Time), 3); err != nil {
			return f, err
		}
		row := []*plot.Plot{p, energy}
		if see != nil {
			row = append([]*plot.Plot{see(i)}, row...)
		}
		f.rows = [][]*plot.Plot{row}
		return f, nil
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
