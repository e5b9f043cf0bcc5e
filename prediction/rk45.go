package prediction

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"

	"hnn/internal/dormandprince"
)

// tolerance bounds the local error of a step, relative to the standard deviations of the data, or to the state where it is larger. The errors of
// the models in docs/systems.md change by less than half a percent between this tolerance and 1e-8.
const tolerance = 3e-6

// adaptive is the progress of a trajectory at time t. It is about to attempt a step. Rows before next are known. The columns are constant up to
// the row hold, where a step must end.
type adaptive struct {
	t, h, step float64 // step is h before the end of the hold shortens it
	fresh      bool    // whether the slope at t is unknown
	next, hold int
	attempts   int
}

// batch holds a row for each trajectory that goes on, so that one loop serves all of them.
type batch struct {
	y, after, errors matrix    // the states before and after a step, and the estimated errors
	changes          [7]matrix // of the state over the step, by the slopes of the stages
	powers           [4]matrix // coefficients of the interpolant
}

// rk45 integrates with the adaptive method of Dormand and Prince. integrator.RK45 has one list of times for all trajectories, and ends with an
// error if one of them does. Here each trajectory has its own times and steps, and a call of the field evaluates a stage
// for all of them. Rows within a step are interpolated, so rows that are close together cost little.
func (s *system) rk45(paths []*path) error {
	zeros := func() matrix { return newMatrix(len(paths), s.size) }
	b := batch{y: zeros(), after: zeros(), errors: zeros(), powers: [4]matrix{zeros(), zeros(), zeros(), zeros()}}
	for stage := range b.changes {
		b.changes[stage] = zeros()
	}
	var active []*path
	for _, p := range paths {
		if p.adaptive = (adaptive{h: 1, step: 0.1, next: 1}); !p.ended() {
			copy(b.y.rows[len(active)], p.rows[0])
			p.enter(0)
			active = append(active, p)
		}
	}
	var first, all steps
	var unknown [][]float64
	for count := len(active); count > 0; count = len(active) {
		first.clear()
		all.clear()
		unknown = unknown[:0]
		for i, p := range active {
			h := min(p.step, p.times[p.hold]-p.t)
			floats.Scale(h/p.h, b.changes[0].rows[i])
			p.h = h
			all.add(p.columnsAt(p.hold-1), h, b.after.rows[i])
			if p.fresh {
				first.add(p.columnsAt(p.hold-1), h, b.y.rows[i])
				unknown = append(unknown, b.changes[0].rows[i])
			}
		}
		if err := s.field(first, unknown); err != nil {
			return err
		}
		numbers := count * s.size
		sum := func(to matrix, weights []float64) {
			for j, w := range weights {
				floats.AddScaled(to.numbers[:numbers], w, b.changes[j].numbers[:numbers])
			}
		}
		for stage := 1; stage < len(b.changes); stage++ {
			copy(b.after.numbers[:numbers], b.y.numbers)
			sum(b.after, dormandprince.Stages[stage])
			if err := s.field(all, b.changes[stage].rows[:count]); err != nil {
				return err
			}
		}
		clear(b.errors.numbers)
		sum(b.errors, dormandprince.Difference)
		for power, weights := range dormandprince.Dense {
			clear(b.powers[power].numbers)
			sum(b.powers[power], weights)
		}
		active = active[:0]
		for i, p := range active[:count] {
			y, change := b.y.rows[i], b.changes[0].rows[i]
			if p.accepts(s, b.after.rows[i], b.errors.rows[i]) {
				p.advance(&b, i, s.n)
				y, change = b.after.rows[i], b.changes[6].rows[i]
			}
			if !p.ended() {
				copy(b.y.rows[len(active)], y)
				copy(b.changes[0].rows[len(active)], change)
				active = append(active, p)
			}
		}
	}
	return nil
}

func (p *path) ended() bool { return p.next >= p.lost }

// enter takes the columns of a row, and sets hold to the first later row with other columns, or to the last row. The slope changes with the columns,
// so it is unknown.
func (p *path) enter(row int) {
	p.fresh = true
	for p.hold = row + 1; p.hold < len(p.times)-1 && slices.Equal(p.columnsAt(p.hold), p.columnsAt(row)); p.hold++ {
	}
}

// accepts reports whether the errors of an attempt are small enough, and chooses the next step.
func (p *path) accepts(s *system, after, errors []float64) bool {
	sum, size := 0.0, 1.0
	for i, v := range after[:s.n] {
		if i >= len(s.turns) || s.turns[i] == 0 {
			size = max(size, math.Abs(v))
		}
	}
	for _, e := range errors[:s.n] {
		e /= tolerance * size
		sum += e * e
	}
	norm := math.Sqrt(sum / float64(s.n))
	p.fresh = false
	p.attempts++
	next := p.h * min(10, max(0.2, 0.9*math.Exp(math.Log(norm)/-5)))
	switch {
	case norm <= 1 && p.step > p.h: // the end of the hold shortened the step
		next = max(next, p.step)
	case math.IsNaN(norm):
		next = p.h / 5
	}
	p.step = next
	// A state that rushes to infinity takes ever shorter steps, and a very fast one takes too many.
	if p.step < 1e-12*max(1, p.t) || p.attempts > 1_000_000+100*len(p.times) {
		p.lost = min(p.lost, p.next)
	}
	return norm <= 1
}

// advance moves to the end of the step and sets the rows on the way. If the state has left the data by far, the trajectory is lost from its next row
// on.
func (p *path) advance(b *batch, i, n int) {
	after := b.after.rows[i]
	if outside(after[:n]) {
		p.lost = p.next
		return
	}
	end, arrived := p.t+p.h, p.h == p.times[p.hold]-p.t
	if arrived {
		end = p.times[p.hold]
	}
	y, c1, c2, c3, c4 := b.y.rows[i], b.powers[0].rows[i], b.powers[1].rows[i], b.powers[2].rows[i], b.powers[3].rows[i]
	for ; p.times[p.next] < end; p.next++ {
		u, row := (p.times[p.next]-p.t)/p.h, p.rows[p.next]
		for j := range min(len(row), len(y), len(c1), len(c2), len(c3), len(c4)) { // spares the checks of the indices
			row[j] = y[j] + u*(c1[j]+u*(c2[j]+u*(c3[j]+u*c4[j])))
		}
	}
	p.t = end
	if arrived {
		copy(p.rows[p.hold], after)
		if p.next = p.hold + 1; p.next < len(p.times) {
			p.enter(p.hold)
		}
	}
}
