package analysis

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/floats"

	"hnn/datasets"
)

// The published pixel models: their losses, latent states that are the canonical coordinates but for a linear map, and an HNN
// that keeps swinging where the baseline comes to rest.
func TestPixelModels(t *testing.T) {
	const checkpoints = "../autoencoder/testdata/pixel-"
	a, err := RunPixels(datasets.Pixel, checkpoints+"baseline.tar", checkpoints+"hnn.tar", func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	hnn, baseline := a.Metrics.HNN, a.Metrics.Baseline
	relative(t, "HNN test loss", hnn.Test, 2.0537e-4, 5e-3)
	relative(t, "baseline test loss", baseline.Test, 1.7621e-4, 5e-3)
	for _, m := range []PixelModelMetrics{hnn, baseline} {
		if m.R2[0] < 0.99 || m.R2[1] < 0.99 || !(m.Reconstruction < m.Test) {
			t.Errorf("%s: R² %v, reconstruction %g of the test loss %g", m.Checkpoint, m.R2, m.Reconstruction, m.Test)
		}
	}
	// The published table: 9.3e-3 and 1.5e-4, by a protocol that is not written down.
	if !(hnn.EnergyMSE < 5e-3) || !(baseline.EnergyMSE > 2*hnn.EnergyMSE) {
		t.Errorf("the energy's MSE is %g for the HNN and %g for the baseline", hnn.EnergyMSE, baseline.EnergyMSE)
	}
	swing := func(s Source) float64 {
		last := Column(a.Example[s], 0)[pixelFrames-40:]
		return (floats.Max(last) - floats.Min(last)) / 2
	}
	if truth := swing(Truth); math.Abs(swing(HNN)/truth-1) > 0.1 || swing(Baseline) > 0.2*truth {
		t.Errorf("in the last 40 frames the truth swings by %g, the HNN by %g, the baseline by %g", truth, swing(HNN), swing(Baseline))
	}
	for _, s := range Sources {
		if len(a.Film[s]) != pixelFrames || len(a.Film[s][0]) != a.Side*a.Side {
			t.Errorf("%s: %d pictures", s, len(a.Film[s]))
		}
	}
}

// Against numpy's lstsq: an exact affine map is found again.
func TestFitLinear(t *testing.T) {
	latent := [][]float64{{0, 0}, {1, 0}, {0, 1}, {2, 3}}
	var coordinates [][]float64
	for _, z := range latent {
		coordinates = append(coordinates, []float64{1 + 2*z[0] - z[1], -3 + 0.5*z[1]})
	}
	fit, err := fitLinear(latent, coordinates)
	if err != nil {
		t.Fatal(err)
	}
	if got := fit.apply([][]float64{{5, -2}})[0]; math.Abs(got[0]-13) > 1e-12 || math.Abs(got[1]+4) > 1e-12 {
		t.Errorf("(5, -2) became %v, want (13, -4)", got)
	}
}
