package trainer

import (
	"errors"

	"github.com/sugarme/gotch/ts"

	"hnn/internal/kernels"
	"hnn/internal/libtorch"
	"hnn/nets"
)

// engine computes the steps of a run.
type engine interface {
	// begin and end surround a run: between them the parameters and moments may be elsewhere.
	begin() error
	end() error
	// most is the number of steps whose losses may be read together.
	most() int
	// update makes a step of Adam, and evaluate takes the test loss, as number i of those whose losses are not read yet.
	update(step, i int, batch kernels.Batch[float32]) error
	evaluate(i int, batch kernels.Batch[float32]) error
	// losses reads the losses of as many steps; those of the test only where there was an evaluation.
	losses(train, test []float32) error
	free()
}

// newEngine chooses the closed form on the processor where there is one, and LibTorch's automatic differentiation elsewhere.
func (t *Trainer) newEngine(execution Execution) (engine, error) {
	if !t.Settings.Autograd && !libtorch.OnCUDA() {
		model, err := t.objective.closedForm(execution.Threads)
		if err != nil {
			return nil, err
		}
		if model != nil {
			kept := map[kernels.Kept][]nets.Parameter{kernels.Value: t.values, kernels.Mean: t.mean, kernels.Square: t.square}
			return &closedForm{model: model, kept: kept, settings: t.Settings}, nil
		}
	}
	if err := libtorch.Configure(execution.Threads); err != nil {
		return nil, err
	}
	a := &autograd{trainer: t}
	if libtorch.OnCUDA() && execution.Record {
		a.record = func(work func() error) (recording, error) { return libtorch.Record(work) }
	}
	return a, nil
}

// closedForm takes gradients in closed form, on the processor.
type closedForm struct {
	model       *kernels.Model[float32]
	kept        map[kernels.Kept][]nets.Parameter
	settings    Settings
	train, test float32
}

func (c *closedForm) begin() error {
	for what, parameters := range c.kept {
		if err := nets.ToKernel(c.model, what, parameters); err != nil {
			return err
		}
	}
	return nil
}

func (c *closedForm) end() (err error) {
	for what, parameters := range c.kept {
		err = errors.Join(err, nets.FromKernel(c.model, what, parameters))
	}
	return err
}

func (c *closedForm) most() int { return 1 }

func (c *closedForm) update(step, _ int, batch kernels.Batch[float32]) error {
	c.train = float32(c.model.Step(batch, step+1, c.settings.LearnRate, c.settings.WeightDecay))
	return nil
}

func (c *closedForm) evaluate(_ int, batch kernels.Batch[float32]) error {
	c.test = float32(c.model.Loss(batch))
	return nil
}

func (c *closedForm) losses(train, test []float32) error {
	train[0], test[0] = c.train, c.test
	return nil
}

func (c *closedForm) free() { c.model.Free() }

// autograd takes gradients by LibTorch's automatic differentiation, where its tensors live. What a step asks of LibTorch is the same
// every time, on the same tensors, so that a GPU can be given a recording of it.
type autograd struct {
	trainer     *Trainer
	record      func(work func() error) (recording, error) // nil where all is done as it is asked for
	stream      *libtorch.Stream
	adam        *ts.Tensor // the number of steps that Adam has made; nil on the processor, which is told it at each
	step        int
	train, test side
}

// recording is work that has been recorded.
type recording interface {
	Replay() error
	Free()
}

const (
	// unread is the number of steps after which a GPU's losses are read.
	unread = 100
	// rehearsals are the times that a work is done before it is recorded: what LibTorch makes once is there then.
	rehearsals = 3
)

// side is what the work on a batch, of the training or of the test set, reads and leaves.
type side struct {
	rows, noise *ts.Tensor // nil for all rows, and for none
	loss        *ts.Tensor
	rowsIn      *libtorch.Staging[int64]
	noiseIn     *libtorch.Staging[float32]
	lossOut     *libtorch.Staging[float32]
	times       int
	recording   recording
}

func (a *autograd) begin() error {
	if !libtorch.OnCUDA() {
		return nil
	}
	var err error
	if a.adam, err = libtorch.FromSlice([]float32{float32(len(a.trainer.Losses.Train))}, 1); err != nil || a.record == nil {
		return err
	}
	stream, err := libtorch.EnterStream()
	if err == nil {
		a.stream = &stream
	}
	return err
}

