package datasets

import "math"

// Pendulum is an ideal pendulum, H = 3(1 − cos q) + p², observed with noise (section 3.2 of the paper).
var Pendulum = pendulum.task(Task{
	Name:        "pend",
	Description: "ideal pendulum, H = 3(1 − cos q) + p², noisy",
	Hamiltonian: func(s []float64) float64 { return s[1]*s[1] + 3*(1-math.Cos(s[0])) },
	Published: publishedModels("pend", map[string]Scores{
		"baseline": {TrainLoss: 3.2606e-2, TestLoss: 3.5273e-2, NotebookEnergyMSE: 4.1519e-2},
		"hnn":      {TrainLoss: 3.2787e-2, TestLoss: 3.5586e-2, NotebookEnergyMSE: 2.4852e-2},
	}),
})

var pendulum = oscillator{
	dynamics: func(_ float64, y, out []float64) { out[0], out[1] = 2*y[1], -3*math.Sin(y[0]) },
	points:   45,
	radius:   1.3, span: 1,
	noise:    0.1,
	timeStep: 1. / 15,
	example:  []float64{2.1, 0},
	notebook: notebook{picture: 60},
}
