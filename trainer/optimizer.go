package trainer

import "errors"

// Optimizer updates parameters from gradients. It may keep state vectors with one number for each parameter. They start at zero, and Save
// saves them.
type Optimizer interface {
	// State returns the names of the state vectors.
	State() []string
	// Step makes step number n. The first step is 1.
	Step(n int, p *Parameters) error
}

// Parameters give an optimizer access to a model during a step.
type Parameters struct {
	vectors func() []Vectors
	adam    func(n int, a Adam) error
}

// Vectors hold parameters, the gradient of the loss with respect to them, and the optimizer's state vectors in the order of State.
type Vectors struct {
	Values, Gradient []float32
	State            [][]float32
}

// Vectors returns all parameters, in one or several parts. The optimizer changes them in place. Some elements are padding: their values and
// gradients are zero and must remain zero. On a GPU, Vectors returns an error.
func (p *Parameters) Vectors() ([]Vectors, error) {
	if p.vectors == nil {
		return nil, errors.New("trainer: this optimizer works on the processor only; train without CUDA, or use Adam")
	}
	return p.vectors(), nil
}

// Adam is the optimizer of the published scripts (Kingma and Ba, 2015), with betas .9 and .999 and eps 1e-8. The weight decay is L2: it is
// added to the gradient.
type Adam struct{ LearnRate, WeightDecay float64 }

// State implements Optimizer: the running means of the gradient and of its square.
func (Adam) State() []string { return []string{"adam.mean", "adam.square"} }

// Step implements Optimizer.
func (a Adam) Step(n int, p *Parameters) error { return p.adam(n, a) }
