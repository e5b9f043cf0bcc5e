package trainer

import (
	"hnn/internal/closedform"
	"hnn/internal/kernels"
)

// engine computes the steps of a run, on the rows of this process, and adds up what all processes compute. It holds a copy of the parameters and
// of the optimizer's state.
type engine interface {
	// unread returns the number of steps after which the trainer reads the losses.
	unread() int
	// update makes a step; the first is step 0. evaluate computes the test loss. i is the index of the step among those whose losses are not read yet.
	// If evaluated is set, a call of evaluate follows at once, and may do the work of both.
	update(step, i int, batch kernels.Batch[float32], evaluated bool) error
	evaluate(i int, batch kernels.Batch[float32]) error
	// losses reads the losses of the last len(train) steps. At a step without an evaluation, the value in test is undefined.
	losses(train, test []float32) error
	// nodes returns the number of operations in recorded graphs.
	nodes() int
	// store copies the parameters and the optimizer's state back.
	store() error
	close() error
}

// closedForm computes gradients in closed form on the processor (docs/closed-form.md).
type closedForm struct {
	trainer     *Trainer
	model       *kernels.Model[float32]
	parameters  Parameters // for the optimizer
	changed     bool       // whether the optimizer has asked for vectors, which it may have changed
	train, test float32
}

func newClosedForm(t *Trainer) (*closedForm, error) {
	model, err := t.Model.kernel(t.rows, len(t.state), t.Execution.threads())
	if err != nil {
		return nil, err
	}
	c := &closedForm{trainer: t, model: model}
	c.each(model.Load)
	c.parameters = Parameters{
		adam: func(n int, a Adam) error { return model.Adam(n, a.LearnRate, a.WeightDecay) },
		vectors: func() []Vectors {
			c.changed = true
			v := Vectors{Values: model.Vector(kernels.Values), Gradient: model.Vector(kernels.Gradient)}
			for i := range t.state {
				v.State = append(v.State, model.Vector(kernels.FirstState+kernels.Kept(i)))
			}
			return []Vectors{v}
		},
	}
	return c, nil
}

// kernel returns the model in closed form, with space for a number of state vectors. The caller closes it.
func (m *Model) kernel(d rows, state, threads int) (*kernels.Model[float32], error) {
	c := closedform.Equation(m.Equation)
	c.Vectors, c.Threads = state, threads
	if coders := m.coders(); coders != nil {
		c.Networks = append(closedform.Layers(coders), c.Networks...)
		c.Features = append(make([][]kernels.Feature, len(coders)), c.Features...)
		for i := range c.Terms {
			c.Terms[i] = c.Terms[i].After(len(coders))
		}
	}
	if d.images != nil {
		c.Frames = d.images.Frames
	}
	return kernels.New[float32](c)
}

// each calls copy for every layer of the parameters and of the optimizer's state.
func (c *closedForm) each(copy func(what kernels.Kept, network, layer int, weight, bias []float32)) {
	for i, p := range c.trainer.vectors() {
		what := kernels.Values
		if i > 0 {
			what = kernels.FirstState + kernels.Kept(i-1)
		}
		p.EachLayer(c.trainer.Model.networks(), func(network, layer int, weight, bias []float32) { copy(what, network, layer, weight, bias) })
	}
}

func (c *closedForm) unread() int { return 1 }

func (c *closedForm) update(step, _ int, batch kernels.Batch[float32], _ bool) error {
	c.train = 0
	if batch.Count > 0 {
		loss, err := c.model.Gradient(batch)
		if err != nil {
			return err
		}
		c.train = float32(loss)
	} else { // this process has no row of the batch, but takes part in the sum
		clear(c.model.Vector(kernels.Gradient))
	}
	if err := c.trainer.ranks.sum(&c.train, c.model.Vector(kernels.Gradient)); err != nil {
		return err
	}
	if err := c.trainer.Optimizer.Step(step+1, &c.parameters); err != nil || !c.changed {
		return err
	}
	c.changed = false
	return c.model.Updated()
}

func (c *closedForm) evaluate(_ int, batch kernels.Batch[float32]) error {
	c.test = 0
	if batch.Count > 0 {
		loss, err := c.model.Loss(batch)
		if err != nil {
			return err
		}
		c.test = float32(loss)
	}
	return c.trainer.ranks.sum(&c.test)
}

func (c *closedForm) losses(train, test []float32) error {
	train[0], test[0] = c.train, c.test
	return nil
}

func (c *closedForm) nodes() int { return 0 }

func (c *closedForm) store() error {
	c.each(c.model.Store)
	return nil
}

func (c *closedForm) close() error {
	c.model.Close()
	return nil
}
