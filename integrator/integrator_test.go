package integrator_test

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"strings"
	"testing"

	"hnn/integrator"
)

func spring(_ float64, y, out []float64)   { out[0], out[1] = 2*y[1], -2*y[0] }
func pendulum(_ float64, y, out []float64) { out[0], out[1] = 2*y[1], -3*math.Sin(y[0]) }

// tao is the field of H = (q² + 1)(p² + 1)/2, which is not separable (Tao, Phys. Rev. E 94, 2016).
func tao(_ float64, y, out []float64) {
	q, p := y[0], y[1]
	out[0], out[1] = (q*q+1)*p, -q*(p*p+1)
}

// gravity is the field of unit masses in a plane with G = 1.
func gravity(_ float64, y, out []float64) {
	n := len(y) / 4
	x, v := y[:2*n], y[2*n:]
	copy(out, v)
	for i := range n {
		ax, ay := 0.0, 0.0
		for j := range n {
			if j != i {
				dx, dy := x[j]-x[i], x[n+j]-x[n+i]
				r := math.Sqrt(dx*dx + dy*dy)
				ax, ay = ax+dx/(r*r*r), ay+dy/(r*r*r)
			}
		}
		out[2*n+i], out[3*n+i] = ax, ay
	}
}

func times(stop float64, n int) []float64 {
	list := make([]float64, n)
	for i := range list {
		list[i] = stop * float64(i) / float64(n-1)
	}
	return list
}

// solve integrates a single start and fails the test on an error.
func solve(t *testing.T, s integrator.Solver, f integrator.Derivative, start, times []float64) integrator.Solution {
	t.Helper()
	solutions, err := s.Solve(integrator.Each(f), [][]float64{start}, times)
	if err != nil {
		t.Fatal(err)
	}
	return solutions[0]
}

func TestRK45EqualsScipy(t *testing.T) {
	content, err := os.ReadFile("testdata/scipy.json")
	if err != nil {
		t.Fatal(err)
	}
	var references []struct {
		System    string
		RTol      float64
		NFev      int
		Every     int
		Stop      float64
		Constants []float64
		Y         [][]float64
	}
	if err := json.Unmarshal(content, &references); err != nil {
		t.Fatal(err)
	}
	systems := map[string]integrator.Derivative{"spring": spring, "pend": pendulum, "2body": gravity, "3body": gravity}
	for _, want := range references {
		got := solve(t, integrator.RK45{Relative: want.RTol, Constants: want.Constants}, systems[want.System], want.Y[0], times(want.Stop, 101))
		if got.Evaluations != want.NFev {
			t.Errorf("%s, rtol %g: %d evaluations, want %d", want.System, want.RTol, got.Evaluations, want.NFev)
		}
		for i, state := range want.Y {
			for axis := range state {
				if math.Abs(got.States[i*want.Every][axis]-state[axis]) > 1e-9 {
					t.Errorf("%s, rtol %g, point %d: got %v, want %v", want.System, want.RTol, i, got.States[i*want.Every], state)
				}
			}
		}
	}
}

// A batch costs one call of the field per stage, and each trajectory is the same as alone.
func TestABatchEqualsItsTrajectories(t *testing.T) {
	starts := [][]float64{{0.1, 0}, {2.1, 0}, {3, 0.5}}
	for name, solver := range map[string]integrator.Solver{"RK45": integrator.RK45{Relative: 1e-9}, "Leapfrog": Leapfrog{0.01}} {
		calls := 0
		batch, err := solver.Solve(func(time []float64, y, out [][]float64) error {
			calls++
			return integrator.Each(pendulum)(time, y, out)
		}, starts, times(10, 50))
		if err != nil {
			t.Fatal(err)
		}
		most := 0
		for i, start := range starts {
			single := solve(t, solver, pendulum, start, times(10, 50))
			most = max(most, single.Evaluations)
			if single.Evaluations != batch[i].Evaluations {
				t.Errorf("%s, trajectory %d: %d evaluations alone, %d in the batch", name, i, single.Evaluations, batch[i].Evaluations)
			}
			for j, state := range single.States {
				if state[0] != batch[i].States[j][0] || state[1] != batch[i].States[j][1] {
					t.Fatalf("%s, trajectory %d, point %d: %v alone, %v in the batch", name, i, j, state, batch[i].States[j])
				}
			}
		}
		if calls != most {
			t.Errorf("%s: %d calls of the field for a batch whose longest trajectory needs %d", name, calls, most)
		}
	}
}

