package trainer

import (
	"cmp"
	"errors"

	"github.com/sugarme/gotch/ts"

	"hnn/internal/autograd"
	"hnn/internal/kernels"
	"hnn/internal/libtorch"
	"hnn/nets"
)

// oracle is a model and its data as LibTorch tensors, with the loss as LibTorch operations.
type oracle struct {
	keep     libtorch.Scope // owns the tensors
	values   []*ts.Tensor   // the parameters
	equation *autograd.Equation
	coders   []autograd.Network  // encoder and decoder, if the data are images
	frames   *ts.Tensor          // of shape (frames, pixels), of 0..1
	x, dx    map[bool]*ts.Tensor // of the training set and, by true, of the test set
}

// newOracle copies a model and its data to LibTorch. The caller frees what keep owns.
func newOracle(m *Model, d rows, cuda bool) (*oracle, error) {
	o := &oracle{keep: libtorch.Scope{CUDA: cuda}, x: map[bool]*ts.Tensor{}, dx: map[bool]*ts.Tensor{}}
	o.values = o.tensors(m.Parameters, true)
	o.coders = autograd.Bind(m.coders(), o.values)
	o.equation = autograd.NewEquation(&o.keep, m.Equation, o.values[m.coderParameters():])
	if d.images != nil {
		o.frames = o.keep.Matrix(d.images.Pixels(0, int64(len(d.images.Frames))), d.images.Side*d.images.Side)
	} else {
		for _, test := range []bool{false, true} {
			set := d.set(test)
			o.x[test], o.dx[test] = o.keep.Variable(set.x, set.columns), o.keep.Matrix(set.dx, set.columns)
		}
	}
	if err := o.keep.Err(); err != nil {
		o.keep.Free()
		return nil, err
	}
	return o, nil
}

func (o *oracle) tensors(list nets.Parameters, requiresGradient bool) []*ts.Tensor {
	var tensors []*ts.Tensor
	for _, p := range list {
		tensors = append(tensors, o.keep.Tensor(p.Values, p.Shape, requiresGradient))
	}
	return tensors
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
	x, dx := o.x[test], o.dx[test]
	if rows != nil {
		x, dx = s.Rows(x, rows), s.Rows(dx, rows)
	}
	var prediction *ts.Tensor
	if batch.Scheme == kernels.RK4 {
		prediction = s.Scale(batch.Scale, o.equation.RK4Increment(s, x, batch.Step))
	} else {
		prediction = o.equation.TimeDerivative(s, x, nil)
	}
	if noise != nil {
		prediction = s.Add(prediction, noise)
	}
	return s.SquaredError(dx, prediction)
}

// automatic computes gradients by LibTorch's automatic differentiation, on the processor or on a GPU. Every step runs the same operations on the same
// tensors, so a CUDA graph can replay it.
type automatic struct {
	*oracle
	trainer     *Trainer
	device      libtorch.Device
	remote      bool           // whether the device has memory of its own, and works while the program goes on
	state       [][]*ts.Tensor // the optimizer's vectors, by vector and parameter
	adamSteps   *ts.Tensor     // on a GPU, the number of steps that Adam has made
	step        int
	train, test side
}

const (
	// gpuUnread is the number of steps after which the trainer reads the losses from a GPU.
	gpuUnread = 100
	// warmup is the number of steps before the recording. In these steps, LibTorch allocates the memory and the handles that it keeps.
	warmup = 3
)

// side holds the inputs and the output of a step on the training set or on the test set.
type side struct {
	rows  libtorch.Buffer[int64]   // empty for all rows
	noise libtorch.Buffer[float32] // empty for none
	loss  libtorch.Buffer[float32]
	runs  int
	graph libtorch.Graph
}

