package trainer

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/sugarme/gotch/ts"

	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/internal/kernels"
	"hnn/internal/libtorch"
	"hnn/nets"
)

// small is a task of images with few pixels, some of which are always dark.
func small(random *rand.Rand, side, frames int) datasets.Task {
	images := datasets.Images{Side: side}
	for f := range frames {
		frame := make([]byte, side*side)
		for p := range frame {
			if p%5 != 0 && random.IntN(3) == 0 {
				frame[p] = byte(random.IntN(256))
			}
		}
		images.Frames = append(images.Frames, frame)
		if f < frames-2 {
			images.Train, images.Test = append(images.Train, int64(f)), append(images.Test, int64(f))
		}
	}
	task := datasets.Pixel
	task.ImageSide = side
	task.Generate = func(uint32) (datasets.Dataset, error) { return datasets.Dataset{Images: &images}, nil }
	return task
}

// The closed form's loss, its gradient and its first steps are those of LibTorch's automatic differentiation, for every model, nonlinearity, field
// type and loss, and for networks of one to four hidden layers, on states and on images.
func TestClosedFormEqualsAutomaticDifferentiation(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 84 {
		task := []datasets.Task{datasets.Spring, datasets.TwoBody, datasets.Real, small(random, 4+random.IntN(8), 60+600*(i%2))}[i%4]
		s := settings(task, 1)
		s.Model, s.Nonlinearity = hamiltonian.Names()[i/4%3], nets.Activation(nets.Activations[i%7])
		s.FieldType, s.Layers, s.HiddenDim = hamiltonian.FieldType(hamiltonian.FieldTypes[i/3%3]), 1+i/2%4, 3+random.IntN(60)
		s.BatchSize, s.InputNoise, s.TestEvery, s.WeightDecay = 1+random.IntN(40), float64(i%3)/10, 1, 1e-2
		if task.Name != "2body" && i%5 == 0 {
			s.BatchSize = 0
		}
		if task.Increments != nil && i%8 >= 4 {
			s.Loss = LossFunctions[1+i%2].Name
		}
		t.Run(fmt.Sprintf("%d %s %s %s %dx%d batch %d", i, s.Label(), s.Nonlinearity, s.FieldType, s.Layers, s.HiddenDim, s.BatchSize), func(t *testing.T) {
			closed := start(t, task, s)
			gradient(t, closed)
			automatic := s
			automatic.Autograd = true
			oracle := start(t, task, automatic)
			run(t, closed)
			run(t, oracle)
			for step := range oracle.Losses.Train {
				relative(t, fmt.Sprintf("train loss at step %d", step), float64(closed.Losses.Train[step]), float64(oracle.Losses.Train[step]), 1e-4)
				relative(t, fmt.Sprintf("test loss at step %d", step), float64(closed.Losses.Test[step]), float64(oracle.Losses.Test[step]), 1e-4)
			}
			got, err := closed.Final()
			if err != nil {
				t.Fatal(err)
			}
			want, err := oracle.Final()
			if err != nil {
				t.Fatal(err)
			}
			relative(t, "final train loss", got.Train, want.Train, 1e-4)
			relative(t, "final test loss", got.Test, want.Test, 1e-4)
			relative(t, "final test loss's error", got.TestError, want.TestError, 1e-4)
		})
	}
}

