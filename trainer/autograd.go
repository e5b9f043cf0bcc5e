package trainer

import (
	"errors"

	"github.com/sugarme/gotch/ts"

	"hnn/internal/autograd"
	"hnn/internal/kernels"
	"hnn/internal/libtorch"
	"hnn/nets"
)

// oracle is a model and its data as LibTorch tensors, with the loss as LibTorch operations.
type oracle struct {
	keep                libtorch.Scope // owns the tensors
	values              []*ts.Tensor   // the parameters
	equation            *autograd.Equation
	coders              []autograd.Network // encoder and decoder, if the data are images
	frames              *ts.Tensor         // of shape (frames, pixels), of 0..1
	trainRows, testRows tensorRows
}

// tensorRows is a set as tensors.
type tensorRows struct{ x, dx *ts.Tensor }

// newOracle copies a model and its data to LibTorch. The caller frees what keep owns.
func newOracle(m *Model, d rows, cuda bool) (*oracle, error) {
	o := &oracle{keep: libtorch.Scope{CUDA: cuda}}
	for _, p := range m.Parameters {
		o.values = append(o.values, o.tensor(p, true))
	}
	o.coders = autograd.Bind(m.coders(), o.values)
	o.equation = autograd.NewEquation(&o.keep, m.Equation, o.values[m.coderParameters():])
	if d.images != nil {
		o.frames = o.keep.Matrix(d.images.Pixels(0, int64(len(d.images.Frames))), d.images.Side*d.images.Side)
	} else {
		o.trainRows = tensorRows{o.keep.Variable(d.train.x, d.train.columns), o.keep.Matrix(d.train.dx, d.train.columns)}
		o.testRows = tensorRows{o.keep.Variable(d.test.x, d.test.columns), o.keep.Matrix(d.test.dx, d.test.columns)}
	}
	if err := o.keep.Err(); err != nil {
		o.keep.Free()
		return nil, err
	}
	return o, nil
}

// tensor copies a parameter. LibTorch's layers hold a bias as a vector.
func (o *oracle) tensor(p nets.Parameter, requiresGradient bool) *ts.Tensor {
	return o.keep.Tensor(p.Values, p.Shape, requiresGradient)
}

// errors returns the squared error of each element or, for images, the loss of each row. rows selects the rows, nil for all. noise may be nil.
func (o *oracle) errors(s *libtorch.Scope, batch kernels.Batch[float32], rows, noise *ts.Tensor, test bool) *ts.Tensor {
	if noise != nil {
		noise = s.Scale(batch.NoiseScale, noise)
	}
	if o.frames != nil {
		first, second, third := s.Rows(o.frames, rows), s.Rows(o.frames, s.Shift(rows, 1)), s.Rows(o.frames, s.Shift(rows, 2))
		return o.equation.ImageLoss(s, o.coders[0], o.coders[1], s.Concat(first, second), s.Concat(second, third), noise)
	}
	set := o.trainRows
	if test {
		set = o.testRows
	}
	x, dx := set.x, set.dx
	if rows != nil {
		x, dx = s.Rows(x, rows), s.Rows(dx, rows)
	}
	var prediction *ts.Tensor
	if batch.Step != 0 {
		prediction = o.equation.RK4Increment(s, x, batch.Step)
		if batch.Scale != 1 {
			prediction = s.Scale(batch.Scale, prediction)
		}
	} else {
		prediction = o.equation.TimeDerivative(s, x)
	}
	if noise != nil {
		prediction = s.Add(prediction, noise)
	}
	return s.SquaredError(dx, prediction)
}

// automatic computes gradients by LibTorch's automatic differentiation, on the CPU or on a GPU. Every step runs the same operations on the same
// tensors, so a CUDA graph can replay it.
type automatic struct {
	*oracle
	trainer     *Trainer
	state       [][]*ts.Tensor                         // the optimizer's vectors, by vector and parameter
	record      func(work func() error) (graph, error) // nil without CUDA graphs
	stream      *libtorch.Stream
	adamSteps   *ts.Tensor // on a GPU, the number of steps that Adam has made
	step        int
	train, test side
}

