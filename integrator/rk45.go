package integrator

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"

	"hnn/internal/dormandprince"
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

// Tolerances returns the relative and the absolute tolerance, with scipy's defaults in place of 0.
func (m RK45) Tolerances() (relative, absolute float64) {
	return cmp.Or(m.Relative, 1e-3), cmp.Or(m.Absolute, 1e-6)
}

// Solve implements Solver.
func (m RK45) Solve(f Field, starts [][]float64, times []float64) ([]Solution, error) {
	if err := check(starts, times); err != nil {
		return nil, err
	}
	m.Relative, m.Absolute = m.Tolerances()
	m.MaxEvaluations = cmp.Or(m.MaxEvaluations, 1_000_000)
	if !(m.Absolute > 0) || !(m.Relative > 0) {
		return nil, fmt.Errorf("integrator: the tolerances are %g relative and %g absolute; they must be positive", m.Relative, m.Absolute)
	}
	m.Relative = max(m.Relative, 100*0x1p-52)

	solutions, active := make([]Solution, len(starts)), make([]*adaptive, len(starts))
	for i, start := range starts {
		solutions[i].States = [][]float64{slices.Clone(start)}
		work := zeros(9, len(start))
		active[i] = &adaptive{
			RK45: m, number: i, times: times, Solution: &solutions[i], t: times[0], end: times[len(times)-1], direction: math.Copysign(1, times[1]-times[0]),
			y: slices.Clone(start), next: work[7], sum: work[8], k: [7][]float64(work),
		}
	}
	stage := func(s int, prepare func(a *adaptive) (t float64, y []float64)) error {
		t, y, out := make([]float64, len(active)), make([][]float64, len(active)), make([][]float64, len(active))
		for i, a := range active {
			t[i], y[i] = prepare(a)
			out[i] = a.k[s]
			a.Evaluations++
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
		for s := 1; s < len(dormandprince.Stages); s++ {
			err := stage(s, func(a *adaptive) (float64, []float64) {
				return a.t + dormandprince.Nodes[s]*a.h, floats.AddScaledTo(a.next, a.y, a.h, a.combine(dormandprince.Stages[s]))
			})
			if err != nil {
				return nil, err
			}
		}
		for _, a := range active {
			if err := a.judge(); err != nil {
				return nil, err
			}
		}
		active = slices.DeleteFunc(active, func(a *adaptive) bool { return len(a.States) == len(times) })
	}
	return solutions, nil
}

// adaptive is the progress of one trajectory: at time t it is in state y, and about to attempt a step.
type adaptive struct {
	RK45
	*Solution
	number         int
	times          []float64
	end, direction float64

	t, h, step float64 // step is |h| before the end of the interval shortens it
	tNext      float64
	rejected   bool // whether the last attempt at this step was rejected
	y, next    []float64
	k          [7][]float64
	sum        []float64 // of slopes
}

// norm returns the root mean square of the values of components, and of constants, relative to the tolerance for a step from y to next.
func (a *adaptive) norm(values, next []float64, constants ...float64) float64 {
	sum := 0.0
	for _, c := range constants {
		v := c / (a.Absolute + math.Abs(c)*a.Relative)
		sum += v * v
	}
	for i := range values {
		v := values[i] / (a.Absolute + max(math.Abs(a.y[i]), math.Abs(next[i]))*a.Relative)
		sum += v * v
	}
	return math.Sqrt(sum) / math.Sqrt(float64(len(values)+len(a.Constants)))
}

// combine returns the sum of the slopes k with weights. The next call overwrites it.
func (a *adaptive) combine(weights []float64) []float64 {
	for i := range a.sum {
		sum := 0.0
		for j, w := range weights {
			sum += w * a.k[j][i]
		}
		a.sum[i] = sum
	}
	return a.sum
}

// probe returns the end of an Euler step; the field there determines the size of the first step (Hairer, Nørsett and Wanner, Solving Ordinary
// Differential Equations I, section II.4).
func (a *adaptive) probe() (float64, []float64) {
	d0, d1 := a.norm(a.y, a.y, a.Constants...), a.norm(a.k[0], a.y)
	a.step = 1e-6
	if d0 >= 1e-5 && d1 >= 1e-5 {
		a.step = 0.01 * d0 / d1
	}
	a.step = min(a.step, math.Abs(a.end-a.t))
	h := a.step * a.direction
	return a.t + h, floats.AddScaledTo(a.next, a.y, h, a.k[0])
}

// firstStep sets the size of the first step, for an error estimate of order 4, from the field at the end of probe's step.
func (a *adaptive) firstStep() {
	h0 := a.step
	d1, d2 := a.norm(a.k[0], a.y), a.norm(floats.SubTo(a.sum, a.k[1], a.k[0]), a.y)/h0
	h1 := math.Pow(0.01/max(d1, d2), 0.2)
	if d1 <= 1e-15 && d2 <= 1e-15 {
		h1 = max(1e-6, h0*1e-3)
	}
	a.step = min(100*h0, h1, math.Abs(a.end-a.t))
}

// begin sets the step of the next attempt.
func (a *adaptive) begin() error {
	smallest := 10 * math.Abs(math.Nextafter(a.t, a.direction*math.Inf(1))-a.t)
	if !a.rejected {
		a.step = max(a.step, smallest)
	}
	if !(a.step >= smallest) {
		return fmt.Errorf("integrator: trajectory %d: the step size fell below the spacing of numbers at t = %g", a.number, a.t)
	}
	if a.Evaluations+6 > a.MaxEvaluations {
		return fmt.Errorf("integrator: trajectory %d: %d evaluations of the field were not enough to get beyond t = %g", a.number, a.MaxEvaluations, a.t)
	}
	a.tNext = a.t + a.step*a.direction
	if a.direction*(a.tNext-a.end) > 0 {
		a.tNext = a.end
	}
	a.h = a.tNext - a.t
	a.step = math.Abs(a.h)
	return nil
}

// judge accepts or rejects the attempt by its estimated error and sets the size of the next one.
func (a *adaptive) judge() error {
	floats.Scale(a.h, a.combine(dormandprince.Difference))
	size := a.norm(a.sum, a.next)
	if math.IsNaN(size) || math.IsInf(size, 0) {
		return fmt.Errorf("integrator: trajectory %d: the field is not finite near t = %g", a.number, a.t)
	}
	factor := min(10, 0.9*math.Pow(size, -0.2))
	if size >= 1 {
		a.step *= max(0.2, factor)
		a.rejected = true
		return nil
	}
	if a.rejected {
		factor = min(1, factor)
	}
	a.step *= factor
	a.record()
	a.t, a.rejected = a.tNext, false
	a.y, a.next = a.next, a.y
	a.k[0], a.k[6] = a.k[6], a.k[0]
	return nil
}

// record interpolates the states at the requested times within the accepted step.
func (a *adaptive) record() {
	for len(a.States) < len(a.times) && a.direction*(a.times[len(a.States)]-a.tNext) <= 0 {
		x, power := (a.times[len(a.States)]-a.t)/a.h, 1.0
		state := make([]float64, len(a.y))
		for _, weights := range dormandprince.Dense {
			power *= x
			floats.AddScaled(state, power, a.combine(weights))
		}
		a.States = append(a.States, floats.AddScaledTo(state, a.y, a.h, state))
	}
}
