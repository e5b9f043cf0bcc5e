package datasets

// Spring is an ideal mass on a spring, H = q² + p², observed with noise (section 3.1 of the paper).
var Spring = spring.task(Task{
	Name:        "spring",
	Description: "ideal mass-spring system, H = q² + p², noisy",
	Note: "The notebook behind the paper's figure 2 multiplies the models' time by 1.09, since noise in the inputs makes the learned field slower. " +
		"Here the time is not stretched, so the HNN's coordinates end farther from the truth than the baseline's, although its energy stays constant.",
	Hamiltonian: func(s []float64) float64 { return s[1]*s[1] + s[0]*s[0] },
	Published: publishedModels("spring", map[string]Scores{
		"baseline": {TrainLoss: 3.7134e-2, TestLoss: 3.6656e-2, NotebookEnergyMSE: 1.7077e-1},
		"hnn":      {TrainLoss: 3.6933e-2, TestLoss: 3.5928e-2, NotebookEnergyMSE: 3.8416e-4},
	}),
})

var spring = oscillator{
	dynamics: func(_ float64, y, out []float64) { out[0], out[1] = 2*y[1], -2*y[0] },
	points:   30,
	radius:   0.1, span: 0.9,
	noise:    0.1,
	timeStep: 0.1,
	example:  []float64{1, 0},
	notebook: notebook{radii: true, picture: 30, stretch: 1.09},
}
