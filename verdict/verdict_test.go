package verdict

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hnn/datasets"
	"hnn/fit"
	"hnn/hamiltonian"
)

// system is q” + r·q' + k·q + cubic·q³ = force·u(t), with p = q', and the noise of its measurements.
type system struct {
	stiffness, damping, force, noise float64
	cubic                            float64
	held                             bool // whether u is random, held for ten rows
	hidden                           bool // whether the table lacks u
	step                             float64
	rows                             int
	estimated                        bool // momenta are slopes of the measured positions
}

// observe returns trajectories from random starts. The input u is a sine of another frequency and of a random phase, held for a row, or held
// for ten. In a row, the motion about the centre force·u/k is known in closed form, unless there is a cubic force.
func (s system) observe(count int, seed uint64) datasets.Observations {
	o := datasets.Observations{Positions: 1, Angles: []float64{0}, Measured: !s.estimated, Names: []string{"q1 [cm]", "p1"}, TimeName: "t [s]"}
	if s.force != 0 && !s.hidden {
		o.Inputs = []string{"u1"}
	}
	random := rand.New(rand.NewPCG(seed, 0))
	for range count {
		var t datasets.Observed
		q, p, phase, u := 0.5+random.Float64(), random.NormFloat64(), 2*math.Pi*random.Float64(), 0.0
		for k := range s.rows {
			time := s.step * float64(k)
			if !s.held {
				u = math.Sin(0.37*time + phase)
			} else if k%10 == 0 {
				u = 3*random.Float64() - 1.5
			}
			t.Times = append(t.Times, time)
			t.States = append(t.States, []float64{q + s.noise*random.NormFloat64(), p + s.noise*random.NormFloat64()})
			if o.Inputs != nil {
				t.Inputs = append(t.Inputs, []float64{u})
			}
			if s.cubic != 0 {
				q, p = s.runge(q, p, u)
				continue
			}
			centre := s.force * u / s.stiffness
			q, p = damped(s.stiffness, s.damping, q-centre, p, s.step)
			q += centre
		}
		if s.estimated { // parabolas through three rows
			o.Estimate = datasets.Estimate{Order: 2, Rows: 3}
			for k := range t.States {
				first, weights := o.Estimate.Weights(t.Times, k)
				t.States[k][1] = 0
				for i, weight := range weights {
					t.States[k][1] += weight * t.States[first+i][0]
				}
			}
		}
		o.Trajectories = append(o.Trajectories, t)
	}
	return o
}

// runge returns the state a row later, by ten steps of the classical method of Runge and Kutta.
func (s system) runge(q, p, u float64) (float64, float64) {
	force := func(q, p float64) float64 { return s.force*u - s.stiffness*q - s.cubic*q*q*q - s.damping*p }
	h := s.step / 10
	for range 10 {
		v1, a1 := p, force(q, p)
		v2, a2 := p+h/2*a1, force(q+h/2*v1, p+h/2*a1)
		v3, a3 := p+h/2*a2, force(q+h/2*v2, p+h/2*a2)
		v4, a4 := p+h*a3, force(q+h*v3, p+h*a3)
		q, p = q+h/6*(v1+2*v2+2*v3+v4), p+h/6*(a1+2*a2+2*a3+a4)
	}
	return q, p
}

func damped(k, r, q, p, t float64) (float64, float64) {
	w := math.Sqrt(k - r*r/4)
	a, b := q, (p+r/2*q)/w
	decay, sin, cos := math.Exp(-r/2*t), math.Sin(w*t), math.Cos(w*t)
	return decay * (a*cos + b*sin), decay * ((b*w-r/2*a)*cos - (a*w+r/2*b)*sin)
}