// gradient compares the gradients of one batch, before any step.
func gradient(t *testing.T, trainer *Trainer) {
	t.Helper()
	trainer.newState()
	trainer.rows = newRows(trainer.Data)
	closed, err := newClosedForm(trainer)
	if err != nil {
		t.Fatal(err)
	}
	defer closed.close()
	oracle, err := newOracle(trainer.Model, trainer.rows, false)
	if err != nil {
		t.Fatal(err)
	}
	defer oracle.keep.Free()
	before, err := trainer.sampler.generator.State()
	if err != nil {
		t.Fatal(err)
	}
	batch, err := trainer.draw(false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := closed.model.Gradient(batch); err != nil {
		t.Fatal(err)
	}
	var s libtorch.Scope
	defer s.Free()
	var rows, noise *ts.Tensor
	if batch.Rows != nil {
		rows = s.Indices(batch.Rows)
	}
	if batch.Noise != nil {
		noise = s.Matrix(batch.Noise, len(batch.Noise)/batch.Count)
	}
	loss := s.Mean(oracle.errors(&s, batch, rows, noise, false))
	tensors := s.Gradients(loss, oracle.values, false)
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	got := nets.Parameters{}
	for _, n := range trainer.Model.networks() {
		got = append(got, n.Zeros()...)
	}
	got.EachLayer(trainer.Model.networks(), func(network, layer int, weight, bias []float32) {
		closed.model.Store(kernels.Gradient, network, layer, weight, bias)
	})
	// A gradient that is a thousandth of the largest is the rest of sums that cancelled, and has their rounding.
	size := 0.0
	for _, tensor := range tensors {
		size = max(size, 1e-3*largest(s.Values(tensor)))
	}
	for i, tensor := range tensors {
		want, worst := s.Values(tensor), 0.0
		for j := range want {
			worst = max(worst, math.Abs(float64(got[i].Values[j]-want[j])))
		}
		if !(worst <= 2e-5*max(size, largest(want))) {
			t.Errorf("the gradient by %s is off by %g, and the largest is %g", got[i].Name, worst, largest(want))
		}
	}
	if err := trainer.sampler.generator.SetState(before); err != nil {
		t.Fatal(err)
	}
}

func largest(values []float32) float64 {
	most := 0.0
	for _, v := range values {
		most = max(most, math.Abs(float64(v)))
	}
	return most
}

// momentum is stochastic gradient descent with momentum, stated for vectors.
type momentum struct{ rate float32 }

func (momentum) State() []string { return []string{"velocity"} }

func (m momentum) Step(_ int, p *Parameters) error {
	parts, err := p.Vectors()
	for _, v := range parts {
		for i, g := range v.Gradient {
			v.State[0][i] = 0.9*v.State[0][i] + g
			v.Values[i] -= m.rate * v.State[0][i]
		}
	}
	return err
}

// An optimizer that is stated once, for vectors, makes the same steps with both engines, and its vectors are saved.
func TestOptimizerOnVectors(t *testing.T) {
	s := settings(datasets.Spring, 30)
	closed := start(t, datasets.Spring, s)
	s.Autograd = true
	oracle := start(t, datasets.Spring, s)
	for _, trainer := range []*Trainer{closed, oracle} {
		trainer.Optimizer = momentum{1e-1}
		run(t, trainer)
		if !(trainer.Losses.Train[30] < 0.5*trainer.Losses.Train[0]) {
			t.Errorf("the loss went from %g to %g", trainer.Losses.Train[0], trainer.Losses.Train[30])
		}
	}
	relative(t, "loss at step 30", float64(closed.Losses.Train[30]), float64(oracle.Losses.Train[30]), 1e-4)
	folder := t.TempDir()
	if err := closed.Save(folder, nil); err != nil {
		t.Fatal(err)
	}
	checkpoint, err := nets.ReadCheckpoint(closed.Settings.Files(folder).Unfinished, trainingFile)
	if err != nil {
		t.Fatal(err)
	}
	training, err := nets.DecodeCheckpoint(checkpoint.Attachments[trainingFile])
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := training.Entries["velocity.differentiable_model.linear1.weight"]; !ok {
		t.Error("the file for resuming lacks the optimizer's vector")
	}
}

// A model trained through Runge-Kutta steps has the true field. In the published form, the model's increment over h is to equal the derivative:
// its field turns a state of the spring by 2ch in place of 2h, and moves it along the true field by r·sin(2ch), which comes closest to the
// derivative 2r at c = π/(4h) = 7.9.
func TestRK4LearnsTheTrueField(t *testing.T) {
	for loss, limits := range map[string][2]float64{"rk4": {0.9, 1.1}, "published-rk4": {5, 10}} {
		s := settings(datasets.Spring, 1000)
		s.Loss, s.BatchSize, s.LearnRate = loss, 100, 3e-3
		trainer := start(t, datasets.Spring, s)
		run(t, trainer)
		evaluator, err := trainer.Model.Dynamics().Evaluator(1)
		if err != nil {
			t.Fatal(err)
		}
		defer evaluator.Close()
		// The mean ratio of the learned field to the true one, (2p, −2q), at a radius amid the data.
		ratio, directions := 0.0, 12
		for i := range directions {
			angle := 2 * math.Pi * float64(i) / float64(directions)
			x, out, truth := []float64{0.6 * math.Cos(angle), 0.6 * math.Sin(angle)}, make([]float64, 2), make([]float64, 2)
			if err := evaluator.Field(nil, [][]float64{x}, [][]float64{out}); err != nil {
				t.Fatal(err)
			}
			datasets.Spring.Dynamics(0, x, truth)
			ratio += (out[0]*truth[0] + out[1]*truth[1]) / (truth[0]*truth[0] + truth[1]*truth[1]) / float64(directions)
		}
		t.Logf("%s: the learned field is %.3f times the true one", loss, ratio)
		if !(ratio > limits[0] && ratio < limits[1]) {
			t.Errorf("%s: the learned field is %.3f times the true one, want %g to %g", loss, ratio, limits[0], limits[1])
		}
	}
}
