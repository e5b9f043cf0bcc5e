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
	energy  bool      // whether the model has one
	model   *hamiltonian.Evaluator
	x       [][]float64 // of a call of the model; grows to the largest batch
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
	if friction, inputs := d.Equation.Exchanges(); friction || inputs {
		s.size = n + 2
	}
	d.Scaling = hamiltonian.Unit(n, d.Equation.Columns)
	d.Scaling.Columns = s.scaling.Columns
	var err error
	s.model, err = d.Evaluator(1)
	return s, err
}

// reads reports whether a network reads the positions (first is 0) or the momenta (first is their number).
func reads(e hamiltonian.Equation, network, first int) bool {
	return e.Features == nil || e.Features[network] == nil || slices.ContainsFunc(e.Features[network], func(f hamiltonian.Feature) bool {
		return f.Column >= first && f.Column < first+e.Dimension()/2 && f.Function != hamiltonian.One
	})
}

// notSeparable returns the reason why the velocities depend on the positions or the forces on the momenta, "" if neither is so.
func notSeparable(e hamiltonian.Equation) string {
	if friction, _ := e.Exchanges(); friction || e.Hamiltonian == nil {
		return "this model has friction or no Hamiltonian"
	}
	n := e.Dimension() / 2
	for _, h := range e.Hamiltonian {
		if h.Output == hamiltonian.MassMatrix {
			return "the masses of this model depend on q"
		}
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

// start returns trajectories with their first row.
func (s *system) start(observed []datasets.Observed) []*path {
	paths := make([]*path, len(observed))
	for i, t := range observed {
		p := &path{times: make([]float64, len(t.Times)), rows: newMatrix(len(t.Times), s.size).rows, lost: len(t.Times)}
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

// states returns the parts (q, p) of z, with angles between −π and π, where float32 is most precise. The next call overwrites them.
func (s *system) states(z [][]float64) [][]float64 {
	if len(s.x) < len(z) {
		s.x = newMatrix(len(z), s.n).rows
	}
	for i, x := range s.x[:len(z)] {
		copy(x, z[i])
		for j, turn := range s.turns {
			if turn > 0 {
				x[j] -= turn * math.RoundToEven(x[j]/turn)
			}
		}
	}
	return s.x[:len(z)]
}

// steps are states z with their columns and the lengths of steps from them.
type steps struct {
	columns, z [][]float64
	lengths    []float64
}

func (s *steps) clear() { s.columns, s.z, s.lengths = s.columns[:0], s.z[:0], s.lengths[:0] }

func (s *steps) add(columns []float64, length float64, z []float64) {
	s.columns, s.z, s.lengths = append(s.columns, columns), append(s.z, z), append(s.lengths, length)
}

// field writes the change of each z by a step of Euler's method into out.
func (s *system) field(from steps, out [][]float64) error {
	s.model.Columns = from.columns
	var err error
	if x := s.states(from.z); s.size > s.n {
		err = s.model.Balance(x, out)
	} else {
		err = s.model.Field(nil, x, out)
	}
	for i, length := range from.lengths {
		for j := range out[i] {
			out[i][j] *= length
		}
	}
	return err
}

// finish returns trajectories in the units of the observations, with their energies.
func (s *system) finish(paths []*path, observed []datasets.Observed) ([]Predicted, error) {
	list := make([]Predicted, len(paths))
	for i, p := range paths {
		count := len(p.times)
		list[i] = Predicted{States: p.rows, H: make([]float64, count), Dissipated: make([]float64, count), Supplied: make([]float64, count)}
		if err := s.energies(p, list[i].H); err != nil {
			return nil, err
		}
		for k, z := range p.rows {
			if k >= p.lost {
				fill(z, math.NaN())
				list[i].H[k], list[i].Dissipated[k], list[i].Supplied[k] = math.NaN(), math.NaN(), math.NaN()
			}
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

// energies writes H at each row, NaN without a Hamiltonian.
func (s *system) energies(p *path, to []float64) error {
	fill(to, math.NaN())
	const block = 1024
	for first := 0; first < len(to) && s.energy; first += block {
		last := min(first+block, len(to))
		if p.columns != nil {
			s.model.Columns = p.columns[first:last]
		}
		h, err := s.model.Hamiltonian(s.states(p.rows[first:last]))
		if err != nil {
			return err
		}
		floats.ScaleTo(to[first:last], s.scaling.Energy(), h)
	}
	return nil
}

func fill(values []float64, v float64) {
	for i := range values {
		values[i] = v
	}
}
