package panels

import (
	"strings"
	"testing"

	"gonum.org/v1/plot/vg"
)

func TestTicksAreRoundNumbers(t *testing.T) {
	for want, ends := range map[string][2]float64{
		"0 5 10 15":           {0, 18.3},
		"−1 0 1":              {-1.3, 1.3},
		"0.00 0.05 0.10 0.15": {-0.001, 0.19},
		"−1.02 −1.01 −1.00":   {-1.025, -0.995},
	} {
		var labels []string
		for _, tick := range Round(ends[0], ends[1]) {
			labels = append(labels, tick.Label)
		}
		if got := strings.Join(labels, " "); got != want {
			t.Errorf("got the ticks %s, want %s", got, want)
		}
	}
}

// A legend that is wider than the figure continues on a second line, and the figure grows by it.
func TestLegendFits(t *testing.T) {
	f := Figure{Width: 300, Height: 190}
	f.Panel(0, "", "t", "energy")
	_, bare := f.Size()
	for _, label := range []string{"stored", "supplied − dissipated", "dissipated", "supplied"} {
		f.Keys = append(f.Keys, Key{Label: label})
	}
	if len(f.lines()) != 2 || len(f.lines()[0]) != 3 {
		t.Errorf("the lines are %v", f.lines())
	}
	for _, keys := range f.lines() {
		width := -vg.Points(gap)
		for _, k := range keys {
			width += k.width()
		}
		if width > vg.Points(300) {
			t.Errorf("the line %v has a width of %g points", keys, width.Points())
		}
	}
	if _, height := f.Size(); height != bare+2*vg.Points(legendHeight) {
		t.Errorf("the height is %g, without keys %g", height, bare)
	}
}
