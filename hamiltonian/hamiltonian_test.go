package hamiltonian

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"gonum.org/v1/gonum/floats"

	"hnn/integrator"
	"hnn/nets"
)

func readFields(t *testing.T) map[string]map[string][][]float64 {
	t.Helper()
	content, err := os.ReadFile("testdata/fields.json")
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]map[string][][]float64
	if err := json.Unmarshal(content, &fields); err != nil {
		t.Fatal(err)
	}
	return fields
}

// published returns the dynamics of a published checkpoint, such as spring-hnn.
func published(t *testing.T, name string, dimension int, fieldType FieldType) Dynamics {
	t.Helper()
	_, model, _ := strings.Cut(name, "-")
	kind, err := Find(model)
	if err != nil {
		t.Fatal(err)
	}
	d := Dynamics{Equation: kind.Equation(Config{Dimension: dimension, Hidden: 200, HiddenLayers: 2, Activation: "tanh", FieldType: fieldType})}
	d.Parameters = d.Equation.Zeros()
	checkpoint, err := nets.ReadCheckpoint("testdata/" + name + ".tar")
	if err == nil {
		err = d.Parameters.Load(checkpoint)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func evaluator(t *testing.T, d Dynamics) *Evaluator {
	t.Helper()
	e, err := d.Evaluator(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// evaluate returns a field at states.
func evaluate(t *testing.T, field integrator.Field, states [][]float64) [][]float64 {
	t.Helper()
	out := make([][]float64, len(states))
	for i := range out {
		out[i] = make([]float64, len(states[i]))
	}
	if err := field(nil, states, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// The closed form gives the fields of the ten published models on vectors, of every field type, and both scalars.
func TestFieldsEqualThePublishedCodes(t *testing.T) {
	models := 0
	for name, reference := range readFields(t) {
		if name == "permutation" {
			continue
		}
		models++
		x := reference["x"]
		near := func(what string, got [][]float64) {
			t.Helper()
			want, ok := reference[what]
			if !ok {
				t.Fatalf("%s has no reference %s", name, what)
			}
			for i, row := range want {
				for j, v := range row {
					if !(math.Abs(got[i][j]-v) <= 1e-5*max(1, math.Abs(v))) {
						t.Errorf("%s %s, state %d, component %d: got %g, want %g", name, what, i, j, got[i][j], v)
					}
				}
			}
		}
		dynamics := published(t, name, len(x[0]), Solenoidal)
		e := evaluator(t, dynamics)
		near("dx", evaluate(t, e.Field, x))
		if strings.HasSuffix(name, "baseline") {
			continue
		}
		// The symplectic gradient is (∂H/∂p, −∂H/∂q).
		gradient := evaluate(t, e.Gradient, x)
		for _, g := range gradient {
			half := len(g) / 2
			for i := range half {
				g[i], g[half+i] = g[half+i], -g[i]
			}
		}
		near("dx", gradient)
		near("dx_conservative", evaluate(t, evaluator(t, published(t, name, len(x[0]), Conservative)).Field, x))
		near("dx_both", evaluate(t, evaluator(t, published(t, name, len(x[0]), Both)).Field, x))
		scalars := make([][]float64, len(x))
		for output := range 2 {
			dynamics.Equation.Hamiltonian = []Scalar{{0, output}}
			values, err := evaluator(t, dynamics).Hamiltonian(x)
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range values {
				scalars[i] = append(scalars[i], v)
			}
		}
		near("F", scalars)
	}
	if models != 10 {
		t.Errorf("%d models were compared, want 10", models)
	}
}

// random returns dynamics with random parameters, of the size that they have after training.
func random(kind Model, c Config) Dynamics {
	generator := rand.New(rand.NewPCG(1, 2))
	d := Dynamics{Equation: kind.Equation(c)}
	d.Parameters = d.Equation.Zeros()
	for _, p := range d.Parameters {
		for i := range p.Values {
			p.Values[i] = float32(generator.NormFloat64() / math.Sqrt(float64(c.Hidden)))
		}
	}
	return d
}

// d/dt H along a model's field is 0 where its equation conserves H, and otherwise ∇H·∇D or whatever the other terms make of it.
func TestConservedQuantities(t *testing.T) {
	states := [][]float64{{0.3, -0.2, 0.5, 1}, {-1, 0.7, 0.1, 0.2}}
	for _, test := range []struct {
		kind      Model
		fieldType FieldType
		hasEnergy bool
		conserves bool
	}{
		{HNN, Solenoidal, true, true}, {HNN, Both, true, false}, {HNN, Conservative, false, false},
		{Baseline, Solenoidal, false, false}, {Dissipative, Solenoidal, true, false}, {Port, Solenoidal, true, true},
	} {
		name := fmt.Sprintf("%s %s", test.kind.Name, test.fieldType)
		d := random(test.kind, Config{Dimension: 4, Hidden: 20, HiddenLayers: 3, Activation: "swish", FieldType: test.fieldType})
		if d.Equation.Conserves() != test.conserves || (d.Equation.Hamiltonian != nil) != test.hasEnergy {
			t.Errorf("%s: conserves is %t, want %t", name, d.Equation.Conserves(), test.conserves)
		}
		e := evaluator(t, d)
		if !test.hasEnergy {
			_, energies := e.Hamiltonian(states)
			if gradient := e.Gradient(nil, states, nil); !errors.Is(energies, ErrNoHamiltonian) || !errors.Is(gradient, ErrNoHamiltonian) {
				t.Errorf("%s: the errors are %v and %v", name, energies, gradient)
			}
			continue
		}
		field, gradient := evaluate(t, e.Field, states), evaluate(t, e.Gradient, states)
		for i := range states {
			power, size := floats.Dot(field[i], gradient[i]), floats.Norm(field[i], 2)*floats.Norm(gradient[i], 2)
			if conserved := math.Abs(power) <= 1e-6*size; conserved != test.conserves {
				t.Errorf("%s: dH/dt is %g of %g at state %d", name, power, size, i)
			}
		}
	}
}

// In measured units too, ∇H is the slope of H, and the field of a port-Hamiltonian model is J·∇H without friction and inputs. Friction takes
// energy, and inputs change only the momenta's derivatives. The balance of energy is the field's parts times ∇H.
func TestPortInMeasuredUnits(t *testing.T) {
	states := [][]float64{{0.3, -0.2, 0.5, 1}, {-1, 0.7, 0.1, 0.2}, {2, 0.1, -0.6, 0.4}}
	for _, kinetic := range []Kinetic{General, Quadratic, Configuration} {
		for _, friction := range []Friction{NoFriction, ConstantFriction, StateFriction} {
			name := fmt.Sprintf("%s, friction %s", kinetic, friction)
			d := random(Port, Config{Dimension: 4, Hidden: 20, HiddenLayers: 2, Activation: "tanh", Angles: []bool{true, false}, Inputs: 1, Constants: 2,
				Kinetic: kinetic, Friction: friction})
			d.Scaling = &Scaling{Center: []float64{0, 0.3, 0, 0}, Scale: []float64{1, 2, 3, 1.5}, Time: 0.5, Columns: []float64{2, 1, 3}}
			if conserves := d.Equation.Conserves(); conserves {
				t.Errorf("%s: the equation with an input conserves H", name)
			}
			e := evaluator(t, d)
			e.Columns = [][]float64{{0, -0.4, 0.2}, {0, 0.3, 1}, {0, 0.5, 0.5}}
			field, gradient := evaluate(t, e.Field, states), evaluate(t, e.Gradient, states)
			for j := range 4 {
				const h = 5e-3
				var energies [2][]float64
				for k := range energies {
					moved := make([][]float64, len(states))
					for i := range states {
						moved[i] = append([]float64{}, states[i]...)
						moved[i][j] += h * float64(2*k-1)
					}
					var err error
					if energies[k], err = e.Hamiltonian(moved); err != nil {
						t.Fatal(err)
					}
				}
				for i := range states {
					if got, want := gradient[i][j], (energies[1][i]-energies[0][i])/(2*h); !(math.Abs(got-want) <= 1e-3*max(1, math.Abs(want))) {
						t.Errorf("%s: ∂H/∂x%d is %g at state %d, want %g", name, j, got, i, want)
					}
				}
			}
			e.Columns = [][]float64{{0.7, -0.4, 0.2}, {0.7, 0.3, 1}, {0.7, 0.5, 0.5}}
			driven, balance := evaluate(t, e.Field, states), [][]float64{make([]float64, 6), make([]float64, 6), make([]float64, 6)}
			if err := e.Balance(states, balance); err != nil {
				t.Fatal(err)
			}
			for i, g := range gradient {
				if !floats.Equal(balance[i][:4], driven[i]) {
					t.Errorf("%s: the field of the balance is %v at state %d, want %v", name, balance[i][:4], i, driven[i])
				}
				symplectic := []float64{g[2], g[3], -g[0], -g[1]}
				if distance := floats.Distance(field[i], symplectic, 2) / floats.Norm(g, 2); (friction == NoFriction) != (distance <= 1e-5) {
					t.Errorf("%s: the field without inputs is %v at state %d, and J·∇H is %v", name, field[i], i, symplectic)
				}
				if power := floats.Dot(field[i], g); !(power <= 1e-5*floats.Dot(g, g)) {
					t.Errorf("%s: dH/dt is %g at state %d", name, power, i)
				}
				floats.Sub(driven[i], field[i])
				if driven[i][0] != 0 || driven[i][1] != 0 || driven[i][2] == 0 || driven[i][3] == 0 {
					t.Errorf("%s: an input changes the field by %v at state %d", name, driven[i], i)
				}
				powers := []float64{-floats.Dot(field[i], g), floats.Dot(driven[i], g)}
				if !floats.EqualApprox(balance[i][4:], powers, 1e-5*floats.Dot(g, g)) || friction == NoFriction && balance[i][4] != 0 {
					t.Errorf("%s: the powers are %v at state %d, want %v", name, balance[i][4:], i, powers)
				}
			}
		}
	}
}

// The masses and the forces of a double pendulum with unit masses, lengths and gravity are linear in the features of the port-Hamiltonian model. The
// field must be Hamilton's equations in closed form. The angles are absolute.
func TestDoublePendulum(t *testing.T) {
	d := Dynamics{Equation: Port.Equation(Config{Dimension: 4, Hidden: 3, HiddenLayers: 2, Activation: "tanh", Angles: []bool{true, true},
		Kinetic: Configuration, Friction: NoFriction})}
	d.Parameters = d.Equation.Zeros()
	d.Parameters.EachLayer(d.Equation.Networks, func(network, _ int, weight, _ []float32) {
		switch d.Equation.Networks[network].Prefix { // on cos q1, sin q1, cos q2, sin q2, cos(q2 − q1), sin(q2 − q1), and 1 for the masses
		case "mass.":
			copy(weight, []float32{0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1})
		case "linear.":
			copy(weight, []float32{-2, 0, -1, 0, 0, 0})
		}
	})
	states := [][]float64{{0.3, -0.2, 0.5, 1}, {-1, 0.7, 0.1, 0.2}, {2, 0.1, -0.6, 0.4}, {4, -3, 1.5, -2}}
	e := evaluator(t, d)
	energies, err := e.Hamiltonian(states)
	if err != nil {
		t.Fatal(err)
	}
	for i, got := range evaluate(t, e.Field, states) {
		q1, q2, p1, p2 := states[i][0], states[i][1], states[i][2], states[i][3]
		sin, cos := math.Sincos(q1 - q2)
		m := 1 + sin*sin
		c := p1 * p2 * sin / m
		h := (p1*p1 + 2*p2*p2 - 2*p1*p2*cos) / (2 * m)
		want := []float64{(p1 - p2*cos) / m, (2*p2 - p1*cos) / m, -2*math.Sin(q1) - c + 2*h*sin*cos/m, -math.Sin(q2) + c - 2*h*sin*cos/m}
		if !floats.EqualApprox(got, want, 1e-5) {
			t.Errorf("the field at %v is %v, want %v", states[i], got, want)
		}
		if want := h - 2*math.Cos(q1) - math.Cos(q2); !(math.Abs(energies[i]-want) <= 1e-5) {
			t.Errorf("H at %v is %g, want %g", states[i], energies[i], want)
		}
	}
	if !d.Equation.Conserves() {
		t.Error("the equation does not conserve H")
	}
}

// A network without a list of features reads the state, also beside further columns. The first term may be a force.
func TestEquationWithColumns(t *testing.T) {
	network := func(inputs, outputs int) nets.Network {
		return nets.Network{Layers: []nets.Layer{{Inputs: inputs, Outputs: outputs, Bias: true}}}
	}
	d := Dynamics{Equation: Equation{Networks: []nets.Network{network(1, 1), network(2, 2)}, Features: [][]Feature{{{Column: 2}}, nil}, Columns: 1,
		Terms: []Term{Force(0, 2), Outputs(1)}, Hamiltonian: []Scalar{{1, 1}}}}
	d.Parameters = d.Equation.Zeros()
	for i, values := range [][]float32{{3}, {10}, {1, 2, 3, 4}, {100, 1000}} {
		copy(d.Parameters[i].Values, values)
	}
	e := evaluator(t, d)
	e.Columns = [][]float64{{7}}
	if got, want := evaluate(t, e.Field, [][]float64{{1, 2}})[0], []float64{105, 1042}; !floats.Equal(got, want) {
		t.Errorf("the field is %v, want %v", got, want)
	}
	if got, err := e.Hamiltonian([][]float64{{1, 2}}); err != nil || got[0] != 1011 {
		t.Errorf("H is %v, want 1011 (%v)", got, err)
	}
	if err := e.Balance([][]float64{{1, 2}}, nil); err == nil || !strings.Contains(err.Error(), "no term of this model") {
		t.Errorf("the error without a term of ∇H is %v", err)
	}
	e.Columns = nil
	if _, err := e.Hamiltonian([][]float64{{1, 2}}); err == nil || !strings.Contains(err.Error(), "columns for 0 states") {
		t.Errorf("the error without columns is %v", err)
	}
}

func TestCanonicalMatrix(t *testing.T) {
	m := Canonical(8)
	for i, row := range readFields(t)["permutation"]["canonical8"] {
		for j, want := range row {
			if m[i][j] != want {
				t.Errorf("J[%d][%d] is %g, want %g", i, j, m[i][j], want)
			}
		}
	}
}

func TestEquationErrors(t *testing.T) {
	for want, c := range map[string]Config{
		"dimension 3":               {Dimension: 3, Hidden: 5, HiddenLayers: 2, Activation: "tanh"},
		"there is no nonlinearity":  {Dimension: 2, Hidden: 5, HiddenLayers: 2, Activation: "gelu"},
		"has 2 inputs and 0 output": {Dimension: 2, HiddenLayers: 2, Activation: "tanh"},
	} {
		if _, err := (Dynamics{Equation: HNN.Equation(c)}).Evaluator(1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got the error %v, want one with %q", c, err, want)
		}
	}
	if err := FieldType("curl").Check(); err == nil || !strings.Contains(err.Error(), "solenoidal, conservative, both") {
		t.Errorf("an unknown field type gave the error %v", err)
	}
	energy := Gradient(Scalar{0, 0}, Canonical(2))
	for want, e := range map[string]Equation{
		"0 terms":            {},
		"names network 1":    {Terms: []Term{Outputs(1)}},
		"a network with 1":   {Terms: []Term{energy, Outputs(0)}},
		"names output 3":     {Terms: []Term{Gradient(Scalar{0, 3}, Identity(2))}},
		"of network 4":       {Terms: []Term{Gradient(Scalar{4, 0}, Identity(2))}},
		"a matrix of 4 rows": {Terms: []Term{energy, Gradient(Scalar{0, 0}, Identity(4))}},
		"and 0 scalars":      {Terms: []Term{{Matrix: Identity(2), Network: -1}}},
		"has 2 inputs":       {Terms: []Term{energy}, Features: [][]Feature{{{Column: 1}}}},
		"reads column 3":     {Terms: []Term{energy}, Features: [][]Feature{{{Column: 1}, {Column: 3}}}, Columns: 1},
		"1 outputs":          {Terms: []Term{Gradient(Scalar{0, MassMatrix}, Identity(2))}, Networks: []nets.Network{{Layers: nets.MLP(2, 5, 1, 2, "tanh")}}},
		"depends on momenta": {Terms: []Term{Gradient(Scalar{0, MassMatrix}, Identity(2))}},
		"of 0 networks":      {Terms: []Term{energy}, Features: [][]Feature{}},
		"need 4":             {Networks: []nets.Network{{Layers: nets.MLP(4, 5, 1, 1, "tanh")}}, Terms: []Term{Damped([]Scalar{{0, 0}}, 4, 0)}},
		"a network with 2":   {Networks: []nets.Network{{Layers: nets.MLP(2, 5, 1, 2, "tanh")}}, Terms: []Term{energy, Force(0, 2)}},
	} {
		if e.Networks == nil {
			e.Networks = []nets.Network{{Layers: nets.MLP(2, 5, 1, 1, "tanh")}}
		}
		if err := e.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got the error %v, want one with %q", err, want)
		}
	}
}

// The field inside an integrator: one call per stage.
func BenchmarkField(b *testing.B) {
	for _, batch := range []int{1, 15, 100, 10_000} {
		b.Run(fmt.Sprint(batch), func(b *testing.B) {
			e, err := random(HNN, Config{Dimension: 2, Hidden: 200, HiddenLayers: 2, Activation: "tanh"}).Evaluator(0)
			if err != nil {
				b.Fatal(err)
			}
			defer e.Close()
			x, out := make([][]float64, batch), make([][]float64, batch)
			for i := range x {
				x[i], out[i] = []float64{0.1, float64(i) / 1e4}, make([]float64, 2)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := e.Field(nil, x, out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
