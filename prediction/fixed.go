package prediction

import (
	"math"

	"hnn/integrator"
)

// fixed integrates from each row to the next in equal steps of at most the given length; solver makes a solver of one step length. Between rows,
// the solver's time runs from 0 to 1. One call therefore serves all trajectories with the same number of steps, whatever their times.
func (s *system) fixed(paths []*path, step float64, solver func(step float64) integrator.Solver) error {
	for row := 1; ; row++ {
		groups := map[int][]*path{} // by number of steps
		for _, p := range paths {
			if row < p.lost {
				steps := max(1, int(math.Ceil((p.times[row]-p.times[row-1])/step-1e-9)))
				groups[steps] = append(groups[steps], p)
			}
		}
		if len(groups) == 0 {
			return nil
		}
		for steps, group := range groups {
			if err := s.interval(group, row, solver(1/float64(steps))); err != nil {
				return err
			}
		}
	}
}

// interval integrates from the row before to a row. A trajectory on which the solver fails is lost, without an error. If the model fails, interval
// returns an error.
func (s *system) interval(group []*path, row int, solver integrator.Solver) error {
	var from steps
	for _, p := range group {
		from.add(p.columnsAt(row-1), p.times[row]-p.times[row-1], p.rows[row-1])
	}
	var failure error
	solutions, err := solver.Solve(func(_ []float64, z, out [][]float64) error {
		failure = s.field(steps{from.columns, z, from.lengths}, out)
		return failure
	}, from.z, []float64{0, 1})
	switch {
	case failure != nil:
		return failure
	case err != nil && len(group) == 1:
		group[0].lost = row
		return nil
	case err != nil: // The solver fails on at least one trajectory. Each is integrated alone, so that only those on which it fails are lost.
		for i := range group {
			if err := s.interval(group[i:i+1], row, solver); err != nil {
				return err
			}
		}
		return nil
	}
	for i, p := range group {
		if copy(p.rows[row], solutions[i].States[1]); outside(p.rows[row][:s.n]) {
			p.lost = row
		}
	}
	return nil
}

func midpoint(step float64) integrator.Solver { return integrator.ImplicitMidpoint{Step: step} }

// leapfrog returns the Störmer-Verlet method with a step: half a kick, a drift, half a kick. The energies change with the drift.
func (s *system) leapfrog(step float64) integrator.Solver { return verlet{s, step} }

type verlet struct {
	*system
	step float64
}

// Solve implements integrator.Solver.
func (v verlet) Solve(f integrator.Field, starts [][]float64, times []float64) ([]integrator.Solution, error) {
	slope := newMatrix(len(starts), v.size).rows
	return integrator.FixedSteps(f, starts, times, v.step, func(f integrator.Field, t, h float64, z [][]float64) error {
		move := func(h float64, moves func(component int) bool) error {
			if err := f(nil, z, slope); err != nil {
				return err
			}
			for i := range z {
				for j := range z[i] {
					if moves(j) {
						z[i][j] += h * slope[i][j]
					}
				}
			}
			return nil
		}
		kick := func(j int) bool { return j >= v.n/2 && j < v.n }
		if err := move(h/2, kick); err != nil {
			return err
		}
		if err := move(h, func(j int) bool { return !kick(j) }); err != nil {
			return err
		}
		return move(h/2, kick)
	})
}
