package prediction

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"

	"hnn/internal/dormandprince"
)

// tolerance bounds the local error of a step, relative to the standard deviations of the data, or to the state where it is larger.
const tolerance = 1e-6

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

// rk45 integrates with the adaptive method of Dormand and Prince. integrator.RK45 has one list of times for all trajectories, and ends with an
// error if one of them does. Here each trajectory has its own times and steps, and a call of the field evaluates a stage
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
		for number := 1; number < len(dormandprince.Stages); number++ {
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
	for j, w := range dormandprince.Stages[stage] {
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
		for j, w := range dormandprince.Difference {
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
	for power, weights := range dormandprince.Dense {
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
