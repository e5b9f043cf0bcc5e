package figures

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/floats"

	"hnn/analysis"
	"hnn/datasets"
	"hnn/hamiltonian"
)

// shrinking is an area that halves while it moves by one unit.
func shrinking(points int) *analysis.Volume {
	v := &analysis.Volume{Times: floats.Span(make([]float64, 121), 0, 6)}
	for _, time := range v.Times {
		v.Log = append(v.Log, -time/6*math.Ln2)
		var outline [][]float64
		for i := range points {
			sine, cosine := math.Sincos(2 * math.Pi * float64(i) / float64(points))
			radius := math.Exp(-time / 12 * math.Ln2)
			outline = append(outline, []float64{time/6 + radius*cosine, radius * sine})
		}
		v.Outlines = append(v.Outlines, outline)
	}
	return v
}

// Each flow has a panel, with room for its whole way, and all share one of the sizes. The film has at most 60 frames, and shows the first one whole.
func TestVolumesHaveRoomForEveryArea(t *testing.T) {
	a := &analysis.Analysis{Task: datasets.Real, Sources: newSources(hamiltonian.Baseline, hamiltonian.HNN)}
	for _, s := range a.Sources[:2] {
		s.Volume = shrinking(64)
	}
	f := volumes(a)
	if len(f.Rows) != 1 || len(f.Rows[0]) != 3 || f.err != nil {
		t.Fatalf("%d rows of panels, error %v; the HNN has no volume", len(f.Rows), f.err)
	}
	if p := f.Rows[0][0]; p.Title.Text != "Fitted pendulum" || !(p.X.Min < -1) || !(p.X.Max > 1+math.Sqrt(0.5)) || !(p.Y.Max > 1) {
		t.Errorf("%s: from %g to %g", p.Title.Text, p.X.Min, p.X.Max)
	}
	if p := f.Rows[0][2]; p.Title.Text != "Area" || !(p.Y.Max > 1) || !(p.Y.Min < 0.5) || p.X.Max != 6 {
		t.Errorf("%s: from %g to %g", p.Title.Text, p.Y.Min, p.Y.Max)
	}
	film := filmVolumes(a)
	if film.frames != 60 {
		t.Errorf("the film has %d frames", film.frames)
	}
	if first, last := film.frame(0), film.frame(film.frames-1); first.Rows[0][0].X.Max != last.Rows[0][0].X.Max || first.err != nil || last.err != nil {
		t.Errorf("the film's axes move, or a frame has the error %v", first.err)
	}
	for _, s := range a.Sources[:2] {
		s.Volume.Outlines = nil
	}
	f = volumes(a)
	if p := f.Rows[0][0]; len(f.Rows[0]) != 1 || p.Title.Text != "Volume" || !(p.Y.Min < -math.Ln2) || !(p.Y.Max > 0) {
		t.Errorf("%d panels, %s from %g to %g", len(f.Rows[0]), p.Title.Text, p.Y.Min, p.Y.Max)
	}
	if film := filmVolumes(a); film.frame != nil {
		t.Error("volumes of many dimensions are filmed")
	}
}
