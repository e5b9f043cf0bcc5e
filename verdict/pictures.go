package verdict

import (
	"fmt"
	"html/template"
	"image/color"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"hnn/fit"
	"hnn/hamiltonian"
	"hnn/internal/files"
	"hnn/internal/panels"
)

// picture is a figure with a file name and a caption.
type picture struct {
	panels.Figure
	Name, Caption string
}

var (
	measured = panels.Key{Label: "measured", Style: panels.Style(panels.Black, 1.8, panels.Dotted)}
	training = panels.Key{Label: "training data", Style: panels.Style(panels.Grey, 1.8, panels.Dotted)}
	end      = panels.Key{Label: "end of the measurement", Style: panels.Style(panels.Grey, 1, panels.Dashed)}
)

// draw adds a drawing to a panel, and its key to the legend if its label is new.
func (p *picture) draw(panel *plot.Plot, k panels.Key, drawing plot.Plotter) {
	panel.Add(drawing)
	if k.Label != "" && !slices.ContainsFunc(p.Keys, func(known panels.Key) bool { return known.Label == k.Label }) {
		p.Keys = append(p.Keys, k)
	}
}

func (p *picture) dots(panel *plot.Plot, k panels.Key, x, y []float64) {
	look := draw.GlyphStyle{Color: k.Style.Color, Radius: vg.Points(0.9), Shape: draw.CircleGlyph{}}
	p.draw(panel, k, &plotter.Scatter{XYs: some(points(x, y), 1000), GlyphStyle: look})
}

func (p *picture) line(panel *plot.Plot, k panels.Key, x, y []float64) { p.path(panel, k, x, y, 0, 0) }

// path draws a line that breaks where an angle jumps by half a turn. A turn of 0 means no angle.
func (p *picture) path(panel *plot.Plot, k panels.Key, x, y []float64, turnX, turnY float64) {
	jumps := func(a, b, turn float64) bool { return turn > 0 && math.Abs(a-b) > turn/2 }
	list := points(x, y)
	for first, i := 0, 1; i <= len(list); i++ {
		if i == len(list) || jumps(list[i].X, list[i-1].X, turnX) || jumps(list[i].Y, list[i-1].Y, turnY) {
			p.draw(panel, k, &plotter.Line{XYs: list[first:i], LineStyle: k.Style})
			first = i
		}
	}
}

// points returns the points that are numbers.
func points(x, y []float64) (list plotter.XYs) {
	for i := range x {
		if !math.IsNaN(x[i] + y[i]) {
			list = append(list, plotter.XY{X: x[i], Y: y[i]})
		}
	}
	return list
}

// SVG returns each panel as an element of a page.
func (p *picture) SVG() (list []template.HTML, err error) {
	for i, row := range p.Rows {
		for _, panel := range row {
			alone := panels.Figure{Rows: [][]*plot.Plot{{panel}}, Width: p.Width, Height: p.Height, Square: p.Square - i}
			document, err := alone.SVG()
			if err != nil {
				return nil, err
			}
			_, svg, _ := strings.Cut(string(document), "<svg ")
			list = append(list, template.HTML(`<svg role="img" `+svg))
		}
	}
	return list, nil
}

// write writes the picture as PNG into a folder.
func (p *picture) write(folder string) error {
	content, err := p.PNG()
	if err != nil {
		return fmt.Errorf("verdict: %w", err)
	}
	return files.Write(filepath.Join(folder, p.Name+".png"), content)
}

// CSS returns the look of a key.
func (p *picture) CSS(k panels.Key) template.CSS {
	style, ink := "solid", "currentColor"
	switch {
	case slices.Equal(k.Style.Dashes, panels.Dashed):
		style = "dashed"
	case slices.Equal(k.Style.Dashes, panels.Dotted):
		style = "dotted"
	}
	if c := k.Style.Color.(color.NRGBA); c != panels.Black {
		ink = fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B)
	}
	return template.CSS(fmt.Sprintf("border-top: 3px %s %s", style, ink))
}

