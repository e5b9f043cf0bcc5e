package prediction_test

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/nets"
	"hnn/prediction"
)

// oscillator is H = p²/2 + stiffness·q²/2, with the friction −damping·p, and a force of the input if there is one.
type oscillator struct {
	stiffness, damping float64
	force              float64 // for an input of 1; 0 for no input
	angle              bool
	known              bool // the damping is in the matrix of the equation in place of a network
	kinetic            hamiltonian.Kinetic
	scaling            *hamiltonian.Scaling
}

// model returns a port-Hamiltonian model with a network of zeros, whose quadratic forms are the oscillator's.
func (o oscillator) model(t testing.TB) *hamiltonian.Evaluator {
	t.Helper()
	c := hamiltonian.Config{Dimension: 2, Hidden: 8, HiddenLayers: 1, Activation: "tanh", Kinetic: hamiltonian.Quadratic, Friction: hamiltonian.NoFriction,
		Angles: []bool{o.angle}}
	if o.kinetic != "" {
		c.Kinetic = o.kinetic
	}
	if o.damping != 0 && !o.known {
		c.Friction = hamiltonian.ConstantFriction
	}
	if o.force != 0 {
		c.Inputs = 1
	}
	d := hamiltonian.Dynamics{Equation: hamiltonian.Port.Equation(c), Scaling: o.scaling}
	if o.known {
		d.Equation.Terms[0].Matrix[1][1] = -o.damping
	}
	d.Parameters = d.Equation.Zeros()
	values := map[string][2]float64{"kinetic.": {1, 1}, "elastic.": {1, o.stiffness}, "friction.": {math.Sqrt(o.damping)}, "input.": {o.force}}
	d.Parameters.EachLayer(d.Equation.Networks, func(network, layer int, weight, _ []float32) {
		if v, ok := values[d.Equation.Networks[network].Prefix]; ok {
			weight[0] = float32(v[layer])
		}
	})
	e, err := d.Evaluator(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func times(stop float64, n int) []float64 {
	list := make([]float64, n)
	for i := range list {
		list[i] = stop * float64(i) / float64(n-1)
	}
	return list
}

// starts returns trajectories of a system with one position from starts (q, p), at their times.
func starts(times []float64, states ...[]float64) datasets.Observations {
	at := datasets.Observations{Positions: 1, Angles: []float64{0}, TimeName: "t"}
	for _, s := range states {
		at.Trajectories = append(at.Trajectories, datasets.Observed{Times: times, States: [][]float64{s}})
	}
	return at
}

func run(t *testing.T, at datasets.Observations, integrator string, models ...*hamiltonian.Evaluator) prediction.Prediction {
	t.Helper()
	p, err := prediction.Run(models, at, prediction.Options{Integrator: integrator, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// near fails the test if got differs from want by more than the tolerance, or is NaN.
func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Fatalf("%s is %.9g, want %.9g within %g", what, got, want, tolerance)
	}
}

// damped returns the closed form of q” + r·q' + k·q = 0 from (q, p = q').
func damped(k, r float64, start []float64, t float64) (q, p float64) {
	w := math.Sqrt(k - r*r/4)
	a, b := start[0], (start[1]+r/2*start[0])/w
	decay, sin, cos := math.Exp(-r/2*t), math.Sin(w*t), math.Cos(w*t)
	return decay * (a*cos + b*sin), decay * ((b*w-r/2*a)*cos - (a*w+r/2*b)*sin)
}

// Trajectories of other times and lengths, rows that are close together and far apart, follow the closed form. What friction dissipates is what
// the energy loses, and never falls. The friction comes from a network, or from the matrix of the equation.
func TestDampedOscillator(t *testing.T) {
	const k, r = 2.25, 0.2
	at := starts(times(30, 3001), []float64{1, 0}, []float64{-0.3, 0.8}, []float64{2, 1})
	at.Trajectories[1].Times = []float64{5, 5.01, 6, 17, 30}
	at.Trajectories[2].Times = []float64{-2}
	for _, integrator := range []string{prediction.RK45, prediction.Midpoint} {
		tolerance := map[string]float64{prediction.RK45: 2e-5, prediction.Midpoint: 2e-3}[integrator]
		p := run(t, at, integrator, oscillator{stiffness: k, damping: r, known: integrator == prediction.Midpoint}.model(t))
		if !p.Energy || !p.Friction || p.Driven || len(p.Notes) > 0 {
			t.Fatalf("energy %v, friction %v, driven %v, notes %q", p.Energy, p.Friction, p.Driven, p.Notes)
		}
		for i, trajectory := range p.Trajectories {
			observed := at.Trajectories[i]
			if len(trajectory.States) != len(observed.Times) {
				t.Fatalf("trajectory %d has %d rows, want %d", i, len(trajectory.States), len(observed.Times))
			}
			energy := func(q, p float64) float64 { return p*p/2 + k*q*q/2 }
			for row, state := range trajectory.States {
				what := fmt.Sprintf("%s, trajectory %d, row %d: ", integrator, i, row)
				wantQ, wantP := damped(k, r, observed.States[0], observed.Times[row]-observed.Times[0])
				near(t, what+"q", state[0], wantQ, tolerance)
				near(t, what+"p", state[1], wantP, tolerance)
				near(t, what+"H", trajectory.H[row], energy(wantQ, wantP), 3*tolerance)
				near(t, what+"the dissipated energy", trajectory.Dissipated[row], energy(observed.States[0][0], observed.States[0][1])-energy(wantQ, wantP), 3*tolerance)
				near(t, what+"the supplied energy", trajectory.Supplied[row], 0, 0)
			}
			if !slices.IsSortedFunc(trajectory.Dissipated, func(a, b float64) int {
				if a < b-1e-6 {
					return -1
				}
				return 0
			}) {
				t.Errorf("%s, trajectory %d: the dissipated energy falls", integrator, i)
			}
		}
	}
}

// A force that is held between rows moves the centre of the oscillation to u/k. The input is one of another sign and size at each row.
func TestHeldInputs(t *testing.T) {
	const k, r, g = 1.5, 0.1, 0.7
	random := rand.New(rand.NewPCG(1, 2))
	at := starts(times(40, 201), []float64{0.5, -0.2}, []float64{1, 0})
	at.Inputs = []string{"u1"}
	for i := range at.Trajectories {
		for range 201 {
			at.Trajectories[i].Inputs = append(at.Trajectories[i].Inputs, []float64{random.NormFloat64()})
		}
	}
	at.Trajectories[1].Inputs = slices.Repeat([][]float64{{0.5}}, 201)
	for _, friction := range []float64{r, 0} {
		for integrator, tolerance := range map[string]float64{prediction.RK45: 6e-5, prediction.Midpoint: 5e-3, prediction.Leapfrog: 5e-3} {
			if integrator == prediction.Leapfrog && friction > 0 {
				continue
			}
			p := run(t, at, integrator, oscillator{stiffness: k, damping: friction, force: g}.model(t))
			if p.Friction != (friction > 0) || !p.Driven {
				t.Fatalf("friction %v, driven %v", p.Friction, p.Driven)
			}
			for i, trajectory := range p.Trajectories {
				observed := at.Trajectories[i]
				want, supplied := observed.States[0], 0.0
				energy := func(x []float64) float64 { return x[1]*x[1]/2 + k*x[0]*x[0]/2 }
				for row, state := range trajectory.States {
					what := fmt.Sprintf("%s, friction %g, trajectory %d, row %d: ", integrator, friction, i, row)
					near(t, what+"q", state[0], want[0], tolerance)
					near(t, what+"p", state[1], want[1], tolerance)
					near(t, what+"H", trajectory.H[row], energy(want), 5*tolerance)
					near(t, what+"the supplied energy", trajectory.Supplied[row], supplied, 5*tolerance)
					near(t, what+"the dissipated energy", trajectory.Dissipated[row], energy(observed.States[0])+supplied-energy(want), 5*tolerance)
					if row < len(observed.Times)-1 {
						force := g * observed.Inputs[row][0]
						q, p := damped(k, friction, []float64{want[0] - force/k, want[1]}, observed.Times[row+1]-observed.Times[row])
						q += force / k
						supplied += force * (q - want[0]) // a constant force does this work
						want = []float64{q, p}
					}
				}
			}
		}
	}
}

// The symplectic integrators keep the energy over 1000 time units: midpoint up to rounding, leapfrog within h²/8 of H for stiffness 1.
func TestEnergyOverLongTimes(t *testing.T) {
	at := starts(times(1000, 101), []float64{1, 0})
	for integrator, tolerance := range map[string]float64{prediction.Midpoint: 2e-5, prediction.Leapfrog: 0.02 * 0.02 / 8 * 1.2} {
		for row, h := range run(t, at, integrator, oscillator{stiffness: 1}.model(t)).Trajectories[0].H {
			near(t, fmt.Sprintf("%s: H at row %d", integrator, row), h, 0.5, tolerance)
		}
	}
}

// A trajectory of q” = q grows as eᵗ and leaves the data after ln 2·10⁶ = 14.5. Those beside it go on. Constant H is no obstacle.
func TestLostTrajectories(t *testing.T) {
	at := starts(times(20, 21), []float64{1, -1}, []float64{1, 1}, []float64{0, 0})
	at.Trajectories[1].Label = "grows"
	for _, integrator := range prediction.Integrators {
		p := run(t, at, integrator, oscillator{stiffness: -1}.model(t))
		for i, trajectory := range p.Trajectories {
			for row, state := range trajectory.States {
				if lost := math.IsNaN(state[0]) && math.IsNaN(state[1]) && math.IsNaN(trajectory.H[row]); lost != (i == 1 && row >= 14) {
					t.Fatalf("%s, trajectory %d, row %d: state %v, H %g", integrator, i, row, state, trajectory.H[row])
				}
			}
		}
		if len(p.Notes) != 1 || !strings.Contains(p.Notes[0], "1 of 3") || !strings.Contains(p.Notes[0], "trajectory grows, which is NaN from t = 14 on") {
			t.Errorf("%s: notes %q", integrator, p.Notes)
		}
	}
}

// The units of the observations change nothing: position in cm, momentum in g·cm/s, time in ms.
func TestUnits(t *testing.T) {
	scaling := &hamiltonian.Scaling{Center: []float64{50, 0}, Scale: []float64{100, 1e5}, Time: 1000}
	at := starts(times(10000, 101), []float64{150, 0})
	p := run(t, at, prediction.RK45, oscillator{stiffness: 1, scaling: scaling}.model(t)).Trajectories[0]
	for row, state := range p.States {
		time := at.Trajectories[0].Times[row] / 1000
		near(t, "q", state[0], 50+100*math.Cos(time), 1e-3)
		near(t, "p", state[1], -1e5*math.Sin(time), 1)
		near(t, "H", p.H[row], 1e4/2, 0.1) // the scales of q and p over that of time is 10⁴
	}
}

// A thousand full turns change nothing, though float32 does not hold the angle as exactly then.
func TestAngles(t *testing.T) {
	model := oscillator{angle: true}.model(t)
	random := rand.New(rand.NewPCG(3, 4))
	nets.Initialise(model.Equation.Networks, model.Parameters, random)
	model, err := model.Dynamics.Evaluator(1)
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	const turns = 2000 * math.Pi
	at := starts(times(20, 41), []float64{0.3, 1.5}, []float64{0.3 + turns, 1.5})
	at.Angles = []float64{2 * math.Pi}
	p := run(t, at, prediction.RK45, model)
	for row, state := range p.Trajectories[0].States {
		near(t, "the angle", p.Trajectories[1].States[row][0]-turns, state[0], 1e-6)
	}
}

// An ensemble of two oscillators has their mean, and half of their difference times √2 as its standard deviation.
func TestEnsemble(t *testing.T) {
	at := starts(times(10, 51), []float64{1, 0})
	p := run(t, at, prediction.RK45, oscillator{stiffness: 1}.model(t), oscillator{stiffness: 1.21}.model(t)).Trajectories[0]
	for row, time := range at.Trajectories[0].Times {
		a, b := math.Cos(time), math.Cos(1.1*time)
		near(t, "the mean", p.States[row][0], (a+b)/2, 1e-5)
		near(t, "the standard deviation", p.Deviations[row][0], math.Abs(a-b)/math.Sqrt2, 2e-5)
		near(t, "the energy", p.H[row], (0.5+0.605)/2, 1e-5)
	}
}

// The rest of the batch and the number of threads do not change a trajectory.
func TestABatchEqualsItsTrajectories(t *testing.T) {
	at := starts(times(5, 26), []float64{1, 0})
	for i := range 40 {
		at.Trajectories = append(at.Trajectories, datasets.Observed{Times: times(float64(i+1), 3*i+2), States: [][]float64{{float64(i) / 10, 1}}})
	}
	model := oscillator{stiffness: 2, damping: 0.3}.model(t)
	for integrator, tolerance := range map[string]float64{prediction.RK45: 0, prediction.Midpoint: 1e-6} {
		together := run(t, at, integrator, model)
		for i := range at.Trajectories {
			single := at
			single.Trajectories = at.Trajectories[i : i+1]
			alone, err := prediction.Run([]*hamiltonian.Evaluator{model}, single, prediction.Options{Integrator: integrator, Threads: 1})
			if err != nil {
				t.Fatal(err)
			}
			for row, state := range alone.Trajectories[0].States {
				near(t, integrator+": q", together.Trajectories[i].States[row][0], state[0], tolerance)
			}
		}
	}
}

func TestCSV(t *testing.T) {
	at := starts([]float64{0, 0.1}, []float64{1, 0}, []float64{0, 0.25})
	at.Trajectories[1].Label = `b,"c"`
	p := prediction.Prediction{Energy: true, Friction: true, Driven: true, Trajectories: []prediction.Predicted{
		{States: [][]float64{{1, 0}, {0.5, -1e-20}}, Deviations: [][]float64{{0, 0}, {0.1, 2}}, H: []float64{1, 2}, Dissipated: []float64{0, 1. / 3}, Supplied: []float64{0, 7}},
		{States: [][]float64{{0, 0.25}, {math.NaN(), math.NaN()}}, Deviations: [][]float64{{0, 0}, {math.NaN(), 1}}, H: []float64{1, math.NaN()},
			Dissipated: []float64{0, 0}, Supplied: []float64{0, 0}},
	}}
	var out bytes.Buffer
	if err := prediction.WriteCSV(&out, at, p); err != nil {
		t.Fatal(err)
	}
	want := `trajectory,t,q1,p1,H,dissipated,supplied,sd_q1,sd_p1
1,0,1,0,1,0,0,0,0
1,0.1,0.5,-1e-20,2,0.3333333333,7,0.1,2
"b,""c""",0,0,0.25,1,0,0,0,0
"b,""c""",0.1,NaN,NaN,NaN,0,0,NaN,1
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}

	// Many blocks keep their order.
	p = prediction.Prediction{Trajectories: make([]prediction.Predicted, 3)}
	at = starts(times(19999, 20000), []float64{0, 0}, []float64{0, 0}, []float64{0, 0})
	for i := range p.Trajectories {
		p.Trajectories[i].States = slices.Repeat([][]float64{{float64(i), 0}}, 20000)
	}
	out.Reset()
	if err := prediction.WriteCSV(&out, at, p); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 60001 {
		t.Fatalf("%d lines, want 60001", len(lines))
	}
	for i, line := range lines[1:] {
		if want := fmt.Sprintf("%d,%d,%d,0", i/20000+1, i%20000, i/20000); line != want {
			t.Fatalf("line %d is %s, want %s", i+2, line, want)
		}
	}
}

func TestErrorsSayWhatIsRight(t *testing.T) {
	at := starts(times(1, 2), []float64{1, 0})
	model := oscillator{stiffness: 1}.model(t)
	driven := at
	driven.Inputs = []string{"u1"}
	for want, test := range map[string]struct {
		at         datasets.Observations
		integrator string
		model      *hamiltonian.Evaluator
	}{
		"choose one of rk45, leapfrog, midpoint": {at, "euler", model},
		"this model has friction":                {at, prediction.Leapfrog, oscillator{stiffness: 1, damping: 0.1}.model(t)},
		"reads both q and p":                     {at, prediction.Leapfrog, oscillator{stiffness: 1, kinetic: hamiltonian.General}.model(t)},
		"2 components and 0 inputs":              {driven, prediction.RK45, model},
		"0 models and 1 trajectories":            {at, prediction.RK45, nil},
	} {
		models := []*hamiltonian.Evaluator{test.model}
		if test.model == nil {
			models = nil
		}
		_, err := prediction.Run(models, test.at, prediction.Options{Integrator: test.integrator})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got the error %v, want one line with %q", err, want)
		}
	}
}

// BenchmarkRows reports predicted rows per second, and rows per second of writing them as CSV: 1000 trajectories over 10 units of time, of a
// system with one position, a period of about 6 and a model of the default size with constant friction.
func BenchmarkRows(b *testing.B) {
	equation := hamiltonian.Port.Equation(hamiltonian.Config{Dimension: 2, Hidden: 64, HiddenLayers: 2, Activation: "tanh",
		Kinetic: hamiltonian.Quadratic, Friction: hamiltonian.ConstantFriction})
	d := hamiltonian.Dynamics{Equation: equation, Parameters: equation.Zeros()}
	nets.Initialise(equation.Networks, d.Parameters, rand.New(rand.NewPCG(0, 0)))
	d.Parameters.EachLayer(equation.Networks, func(network, layer int, weight, _ []float32) {
		if equation.Networks[network].Prefix == "elastic." {
			weight[0] = 1
		}
	})
	model, err := d.Evaluator(1)
	if err != nil {
		b.Fatal(err)
	}
	defer model.Close()
	for _, rows := range []int{101, 1001} {
		b.Run(fmt.Sprintf("step=%g", 10/float64(rows-1)), func(b *testing.B) {
			at := starts(times(10, rows))
			for i := range 1000 {
				at.Trajectories = append(at.Trajectories, datasets.Observed{Times: times(10, rows), States: [][]float64{{float64(i)/1000 + 0.2, 0.1}}})
			}
			var writing time.Duration
			for b.Loop() {
				p, err := prediction.Run([]*hamiltonian.Evaluator{model}, at, prediction.Options{})
				if err != nil {
					b.Fatal(err)
				}
				start := time.Now()
				if err := prediction.WriteCSV(io.Discard, at, p); err != nil {
					b.Fatal(err)
				}
				writing += time.Since(start)
			}
			count := float64(rows * len(at.Trajectories) * b.N)
			b.ReportMetric(count/(b.Elapsed()-writing).Seconds(), "rows/s")
			b.ReportMetric(count/writing.Seconds(), "CSV-rows/s")
		})
	}
}