// port returns the exact model of the system: the networks are zero, and the quadratic forms are the oscillator's.
func (s system) port(validation ...fit.Candidate) *fit.Result {
	c := hamiltonian.Config{Dimension: 2, Hidden: 4, HiddenLayers: 1, Activation: "tanh", Kinetic: hamiltonian.Quadratic, Friction: hamiltonian.NoFriction}
	if s.damping != 0 {
		c.Friction = hamiltonian.ConstantFriction
	}
	if s.force != 0 && !s.hidden {
		c.Inputs = 1
	}
	values := map[string][3]float64{"kinetic.": {1, 1}, "elastic.": {1, s.stiffness}, "stiffening.": {1, 1, 2 * s.cubic},
		"friction.": {math.Sqrt(s.damping)}, "input.": {s.force}}
	return result(hamiltonian.Port, c, func(prefix string, layer int, weight []float32) {
		if v, ok := values[prefix]; ok {
			weight[0] = float32(v[layer])
		}
	}, validation...)
}

func result(m hamiltonian.Model, c hamiltonian.Config, set func(prefix string, layer int, weight []float32), validation ...fit.Candidate) *fit.Result {
	d := hamiltonian.Dynamics{Equation: m.Equation(c), Scaling: hamiltonian.Unit(c.Dimension, c.Inputs)}
	d.Parameters = d.Equation.Zeros()
	d.Parameters.EachLayer(d.Equation.Networks, func(network, layer int, weight, _ []float32) { set(d.Equation.Networks[network].Prefix, layer, weight) })
	return &fit.Result{Dynamics: d, Record: fit.Record{Model: m.Name, Candidate: fit.Candidate{Kinetic: c.Kinetic, Friction: c.Friction}, Candidates: validation, Config: c}}
}

// baseline returns a network that is dx/dt = A·x exactly: a linear layer, then one more.
func baseline(a [4]float64) *fit.Result {
	c := hamiltonian.Config{Dimension: 2, Hidden: 2, HiddenLayers: 1, Activation: "tanh"}
	return result(hamiltonian.Baseline, c, func(_ string, layer int, weight []float32) {
		const small = 1e-2 // where tanh is linear
		for i := range weight {
			switch {
			case layer > 0:
				weight[i] = float32(a[i] / small)
			case i%3 == 0:
				weight[i] = small
			}
		}
	})
}

func examine(t *testing.T, train, test datasets.Observations, models ...*fit.Result) *Verdict {
	t.Helper()
	v, err := Examine(train, test, models)
	if err != nil {
		t.Fatal(err)
	}
	if testing.Verbose() {
		for _, section := range v.Sections {
			t.Log(section.Title)
			for _, s := range section.Sentences {
				t.Logf("  %s  [%s] (%s)", s.Text, s.Number, s.Class)
			}
		}
	}
	return v
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s is %g, want %g within %g", what, got, want, tolerance)
	}
}

// found reports whether a sentence of the verdict has the class.
func found(v *Verdict, class string) bool {
	return slices.ContainsFunc(v.Sections, func(s Section) bool {
		return slices.ContainsFunc(s.Sentences, func(s Sentence) bool { return s.Class == class })
	})
}

func has(t *testing.T, v *Verdict, class string, want bool) {
	t.Helper()
	if found(v, class) != want {
		t.Errorf("has %q: %v, want %v", class, !want, want)
	}
}

func compared(without, with float64) []fit.Candidate {
	return []fit.Candidate{{Friction: hamiltonian.NoFriction, Validation: without}, {Friction: hamiltonian.ConstantFriction, Validation: with}}
}

