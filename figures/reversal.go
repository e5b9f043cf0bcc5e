package figures

import (
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/plot"

	"hnn/analysis"
)

// reversal shows whether each field returns to its start when integrated forward and back (section 6 of the paper). Each method has a column.
// The upper panel shows the distance from the start, the lower panel the distance between the backward and the forward trajectory.
func reversal(a *analysis.Analysis) *figure {
	f := &figure{name: a.Task.Name + "-reversibility", width: 250, height: 165, rows: make([][]*plot.Plot, 2)}
	var sources []*analysis.Source
	for _, s := range a.Sources {
		if s.Reversals != nil {
			sources = append(sources, s)
		}
	}
	f.keys = sourceKeys(sources)
	f.keys = append(f.keys, key{"Turning back", style(grey, 1, dashed)})
	low, high := math.Inf(1), math.Inf(-1)
	for method, first := range sources[0].Reversals {
		distance := panel(first.Method, a.Task.Labels.Time+", forward and back", "Distance from the start")
		departure := panel("", a.Task.Labels.Time, "Distance between paths")
		for _, s := range sources {
			r := s.Reversals[method]
			look := style(s.Color, 1.3, solid)
			there := r.Times[len(r.Times)-1]
			f.line(distance, floats.Span(make([]float64, len(r.Distance)), 0, 2*there), r.Distance, look)
			var times, logarithms []float64
			for i, d := range r.Departure {
				if d > 0 { // a distance of 0 has no logarithm
					times, logarithms = append(times, r.Times[i]), append(logarithms, math.Log10(d))
				}
			}
			if len(times) == 0 {
				continue
			}
			low, high = min(low, floats.Min(logarithms)), max(high, floats.Max(logarithms))
			f.line(departure, times, logarithms, look)
		}
		middle := (distance.X.Min + distance.X.Max) / 2
		f.line(distance, []float64{middle, middle}, []float64{0, distance.Y.Max}, style(grey, 1, dashed))
		departure.Y.Tick.Marker = decades{}
		f.rows[0], f.rows[1] = append(f.rows[0], distance), append(f.rows[1], departure)
	}
	for i, p := range f.rows[1] {
		limits(&p.X, f.rows[0][i].X.Min, (f.rows[0][i].X.Min+f.rows[0][i].X.Max)/2)
		limits(&p.Y, math.Floor(low), math.Ceil(high))
	}
	return f
}