// graph is a recorded sequence of operations.
type graph interface {
	Replay() error
	Free() error
}

const (
	// gpuUnread is the number of steps after which the trainer reads the losses from a GPU.
	gpuUnread = 100
	// warmup is the number of steps before the recording. In these steps, LibTorch allocates the memory and the handles that it keeps.
	warmup = 3
)

// side holds the inputs and the output of a step on the training set or on the test set: tensors, and buffers in the CPU's memory.
type side struct {
	rows, noise *ts.Tensor // nil for all rows, and for none
	loss        *ts.Tensor
	rowsIn      *libtorch.Buffer[int64]
	noiseIn     *libtorch.Buffer[float32]
	lossOut     *libtorch.Buffer[float32]
	runs        int
	graph       graph
}

func newAutomatic(t *Trainer) (*automatic, error) {
	if err := libtorch.Configure(t.Execution.Threads); err != nil {
		return nil, err
	}
	o, err := newOracle(t.Model, t.rows, t.Execution.CUDA)
	if err != nil {
		return nil, err
	}
	a := &automatic{oracle: o, trainer: t}
	for _, vector := range t.state {
		var tensors []*ts.Tensor
		for _, p := range vector {
			tensors = append(tensors, o.tensor(p, false))
		}
		a.state = append(a.state, tensors)
	}
	if t.Execution.CUDA {
		a.adamSteps = o.keep.Tensor([]float32{float32(len(t.Losses.Train))}, []int64{1}, false)
	}
	a.record = t.record
	err = o.keep.Err()
	if err == nil && t.Execution.CUDA && t.Execution.Record {
		a.record = func(work func() error) (graph, error) {
			g, err := libtorch.Record(work)
			if err != nil {
				return nil, err // not g: a nil *Graph in the interface is not nil
			}
			return g, nil
		}
		var stream libtorch.Stream
		if stream, err = libtorch.EnterStream(); err == nil {
			a.stream = &stream
		}
	}
	if err != nil {
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

func (a *automatic) unread() int {
	if a.trainer.Execution.CUDA {
		return gpuUnread
	}
	return 1
}

func (a *automatic) update(step, i int, batch kernels.Batch[float32]) error {
	a.step = step
	return a.work(&a.train, i, batch, func() error {
		s := libtorch.Scope{CUDA: a.trainer.Execution.CUDA}
		defer s.Free()
		loss := s.Mean(a.errors(&s, batch, a.train.rows, a.train.noise, false))
		if s.Err() != nil {
			return s.Err()
		}
		gradients, err := libtorch.Gradient(loss, a.values, false)
		if err != nil {
			return err
		}
		s.Keep(gradients...)
		return errors.Join(a.optimize(gradients), libtorch.Copy(a.train.loss, loss))
	})
}

// optimize makes a step of the optimizer.
func (a *automatic) optimize(gradients []*ts.Tensor) error {
	p := &Parameters{adam: func(n int, adam Adam) error {
		if a.adamSteps != nil {
			return libtorch.FusedAdam(a.values, gradients, a.state[0], a.state[1], a.adamSteps, adam.LearnRate, adam.WeightDecay)
		}
		return libtorch.Adam(a.values, gradients, a.state[0], a.state[1], n, adam.LearnRate, adam.WeightDecay)
	}}
	var failed error
	if !a.trainer.Execution.CUDA {
		p.vectors = func() []Vectors {
			memory := func(t *ts.Tensor) []float32 {
				values, err := libtorch.Memory(t)
				failed = errors.Join(failed, err)
				return values
			}
			parts := make([]Vectors, len(a.values))
			for i, value := range a.values {
				parts[i] = Vectors{Values: memory(value), Gradient: memory(gradients[i])}
				for _, vector := range a.state {
					parts[i].State = append(parts[i].State, memory(vector[i]))
				}
			}
			return parts
		}
	}
	return errors.Join(a.trainer.Optimizer.Step(a.step+1, p), failed)
}

func (a *automatic) evaluate(i int, batch kernels.Batch[float32]) error {
	return a.work(&a.test, i, batch, func() error {
		s := libtorch.Scope{CUDA: a.trainer.Execution.CUDA}
		defer s.Free()
		loss := s.Mean(a.errors(&s, batch, a.test.rows, a.test.noise, true))
		if s.Err() != nil {
			return s.Err()
		}
		return libtorch.Copy(a.test.loss, loss)
	})
}

// work uploads a batch, calls do or replays its graph, and downloads the loss.
func (a *automatic) work(s *side, i int, batch kernels.Batch[float32], do func() error) error {
	if s.loss == nil {
		if err := a.prepare(s, batch); err != nil {
			return err
		}
	}
	if s.rows != nil {
		copy(s.rowsIn.Row(i), batch.Rows)
		if err := s.rowsIn.Upload(i, s.rows); err != nil {
			return err
		}
	}
	if s.noise != nil {
		copy(s.noiseIn.Row(i), batch.Noise)
		if err := s.noiseIn.Upload(i, s.noise); err != nil {
			return err
		}
	}
	if a.record != nil && s.graph == nil && s.runs == warmup {
		g, err := a.record(do)
		if err != nil {
			return err
		}
		s.graph = g
	}
	if s.graph != nil {
		do = s.graph.Replay
	}
	s.runs++
	if err := do(); err != nil {
		return err
	}
	return s.lossOut.Download(i, s.loss)
}

func (a *automatic) wait() error {
	if !a.trainer.Execution.CUDA {
		return nil
	}
	return libtorch.Wait()
}

func (a *automatic) losses(train, test []float32) error {
	if err := a.wait(); err != nil {
		return err
	}
	for i := range train {
		train[i] = a.train.lossOut.Row(i)[0]
		if a.test.lossOut != nil {
			test[i] = a.test.lossOut.Row(i)[0]
		}
	}
	return nil
}

// prepare allocates the tensors and buffers for batches of this size.
func (a *automatic) prepare(s *side, batch kernels.Batch[float32]) (err error) {
	cuda := a.trainer.Execution.CUDA
	if batch.Rows != nil {
		s.rows = a.keep.Indices(batch.Rows)
		if s.rowsIn, err = libtorch.NewBuffer[int64](a.unread(), len(batch.Rows), cuda); err != nil {
			return err
		}
	}
	if batch.Noise != nil {
		s.noise = a.keep.Matrix(batch.Noise, len(batch.Noise)/batch.Count)
		if s.noiseIn, err = libtorch.NewBuffer[float32](a.unread(), len(batch.Noise), cuda); err != nil {
			return err
		}
	}
	s.loss = a.keep.Matrix([]float32{0}, 1)
	if s.lossOut, err = libtorch.NewBuffer[float32](a.unread(), 1, cuda); err != nil {
		return err
	}
	return a.keep.Err()
}

func (a *automatic) store() error {
	for i, vector := range append([]nets.Parameters{a.trainer.Model.Parameters}, a.trainer.state...) {
		tensors := a.values
		if i > 0 {
			tensors = a.state[i-1]
		}
		for j, p := range vector {
			copy(p.Values, a.keep.Values(tensors[j]))
		}
	}
	return a.keep.Err()
}

func (a *automatic) close() error {
	err := a.wait()
	for _, s := range []*side{&a.train, &a.test} {
		if s.graph != nil {
			err = errors.Join(err, s.graph.Free())
		}
		if s.rowsIn != nil {
			s.rowsIn.Free()
		}
		for _, buffer := range []*libtorch.Buffer[float32]{s.noiseIn, s.lossOut} {
			if buffer != nil {
				buffer.Free()
			}
		}
	}
	a.keep.Free()
	if a.stream != nil {
		err = errors.Join(err, a.stream.Leave())
	}
	return err
}