// Backward in time, the closed form is q = cos 2t, p = −sin 2t.
func TestBackward(t *testing.T) {
	for name, test := range map[string]struct {
		solver    integrator.Solver
		tolerance float64
	}{
		"RK45":             {integrator.RK45{Relative: 1e-10, Absolute: 1e-12}, 1e-8},
		"Leapfrog":         {Leapfrog{1e-4}, 1e-7},
		"ImplicitMidpoint": {integrator.ImplicitMidpoint{Step: 1e-4}, 1e-7},
	} {
		for i, state := range solve(t, test.solver, spring, []float64{1, 0}, times(-3, 31)).States {
			time := -0.1 * float64(i)
			if math.Abs(state[0]-math.Cos(2*time)) > test.tolerance || math.Abs(state[1]+math.Sin(2*time)) > test.tolerance {
				t.Errorf("%s, t = %g: got %v", name, time, state)
			}
		}
	}
}

// Halving the step divides the error by two to the power of the order.
func TestOrders(t *testing.T) {
	for name, test := range map[string]struct {
		solver func(step float64) integrator.Solver
		order  float64
	}{
		"Leapfrog":         {func(h float64) integrator.Solver { return Leapfrog{h} }, 2},
		"ImplicitMidpoint": {func(h float64) integrator.Solver { return integrator.ImplicitMidpoint{Step: h} }, 2},
	} {
		deviation := func(step float64) float64 {
			end := solve(t, test.solver(step), spring, []float64{1, 0}, []float64{0, 2}).States[1]
			return math.Hypot(end[0]-math.Cos(4), end[1]+math.Sin(4))
		}
		if order := math.Log2(deviation(0.02) / deviation(0.01)); math.Abs(order-test.order) > 0.05 {
			t.Errorf("%s: order %.3f, want %g", name, order, test.order)
		}
	}
}

// The midpoint rule conserves quadratic invariants up to rounding. It keeps the energy of a Hamiltonian that is not separable near its start, while
// RK45 drifts away.
func TestImplicitMidpointIsSymplectic(t *testing.T) {
	for _, state := range solve(t, integrator.ImplicitMidpoint{Step: 0.1}, spring, []float64{1, 0}, times(1000, 11)).States {
		if energy := state[0]*state[0] + state[1]*state[1]; math.Abs(energy-1) > 1e-11 {
			t.Errorf("the spring's energy is %.15g, and was 1", energy)
		}
	}

	energy := func(y []float64) float64 { return (y[0]*y[0] + 1) * (y[1]*y[1] + 1) / 2 }
	worst := func(s integrator.Solver) float64 {
		largest := 0.0
		for _, state := range solve(t, s, tao, []float64{0, -3}, times(1000, 1001)).States {
			largest = max(largest, math.Abs(energy(state)-5))
		}
		return largest
	}
	if midpoint, rk45 := worst(integrator.ImplicitMidpoint{Step: 0.1}), worst(integrator.RK45{Relative: 1e-4}); midpoint > 0.1 || rk45 < 0.5 {
		t.Errorf("the energy 5 of Tao's system moved by %g with the midpoint rule and by %g with RK45", midpoint, rk45)
	}

	// The flow preserves areas: the determinant of its Jacobian is 1.
	const d = 1e-5
	var columns [2][]float64
	for axis := range columns {
		var ends [2][]float64
		for i, sign := range []float64{-1, 1} {
			start := []float64{0.4, -1.2}
			start[axis] += sign * d
			ends[i] = solve(t, integrator.ImplicitMidpoint{Step: 0.1}, tao, start, []float64{0, 3}).States[1]
		}
		columns[axis] = []float64{(ends[1][0] - ends[0][0]) / (2 * d), (ends[1][1] - ends[0][1]) / (2 * d)}
	}
	if det := columns[0][0]*columns[1][1] - columns[0][1]*columns[1][0]; math.Abs(det-1) > 1e-7 {
		t.Errorf("the determinant of the flow's Jacobian is %.10g, want 1", det)
	}
}

