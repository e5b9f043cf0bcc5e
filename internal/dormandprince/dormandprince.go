// Package dormandprince holds the tableau of Dormand and Prince's 5(4) pair (J. Comput. Appl. Math. 6, 1980), with the quartic interpolant of
// Shampine (Math. Comp. 46, 1986). Packages integrator and prediction step with it.
package dormandprince

// The tableau. Treat it as read-only.
var (
	// Nodes are the times of the stages, in steps.
	Nodes = [7]float64{0, 1. / 5, 3. / 10, 4. / 5, 8. / 9, 1, 1}
	// Stages are the weights of the slopes in each stage. The last stage is the state after the step.
	Stages = [7][]float64{
		1: {1. / 5},
		2: {3. / 40, 9. / 40},
		3: {44. / 45, -56. / 15, 32. / 9},
		4: {19372. / 6561, -25360. / 2187, 64448. / 6561, -212. / 729},
		5: {9017. / 3168, -355. / 33, 46732. / 5247, 49. / 176, -5103. / 18656},
		6: {35. / 384, 0, 500. / 1113, 125. / 192, -2187. / 6784, 11. / 84},
	}
	// Difference gives the difference of the two orders from the slopes, in steps.
	Difference = []float64{-71. / 57600, 0, 71. / 16695, -71. / 1920, 17253. / 339200, -22. / 525, 1. / 40}
	// Dense gives the coefficients of the interpolant from the slopes, by the power of the time in the step.
	Dense = [4][]float64{
		{1},
		{-8048581381. / 2820520608, 0, 131558114200. / 32700410799, -1754552775. / 470086768, 127303824393. / 49829197408,
			-282668133. / 205662961, 40617522. / 29380423},
		{8663915743. / 2820520608, 0, -68118460800. / 10900136933, 14199869525. / 1410260304, -318862633887. / 49829197408,
			2019193451. / 616988883, -110615467. / 29380423},
		{-12715105075. / 11282082432, 0, 87487479700. / 32700410799, -10690763975. / 1880347072, 701980252875. / 199316789632,
			-1453857185. / 822651844, 69997945. / 29380423},
	}
)
