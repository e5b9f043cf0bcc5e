package extending

import (
	"context"
	"fmt"
	"log"
	"math"
	"testing"

	"hnn/hamiltonian"
	"hnn/trainer"
)

func init() { hamiltonian.Models = append(hamiltonian.Models, KnownFriction) }

// newTrainer returns a trainer of the model on the task, with small networks.
func newTrainer() (*trainer.Trainer, error) {
	settings := trainer.DefaultSettings(Damped)
	settings.Model = KnownFriction.Name
	settings.HiddenDim = 50
	return trainer.New(Damped, settings, trainer.Execution{})
}

// energies returns the learned energies of (1, 0) and (0, 1) above that of (0, 0).
func energies(t *trainer.Trainer) (potential, kinetic float64, err error) {
	e, err := t.Model.Dynamics().Evaluator(1)
	if err != nil {
		return 0, 0, err
	}
	defer e.Close()
	h, err := e.Hamiltonian([][]float64{{0, 0}, {1, 0}, {0, 1}})
	if err != nil {
		return 0, 0, err
	}
	return h[1] - h[0], h[2] - h[0], nil
}

// The new model learns the new task with the new optimizer.
func Example() {
	t, err := newTrainer()
	if err != nil {
		log.Fatal(err)
	}
	t.Optimizer = AdamW{LearnRate: 3e-3}
	if err := t.Run(context.Background(), nil); err != nil {
		log.Fatal(err)
	}
	potential, kinetic, err := energies(t)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("The potential energy of q = 1 is %.2f and the kinetic energy of p = 1 is %.2f; in truth, both are 0.5.\n", potential, kinetic)
	// Output: The potential energy of q = 1 is 0.50 and the kinetic energy of p = 1 is 0.50; in truth, both are 0.5.
}

// From (1, 0) the motion is q = exp(−γt/2)·(cos ωt + γ/(2ω)·sin ωt) with ω² = 1 − γ²/4, and the energy falls at the rate γp².
func TestTask(t *testing.T) {
	motion, err := Damped.Example(must(Damped.Generate(0)))
	if err != nil {
		t.Fatal(err)
	}
	omega := math.Sqrt(1 - Friction*Friction/4)
	for i, time := range motion.Times {
		sin, cos := math.Sincos(omega * time)
		if want := math.Exp(-Friction*time/2) * (cos + Friction/(2*omega)*sin); math.Abs(motion.States[0][i][0]-want) > 1e-7 {
			t.Errorf("t = %g: q = %g, want %g", time, motion.States[0][i][0], want)
		}
	}
	data := must(Damped.Generate(0))
	dx := data.Train.DX.Float64(0)
	for i, x := range data.Train.X.Float64(0) {
		if power := x[0]*dx[i][0] + x[1]*dx[i][1]; math.Abs(power+Friction*x[1]*x[1]) > 1e-6 {
			t.Errorf("row %d: the energy changes at the rate %g, want %g", i, power, -Friction*x[1]*x[1])
		}
	}
}

// With any weights, the new model loses energy at the rate γ(∂H/∂p)².
func TestModel(t *testing.T) {
	tr := must(newTrainer())
	e := must(tr.Model.Dynamics().Evaluator(1))
	defer e.Close()
	x := must(Damped.Generate(0)).Train.X.Float64(0)
	field, gradient := make([][]float64, len(x)), make([][]float64, len(x))
	for i := range x {
		field[i], gradient[i] = make([]float64, 2), make([]float64, 2)
	}
	if err := e.Field(nil, x, field); err != nil {
		t.Fatal(err)
	}
	if err := e.Gradient(nil, x, gradient); err != nil {
		t.Fatal(err)
	}
	for i, g := range gradient {
		power, want := g[0]*field[i][0]+g[1]*field[i][1], -Friction*g[1]*g[1]
		if math.Abs(power-want) > 1e-6*(g[0]*g[0]+g[1]*g[1]) {
			t.Errorf("row %d: the energy changes at the rate %g, want %g", i, power, want)
		}
	}
	if tr.Model.Equation.Conserves() {
		t.Error("the model with friction claims to conserve energy")
	}
}

// Without weight decay AdamW is Adam.
func TestOptimizer(t *testing.T) {
	var last [2]float32
	for i, optimizer := range []trainer.Optimizer{AdamW{LearnRate: 1e-3}, trainer.Adam{LearnRate: 1e-3}} {
		tr := must(newTrainer())
		tr.Settings.TotalSteps, tr.Optimizer = 50, optimizer
		if err := tr.Run(context.Background(), nil); err != nil {
			t.Fatal(err)
		}
		last[i] = tr.Losses.Train[50]
	}
	if math.Abs(float64(last[0]/last[1])-1) > 1e-3 {
		t.Errorf("after 50 steps the loss is %g, and %g with the library's Adam", last[0], last[1])
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