// The midpoint rule is symmetric in time: integrating back returns to the start.
func TestImplicitMidpointIsReversible(t *testing.T) {
	start := []float64{0.4, -1.2}
	there := solve(t, integrator.ImplicitMidpoint{Step: 0.1}, tao, start, []float64{0, 100})
	back := solve(t, integrator.ImplicitMidpoint{Step: 0.1}, tao, there.States[1], []float64{100, 0})
	if d := math.Hypot(back.States[1][0]-start[0], back.States[1][1]-start[1]); d > 1e-9 {
		t.Errorf("%g away from the start after going forward and back", d)
	}
}

// With a field in float32, the iteration ends at its rounding.
func TestImplicitMidpointOnFloat32(t *testing.T) {
	coarse := func(time float64, y, out []float64) {
		pendulum(time, []float64{float64(float32(y[0])), float64(float32(y[1]))}, out)
		out[0], out[1] = float64(float32(out[0])), float64(float32(out[1]))
	}
	got := solve(t, integrator.ImplicitMidpoint{Step: 0.05}, coarse, []float64{2.1, 0}, times(20, 401))
	want := solve(t, integrator.ImplicitMidpoint{Step: 0.05}, pendulum, []float64{2.1, 0}, times(20, 401))
	for i := range want.States {
		if math.Abs(got.States[i][0]-want.States[i][0]) > 1e-4 {
			t.Fatalf("point %d: %v in float32, %v in float64", i, got.States[i], want.States[i])
		}
	}
}

func TestErrorsSayWhatAndWhere(t *testing.T) {
	square := integrator.Each(func(_ float64, y, out []float64) { out[0] = y[0] * y[0] }) // y = 1/(1 − t)
	one := [][]float64{{1}}
	for want, solve := range map[string]func() error{
		"at t = 1.0000": func() error {
			return failure(integrator.RK45{Relative: 1e-6, Absolute: 1e-9}, square, one, []float64{0, 2})
		},
		"1000 evaluations of the field were not enough to get beyond t = 0.8": func() error {
			return failure(integrator.RK45{Relative: 1e-12, Absolute: 1e-12, MaxEvaluations: 1000}, square, one, []float64{0, 2})
		},
		"not finite after t = 0.5": func() error {
			return failure(Leapfrog{0.5}, integrator.Each(func(t float64, _, out []float64) { out[1] = 1 / max(0, 1-t) }), [][]float64{{1, 0}}, []float64{0, 2})
		},
		"a step shorter than 2 may help": func() error {
			return failure(integrator.ImplicitMidpoint{Step: 2}, integrator.Each(spring), [][]float64{{1, 0}}, []float64{0, 4})
		},
		"time 2 is 0 after 1": func() error { return failure(integrator.RK45{}, square, one, []float64{0, 1, 0}) },
		"2 components": func() error {
			return failure(integrator.ImplicitMidpoint{Step: 1}, square, [][]float64{{1}, {1, 2}}, []float64{0, 1})
		},
		"must be finite":   func() error { return failure(integrator.RK45{}, square, [][]float64{{math.NaN()}}, []float64{0, 1}) },
		"no initial state": func() error { return failure(integrator.RK45{}, square, nil, []float64{0, 1}) },
		"the step is 0":    func() error { return failure(integrator.ImplicitMidpoint{}, square, one, []float64{0, 1}) },
		"the network broke": func() error {
			return failure(integrator.RK45{}, func([]float64, [][]float64, [][]float64) error { return errors.New("the network broke") }, one, []float64{0, 1})
		},
	} {
		if err := solve(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got the error %v, want one with %q", err, want)
		}
	}
}

func failure(s integrator.Solver, f integrator.Field, starts [][]float64, times []float64) error {
	_, err := s.Solve(f, starts, times)
	return err
}
