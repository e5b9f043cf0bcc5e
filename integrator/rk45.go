package integrator

import (
	"fmt"
	"math"
	"slices"
)

// RK45 is the adaptive Runge-Kutta method of order 5(4) by Dormand and Prince. It chooses the first step, controls the step and interpolates
// like scipy.integrate.solve_ivp(method="RK45", t_eval). Each trajectory has its own steps. One call of the field evaluates a stage for all
// trajectories that have not ended. The method is not symplectic: over long times the energy drifts.
type RK45 struct {
	// The local error of a step is at most Absolute + Relative·|y|, in root mean square over the components. 0 means scipy's defaults, 1e-6
	// and 1e-3.
	Absolute float64
	Relative float64

	// Constants are constant components, such as masses, that the published code integrates as part of the state. They affect the step sizes
	// only: they count in the root mean square and in the first step. The field does not receive them.
	Constants []float64

	// MaxEvaluations bounds the evaluations of the field for one trajectory. 0 means a million.
	MaxEvaluations int
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

// Tolerances returns the relative and the absolute tolerance, with scipy's defaults in place of 0.
func (m RK45) Tolerances() (relative, absolute float64) {
	if m.Relative == 0 {
		m.Relative = 1e-3
	}
	if m.Absolute == 0 {
		m.Absolute = 1e-6
	}
	return m.Relative, m.Absolute
}

// Solve implements Solver.
func (m RK45) Solve(f Field, starts [][]float64, times []float64) ([]Solution, error) {
	if err := check(starts, times); err != nil {
		return nil, err
	}
	m.Relative, m.Absolute = m.Tolerances()
	if m.MaxEvaluations == 0 {
		m.MaxEvaluations = 1_000_000
	}
	if !(m.Absolute > 0) || !(m.Relative > 0) {
		return nil, fmt.Errorf("integrator: the tolerances are %g relative and %g absolute; they must be positive", m.Relative, m.Absolute)
	}
	m.Relative = max(m.Relative, 100*0x1p-52)

	all := make([]*adaptive, len(starts))
	for i, start := range starts {
		all[i] = &adaptive{RK45: m, number: i, times: times, t: times[0], y: slices.Clone(start)}
		n := len(start)
		all[i].next, all[i].scale = make([]float64, n), make([]float64, n)
		for s := range all[i].k {
			all[i].k[s] = make([]float64, n)
		}
		all[i].solution.States = append(all[i].solution.States, slices.Clone(start))
	}
	active := slices.Clone(all)
	stage := func(s int, prepare func(a *adaptive) (t float64, y []float64)) error {
		t, y, out := make([]float64, len(active)), make([][]float64, len(active)), make([][]float64, len(active))
		for i, a := range active {
			t[i], y[i] = prepare(a)
			out[i] = a.k[s]
			a.solution.Evaluations++
		}
		return f(t, y, out)
	}

	if err := stage(0, func(a *adaptive) (float64, []float64) { return a.t, a.y }); err != nil {
		return nil, err
	}
	if err := stage(1, (*adaptive).probe); err != nil {
		return nil, err
	}
	for _, a := range active {
		a.firstStep()
	}
	for len(active) > 0 {
		for _, a := range active {
			if err := a.begin(); err != nil {
				return nil, err
			}
		}
		for s := 1; s < len(stages); s++ {
			if err := stage(s, func(a *adaptive) (float64, []float64) { return a.stage(s) }); err != nil {
				return nil, err
			}
		}
		if err := stage(6, (*adaptive).combine); err != nil {
			return nil, err
		}
		for _, a := range active {
			if err := a.judge(); err != nil {
				return nil, err
			}
		}
		active = slices.DeleteFunc(active, func(a *adaptive) bool { return len(a.solution.States) == len(times) })
	}
	solutions := make([]Solution, len(all))
	for i, a := range all {
		solutions[i] = a.solution
	}
	return solutions, nil
}

// adaptive is the progress of one trajectory: at time t it is in state y, and about to attempt a step.
type adaptive struct {
	RK45
	number   int
	times    []float64
	solution Solution

	t, h, step float64 // step is |h| before the end of the interval shortens it
	tNext      float64
	rejected   bool // whether the last attempt at this step was rejected
	y, next    []float64
	k          [7][]float64
	scale      []float64
}

func (a *adaptive) end() float64       { return a.times[len(a.times)-1] }
func (a *adaptive) direction() float64 { return math.Copysign(1, a.end()-a.times[0]) }

// norm returns the root mean square of value/scale over the components and the constants. constants is the sum of squares over the constants.
func (a *adaptive) norm(constants float64, value func(i int) float64) float64 {
	sum := constants
	for i := range a.y {
		v := value(i) / a.scale[i]
		sum += v * v
	}
	return math.Sqrt(sum) / math.Sqrt(float64(len(a.y)+len(a.Constants)))
}

// probe returns the end of an Euler step; the field there determines the size of the first step (Hairer, Nørsett and Wanner, Solving Ordinary
// Differential Equations I, section II.4).
func (a *adaptive) probe() (float64, []float64) {
	for i := range a.y {
		a.scale[i] = a.Absolute + math.Abs(a.y[i])*a.Relative
	}
	constants := 0.0
	for _, c := range a.Constants {
		v := c / (a.Absolute + math.Abs(c)*a.Relative)
		constants += v * v
	}
	d0 := a.norm(constants, func(i int) float64 { return a.y[i] })
	d1 := a.norm(0, func(i int) float64 { return a.k[0][i] })
	a.step = 1e-6
	if d0 >= 1e-5 && d1 >= 1e-5 {
		a.step = 0.01 * d0 / d1
	}
	a.step = min(a.step, math.Abs(a.end()-a.t))
	h := a.step * a.direction()
	for i := range a.y {
		a.next[i] = a.y[i] + h*a.k[0][i]
	}
	return a.t + h, a.next
}

// firstStep sets the size of the first step, for an error estimate of order 4, from the field at the end of probe's step.
func (a *adaptive) firstStep() {
	h0 := a.step
	d1 := a.norm(0, func(i int) float64 { return a.k[0][i] })
	d2 := a.norm(0, func(i int) float64 { return a.k[1][i] - a.k[0][i] }) / h0
	h1 := math.Pow(0.01/max(d1, d2), 0.2)
	if d1 <= 1e-15 && d2 <= 1e-15 {
		h1 = max(1e-6, h0*1e-3)
	}
	a.step = min(100*h0, h1, math.Abs(a.end()-a.t))
}

// begin sets the step of the next attempt.
func (a *adaptive) begin() error {
	direction := a.direction()
	smallest := 10 * math.Abs(math.Nextafter(a.t, direction*math.Inf(1))-a.t)
	if !a.rejected {
		a.step = max(a.step, smallest)
	}
	if !(a.step >= smallest) {
		return fmt.Errorf("integrator: trajectory %d: the step size fell below the spacing of numbers at t = %g", a.number, a.t)
	}
	if a.solution.Evaluations+6 > a.MaxEvaluations {
		return fmt.Errorf("integrator: trajectory %d: %d evaluations of the field were not enough to get beyond t = %g", a.number, a.MaxEvaluations, a.t)
	}
	a.tNext = a.t + a.step*direction
	if direction*(a.tNext-a.end()) > 0 {
		a.tNext = a.end()
	}
	a.h = a.tNext - a.t
	a.step = math.Abs(a.h)
	return nil
}

// stage returns the time and the state at which the field gives k[s].
func (a *adaptive) stage(s int) (float64, []float64) {
	for i := range a.y {
		sum := 0.0
		for j := range s {
			sum += a.k[j][i] * stages[s][j]
		}
		a.next[i] = a.y[i] + sum*a.h
	}
	return a.t + nodes[s]*a.h, a.next
}

// combine computes the state after the attempted step.
func (a *adaptive) combine() (float64, []float64) {
	for i := range a.y {
		sum := 0.0
		for j := range weights {
			sum += a.k[j][i] * weights[j]
		}
		a.next[i] = a.y[i] + a.h*sum
		a.scale[i] = a.Absolute + max(math.Abs(a.y[i]), math.Abs(a.next[i]))*a.Relative
	}
	return a.t + a.h, a.next
}

// judge accepts or rejects the attempt by its estimated error and sets the size of the next one.
func (a *adaptive) judge() error {
	size := a.norm(0, func(i int) float64 {
		sum := 0.0
		for j := range difference {
			sum += a.k[j][i] * difference[j]
		}
		return sum * a.h
	})
	if math.IsNaN(size) || math.IsInf(size, 0) {
		return fmt.Errorf("integrator: trajectory %d: the field is not finite near t = %g", a.number, a.t)
	}
	if size >= 1 {
		a.step *= max(0.2, 0.9*math.Pow(size, -0.2))
		a.rejected = true
		return nil
	}
	factor := 10.0
	if size > 0 {
		factor = min(10, 0.9*math.Pow(size, -0.2))
	}
	if a.rejected {
		factor = min(1, factor)
	}
	a.step *= factor
	a.record()
	a.rejected = false
	a.t = a.tNext
	a.y, a.next = a.next, a.y
	a.k[0], a.k[6] = a.k[6], a.k[0]
	return nil
}

// record interpolates the states at the requested times within the accepted step.
func (a *adaptive) record() {
	for len(a.solution.States) < len(a.times) && a.direction()*(a.times[len(a.solution.States)]-a.tNext) <= 0 {
		x := (a.times[len(a.solution.States)] - a.t) / a.h
		state := make([]float64, len(a.y))
		for i := range a.y {
			sum, power := 0.0, 1.0
			for order := range 4 {
				power *= x
				q := 0.0
				for j := range dense {
					q += a.k[j][i] * dense[j][order]
				}
				sum += q * power
			}
			state[i] = a.y[i] + a.h*sum
		}
		a.solution.States = append(a.solution.States, state)
	}
}
