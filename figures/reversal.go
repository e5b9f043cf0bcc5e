package figures

import (
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/plot"

	"hnn/analysis"
	"hnn/datasets"
)

func vectorReversal(a *analysis.Analysis) (figure, error) { return reversal(a.Task, a.Reversals) }

func latentReversal(a *analysis.Pixels) (figure, error) { return reversal(a.Task, a.Reversals) }

// reversal shows how far each field goes from the start and whether it finds back (section 6 of the paper): above, the distance from
// the start, there and back; below, how far the way back is from the way there.
func reversal(task datasets.Task, fields [len(analysis.Sources)]analysis.Reversals) (figure, error) {
	f := figure{name: task.Name + "-reversibility", width: 250, height: 165, rows: make([][]*plot.Plot, 2)}
	for _, s := range analysis.Sources {
		if fields[s][0].Times != nil {
			f.keys = append(f.keys, key{s.String(), style(colorOf(s), 1.6, solid)})
		}
	}
	f.keys = append(f.keys, key{"Turning back", style(grey, 1, dashed)})
	low, high := math.Inf(1), math.Inf(-1)
	for _, m := range analysis.Methods {
		distance := panel(m.String(), task.Labels.Time+", there and back", "Distance from the start")
		departure := panel("", task.Labels.Time, "Way back from way there")
		for _, s := range analysis.Sources {
			r := fields[s][m]
			if r.Times == nil {
				continue
			}
			look := style(colorOf(s), 1.3, solid)
			there := r.Times[len(r.Times)-1]
			if err := line(distance, floats.Span(make([]float64, len(r.Distance)), 0, 2*there), r.Distance, look); err != nil {
				return f, err
			}
			var times, logarithms []float64
			for i, d := range r.Departure {
				if d > 0 { // where a way back is exact, a logarithm shows nothing
					times, logarithms = append(times, r.Times[i]), append(logarithms, math.Log10(d))
				}
			}
			if len(times) == 0 {
				continue
			}
			low, high = min(low, floats.Min(logarithms)), max(high, floats.Max(logarithms))
			if err := line(departure, times, logarithms, look); err != nil {
				return f, err
			}
		}
		middle := (distance.X.Min + distance.X.Max) / 2
		if err := line(distance, []float64{middle, middle}, []float64{0, distance.Y.Max}, style(grey, 1, dashed)); err != nil {
			return f, err
		}
		departure.Y.Tick.Marker = decades{}
		f.rows[0], f.rows[1] = append(f.rows[0], distance), append(f.rows[1], departure)
	}
	for i, p := range f.rows[1] {
		limits(&p.X, f.rows[0][i].X.Min, (f.rows[0][i].X.Min+f.rows[0][i].X.Max)/2)
		limits(&p.Y, math.Floor(low), math.Ceil(high))
	}
	return f, nil
}
