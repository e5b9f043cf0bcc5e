package panels

import (
	"strings"
	"testing"
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
