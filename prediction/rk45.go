package prediction

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
)

// tolerance bounds the local error of a step, relative to the standard deviations of the data, or to the state where it is larger.
const tolerance = 1e-6

// The tableau of Dormand and Prince's 5(4) pair, with the quartic interpolant of Shampine, as in package integrator. The last stage is the state
// after the step. The integrator there has one list of times for all trajectories, and ends with an error if one of them does.
var (
	stages = [7][]float64{
		1: {1. / 5},
		2: {3. / 40, 9. / 40},
		3: {44. / 45, -56. / 15, 32. / 9},
		4: {19372. / 6561, -25360. / 2187, 64448. / 6561, -212. / 729},
		5: {9017. / 3168, -355. / 33, 46732. / 5247, 49. / 176, -5103. / 18656},
		6: {35. / 384, 0, 500. / 1113, 125. / 192, -2187. / 6784, 11. / 84},
	}
	difference = []float64{-71. / 57600, 0, 71. / 16695, -71. / 1920, 17253. / 339200, -22. / 525, 1. / 40}
	dense      = [4][]float64{ // by the power of the time
		{1},
		{-8048581381. / 2820520608, 0, 131558114200. / 32700410799, -1754552775. / 470086768, 127303824393. / 49829197408,
			-282668133. / 205662961, 40617522. / 29380423},
		{8663915743. / 2820520608, 0, -68118460800. / 10900136933, 14199869525. / 1410260304, -318862633887. / 49829197408,
			2019193451. / 616988883, -110615467. / 29380423},
		{-12715105075. / 11282082432, 0, 87487479700. / 32700410799, -10690763975. / 1880347072, 701980252875. / 199316789632,
			-1453857185. / 822651844, 69997945. / 29380423},
	}
)

// adaptive is the progress of a trajectory: at time t it is in state y and about to attempt a step. Rows before next are known. The columns are
// constant up to the row hold, where a step must end.
type adaptive struct {
	t, h, step float64 // step is h before the end of the hold shortens it
	y, after   []float64
	k          [][]float64 // slopes of the stages
	powers     [][]float64 // coefficients of the interpolant
	fresh      bool        // whether the slope at y is unknown
	next, hold int
	attempts   int
}

// rk45 integrates with the adaptive method of Dormand and Prince. Each trajectory has its own steps, and a call of the field evaluates a stage
// for all of them. Rows within a step are interpolated, so rows that are close together cost little.
func (s *system) rk45(paths []*path) error {
	for _, p := range paths {
		work := rows(13, s.size)
		p.adaptive = adaptive{step: 0.1, y: work[7], after: work[8], k: work[:7], powers: work[9:], next: 1}
		copy(p.y, p.rows[0])
		p.enter(0)
	}
	active := slices.DeleteFunc(slices.Clone(paths), (*path).ended)
	var columns, z, out [][]float64
	stage := func(number int, include func(p *path) bool) error {
		columns, z, out = columns[:0], z[:0], out[:0]
		for _, p := range active {
			if include(p) {
				columns, z, out = append(columns, p.columnsAt(p.hold-1)), append(z, p.advance(number)), append(out, p.k[number])
			}
		}
		if len(z) == 0 {
			return nil
		}
		return s.field(columns, z, out)
	}
	for len(active) > 0 {
		for _, p := range active {
			p.h = min(p.step, p.times[p.hold]-p.t)
		}
		if err := stage(0, func(p *path) bool { return p.fresh }); err != nil {
			return err
		}
		for number := 1; number < len(stages); number++ {
			if err := stage(number, func(*path) bool { return true }); err != nil {
				return err
			}
		}
		for _, p := range active {
			p.judge(s)
		}
		active = slices.DeleteFunc(active, (*path).ended)
	}
	return nil
}

func (p *path) ended() bool { return p.next >= p.lost }

// enter begins to hold the columns of a row.
func (p *path) enter(row int) {
	p.fresh = true
	for p.hold = row + 1; p.hold < len(p.times)-1 && slices.Equal(p.columnsAt(p.hold), p.columnsAt(row)); p.hold++ {
	}
}

// advance returns the state of a stage.
func (p *path) advance(stage int) []float64 {
	if stage == 0 {
		return p.y
	}
	copy(p.after, p.y)
	for j, w := range stages[stage] {
		floats.AddScaled(p.after, p.h*w, p.k[j])
	}
	return p.after
}

// judge accepts or rejects an attempt, and chooses the next step.
func (p *path) judge(s *system) {
	sum, size := 0.0, 1.0
	for i, v := range p.after[:s.n] {
		if i >= len(s.turns) || s.turns[i] == 0 {
			size = max(size, math.Abs(v))
		}
	}
	for i := range s.n {
		e := 0.0
		for j, w := range difference {
			e += w * p.k[j][i]
		}
		e *= p.h / (tolerance * size)
		sum += e * e
	}
	norm := math.Sqrt(sum / float64(s.n))
	p.fresh = false
	p.attempts++
	next := p.h * min(10, max(0.2, 0.9*math.Pow(norm, -0.2)))
	switch {
	case norm <= 1:
		p.accept(s.n)
		if p.step > p.h { // the end of the hold shortened the step
			next = max(next, p.step)
		}
	case math.IsNaN(norm):
		next = p.h / 5
	}
	p.step = next
	// A state that rushes to infinity takes ever shorter steps, and a very fast one takes too many.
	if p.step < 1e-12*max(1, p.t) || p.attempts > 1_000_000+100*len(p.times) {
		p.lost = min(p.lost, p.next)
	}
}

// accept moves to the end of the step and sets the rows on the way. It loses a state that has left the data.
func (p *path) accept(n int) {
	if outside(p.after[:n]) {
		p.lost = p.next
		return
	}
	end := p.t + p.h
	arrived := p.h == p.times[p.hold]-p.t
	if arrived {
		end = p.times[p.hold]
	}
	if p.times[p.next] < end {
		p.interpolate(end)
	}
	if arrived {
		copy(p.rows[p.hold], p.after)
		p.next = p.hold + 1
	}
	p.t = end
	p.y, p.after = p.after, p.y
	p.k[0], p.k[6] = p.k[6], p.k[0]
	if arrived && p.next < len(p.times) {
		p.enter(p.hold)
	}
}

// interpolate sets the rows before the end of the step.
func (p *path) interpolate(end float64) {
	for power, weights := range dense {
		clear(p.powers[power])
		for j, w := range weights {
			floats.AddScaled(p.powers[power], p.h*w, p.k[j])
		}
	}
	a, b, c, d := p.powers[0], p.powers[1], p.powers[2], p.powers[3]
	for ; p.times[p.next] < end; p.next++ {
		u, row := (p.times[p.next]-p.t)/p.h, p.rows[p.next]
		for i := range row {
			row[i] = p.y[i] + u*(a[i]+u*(b[i]+u*(c[i]+u*d[i])))
		}
	}
}
