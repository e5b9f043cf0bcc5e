package figures

import (
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg/draw"

	"hnn/analysis"
	"hnn/internal/panels"
)

// volumes shows what each flow does to a volume of phase space (Liouville's theorem, section 6 of the paper): for one degree of freedom the area
// that it carries along, at six times, and for all systems the size over time.
func volumes(a *analysis.Analysis) *figure {
	const shown = 6
	f := &figure{name: a.Task.Name + "-volume", Figure: panels.Figure{Width: 290, Height: 200}}
	for _, s := range flows(a) {
		f.Keys = append(f.Keys, panels.Key{Label: flowTitle(a, s), Style: sizeStyle(a, s)})
		if s.Volume.Outlines == nil {
			f.Width = 580 // of the only panel
			continue
		}
		p, last := f.flow(a, s), len(s.Volume.Times)-1
		for i := range shown {
			f.area(p, s, i*last/(shown-1), 0.25+0.75*float64(i)/(shown-1))
		}
	}
	if f.Keys != nil {
		f.sizes(a, math.MaxInt)
	}
	return f
}

// filmVolumes films the area that each flow carries along, and its size. Every second time is a frame.
func filmVolumes(a *analysis.Analysis) *figure {
	const every = 2
	f, sources := &figure{name: a.Task.Name + "-volume"}, flows(a)
	if len(sources) == 0 || sources[0].Volume.Outlines == nil {
		return f
	}
	f.frames = len(sources[0].Volume.Times) / every
	f.frame = func(i int) *figure {
		frame := &figure{Figure: panels.Figure{Width: 210, Height: 175}}
		for _, s := range sources {
			frame.area(frame.flow(a, s), s, every*i, 1)
		}
		frame.sizes(a, every*i+1)
		return frame
	}
	return f
}

// flows returns the sources with a known volume.
func flows(a *analysis.Analysis) []*analysis.Source {
	return slices.DeleteFunc(slices.Clone(a.Sources), func(s *analysis.Source) bool { return s.Volume == nil })
}

// flowTitle names the flow of a source. The true flow of a measured system is one that was fitted to the measurements.
func flowTitle(a *analysis.Analysis, s *analysis.Source) string {
	if fitted := a.Task.Fitted; s == a.Sources[0] && fitted != "" {
		return strings.ToUpper(fitted[:1]) + fitted[1:]
	}
	return s.Title
}

// flow adds a panel that shows the whole way of a source's area and, where states are observed, of all areas.
func (f *figure) flow(a *analysis.Analysis, s *analysis.Source) *plot.Plot {
	x, y, seen := a.Task.Labels.Position, a.Task.Labels.Momentum, flows(a)
	if s.Film != nil {
		x, y, seen = "latent position z1", "latent velocity z2", []*analysis.Source{s}
	}
	p := f.Panel(0, flowTitle(a, s), x, y)
	var states [][]float64
	for _, other := range seen {
		states = append(states, slices.Concat(other.Volume.Outlines...)...)
	}
	p.X.Min, p.X.Max = extended(analysis.Column(states, 0), 0.04)
	p.Y.Min, p.Y.Max = extended(analysis.Column(states, 1), 0.04)
	return p
}

// area adds the area of a source at a time.
func (f *figure) area(p *plot.Plot, s *analysis.Source, time int, opacity float64) {
	outline := points(s.Volume.Outlines[time], 0, 1)
	f.add(p, outline, &plotter.Polygon{
		XYs: []plotter.XYs{outline}, Color: opaque(s.Color, 0.5*opacity), LineStyle: panels.Style(opaque(s.Color, opacity), 0.7, panels.Solid),
	})
}

// sizeStyle returns the line of a volume's size. The truth's is dashed, so that a Hamiltonian model's shows below it.
func sizeStyle(a *analysis.Analysis, s *analysis.Source) draw.LineStyle {
	if s == a.Sources[0] {
		return panels.Style(s.Color, 1.5, panels.Dashed)
	}
	return panels.Style(s.Color, 1.5, panels.Solid)
}

// sizes adds a panel with the size of each volume at the first times. Its axes have room for all times, so that they stand still in a film. It shows
// an area over the first one, and for other volumes the natural logarithm of this ratio.
func (f *figure) sizes(a *analysis.Analysis, times int) {
	p := f.Panel(0, "Volume", a.Task.Labels.Time, "ln(volume / first)")
	low, high := 0., 0.
	for _, s := range slices.Backward(flows(a)) { // the truth comes last, above the others
		size, n := slices.Clone(s.Volume.Log), min(times, len(s.Volume.Times))
		if s.Volume.Outlines != nil {
			p.Title.Text, p.Y.Label.Text = "Area", "area / first"
			if s.Film != nil {
				p.X.Label.Text = "latent time"
			}
			for i, logarithm := range size {
				size[i] = math.Exp(logarithm)
			}
		}
		low, high = min(low, floats.Min(size)), max(high, floats.Max(size))
		f.line(p, curve(s.Volume.Times[:n], size[:n]), sizeStyle(a, s))
		p.X.Min, p.X.Max = 0, s.Volume.Times[len(s.Volume.Times)-1]
	}
	const margin = 0.1 // without it, a panel of constant sizes would show nothing but rounding
	p.Y.Min, p.Y.Max = low-margin, high+margin
}
