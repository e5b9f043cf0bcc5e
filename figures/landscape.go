package figures

import (
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"

	"hnn/analysis"
)

// contours draws the contour lines of a landscape, whose rectangle the plot then shows at least.
func contours(p *plot.Plot, l *analysis.Landscape) {
	const lines = 16
	c := plotter.NewContour(l, nil, nil)
	c.Levels = floats.Span(make([]float64, lines+2), c.Min, c.Max)[1 : lines+1] // at either end there is only a point
	c.LineStyles[0] = style(lighter(grey, 0.35), 0.6, solid)
	p.Add(c)
}

// hamiltonians shows the contours of the true Hamiltonian, where it is known, and of the learned one over the phase plane, and where
// the training data lie.
func hamiltonians(a *analysis.Analysis) (figure, error) {
	var row []*plot.Plot
	for _, shown := range []struct {
		source analysis.Source
		title  string
	}{{analysis.Truth, "Total energy"}, {analysis.HNN, "HNN-conserved quantity"}} {
		landscape := a.Landscapes[shown.source]
		if landscape == nil {
			continue
		}
		p := panel(shown.title, a.Task.Labels.Position, a.Task.Labels.Momentum)
		if err := dots(p, points(a.Data.Train.X), lighter(black, 0.8), 0.7); err != nil {
			return figure{}, err
		}
		contours(p, landscape)
		row = append(row, p)
	}
	return hamiltonianFigure(a.Task.Name, row...), nil
}

// latentHamiltonian shows the contours of the true Hamiltonian over the phase plane and of the learned one over the latent plane, and
// the samples of a test swing in their order, from one colour to the other (figure 11 of the paper).
func latentHamiltonian(a *analysis.Pixels) (figure, error) {
	const period = 33 // frames of a swing to and fro
	truth := panel("Total energy", a.Task.Labels.Position, a.Task.Labels.Momentum)
	hnn := panel("HNN-conserved quantity", latentPosition, latentVelocity)
	for s, p := range map[analysis.Source]*plot.Plot{analysis.Truth: truth, analysis.HNN: hnn} {
		contours(p, a.Landscapes[s])
		for i, sample := range points(a.Cloud[s][:period]) {
			if err := dots(p, plotter.XYs{sample}, between(firstLevel, changedLevel, float64(i)/period), 2.2); err != nil {
				return figure{}, err
			}
		}
	}
	return hamiltonianFigure(a.Task.Name, truth, hnn), nil
}

func hamiltonianFigure(task string, panels ...*plot.Plot) figure {
	return figure{name: task + "-hamiltonian", width: 210, height: 190, rows: [][]*plot.Plot{panels}}
}

// points are the first two components of states.
func points(states [][]float64) plotter.XYs {
	list := make(plotter.XYs, len(states))
	for i, s := range states {
		list[i] = plotter.XY{X: s[0], Y: s[1]}
	}
	return list
}