// draw makes the pictures: a test trajectory with its predictions, what the models do beyond it, and the balance of the energy.
func (s *study) draw() {
	t, e := s.test.Trajectories[0], s.Energy
	times := t.Times[:min(len(t.Times), mostDrawn)]
	rows, axis := len(times), s.train.TimeName
	motion := &picture{Name: "motion", Figure: panels.Figure{Width: 300, Height: 190},
		Caption: "A test trajectory: measured, and predicted from its first row."}
	for j := range min(4, s.seen) {
		p, values := motion.Panel(j/2, "", axis, s.name(j)), component(t.States[:rows], j)
		for _, c := range slices.Backward(s.models) {
			motion.line(p, panels.Key{Label: c.String(), Style: panels.Style(c.color, 1.3, nil)}, times, component(c.long[0].States[:rows], j))
		}
		motion.dots(p, measured, times, values)
		within(&p.Y, floats.Min(values), floats.Max(values), 0.5)
	}
	s.pictures = append(s.pictures, motion, s.beyond())
	if e == nil || !e.Driven {
		return
	}
	balance := &picture{Name: "balance", Figure: panels.Figure{Width: 300, Height: 190},
		Caption: "The balance of the port model's energy since the start of this trajectory."}
	p, stored, rest, predicted := balance.Panel(0, "", axis, s.energyName()), make([]float64, rows), make([]float64, rows), s.port().long[0]
	for k := range rows {
		stored[k], rest[k] = predicted.H[k]-predicted.H[0], predicted.Supplied[k]-predicted.Dissipated[k]
	}
	balance.line(p, panels.Key{Label: "stored", Style: panels.Style(s.port().color, 2.2, nil)}, times, stored)
	balance.line(p, panels.Key{Label: "supplied − dissipated", Style: panels.Style(panels.Black, 1, panels.Dashed)}, times, rest)
	balance.line(p, panels.Key{Label: "dissipated", Style: panels.Style(hamiltonian.Baseline.Color, 1.3, nil)}, times, predicted.Dissipated[:rows])
	balance.line(p, panels.Key{Label: "supplied", Style: panels.Style(hamiltonian.Dissipative.Color, 1.3, nil)}, times, predicted.Supplied[:rows])
	s.pictures = append(s.pictures, balance)
}

// beyond shows what each model predicts from the first row of a test trajectory on: its path in the plane of the first two components, and its
// energy by the port model.
func (s *study) beyond() *picture {
	t, e := s.test.Trajectories[0], s.Energy
	last, until := t.Times[len(t.Times)-1], s.long[0].Times[len(s.long[0].Times)-1]
	p := &picture{Name: "models", Figure: panels.Figure{Width: 200, Height: 180}, Caption: "The same trajectory"}
	if until > last {
		p.Caption += ", predicted three times as long as it was measured"
	}
	if p.Caption += ": each model's path"; e != nil {
		p.Caption += " and, by the port model, its energy above the lowest one in the range of the data"
	}
	p.Caption += "."
	for _, c := range s.given {
		k, states := panels.Key{Style: panels.Style(c.color, 0.6, nil)}, c.long[0].States
		plane := p.Panel(0, c.String(), s.name(0), s.name(1))
		p.dots(plane, training, s.wrapped(s.train.Component(0), 0), s.wrapped(s.train.Component(1), 1))
		seen := *plane
		p.path(plane, k, s.wrapped(component(states, 0), 0), s.wrapped(component(states, 1), 1), s.turn(0), s.turn(1))
		p.dots(plane, measured, s.wrapped(component(t.States, 0), 0), s.wrapped(component(t.States, 1), 1))
		within(&plane.X, seen.X.Min, seen.X.Max, 0.3)
		within(&plane.Y, seen.Y.Min, seen.Y.Max, 0.3)
		if e == nil {
			continue
		}
		energy := p.Panel(1, c.String(), s.train.TimeName, s.energyName())
		p.dots(energy, measured, t.Times, e.measured)
		low, high := energy.Y.Min, energy.Y.Max
		k.Style.Width = vg.Points(1.3)
		p.line(energy, k, s.long[0].Times, c.energies)
		within(&energy.Y, low, high, 2)
	}
	if e == nil {
		return p
	}
	low, high := math.Inf(1), math.Inf(-1)
	for _, energy := range p.Rows[1] {
		low, high = min(low, energy.Y.Min), max(high, energy.Y.Max)
	}
	if mean := stat.Mean(e.measured, nil); mean > 0 { // a change of a hundredth must not fill the panel
		low, high = min(low, 0.9*mean), max(high, 1.1*mean)
	}
	for _, energy := range p.Rows[1] {
		if energy.Y.Min, energy.Y.Max = low, high; until > last {
			p.line(energy, end, []float64{last, last}, []float64{low, high})
		}
	}
	return p
}

// within cuts an axis to a range and a share of it on both sides.
func within(axis *plot.Axis, low, high, share float64) {
	axis.Min, axis.Max = max(axis.Min, low-share*(high-low)), min(axis.Max, high+share*(high-low))
}

// wrapped returns a component, an angle within half a turn of 0 if the training data turn over.
func (s *study) wrapped(values []float64, j int) []float64 {
	turn := s.turn(j)
	if low, high := s.box(); turn > 0 && high[j]-low[j] > turn {
		for k, v := range values {
			values[k] = math.Remainder(v, turn)
		}
	}
	return values
}

func (s *study) energyName() string {
	if unit := fit.Unit([]string{s.name(0), s.name(s.train.Positions)}, s.train.TimeName); unit != "" {
		return "energy [" + unit + "]"
	}
	return "energy"
}