func newAutomatic(t *Trainer) (*automatic, error) {
	if err := libtorch.Configure(t.Execution.threads()); err != nil {
		return nil, err
	}
	a := &automatic{trainer: t, remote: t.Execution.CUDA || t.standIn != nil}
	var err error
	if a.device, err = t.device(); err != nil {
		return nil, err
	}
	if a.oracle, err = newOracle(t.Model, t.rows, t.Execution.CUDA); err != nil {
		return nil, cmp.Or(err, a.device.Leave())
	}
	for _, vector := range t.state {
		a.state = append(a.state, a.tensors(vector, false))
	}
	if t.Execution.CUDA {
		a.adamSteps = a.keep.Tensor([]float32{float32(len(t.Losses.Train))}, []int64{1}, false)
	}
	if err := a.keep.Err(); err != nil {
		return nil, cmp.Or(err, a.close())
	}
	return a, nil
}

// device returns where the run computes.
func (t *Trainer) device() (libtorch.Device, error) {
	switch {
	case t.standIn != nil:
		return t.standIn, nil
	case t.Execution.CUDA:
		return libtorch.EnterStream()
	}
	return libtorch.Processor{}, nil
}

// alone reports whether a GPU can go on by itself: several processes add up their gradients in every step.
func (a *automatic) alone() bool { return a.remote && a.trainer.Execution.group().Size() == 1 }

func (a *automatic) unread() int {
	if a.alone() {
		return gpuUnread
	}
	return 1
}

func (a *automatic) update(step, i int, batch kernels.Batch[float32]) error {
	a.step = step
	return a.work(&a.train, i, batch, false)
}

func (a *automatic) evaluate(i int, batch kernels.Batch[float32]) error {
	return a.work(&a.test, i, batch, true)
}

// work uploads a batch, computes its loss and, in training, makes a step, or replays this work's graph. Then it downloads the loss.
func (a *automatic) work(in *side, i int, batch kernels.Batch[float32], test bool) error {
	if err := a.upload(in, i, batch); err != nil {
		return err
	}
	do := func() error { return a.compute(in, batch, test) }
	if a.alone() && a.trainer.Execution.Record && in.graph == nil && in.runs == warmup {
		graph, err := a.device.Record(do)
		if err != nil {
			return err
		}
		in.graph = graph
	}
	if in.graph != nil {
		do = in.graph.Replay
	}
	in.runs++
	if err := do(); err != nil {
		return err
	}
	return in.loss.Download(a.device, i)
}

// upload copies a batch to the device. The first one makes the buffers.
func (a *automatic) upload(in *side, i int, batch kernels.Batch[float32]) error {
	if in.loss.Tensor == nil {
		count := int64(batch.Count)
		in.rows = libtorch.NewBuffer(&a.keep, a.unread(), batch.Rows, count)
		in.noise = libtorch.NewBuffer(&a.keep, a.unread(), batch.Noise, count, int64(len(batch.Noise))/count)
		in.loss = libtorch.NewBuffer(&a.keep, a.unread(), []float32{0}, 1)
		if a.keep.Err() != nil {
			return a.keep.Err()
		}
	}
	if err := in.rows.Upload(a.device, i, batch.Rows); err != nil {
		return err
	}
	return in.noise.Upload(a.device, i, batch.Noise)
}

// compute computes the loss of what was uploaded and, in training, makes a step.
func (a *automatic) compute(in *side, batch kernels.Batch[float32], test bool) error {
	s := libtorch.Scope{CUDA: a.keep.CUDA}
	defer s.Free()
	loss := s.Mean(a.errors(&s, batch, in.rows.Tensor, in.noise.Tensor, test))
	if batch.Whole > 0 {
		loss = s.Scale(float64(batch.Count)/float64(batch.Whole), loss)
	}
	var gradients []*ts.Tensor
	if !test {
		gradients = s.Gradients(loss, a.values, false)
	}
	if s.Err() != nil {
		return s.Err()
	}
	if err := a.sum(&s, loss, gradients); err != nil {
		return err
	}
	if !test {
		if err := a.optimize(&s, gradients); err != nil {
			return err
		}
	}
	return libtorch.Copy(in.loss.Tensor, loss)
}