// A damped oscillator loses e^−rT in a period. Its noise, period and rate of friction are found. The noise hides a
// difference from a baseline of the same field.
func TestFriction(t *testing.T) {
	const r, k, sigma = 0.1, 1.0, 0.02
	s := system{stiffness: k, damping: r, noise: sigma, step: 0.1, rows: 250}
	other := fit.Candidate{Kinetic: hamiltonian.General, Friction: hamiltonian.ConstantFriction, Validation: 0.01}
	v := examine(t, s.observe(12, 1), s.observe(6, 2), s.port(append(compared(0.4, 0.05), other)...), baseline([4]float64{0, 1, -k, -r}))
	near(t, "the validation error with friction", v.Energy.With, 0.05, 0)
	period := 2 * math.Pi / math.Sqrt(k-r*r/4)
	near(t, "the period", v.Data.Period, period, 0.05*period)
	for _, c := range v.Data.Components {
		near(t, "the noise of "+c.Name, c.Noise, sigma, 0.1*sigma)
	}
	near(t, "the rate of friction", v.Energy.FrictionRate, r, 1e-4)
	near(t, "its spread", v.Energy.FrictionSpread, 0, 1e-4)
	near(t, "the loss per period", v.Energy.LossPerPeriod, 1-math.Exp(-r*period), 0.02)
	near(t, "the measured loss", v.Energy.Measured, r, 0.02*r)
	near(t, "the balance", v.Energy.Stored, -v.Energy.Dissipated, 1e-4)
	near(t, "the error that noise explains", v.Noise.Explained, v.Noise.Found, 0.25*v.Noise.Found)
	for _, class := range []string{"lost", "best", "noise limits"} {
		has(t, v, class, true)
	}
	if !found(v, "baseline hidden") && !found(v, "port hidden") {
		t.Error("two models of the same field differ")
	}
	for _, class := range []string{"missing input", "misfit", "smaller steps", "longer", "more starts", "outside"} {
		has(t, v, class, false)
	}
	for _, m := range v.Models {
		if m.ValidToTheEnd < 1 {
			t.Errorf("the predictions of %s are valid to the end of %g of the starts", m.Name, m.ValidToTheEnd)
		}
	}
}

// With noise, a model whose frequency is wrong by 0.5% is neither worse nor as good: noise explains its error. Without noise it is worse, and with
// noise a model whose frequency is wrong by 1.5% is worse. Missing rows are counted. An assumption about friction is called one.
func TestHidden(t *testing.T) {
	for _, c := range []struct {
		noise, stiffness float64
		class            string
	}{{0.05, 1.01, "hidden"}, {0, 1.01, "worse"}, {0.05, 1.03, "worse"}} {
		s := system{stiffness: 1, damping: 0.1, noise: c.noise, step: 0.1, rows: 100}
		train, test := s.observe(12, 1), s.observe(5, 2)
		for i := range 3 {
			o := &train.Trajectories[i]
			o.Times, o.States = slices.Delete(o.Times, 40, 42), slices.Delete(o.States, 40, 42)
		}
		v := examine(t, train, test, s.port(compared(0.4, 0.05)...), baseline([4]float64{0, 1, -c.stiffness, -0.1}))
		if got := v.Models[1]; got.Class != c.class || got.Name != "baseline" && c.class == "worse" {
			t.Errorf("with a noise of %g, the model %s is %s, want %s", c.noise, got.Name, got.Class, c.class)
		}
		near(t, "gaps", float64(v.Data.Gaps), 3, 0)
		near(t, "the longest step", v.Data.LongestStep, 0.3, 1e-9)
		has(t, v, "gaps", true)
		has(t, v, "irregular", false)
		if s := v.Sections[1].Sentences[2]; !strings.Contains(s.Text, "by assumption") {
			t.Errorf("the friction is %q", s.Text)
		}
	}
}

