package fit

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/stat"

	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/prediction"
)

// oscillator returns trajectories of ẍ = −x − γẋ with unit mass, from its closed form: x = e^(−γt/2)·(a cos ωt + b sin ωt). Positions, momenta and
// times are in the given units, and states have Gaussian noise.
func oscillator(trajectories, rows int, dt, friction, noise float64, units [3]float64) datasets.Observations {
	random := rand.New(rand.NewPCG(1, 2))
	o := datasets.Observations{Positions: 1, Angles: []float64{0}, Measured: true, Names: []string{"q1", "p1"}, TimeName: "t"}
	for range trajectories {
		a, b := random.NormFloat64(), random.NormFloat64()
		var t datasets.Observed
		for i := range rows {
			time := float64(i) * dt
			x := exact(a, b, friction, time)
			for j := range x {
				x[j] = (x[j] + noise*random.NormFloat64()) * units[j]
			}
			t.Times, t.States = append(t.Times, time*units[2]), append(t.States, x)
		}
		o.Trajectories = append(o.Trajectories, t)
	}
	return o
}

func exact(a, b, friction, time float64) []float64 {
	half := friction / 2
	omega := math.Sqrt(1 - half*half)
	sin, cos := math.Sincos(omega * time)
	decay := math.Exp(-half * time)
	return []float64{decay * (a*cos + b*sin), decay * (-half*(a*cos+b*sin) + omega*(b*cos-a*sin))}
}

func fast(effort float64) Options {
	o := DefaultOptions(hamiltonian.Port)
	o.Effort, o.Hidden = effort, 16
	return o
}

func fitted(t *testing.T, options Options, o datasets.Observations) *Result {
	t.Helper()
	r, err := Fit(context.Background(), options, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The friction of noisy measurements is found, and predictions from unseen starts follow the closed form, whatever the units.
func TestNoisyOscillator(t *testing.T) {
	const friction, noise = .1, .02
	for name, units := range map[string][3]float64{"order 1": {1, 1, 1}, "degrees, grams and milliseconds": {57.3, 4e-3, 160}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := fitted(t, fast(.2), oscillator(10, 81, .1, friction, noise, units))
			if r.Record.Friction != hamiltonian.ConstantFriction {
				t.Errorf("the validation chose the friction %q", r.Record.Friction)
			}
			train := oscillator(2, 20, .1, friction, 0, units)
			rate, _, err := r.FrictionRate(train)
			if err != nil || math.Abs(rate*units[2]-friction) > .03*friction {
				t.Errorf("the friction rate is %g, and %g is true: %v", rate*units[2], friction, err)
			}
			checkFriction(t, r, oscillator(10, 81, .1, friction, noise, units), friction, noise, units)
			test := oscillator(3, 200, .1, friction, 0, units)
			score, err := r.Score(test)
			if err != nil || score.Error > .02 {
				t.Errorf("predictions over 20 units of time are %g standard deviations off: %v", score.Error, err)
			}
		})
	}
}