// sum adds up the losses and the gradients of all processes.
func (a *automatic) sum(s *libtorch.Scope, loss *ts.Tensor, gradients []*ts.Tensor) error {
	if a.trainer.Execution.group().Size() == 1 {
		return nil
	}
	there := append([]*ts.Tensor{loss}, gradients...)
	here, parts, err := a.download(s, there)
	if err != nil {
		return err
	}
	if err := a.trainer.ranks.sum(&parts[0][0], parts[1:]...); err != nil || !a.remote {
		return err
	}
	for i := range there {
		if err := a.device.Upload(there[i], here[i]); err != nil {
			return err
		}
	}
	return nil
}

// download returns tensors in the processor's memory, those of the list if they are there, and their elements.
func (a *automatic) download(s *libtorch.Scope, list []*ts.Tensor) ([]*ts.Tensor, [][]float32, error) {
	here := list
	if a.remote {
		here = make([]*ts.Tensor, len(list))
		for i, tensor := range list {
			if here[i] = s.Local(tensor); s.Err() != nil {
				return nil, nil, s.Err()
			}
			if err := a.device.Download(here[i], tensor); err != nil {
				return nil, nil, err
			}
		}
		if err := a.device.Wait(); err != nil {
			return nil, nil, err
		}
	}
	elements := make([][]float32, len(here))
	for i, tensor := range here {
		elements[i] = libtorch.Memory[float32](s, tensor)
	}
	return here, elements, s.Err()
}

// optimize makes a step of the optimizer.
func (a *automatic) optimize(s *libtorch.Scope, gradients []*ts.Tensor) error {
	p := &Parameters{adam: func(n int, adam Adam) error {
		return libtorch.Adam(a.values, gradients, a.state[0], a.state[1], n, a.adamSteps, adam.LearnRate, adam.WeightDecay)
	}}
	if !a.keep.CUDA {
		p.vectors = func() []Vectors {
			parts := make([]Vectors, len(a.values))
			for i, value := range a.values {
				parts[i] = Vectors{Values: libtorch.Memory[float32](s, value), Gradient: libtorch.Memory[float32](s, gradients[i])}
				for _, vector := range a.state {
					parts[i].State = append(parts[i].State, libtorch.Memory[float32](s, vector[i]))
				}
			}
			return parts
		}
	}
	return errors.Join(a.trainer.Optimizer.Step(a.step+1, p), s.Err())
}

func (a *automatic) losses(train, test []float32) error {
	err := a.device.Wait()
	copy(train, a.train.loss.Rows)
	copy(test, a.test.loss.Rows)
	return err
}

func (a *automatic) nodes() (count int) {
	for _, graph := range a.graphs() {
		count += graph.Nodes()
	}
	return count
}

// graphs returns what has been recorded.
func (a *automatic) graphs() (recorded []libtorch.Graph) {
	for _, in := range []*side{&a.train, &a.test} {
		if in.graph != nil {
			recorded = append(recorded, in.graph)
		}
	}
	return recorded
}

func (a *automatic) store() error {
	s := libtorch.Scope{CUDA: a.keep.CUDA}
	defer s.Free()
	var tensors []*ts.Tensor
	for _, list := range append([][]*ts.Tensor{a.values}, a.state...) {
		tensors = append(tensors, list...)
	}
	_, elements, err := a.download(&s, tensors)
	if err != nil {
		return err
	}
	for _, vector := range a.trainer.vectors() {
		for _, p := range vector {
			copy(p.Values, elements[0])
			elements = elements[1:]
		}
	}
	return nil
}

func (a *automatic) close() error {
	err := a.device.Wait()
	for _, graph := range a.graphs() {
		graph.Free()
	}
	a.keep.Free()
	return cmp.Or(err, a.device.Leave())
}