// Without friction nothing is lost. A baseline whose frequency is wrong is worse, and its valid time is that of the closed form.
func TestConservedAndWorse(t *testing.T) {
	s := system{stiffness: 1, noise: 0.01, step: 0.2, rows: 200}
	const wrong = 1.05 // frequency
	v := examine(t, s.observe(12, 3), s.observe(8, 4), s.port(compared(0.05, 0.05)...), baseline([4]float64{0, 1, -wrong * wrong, 0}))
	has(t, v, "conserved", true)
	has(t, v, "baseline worse", true)
	near(t, "the loss", v.Energy.LossRate, 0, 1e-6)
	near(t, "the measured loss", v.Energy.Measured, 0, 2*v.Energy.MeasuredBand)
	m := v.Models[1]
	// The phase error 0.05·t reaches 0.2 to 0.3 standard deviations, between 4 and 10 units of time for amplitudes of 0.7 to 2 standard deviations.
	near(t, "the valid time", m.Valid, 6, 4)
	near(t, "the contraction", m.Rate, 0, 1e-3)
}

// A force that is not in the table leaves autocorrelated residuals, with noise and estimated momenta too. The same force in the table, or none,
// does not. With inputs, energy is balanced.
func TestMissingInput(t *testing.T) {
	for _, test := range []struct {
		name string
		system
		found bool
	}{
		{"hidden", system{force: 0.3, hidden: true, noise: 0.01}, true},
		{"hidden, no noise", system{force: 0.3, hidden: true}, true},
		{"hidden, estimated", system{force: 0.3, hidden: true, noise: 0.002, estimated: true}, true},
		{"known", system{force: 0.3, noise: 0.01}, false},
		{"none", system{noise: 0.01}, false},
		{"none, no noise", system{}, false},
		{"none, estimated", system{noise: 0.002, estimated: true}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := test.system
			s.stiffness, s.damping, s.step, s.rows = 1.5, 0.05, 0.1, 200
			v := examine(t, s.observe(8, 5), s.observe(3, 6), s.port(compared(0.2, 0.1)...))
			has(t, v, "missing input", test.found)
			if r := v.Residuals; test.found && !(r.Lag1 > r.Band && r.Lag2 > 0.1) || !test.found && r.Strength > 0.05 {
				t.Errorf("the residuals are %+v", *r)
			}
			if e := v.Energy; e.Driven {
				near(t, "the balance", e.Stored, e.Supplied-e.Dissipated, 1e-4)
			}
			near(t, "the noise of q", v.Data.Components[0].Noise, s.noise, 0.15*s.noise+2e-4)
		})
	}
}

// A model of another stiffness leaves residuals that the state explains: no input is missing.
func TestMisfit(t *testing.T) {
	s := system{stiffness: 1, noise: 0.001, step: 0.1, rows: 200}
	model := system{stiffness: 1.2}
	v := examine(t, s.observe(10, 7), s.observe(4, 8), model.port())
	has(t, v, "missing input", false)
	has(t, v, "misfit", true)
	has(t, v, "model limits", true)
	has(t, v, "untested", true)
	near(t, "the share that no state explains", v.Residuals.Fresh, 0, 0.05)
}

// A missing input is found in nonlinear systems too, beside a wrong force law that leaves larger residuals: those of the input are 4% to 12% of the
// variance. A wrong force law alone is a misfit. Noise alone is neither.
func TestMissingInputBesideMisfit(t *testing.T) {
	for name, driven := range map[string]system{"duffing": {stiffness: 1, force: 0.2}, "double well": {stiffness: -1, force: 0.4}} {
		driven.cubic, driven.damping, driven.noise, driven.step, driven.rows, driven.hidden = 1, 0.1, 0.01, 0.1, 150, true
		s, held := driven, driven
		s.force, held.held = 0, true
		wrong := s
		wrong.cubic = 1.6
		for _, test := range []struct {
			name            string
			system, model   system
			missing, misfit bool
		}{
			{"sine", driven, s, true, false},
			{"sine, wrong", driven, wrong, true, false},
			{"held", held, s, true, false},
			{"held, wrong", held, wrong, true, false},
			{"wrong", s, wrong, false, true},
			{"noise", s, s, false, false},
		} {
			t.Run(name+", "+test.name, func(t *testing.T) {
				v := examine(t, test.system.observe(12, 5), test.system.observe(4, 6), test.model.port())
				has(t, v, "missing input", test.missing)
				has(t, v, "misfit", test.misfit)
				has(t, v, "missing input or misfit", false)
				if r := *v.Residuals; t.Failed() {
					t.Logf("%+v", r)
				}
			})
		}
	}
}