// checkFriction compares R and its standard error with the truth and with the Cramér-Rao bound. A rate γ damps an oscillation of amplitude a as
// a·e^(−γt/2). With its amplitude free, the rows of one trajectory give γ the information Σ (t − t̄)²·a²/(4σ²).
func checkFriction(t *testing.T, r *Result, o datasets.Observations, friction, noise float64, units [3]float64) {
	matrix, errors, err := r.Friction(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	unit := units[1] / units[0]
	information := 0.0
	for _, path := range o.Trajectories {
		rows := float64(len(path.Times))
		q, p := path.States[0][0]/units[0], path.States[0][1]/units[1]
		information += (q*q + p*p) * math.Exp(-friction*4) * rows * 8 * 8 / 12 / (4 * noise * noise)
	}
	bound := 1 / math.Sqrt(information)
	value, deviation := matrix[0][0]/unit, errors[0][0]/unit
	if math.Abs(value-friction) > 4*deviation || deviation < bound/2 || deviation > 4*bound {
		t.Errorf("the friction is %g ± %g; %g is true, and no estimate has a smaller error than %g", value, deviation, friction, bound)
	}
}

// Friction that is not there is not learned.
func TestNoFriction(t *testing.T) {
	r := fitted(t, fast(.2), oscillator(8, 81, .1, 0, .02, [3]float64{1, 1, 1}))
	if r.Record.Friction != hamiltonian.NoFriction || !r.Equation.Conserves() {
		t.Errorf("the validation chose the friction %q: %+v", r.Record.Friction, r.Record.Candidates)
	}
}

// The baseline and the HNN train through windows too, and by symmetric steps.
func TestOtherModelsAndLosses(t *testing.T) {
	for _, model := range hamiltonian.Models {
		for _, loss := range Losses {
			o := DefaultOptions(model)
			o.Hidden, o.Loss, o.Effort, o.Kinetic, o.Friction = 16, loss, .1, "", ""
			r := fitted(t, o, oscillator(6, 61, .1, 0, 0, [3]float64{1, 1, 1}))
			score, err := r.Score(oscillator(2, 61, .1, 0, 0, [3]float64{1, 1, 1}))
			if limit := .2; err != nil || !(score.Error < limit) {
				t.Errorf("%s, %s: predictions are %g standard deviations off: %v", model.Name, loss, score.Error, err)
			}
		}
	}
}

// The energy of a port-Hamiltonian model never rises without an input, whatever its parameters: dH/dt = −∇H·R∇H ≤ 0.
func TestEnergyNeverRises(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, friction := range []hamiltonian.Friction{hamiltonian.ConstantFriction, hamiltonian.StateFriction} {
		for range 5 {
			equation := hamiltonian.Port.Equation(hamiltonian.Config{Dimension: 4, Hidden: 8, HiddenLayers: 2, Activation: "tanh",
				Angles: []bool{false, true}, Kinetic: hamiltonian.General, Friction: friction})
			parameters := equation.Zeros()
			for _, p := range parameters {
				for i := range p.Values {
					p.Values[i] = float32(random.NormFloat64() / 2)
					if strings.HasPrefix(p.Name, "kinetic.linear2") || strings.HasPrefix(p.Name, "elastic.linear2") {
						p.Values[i] = 1 // an energy without a lower bound lets states escape
					}
				}
			}
			e, err := hamiltonian.Dynamics{Equation: equation, Parameters: parameters}.Evaluator(1)
			if err != nil {
				t.Fatal(err)
			}
			at := datasets.Observations{Positions: 2, Angles: make([]float64, 2), Measured: true}
			for range 4 {
				path := datasets.Observed{Times: []float64{0}, States: [][]float64{{random.NormFloat64(), random.NormFloat64(), random.NormFloat64(), random.NormFloat64()}}}
				for i := range 50 {
					path.Times, path.States = append(path.Times, float64(i+1)*.05), append(path.States, path.States[0])
				}
				at.Trajectories = append(at.Trajectories, path)
			}
			p, err := prediction.Run([]*hamiltonian.Evaluator{e}, at, prediction.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range p.Trajectories {
				for i := 1; i < len(path.H); i++ {
					if rise := path.H[i] - path.H[i-1]; rise > 1e-4*(1+math.Abs(path.H[0])) {
						t.Errorf("%s: the energy rises by %g from %g", friction, rise, path.H[i-1])
					}
				}
				if last := len(path.H) - 1; !(path.H[last] < path.H[0]) {
					t.Errorf("%s: friction leaves the energy at %g, from %g", friction, path.H[last], path.H[0])
				}
			}
			e.Close()
		}
	}
}

// A seed gives the same parameters on any number of threads, and a saved model is the model.
func TestSameNumbersAndFiles(t *testing.T) {
	observed := oscillator(5, 41, .1, .1, .02, [3]float64{1, 1, 1})
	options := fast(.02)
	var results []*Result
	for _, options.Threads = range []int{1, 2} {
		results = append(results, fitted(t, options, observed))
	}
	files := Files(t.TempDir(), "my", "port", 0)
	results[1].Record.Task = "my"
	if err := results[1].Save(files, true); err != nil {
		t.Fatal(err)
	}
	loaded, err := Load(files.Finished)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range results[0].Parameters {
		if !slices.Equal(p.Values, results[1].Parameters[i].Values) || !slices.Equal(p.Values, loaded.Parameters[i].Values) {
			t.Errorf("%s differs between 1 and 2 threads, or in the file", p.Name)
		}
	}
	if loaded.Record.Task != "my" || loaded.Scaling.Time != results[1].Scaling.Time {
		t.Errorf("the file says %+v", loaded.Record)
	}
}

// A long step is split, a gap ends a piece, and a window holds no rows of two pieces.
func TestGaps(t *testing.T) {
	track := datasets.Observed{Times: []float64{0, 1, 2, 4, 5, 30, 31, 32}}
	for _, time := range track.Times {
		track.States = append(track.States, []float64{time, -time})
	}
	s := newSeries([]datasets.Observed{track}, hamiltonian.Unit(2, 0))
	if len(s) != 2 || len(s[0].state) != 6 || len(s[1].state) != 3 {
		t.Fatalf("%d pieces: %+v", len(s), s)
	}
	if want := []bool{true, true, true, false, true, true}; !slices.Equal(s[0].observed, want) {
		t.Errorf("the rows are observed: %t", s[0].observed)
	}
	if b := s.steps(); b.Count != 5 {
		t.Errorf("%d steps between observed neighbours; there are 5", b.Count)
	}
	b := s.windows(3, 1)
	if b.Count != 4 || b.Starts[0] != 0 || b.Starts[6] != 30 {
		t.Errorf("%d windows from %v", b.Count, b.Starts)
	}
	for i, weight := range b.Weights {
		if i%2 == 1 && weight != 0 {
			t.Errorf("a component that is not observed has the weight %g", weight)
		}
	}
}

func TestErrors(t *testing.T) {
	observed := oscillator(3, 30, .1, 0, 0, [3]float64{1, 1, 1})
	for want, change := range map[string]func(*Options){
		`no loss "rk4"`:       func(o *Options) { o.Loss = "rk4" },
		`no friction "much"`:  func(o *Options) { o.Friction = "much" },
		`no kinetic energy`:   func(o *Options) { o.Kinetic = "given" },
		"the effort is 0":     func(o *Options) { o.Effort = 0 },
		"weight decay is -1":  func(o *Options) { o.WeightDecay = -1 },
		"there are 0 hidden":  func(o *Options) { o.Layers = 0 },
		`no nonlinearity "x"`: func(o *Options) { o.Activation = "x" },
	} {
		options := fast(.01)
		change(&options)
		if _, err := Fit(context.Background(), options, observed, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in the error %v", want, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if r, err := Fit(ctx, fast(.01), observed, nil); r != nil || err != context.Canceled {
		t.Errorf("a training that was cancelled at its start returns %v, %v", r, err)
	}
}

// Where a model learns the noise of few rows, training stops early, and the kept parameters predict the oscillations without noise.
func TestEarlyStopping(t *testing.T) {
	o := DefaultOptions(hamiltonian.Port)
	o.Effort = .5
	const noise = .15
	r := fitted(t, o, oscillator(3, 25, .3, 0, noise, [3]float64{1, 1, 1}))
	if last := r.Losses[len(r.Losses)-1]; last.Part != stopping {
		t.Errorf("the training ends in the part %q", last.Part)
	}
	exact := oscillator(3, 25, .3, 0, 0, [3]float64{1, 1, 1})
	score, err := r.Score(exact)
	if limit := 2 * noise / stat.StdDev(exact.Component(0), nil); err != nil || !(score.Error < limit) {
		t.Errorf("predictions are %g standard deviations off; noise in the starts explains half of %g: %v", score.Error, limit, err)
	}
}

// A training that is interrupted after the choice of the form returns the model so far.
func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	observed := oscillator(5, 41, .1, 0, 0, [3]float64{1, 1, 1})
	r, err := Fit(ctx, fast(.05), observed, func(p Progress) {
		if p.Step > p.Total-10 {
			cancel()
		}
	})
	if err == nil || r == nil {
		t.Fatalf("an interrupted training returns %v, %v", r, err)
	}
	if score, err := r.Score(observed); err != nil || !(score.Error < .2) {
		t.Errorf("the model of an interrupted training is %g standard deviations off: %v", score.Error, err)
	}
}