func (a *autograd) end() error {
	err := libtorch.Wait()
	for _, s := range []*side{&a.train, &a.test} {
		s.free()
		*s = side{}
	}
	if a.adam != nil {
		_ = a.adam.Drop()
		a.adam = nil
	}
	if a.stream != nil {
		err = errors.Join(err, a.stream.Leave())
		a.stream = nil
	}
	return err
}

func (a *autograd) free() {}

func (a *autograd) most() int {
	if libtorch.OnCUDA() {
		return unread
	}
	return 1
}

func (a *autograd) update(step, i int, batch kernels.Batch[float32]) error {
	a.step = step
	return a.work(&a.train, i, batch, func() error {
		var s libtorch.Scope
		defer s.Free()
		t := a.trainer
		loss := t.objective.loss(&s, a.train.rows, a.train.noise, false)
		if s.Err() != nil {
			return s.Err()
		}
		values, mean, square := tensors(t.values), tensors(t.mean), tensors(t.square)
		gradients, err := libtorch.Gradient(loss, values, false)
		if err != nil {
			return err
		}
		for _, g := range gradients {
			s.Keep(g, nil)
		}
		if a.adam != nil {
			err = libtorch.FusedAdam(values, gradients, mean, square, a.adam, t.Settings.LearnRate, t.Settings.WeightDecay)
		} else {
			err = libtorch.Adam(values, gradients, mean, square, a.step+1, t.Settings.LearnRate, t.Settings.WeightDecay)
		}
		return errors.Join(err, libtorch.Copy(a.train.loss, loss))
	})
}

func (a *autograd) evaluate(i int, batch kernels.Batch[float32]) error {
	return a.work(&a.test, i, batch, func() error {
		var s libtorch.Scope
		defer s.Free()
		loss := a.trainer.objective.loss(&s, a.test.rows, a.test.noise, true)
		if s.Err() != nil {
			return s.Err()
		}
		return libtorch.Copy(a.test.loss, loss)
	})
}

// work uploads a batch, does what is to be done with it, from the recording once there is one, and downloads the loss.
func (a *autograd) work(s *side, i int, batch kernels.Batch[float32], do func() error) error {
	if s.loss == nil {
		if err := s.make(batch, a.most()); err != nil {
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
	if a.record != nil && s.recording == nil && s.times == rehearsals {
		var err error
		if s.recording, err = a.record(do); err != nil {
			return err
		}
	}
	if s.recording != nil {
		do = s.recording.Replay
	}
	s.times++
	if err := do(); err != nil {
		return err
	}
	return s.lossOut.Download(i, s.loss)
}

func (a *autograd) losses(train, test []float32) error {
	if err := libtorch.Wait(); err != nil {
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

// make takes the memory for batches of the given one's size, of so many steps on the processor's side.
func (s *side) make(batch kernels.Batch[float32], steps int) (err error) {
	var scope libtorch.Scope // what it keeps becomes the side's
	if batch.Rows != nil {
		s.rows = scope.Indices(batch.Rows)
		if s.rowsIn, err = libtorch.NewStaging[int64](steps, len(batch.Rows)); err != nil {
			return err
		}
	}
	if batch.Noise != nil {
		s.noise = scope.Slice(batch.Noise, len(batch.Noise)/batch.Count)
		if s.noiseIn, err = libtorch.NewStaging[float32](steps, len(batch.Noise)); err != nil {
			return err
		}
	}
	s.loss = scope.Slice([]float32{0}, 1)
	if s.lossOut, err = libtorch.NewStaging[float32](steps, 1); err != nil {
		return err
	}
	return scope.Err()
}

func (s *side) free() {
	if s.recording != nil {
		s.recording.Free()
	}
	for _, t := range []*ts.Tensor{s.rows, s.noise, s.loss} {
		if t != nil {
			_ = t.Drop()
		}
	}
	if s.rowsIn != nil {
		s.rowsIn.Free()
	}
	for _, staging := range []*libtorch.Staging[float32]{s.noiseIn, s.lossOut} {
		if staging != nil {
			staging.Free()
		}
	}
}

func tensors(parameters []nets.Parameter) []*ts.Tensor {
	list := make([]*ts.Tensor, len(parameters))
	for i, p := range parameters {
		list[i] = p.Tensor
	}
	return list
}