// Little data says so: one test trajectory, few rows in a period, less than two periods, few starts. States of a larger amplitude are outside.
func TestLittleEvidence(t *testing.T) {
	s := system{stiffness: 1, noise: 0.005, step: 0.7, rows: 15}
	train, test := s.observe(3, 9), s.observe(1, 10)
	for _, x := range test.Trajectories[0].States {
		x[0], x[1] = 3*x[0], 3*x[1]
	}
	v := examine(t, train, test, s.port(compared(0.1, 0.2)...), baseline([4]float64{0, 1, -1, 0}))
	for _, class := range []string{"undecided", "smaller steps", "longer", "more starts", "more tests", "far", "outside"} {
		has(t, v, class, true)
	}
	for _, class := range []string{"best", "baseline as good", "baseline worse"} {
		has(t, v, class, false)
	}
	o := v.Coverage.Outside[0]
	low, high := (&study{train: train}).box()
	if want := map[bool]float64{false: low[0], true: high[0]}[o.Above]; o.Name != "q1 [cm]" || o.Limit != want || o.Share == 0 {
		t.Errorf("outside is %+v", o)
	}
}

// The page needs no other file, its pictures are files too, and the JSON has the numbers.
func TestWrite(t *testing.T) {
	s := system{stiffness: 1, damping: 0.1, force: 0.2, noise: 0.01, step: 0.2, rows: 100}
	train := s.observe(5, 11)
	train.Notes = []string{"a <note>"}
	v := examine(t, train, s.observe(3, 12), s.port(compared(0.2, 0.1)...))
	folder := t.TempDir()
	if to := os.Getenv("VERDICT"); to != "" {
		folder = to
	}
	if err := v.Write(folder); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(folder, "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(content)
	for _, want := range []string{"a &lt;note&gt;", "<svg ", "currentColor", "supplied − dissipated", "prefers-color-scheme: dark"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if strings.Count(page, "<svg") != 5 || strings.Contains(page, "src=") || strings.Contains(page, "href=\"http") || strings.Contains(page, "ZgotmplZ") ||
		strings.Contains(page, "NaN") || strings.Contains(page, "%!") {
		t.Error("the page lacks a picture, refers to something outside of it, or has a number that is none")
	}
	for _, name := range []string{"motion", "models", "balance"} {
		if content, err := os.ReadFile(filepath.Join(folder, name+".png")); err != nil || !bytes.HasPrefix(content, []byte("\x89PNG")) {
			t.Errorf("%s.png is no picture, error %v", name, err)
		}
	}
	var read Verdict
	if content, err = os.ReadFile(filepath.Join(folder, "verdict.json")); err == nil {
		err = json.Unmarshal(content, &read)
	}
	if err != nil || read.Energy.LossRate != v.Energy.LossRate || len(read.Models) != 1 || read.Models[0].Error == 0 {
		t.Errorf("the JSON is %+v, %v", read, err)
	}
}

func TestErrors(t *testing.T) {
	s := system{stiffness: 1, step: 0.1, rows: 30}
	driven := s
	driven.force = 1
	for want, models := range map[string][]*fit.Result{"0 models": nil, "1 inputs": {driven.port()}} {
		if _, err := Examine(s.observe(2, 1), s.observe(1, 2), models); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got the error %v, want one with %q", err, want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 1.2345: "1.23", -0.00001234: "−1.23e−5", 12345: "12345", 1e8: "1e8"} {
		if got := number(v); got != want {
			t.Errorf("%g is %s, want %s", v, got, want)
		}
	}
	near(t, "percent of 1/8", float64(len(percent(0.125))), 5, 0)
}
