package fit

import (
	"errors"
	"math"

	"hnn/internal/kernels"
)

// validation holds the windows of the validation trajectories, and the parameters that predict them best. It ends a training that begins to
// learn noise (early stopping; Prechelt, 1998).
type validation struct {
	windows *batch
	error   float64 // root mean square, at the last look
	lowest  float64
	values  []float32 // parameters of the lowest error
	above   int       // looks in a row with an error above rise times the lowest
	risen   bool      // whether the error has risen for good in a part of the training
}

// validationRows is the number of rows of a validation window. The error has risen for good when it was above rise times the lowest at each of
// patience looks in a row.
const validationRows, rise, patience = 51, 1.1, 3

func (f *fitter) validation() (*validation, error) {
	v := &validation{windows: f.held.windows(min(validationRows, f.held.longest()), f.seen)}
	if v.windows.Count == 0 {
		return nil, errors.New("fit: the validation trajectories have no two rows without a gap between them; measure longer ones")
	}
	return v, nil
}

// look finds the error of a candidate's predictions of the validation windows. It first fits the start of each window, by Adam, so the noise of
// a start does not count.
func (f *fitter) look(a *attempt, v *validation) error {
	steps := 60
	if v.values != nil {
		steps = 15 // from the starts of the last look
	}
	clear(v.windows.mean)
	clear(v.windows.square)
	v.error = math.Inf(1)
	for i := range steps {
		loss, err := a.kernel.WindowLoss(v.windows.Windows, v.windows.gradient)
		if err != nil {
			return err
		}
		if !finite(loss) {
			break
		}
		v.error = min(v.error, math.Sqrt(loss))
		v.windows.move(i+1, cosine(1e-2, 1e-3, i, steps))
	}
	if v.values == nil || v.error < v.lowest {
		v.lowest, v.values = v.error, append(v.values[:0], a.kernel.Vector(kernels.Values)...)
	}
	if v.above++; v.error <= rise*v.lowest {
		v.above = 0
	}
	if f.now.Part != choosing {
		f.losses[len(f.losses)-1].Validation = v.error
	}
	return nil
}

// stop reports whether the error has risen for good.
func (v *validation) stop() bool { return v != nil && v.above >= patience }

// restore gives a candidate the parameters of the lowest error.
func (v *validation) restore(a *attempt) error {
	v.error, v.above = v.lowest, 0
	return a.set(v.values)
}

// stopEarly trains a candidate on the training trajectories. It begins with the best parameters of the candidate's trial, and ends with those of
// the lowest validation error.
func (f *fitter) stopEarly(a *attempt, v *validation, n schedule) error {
	if err := v.restore(a); err != nil {
		return err
	}
	err := f.train(a, f.training, n, v)
	return errors.Join(err, v.restore(a))
}
