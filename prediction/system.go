package prediction

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"

	"hnn/datasets"
	"hnn/hamiltonian"
)

// farthest is the largest component of a state that counts as a state, in standard deviations of the training data.
const farthest = 1e6

// system is a model in the units of its Scaling, in which states, times and energies are of order 1. Its state z is (q, p), followed by the
// energies dissipated and supplied if the model exchanges energy. Only one goroutine at a time may use it.
type system struct {
	scaling *hamiltonian.Scaling
	n, size int       // components of (q, p) and of z
	turns   []float64 // by position: a full turn; nil without angles
	energy  bool
	model   *hamiltonian.Evaluator
	parts   [2]*hamiltonian.Evaluator // of the model: friction and inputs; nil if there are none

	x, dx   [][]float64    // of a call of field
	wrapped [][]float64    // this memory grows to the largest batch
	slopes  [2][][]float64 // of the parts
}

// path is one trajectory in scaled units.
type path struct {
	times   []float64
	columns [][]float64 // by row, in the units of the observations; nil without inputs and constants
	rows    [][]float64 // of z
	lost    int         // first row without a state; the number of rows if there is none
	adaptive
}

// newSystem copies a model for trajectories with angles of the given full turns, 0 for none. The caller closes it.
func newSystem(d hamiltonian.Dynamics, turns []float64) (*system, error) {
	n := d.Equation.Dimension()
	s := &system{scaling: d.Scaling, n: n, size: n, energy: d.Equation.Hamiltonian != nil}
	if s.scaling == nil {
		s.scaling = hamiltonian.Unit(n, d.Equation.Columns)
	}
	if slices.Max(turns) > 0 {
		s.turns = floats.DivTo(make([]float64, len(turns)), turns, s.scaling.Scale[:len(turns)])
	}
	d.Scaling = hamiltonian.Unit(n, d.Equation.Columns)
	d.Scaling.Columns = s.scaling.Columns
	var err error
	if s.model, err = d.Evaluator(1); err != nil {
		return nil, err
	}
	friction, force := parts(d.Equation)
	for i, terms := range [][]hamiltonian.Term{friction, force} {
		if d.Equation.Terms, d.Equation.Hamiltonian = terms, nil; terms == nil {
			continue
		}
		s.size = n + 2
		if s.parts[i], err = d.Evaluator(1); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// parts returns the terms of an equation that change its energy, as equations of their own: those of friction, or of anything else that acts
// without inputs, and those of the inputs. What remains is J·∇H. An equation without a Hamiltonian, or without a term of its gradient, has no
// parts.
func parts(e hamiltonian.Equation) (friction, force []hamiltonian.Term) {
	isEnergy := func(t hamiltonian.Term) bool { return t.Matrix != nil && slices.Equal(t.Scalars, e.Hamiltonian) }
	energy := slices.IndexFunc(e.Terms, isEnergy)
	if energy < 0 {
		return nil, nil
	}
	n := e.Dimension()
	for i, t := range e.Terms {
		switch {
		case i == energy:
			var conserves bool
			if t.Matrix, conserves = minus(t.Matrix, hamiltonian.Canonical(n)); conserves {
				// LLᵀ·∇H needs no more of H than the scalars that depend on p.
				t.Scalars = slices.DeleteFunc(slices.Clone(t.Scalars), func(h hamiltonian.Scalar) bool { return !reads(e, h.Network, n/2) })
			}
			if !conserves || t.Network >= 0 {
				friction = append(friction, t)
			}
		case t.Matrix != nil:
			friction = append(friction, t)
		default:
			if force == nil { // a gradient times zero tells the equation the dimension of a state
				zero, _ := minus(e.Terms[energy].Matrix, e.Terms[energy].Matrix)
				force = append(force, hamiltonian.Gradient(hamiltonian.Scalar{Network: t.Network}, zero))
			}
			force = append(force, t)
		}
	}
	return friction, force
}

// minus returns the difference of two matrices, and whether it is zero.
func minus(a, b hamiltonian.Matrix) (difference hamiltonian.Matrix, zero bool) {
	zero = true
	for i := range a {
		difference = append(difference, floats.SubTo(make([]float64, len(a)), a[i], b[i]))
		zero = zero && floats.Equal(a[i], b[i])
	}
	return difference, zero
}

// reads reports whether a network reads the positions (first is 0) or the momenta (first is their number).
func reads(e hamiltonian.Equation, network, first int) bool {
	return e.Features == nil || e.Features[network] == nil || slices.ContainsFunc(e.Features[network], func(f hamiltonian.Feature) bool {
		return f.Column >= first && f.Column < first+e.Dimension()/2 && f.Function != hamiltonian.One
	})
}

// notSeparable returns the reason why the velocities depend on the positions or the forces on the momenta, "" if neither is so.
func notSeparable(e hamiltonian.Equation) string {
	if friction, _ := parts(e); friction != nil || e.Hamiltonian == nil {
		return "this model has friction or no Hamiltonian"
	}
	n := e.Dimension() / 2
	for _, h := range e.Hamiltonian {
		if reads(e, h.Network, 0) && reads(e, h.Network, n) {
			return "a network of this model's energy reads both q and p"
		}
	}
	for _, t := range e.Terms {
		if t.Matrix == nil && reads(e, t.Network, n) {
			return "a force of this model depends on p"
		}
	}
	return ""
}

func (s *system) close() {
	s.model.Close()
	for _, part := range s.parts {
		if part != nil {
			part.Close()
		}
	}
}

// start returns trajectories with their first row.
func (s *system) start(observed []datasets.Observed) []*path {
	paths := make([]*path, len(observed))
	for i, t := range observed {
		p := &path{times: make([]float64, len(t.Times)), rows: rows(len(t.Times), s.size), lost: len(t.Times)}
		for k, time := range t.Times {
			p.times[k] = (time - t.Times[0]) / s.scaling.Time
		}
		for j, v := range t.States[0] {
			p.rows[0][j] = (v - s.scaling.Center[j]) / s.scaling.Scale[j]
		}
		for row := range t.Times {
			if t.Inputs != nil || t.Constants != nil {
				p.columns = append(p.columns, t.Columns(row))
			}
		}
		if outside(p.rows[0][:s.n]) {
			p.lost = 0
		}
		paths[i] = p
	}
	return paths
}

// columnsAt returns the columns that act from a row on.
func (p *path) columnsAt(row int) []float64 {
	if p.columns == nil {
		return nil
	}
	return p.columns[row]
}

func outside(z []float64) bool {
	return slices.ContainsFunc(z, func(v float64) bool { return !(math.Abs(v) <= farthest) })
}

func (s *system) integrate(paths []*path, o Options) error {
	step := o.Step / s.scaling.Time
	if step == 0 {
		step = 0.02
	}
	switch o.Integrator {
	case Leapfrog:
		return s.fixed(paths, step, s.leapfrog)
	case Midpoint:
		return s.fixed(paths, step, midpoint)
	}
	return s.rk45(paths)
}

// states returns the parts (q, p) of z, with angles between −π and π, where float32 is most precise.
func (s *system) states(z [][]float64) [][]float64 {
	s.x = s.x[:0]
	for _, row := range z {
		s.x = append(s.x, row[:s.n])
	}
	if s.turns != nil {
		s.wrapped = grow(s.wrapped, len(z), s.n)
		for i, x := range s.x {
			s.x[i] = s.wrapped[i]
			copy(s.x[i], x)
			for j, turn := range s.turns {
				if turn > 0 {
					s.x[i][j] = math.Remainder(x[j], turn)
				}
			}
		}
	}
	return s.x
}

// field writes dz/dt at each z into out. Each z has its columns.
func (s *system) field(columns, z, out [][]float64) error {
	x := s.states(z)
	s.dx = s.dx[:0]
	for _, row := range out {
		s.dx = append(s.dx, row[:s.n])
	}
	s.model.Columns = columns
	if err := s.model.Field(nil, x, s.dx); err != nil || s.size == s.n {
		return err
	}
	for p, part := range s.parts {
		if part == nil {
			continue
		}
		s.slopes[p], part.Columns = grow(s.slopes[p], len(z), s.n), columns
		if err := part.Field(nil, x, s.slopes[p][:len(z)]); err != nil {
			return err
		}
	}
	half := s.n / 2
	for i := range z {
		var power [2]float64
		for j := range half {
			// What remains of the field without the parts is J·∇H, and so gives ∇H.
			dq, dp := s.dx[i][j], s.dx[i][half+j]
			for p, part := range s.parts {
				if part != nil {
					dq, dp = dq-s.slopes[p][i][j], dp-s.slopes[p][i][half+j]
				}
			}
			for p, part := range s.parts {
				if part != nil {
					power[p] += dq*s.slopes[p][i][half+j] - dp*s.slopes[p][i][j]
				}
			}
		}
		out[i][s.n], out[i][s.n+1] = -power[0], power[1]
	}
	return nil
}

// grow returns at least count rows.
func grow(list [][]float64, count, width int) [][]float64 {
	if len(list) < count {
		return rows(count, width)
	}
	return list
}

// finish returns trajectories in the units of the observations, with their energies.
func (s *system) finish(paths []*path, observed []datasets.Observed) ([]Predicted, error) {
	list := make([]Predicted, len(paths))
	for i, p := range paths {
		count := len(p.times)
		list[i] = Predicted{States: p.rows, H: make([]float64, count), Dissipated: make([]float64, count), Supplied: make([]float64, count)}
		for k := p.lost; k < count; k++ {
			fill(p.rows[k], math.NaN())
			list[i].Dissipated[k], list[i].Supplied[k] = math.NaN(), math.NaN()
		}
		fill(list[i].H, math.NaN())
	}
	if s.energy {
		if err := s.energies(paths, list); err != nil {
			return nil, err
		}
	}
	for i, p := range paths {
		for k, z := range p.rows {
			if s.size > s.n {
				list[i].Dissipated[k], list[i].Supplied[k] = s.scaling.Energy()*z[s.n], s.scaling.Energy()*z[s.n+1]
			}
			list[i].States[k] = z[:s.n:s.n]
			for j := range list[i].States[k] {
				z[j] = s.scaling.Center[j] + s.scaling.Scale[j]*z[j]
			}
		}
		if p.lost > 0 {
			copy(list[i].States[0], observed[i].States[0]) // without the rounding of the scaling
		}
	}
	return list, nil
}

// energies fills H. It evaluates many rows at once.
func (s *system) energies(paths []*path, list []Predicted) error {
	const block = 2048
	var z, columns [][]float64
	var to []*float64
	flush := func() error {
		s.model.Columns = columns
		h, err := s.model.Hamiltonian(s.states(z))
		for i := range h {
			*to[i] = s.scaling.Energy() * h[i]
		}
		z, columns, to = z[:0], columns[:0], to[:0]
		return err
	}
	for i, p := range paths {
		for k := range p.lost {
			z, columns, to = append(z, p.rows[k]), append(columns, p.columnsAt(k)), append(to, &list[i].H[k])
			if len(z) == block {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	return flush()
}

func fill(values []float64, v float64) {
	for i := range values {
		values[i] = v
	}
}
