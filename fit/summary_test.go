package fit

import (
	"math"
	"testing"

	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/nets"
)

// scaled returns the model Q̈ = −Q − friction·Q̇ + force·U, where K = (P² + Q²)/2 and P = Q̇, of quantities with the scales q = 1 + 2Q, p = 3P,
// t = 5T and u = 7U. An energy of 1 is then 1.2 in the user's units.
func scaled(friction, force float64) *Result {
	config := hamiltonian.Config{Dimension: 2, Hidden: 4, HiddenLayers: 1, Activation: "tanh", FieldType: hamiltonian.Solenoidal, Inputs: 1, Kinetic: hamiltonian.Quadratic, Friction: hamiltonian.ConstantFriction}
	s := &hamiltonian.Scaling{Center: []float64{1, 0}, Scale: []float64{2, 3}, Time: 5, Columns: []float64{7}}
	r := &Result{Record: Record{Model: hamiltonian.Port.Name, Config: config, Scaling: s}}
	r.Dynamics = hamiltonian.Dynamics{Equation: hamiltonian.Port.Equation(config), Scaling: s}
	r.Parameters = r.Equation.Zeros()
	values := map[string][2]float64{"kinetic.": {1, 1}, "elastic.": {1, 1}, "friction.": {math.Sqrt(friction)}, "input.": {force}}
	r.Parameters.EachLayer(r.Equation.Networks, func(network, layer int, weight, _ []float32) {
		if v, ok := values[r.Equation.Networks[network].Prefix]; ok {
			weight[0] = float32(v[layer])
		}
	})
	return r
}

// The energy balance of a driven oscillator is that of its closed form, in the user's units, and so is G.
func TestBalanceAndInputs(t *testing.T) {
	const friction, force, duration, unit = .1, .5, 4, 1.2
	r := scaled(friction, force)
	if g := r.InputMatrix(); len(g) != 1 || len(g[0]) != 1 || math.Abs(g[0][0]-force*3/5/7) > 1e-7 {
		t.Errorf("dp/dt = … + G·u with G = %v, want %g", g, force*3/5/7)
	}
	o := datasets.Observations{Positions: 1, Angles: []float64{0}, Measured: true, Names: []string{"q1", "p1"}, TimeName: "t", Inputs: []string{"u1"}}
	var stored, supplied float64
	for _, start := range []float64{1, -2} { // of Q, around its rest at force·U
		rest := force * 2
		var track datasets.Observed
		var first, last []float64
		for i := range 41 {
			x := exact(start, 0, friction, float64(i)/40*duration)
			x[0] += rest
			track.Times = append(track.Times, float64(i)/40*duration*5)
			track.States = append(track.States, []float64{1 + 2*x[0], 3 * x[1]})
			track.Inputs = append(track.Inputs, []float64{2 * 7})
			if last = x; i == 0 {
				first = x
			}
		}
		o.Trajectories = append(o.Trajectories, track)
		stored += unit * (last[0]*last[0] + last[1]*last[1] - first[0]*first[0] - first[1]*first[1]) / 2 / 2
		supplied += unit * rest * (last[0] - first[0]) / 2
	}
	score, err := r.Score(o)
	if err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2]float64{"stored": {score.Stored, stored}, "supplied": {score.Supplied, supplied}, "dissipated": {score.Dissipated, supplied - stored}} {
		if math.Abs(pair[0]-pair[1]) > 1e-4 {
			t.Errorf("the energy %s is %g, want %g", name, pair[0], pair[1])
		}
	}
	if !(score.Error < 1e-4) || score.Duration != duration*5 {
		t.Errorf("the score is %+v", score)
	}
}

func TestUnit(t *testing.T) {
	for want, names := range map[string][][]string{
		"deg·kg m²/s/ms": {{"q1 [deg]", "p1 [kg m²/s]"}, {"t [ms]"}},
		"N s/(m/s)":      {{"p1 [N s]"}, {"q1 [m/s]"}},
		"(m/s)·kg":       {{"q1 [m/s]", "p1 [kg]"}, nil},
		"ms":             {{"t [ms]"}, nil},
		"":               {{"q1 [deg]", "p1"}, {"t [ms]"}},
	} {
		if got := Unit(names[0], names[1]...); got != want {
			t.Errorf("the unit of %v is %q, want %q", names, got, want)
		}
	}
}

// The file of a model says which rows it did not see, and holds the losses.
func TestRecordAndLosses(t *testing.T) {
	r := scaled(.1, 1)
	r.Record.TestFraction = .3
	r.Losses = []Progress{{Step: 7, Total: 9, Part: "model", Loss: .5, Validation: .25}, {Step: 8, Total: 9, Part: "model", Loss: 1. / 3}}
	files := Files(t.TempDir(), "my", "port", 1)
	if err := r.Save(files, true); err != nil {
		t.Fatal(err)
	}
	if loaded, err := Load(files.Finished); err != nil || loaded.Record.TestFraction != .3 {
		t.Errorf("the file gives %+v, error %v", loaded, err)
	}
	checkpoint, err := nets.ReadCheckpoint(files.Finished, nets.LossesFile)
	content := string(checkpoint.Attachments[nets.LossesFile])
	if want := "step,part,loss,validation\n7,model,0.5,0.25\n8,model,0.33333333,\n"; err != nil || content != want {
		t.Errorf("the losses are %q, error %v", content, err)
	}
}
