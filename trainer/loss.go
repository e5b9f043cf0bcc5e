package trainer

import (
	"fmt"
	"strings"

	"hnn/internal/kernels"
)

// Loss is the function that training minimises: the mean squared error of the model's prediction at a state.
type Loss struct {
	Name        string
	Description string
	// Increments predicts x(t+h) − x(t), by one step of the classical Runge-Kutta method, in place of dx/dt.
	Increments bool
	// Step is the time step h of the increments. New sets it to the task's TimeStep.
	Step float64
	// Mean divides the increment by h, so that it can be compared with a derivative.
	Mean bool
}

// The losses. Tasks with images ignore them and have a loss of their own (docs/closed-form.md).
var (
	// Derivatives compares dx/dt, as the published scripts do.
	Derivatives = Loss{Name: "derivatives", Description: "the time derivative"}
	// RK4 compares mean derivatives over a time step.
	RK4 = Loss{Name: "rk4", Description: "the mean derivative over a Runge-Kutta step", Increments: true, Mean: true}
	// PublishedRK4 compares the increment over a time step with the derivative, as the published script of the task real does with
	// -use_rk4. The learned field is therefore too large, by a factor of up to 1/h.
	PublishedRK4 = Loss{Name: "published-rk4", Description: "the increment over a Runge-Kutta step against the derivative", Increments: true}
)

// LossFunctions lists the losses.
var LossFunctions = []Loss{Derivatives, RK4, PublishedRK4}

// FindLoss returns the loss with the given name, or an error that lists the names.
func FindLoss(name string) (Loss, error) {
	var names []string
	for _, l := range LossFunctions {
		if l.Name == name {
			return l, nil
		}
		names = append(names, l.Name)
	}
	return Loss{}, fmt.Errorf("there is no loss %q; choose one of %s", name, strings.Join(names, ", "))
}

// set sets the scheme, the time step h and the factor of the increment in a batch. With -use_rk4, the published script trains on increments
// but evaluates the test loss on derivatives.
func (l Loss) set(b *kernels.Batch[float32], evaluate bool) {
	if !l.Increments || evaluate && !l.Mean {
		return
	}
	b.Scheme, b.Step, b.Scale = kernels.RK4, l.Step, 1
	if l.Mean {
		b.Scale = 1 / l.Step
	}
}
