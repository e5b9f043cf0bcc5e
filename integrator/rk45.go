// Package integrator solves ordinary differential equations dy/dt = f(t, y). It knows neither networks nor tasks.
package integrator

import (
	"fmt"
	"math"
)

// Derivative writes dy/dt at (t, y) into out, which has y's length and must not be kept.
type Derivative func(t float64, y, out []float64)

// Tolerance bounds the local error of a step: |error| <= Absolute + Relative·|y|, in root mean square over the components.
type Tolerance struct {
	Relative float64
	Absolute float64
}

// Solution holds the states at the requested times and the number of evaluations of the derivative.
type Solution struct {
	Y           [][]float64 // one state per requested time
	Evaluations int
}

// The tableau of Dormand and Prince's 5(4) pair (J. Comput. Appl. Math. 6, 1980), with the quartic interpolant of
// Shampine (Math. Comp. 46, 1986).
var (
	nodes  = [6]float64{0, 1. / 5, 3. / 10, 4. / 5, 8. / 9, 1}
	stages = [6][5]float64{
		{},
		{1. / 5},
		{3. / 40, 9. / 40},
		{44. / 45, -56. / 15, 32. / 9},
		{19372. / 6561, -25360. / 2187, 64448. / 6561, -212. / 729},
		{9017. / 3168, -355. / 33, 46732. / 5247, 49. / 176, -5103. / 18656},
	}
	weights    = [6]float64{35. / 384, 0, 500. / 1113, 125. / 192, -2187. / 6784, 11. / 84}
	difference = [7]float64{-71. / 57600, 0, 71. / 16695, -71. / 1920, 17253. / 339200, -22. / 525, 1. / 40}
	dense      = [7][4]float64{
		{1, -8048581381. / 2820520608, 8663915743. / 2820520608, -12715105075. / 11282082432},
		{},
		{0, 131558114200. / 32700410799, -68118460800. / 10900136933, 87487479700. / 32700410799},
		{0, -1754552775. / 470086768, 14199869525. / 1410260304, -10690763975. / 1880347072},
		{0, 127303824393. / 49829197408, -318862633887. / 49829197408, 701980252875. / 199316789632},
		{0, -282668133. / 205662961, 2019193451. / 616988883, -1453857185. / 822651844},
		{0, 40617522. / 29380423, -110615467. / 29380423, 69997945. / 29380423},
	}
)

// RK45 integrates from times[0] to the last of times, which ascend or descend, and returns the state at each. The choice of
// the first step, the step control and the interpolation are those of scipy.integrate.solve_ivp(method="RK45", t_eval).
func RK45(f Derivative, y0, times []float64, tolerance Tolerance) (Solution, error) {
	if len(times) < 2 {
		return Solution{}, fmt.Errorf("integrator: %d times given, at least a start and an end are needed", len(times))
	}
	n, t, end := len(y0), times[0], times[len(times)-1]
	direction := math.Copysign(1, end-t)
	relative := max(tolerance.Relative, 100*0x1p-52)
	var solution Solution
	evaluate := func(t float64, y, out []float64) {
		f(t, y, out)
		solution.Evaluations++
	}

	var k [7][]float64
	for i := range k {
		k[i] = make([]float64, n)
	}
	y, next, scale := append([]float64(nil), y0...), make([]float64, n), make([]float64, n)
	norm := func(value func(i int) float64) float64 {
		sum := 0.0
		for i := range n {
			v := value(i) / scale[i]
			sum += v * v
		}
		return math.Sqrt(sum) / math.Sqrt(float64(n))
	}

	evaluate(t, y, k[0])
	for i := range n {
		scale[i] = tolerance.Absolute + math.Abs(y[i])*relative
	}
	step := firstStep(evaluate, t, end, y, k[0], norm)

	solution.Y = append(solution.Y, append([]float64(nil), y...))
	for len(solution.Y) < len(times) {
		smallest := 10 * math.Abs(math.Nextafter(t, direction*math.Inf(1))-t)
		step = max(step, smallest)
		rejected := false
		var h, tNext float64
		for {
			if !(step >= smallest) {
				return solution, fmt.Errorf("integrator: the step size fell below the spacing of numbers at t = %g", t)
			}
			tNext = t + step*direction
			if direction*(tNext-end) > 0 {
				tNext = end
			}
			h = tNext - t
			step = math.Abs(h)
			for s := 1; s < 6; s++ {
				for i := range n {
					sum := 0.0
					for j := range s {
						sum += k[j][i] * stages[s][j]
					}
					next[i] = y[i] + sum*h
				}
				evaluate(t+nodes[s]*h, next, k[s])
			}
			for i := range n {
				sum := 0.0
				for j := range weights {
					sum += k[j][i] * weights[j]
				}
				next[i] = y[i] + h*sum
				scale[i] = tolerance.Absolute + max(math.Abs(y[i]), math.Abs(next[i]))*relative
			}
			evaluate(t+h, next, k[6])
			size := norm(func(i int) float64 {
				sum := 0.0
				for j := range difference {
					sum += k[j][i] * difference[j]
				}
				return sum * h
			})
			if math.IsNaN(size) || math.IsInf(size, 0) {
				return solution, fmt.Errorf("integrator: the derivative is not finite near t = %g", t)
			}
			if size < 1 {
				factor := 10.0
				if size > 0 {
					factor = min(10, 0.9*math.Pow(size, -0.2))
				}
				if rejected {
					factor = min(1, factor)
				}
				step *= factor
				break
			}
			step *= max(0.2, 0.9*math.Pow(size, -0.2))
			rejected = true
		}
		for len(solution.Y) < len(times) && direction*(times[len(solution.Y)]-tNext) <= 0 {
			x := (times[len(solution.Y)] - t) / h
			state := make([]float64, n)
			for i := range n {
				sum, power := 0.0, 1.0
				for order := range 4 {
					power *= x
					q := 0.0
					for j := range dense {
						q += k[j][i] * dense[j][order]
					}
					sum += q * power
				}
				state[i] = y[i] + h*sum
			}
			solution.Y = append(solution.Y, state)
		}
		t = tNext
		y, next = next, y
		k[0], k[6] = k[6], k[0]
	}
	return solution, nil
}

// firstStep chooses the first step size as Hairer, Nørsett and Wanner do (Solving Ordinary Differential Equations I,
// section II.4), for a method of order 4.
func firstStep(evaluate Derivative, t, end float64, y, dy []float64, norm func(func(int) float64) float64) float64 {
	interval := math.Abs(end - t)
	if interval == 0 {
		return 0
	}
	d0 := norm(func(i int) float64 { return y[i] })
	d1 := norm(func(i int) float64 { return dy[i] })
	h0 := 1e-6
	if d0 >= 1e-5 && d1 >= 1e-5 {
		h0 = 0.01 * d0 / d1
	}
	h0 = min(h0, interval)
	h := math.Copysign(h0, end-t)
	y1, dy1 := make([]float64, len(y)), make([]float64, len(y))
	for i := range y {
		y1[i] = y[i] + h*dy[i]
	}
	evaluate(t+h, y1, dy1)
	d2 := norm(func(i int) float64 { return dy1[i] - dy[i] }) / h0
	h1 := math.Pow(0.01/max(d1, d2), 0.2)
	if d1 <= 1e-15 && d2 <= 1e-15 {
		h1 = max(1e-6, h0*1e-3)
	}
	return min(100*h0, h1, interval)
}
