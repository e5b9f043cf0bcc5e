package trainer

import (
	"cmp"

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
	trainer   *Trainer
	device    libtorch.Device
	remote    bool           // whether the device has memory of its own, and works while the program goes on
	state     [][]*ts.Tensor // the optimizer's vectors, by vector and parameter
	adamSteps *ts.Tensor     // on a GPU, the number of steps that Adam has made

	step    int                      // the present one
	batches []kernels.Batch[float32] // of the present step: of the training set and, if the step is evaluated, of the test set
	rows    []int64                  // of the batches, one after the other; empty for all rows
	noise   []float32                // for these rows; empty for none
	work    [2]work                  // for steps without an evaluation, and with one
	loss    libtorch.Buffer[float32] // for each unread step, those of both batches
}

const (
	// gpuUnread is the number of steps after which the trainer reads the losses from a GPU.
	gpuUnread = 100
	// warmup is the number of steps before the recording. In these steps, LibTorch allocates the memory and the handles that it keeps.
	warmup = 3
)

// work is what a device does in a step. On a GPU, these are one copy of rows, one of noise, one graph, and one copy of the losses.
type work struct {
	rows  libtorch.Buffer[int64]
	noise libtorch.Buffer[float32]
	runs  int            // how often it was done
	graph libtorch.Graph // nil until it is recorded
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
	a.loss = libtorch.NewBuffer(&a.keep, a.unread(), make([]float32, 2), 2)
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

// alone reports whether a GPU can go on by itself from step to step. With several processes it waits in every step, as they add up their gradients.
func (a *automatic) alone() bool { return a.remote && a.trainer.Execution.group().Size() == 1 }

func (a *automatic) unread() int {
	if a.alone() {
		return gpuUnread
	}
	return 1
}

func (a *automatic) update(step, i int, batch kernels.Batch[float32], evaluated bool) error {
	a.step, a.batches, a.rows, a.noise = step, a.batches[:0], a.rows[:0], a.noise[:0]
	a.take(batch)
	if evaluated {
		return nil // evaluate does all the work at once
	}
	return a.do(&a.work[0], i)
}

func (a *automatic) evaluate(i int, batch kernels.Batch[float32]) error {
	a.take(batch)
	return a.do(&a.work[1], i)
}

// take adds a batch to the present step.
func (a *automatic) take(batch kernels.Batch[float32]) {
	a.batches = append(a.batches, batch)
	a.rows, a.noise = append(a.rows, batch.Rows...), append(a.noise, batch.Noise...)
}

// do uploads the present step's batches, computes the step or replays its graph, and downloads the losses into row i of a.loss.
func (a *automatic) do(w *work, i int) error {
	if err := a.upload(w, i); err != nil {
		return err
	}
	do := func() error { return a.compute(w) }
	if a.alone() && a.trainer.Execution.Record && w.graph == nil && w.runs == warmup {
		graph, err := a.device.Record(do)
		if err != nil {
			return err
		}
		w.graph = graph
	}
	if w.graph != nil {
		do = w.graph.Replay
	}
	w.runs++
	if err := do(); err != nil {
		return err
	}
	return a.loss.Download(a.device, i)
}

// upload copies the present step's batches to the device. The first call makes the buffers.
func (a *automatic) upload(w *work, i int) error {
	if w.runs == 0 {
		count := 0
		for _, batch := range a.batches {
			count += batch.Count
		}
		w.rows = libtorch.NewBuffer(&a.keep, a.unread(), a.rows, int64(len(a.rows)))
		w.noise = libtorch.NewBuffer(&a.keep, a.unread(), a.noise, int64(count), int64(len(a.noise)/count))
		if a.keep.Err() != nil {
			return a.keep.Err()
		}
	}
	if err := w.rows.Upload(a.device, i, a.rows); err != nil {
		return err
	}
	return w.noise.Upload(a.device, i, a.noise)
}

// compute makes a step with the first batch that was uploaded, and computes the loss of the second one.
func (a *automatic) compute(w *work) error {
	s := libtorch.Scope{CUDA: a.keep.CUDA}
	defer s.Free()
	first := 0
	for set, batch := range a.batches {
		var rows, noise *ts.Tensor
		if w.rows.Tensor != nil {
			rows = s.Elements(w.rows.Tensor, first, batch.Count)
		}
		if w.noise.Tensor != nil {
			noise = s.Elements(w.noise.Tensor, first, batch.Count)
		}
		first += batch.Count
		test := set == 1
		loss := s.Mean(a.errors(&s, batch, rows, noise, test))
		if batch.Whole > 0 {
			loss = s.Scale(float64(batch.Count)/float64(batch.Whole), loss)
		}
		if err := a.finish(&s, loss, test); err != nil {
			return err
		}
		if err := libtorch.Copy(s.Elements(a.loss.Tensor, set, 1), loss); err != nil {
			return cmp.Or(s.Err(), err)
		}
	}
	return s.Err()
}

// finish adds up a loss over all processes and, in training, makes a step against its gradient.
func (a *automatic) finish(s *libtorch.Scope, loss *ts.Tensor, test bool) error {
	var gradients []*ts.Tensor
	if !test {
		gradients = s.Gradients(loss, a.values, false)
	}
	if s.Err() != nil {
		return s.Err()
	}
	if err := a.sum(s, loss, gradients); err != nil || test {
		return err
	}
	return a.optimize(s, gradients)
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

// download returns tensors in the processor's memory and their elements. If the device has no memory of its own, these are the given tensors.
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
	return cmp.Or(a.trainer.Optimizer.Step(a.step+1, p), s.Err())
}

func (a *automatic) losses(train, test []float32) error {
	err := a.device.Wait()
	for i := range train {
		train[i], test[i] = a.loss.Rows[2*i], a.loss.Rows[2*i+1]
	}
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
	for _, w := range a.work {
		if w.graph != nil {
			recorded = append(recorded, w.graph)
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
