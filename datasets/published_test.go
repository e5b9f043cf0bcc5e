package datasets

import (
	"math"
	"strings"
	"testing"
)

// The losses of seed 0 that the published code printed, run with PyTorch 2.15.0 (greydanus/hamiltonian-nn, commit bcc3622): train and test.
func TestCodeOfSeed0EqualsTheRunWithPyTorch(t *testing.T) {
	for run, want := range map[string][2]float64{
		"spring baseline": {3.7125e-2, 3.6579e-2}, "spring hnn": {3.6939e-2, 3.5950e-2},
		"pend baseline": {3.2606e-2, 3.5281e-2}, "pend hnn": {3.2787e-2, 3.5587e-2},
		"real baseline": {1.9442e-3, 1.3921e-3}, "real hnn": {9.2941e-3, 5.8494e-3},
		"2body baseline": {3.3348e-5, 3.0259e-5}, "2body hnn": {6.7090e-6, 6.5621e-6},
		"3body baseline": {9.5581e-2, 3.8005e-1}, "3body hnn": {8.2208e-2, 4.7068e-1},
		"pixel baseline": {1.7873e-4, 1.7621e-4}, "pixel hnn": {2.0849e-4, 2.0537e-4},
	} {
		name, model, _ := strings.Cut(run, " ")
		task, err := Find(name)
		if err != nil {
			t.Fatal(err)
		}
		scores := task.Published[model].Code[0]
		for i, quantity := range []Quantity{TrainLoss, TestLoss} {
			if got := scores[quantity]; math.Abs(got/want[i]-1) > 6e-5 { // five digits
				t.Errorf("%s, %s: %g, but the published code printed %g", run, quantity, got, want[i])
			}
		}
	}
}
