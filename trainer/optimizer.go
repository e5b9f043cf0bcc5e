package trainer

import "errors"

// Optimizer turns gradients into steps. It may keep vectors, one number for each parameter, which start at zero and are saved with a run.
type Optimizer interface {
	// State names the vectors that the optimizer keeps.
	State() []string
	// Step makes step number n, from 1.
	Step(n int, p *Parameters) error
}

// Parameters are what an optimizer sees of a model during a step.
type Parameters struct {
	vectors func() []Vectors
	adam    func(n int, a Adam) error
}

// Vectors are parameters, the gradient of the loss by them, and what the optimizer keeps for them, in the order of its State.
type Vectors struct {
	Values, Gradient []float32
	State            [][]float32
}

// Vectors returns all parameters, in one or several parts, for an optimizer to change in place. Some numbers stand for no parameter: their
// values and gradients are zero and must remain zero. On a GPU there are none, and an error says so.
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
