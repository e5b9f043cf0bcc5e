package verdict

import (
	"bytes"
	"fmt"
	"html/template"
	"image/color"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// picture is a drawing as SVG. Its black is the colour of the page's text, so it suits a light and a dark page.
type picture struct {
	Caption string
	SVG     template.HTML
	Keys    []key
}

// key is an entry of a picture's legend, with a colour in CSS.
type key struct{ Name, Color string }

var (
	ink  = color.NRGBA{0, 0, 0, 255}
	grey = color.NRGBA{140, 140, 140, 255}
	red  = color.NRGBA{213, 94, 0, 255}
)

// sheet is a column of panels.
type sheet struct {
	panels []*plot.Plot
	keys   []key
}

func (f *sheet) key(name string, c color.Color) {
	k := key{name, "currentColor"}
	if r, g, b, _ := c.RGBA(); c != color.Color(ink) {
		k.Color = fmt.Sprintf("#%02x%02x%02x", r>>8, g>>8, b>>8)
	}
	if !slices.Contains(f.keys, k) {
		f.keys = append(f.keys, k)
	}
}

func (f *sheet) panel(x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor, p.X.Label.Text, p.Y.Label.Text = nil, x, y
	for _, style := range []*draw.TextStyle{&p.X.Label.TextStyle, &p.Y.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label} {
		style.Font.Typeface, style.Font.Variant, style.Font.Size = "Liberation", "Sans", vg.Points(9)
	}
	f.panels = append(f.panels, p)
	return p
}

// finite returns the points without NaN.
func finite(x, y []float64) (points plotter.XYs) {
	for i := range x {
		if !math.IsNaN(x[i]+y[i]) && !math.IsInf(x[i]+y[i], 0) {
			points = append(points, plotter.XY{X: x[i], Y: y[i]})
		}
	}
	return points
}

func (f *sheet) line(p *plot.Plot, name string, x, y []float64, c color.Color, dashes ...vg.Length) {
	line, err := plotter.NewLine(finite(x, y))
	if err != nil {
		return // there is no point
	}
	line.LineStyle = draw.LineStyle{Color: c, Width: vg.Points(1.4), Dashes: dashes}
	p.Add(line)
	f.key(name, c)
}

func (f *sheet) dots(p *plot.Plot, name string, x, y []float64, c color.Color, radius float64) {
	points := some(finite(x, y), 1000)
	if len(points) == 0 {
		return
	}
	dots := &plotter.Scatter{XYs: points, GlyphStyle: draw.GlyphStyle{Color: c, Radius: vg.Points(radius), Shape: draw.CircleGlyph{}}}
	p.Add(dots)
	f.key(name, c)
}

func (f *sheet) picture(height float64, caption string, values ...any) (picture, error) {
	h := vg.Points(height * float64(len(f.panels)))
	canvas := vgsvg.New(vg.Points(620), h)
	rows := make([][]*plot.Plot, len(f.panels))
	for i, p := range f.panels {
		rows[i] = []*plot.Plot{p}
	}
	tiles := draw.Tiles{Rows: len(rows), Cols: 1, PadY: vg.Points(8), PadRight: vg.Points(8), PadTop: vg.Points(4), PadBottom: vg.Points(4)}
	for i, c := range plot.Align(rows, tiles, draw.New(canvas)) {
		f.panels[i].Draw(c[0])
	}
	var content bytes.Buffer
	if _, err := canvas.WriteTo(&content); err != nil {
		return picture{}, err
	}
	svg := content.String()
	svg = svg[strings.Index(svg, "<svg"):]
	svg = strings.NewReplacer("#000000", "currentColor", "<svg ", `<svg role="img" `, "Liberation Sans", "Liberation Sans,Arial,sans-serif").Replace(svg)
	return picture{fmt.Sprintf(caption, values...), template.HTML(svg), f.keys}, nil
}

// column returns one component of the first rows.
func column(states [][]float64, j int) []float64 {
	return component(states[:min(len(states), mostDrawn)], j)
}

// draw makes the pictures.
func (s *study) draw() error {
	add := func(p picture, err error) error {
		s.pictures = append(s.pictures, p)
		return err
	}
	t, f := s.starts[0].Observed.Slice(0, min(len(s.starts[0].Times), mostDrawn)), &sheet{}
	axis := s.train.TimeName
	for j := range min(4, s.seen) {
		p := f.panel(axis, s.Data.Components[j].Name)
		for _, c := range s.models {
			f.line(p, label(c), t.Times, column(c.predicted[0].States, j), c.color)
		}
		f.dots(p, "measured", t.Times, column(t.States, j), ink, 1.3)
	}
	if err := add(f.picture(200, "Predicted and measured: the models begin at the first measured state of a test trajectory.")); err != nil {
		return err
	}
	if e := s.Energy; e != nil {
		f = &sheet{}
		p := f.panel(axis, "energy")
		f.dots(p, "energy of measured states", e.shown.Times, e.measured, grey, 1.1)
		f.line(p, "energy of the prediction", e.shown.Times, e.predicted.H, s.port().color)
		if e.Driven || e.Dissipated > 0 {
			stored, balance := make([]float64, len(e.shown.Times)), make([]float64, len(e.shown.Times))
			for k := range stored {
				stored[k], balance[k] = e.predicted.H[k]-e.predicted.H[0], e.predicted.Supplied[k]-e.predicted.Dissipated[k]
			}
			p = f.panel(axis, "energy since the start")
			f.line(p, "stored", e.shown.Times, stored, s.port().color)
			f.line(p, "supplied − dissipated", e.shown.Times, balance, ink, vg.Points(4), vg.Points(3))
			f.line(p, "dissipated", e.shown.Times, e.predicted.Dissipated, red)
			if e.Driven {
				f.line(p, "supplied", e.shown.Times, e.predicted.Supplied, color.NRGBA{0, 158, 115, 255})
			}
		}
		if err := add(f.picture(230, "The port model's energy over a test trajectory. It counts from the lowest energy in the range of the data.")); err != nil {
			return err
		}
	}
	if s.train.Positions > 1 {
		return nil
	}
	f = &sheet{}
	p := f.panel(s.Data.Components[0].Name, s.Data.Components[1].Name)
	f.dots(p, "training data", s.train.Component(0), s.train.Component(1), grey, 0.9)
	f.dots(p, "far from training data", column(s.Coverage.far, 0), column(s.Coverage.far, 1), red, 1.4)
	f.line(p, label(s.models[0]), column(s.models[0].predicted[0].States, 0), column(s.models[0].predicted[0].States, 1), s.models[0].color)
	f.dots(p, "measured", column(t.States, 0), column(t.States, 1), ink, 1.3)
	return add(f.picture(430, "Phase portrait: a test trajectory and its prediction by %s among the training data.", label(s.models[0])))
}
