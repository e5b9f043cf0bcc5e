package fit

import (
	"errors"
	"math"
	"slices"

	"gonum.org/v1/gonum/optimize"

	"hnn/internal/kernels"
)

// refine minimises the loss of windows by L-BFGS (Liu and Nocedal, 1989) over the parameters and the starts. Each evaluation takes all windows,
// so the loss is not random, and L-BFGS converges where Adam is slow. It makes at most the given number of evaluations, and ends at the
// parameters of the lowest loss. With a validation, it also ends when the validation error has risen for good.
func (f *fitter) refine(a *attempt, s series, rows, evaluations int, v *validation) error {
	b := s.windows(min(rows, s.longest()), f.seen)
	values := a.kernel.Vector(kernels.Values)
	point := func(x []float64) {
		for i := range values {
			values[i] = float32(x[i])
		}
		for i := range b.Starts {
			b.Starts[i] = float32(x[len(values)+i])
		}
	}
	at := make([]float64, 0, len(values)+len(b.Starts))
	for _, list := range [][]float32{values, b.Starts} {
		for _, v := range list {
			at = append(at, float64(v))
		}
	}
	var failure error
	var last, gradient, best []float64
	first, lastLoss, lowest, done := 0.0, 0.0, math.Inf(1), 0
	evaluate := func(x []float64) {
		if slices.Equal(x, last) || failure != nil {
			return
		}
		point(x)
		failure = a.kernel.Updated()
		var loss float64
		if failure == nil {
			loss, failure = a.kernel.WindowLoss(b.Windows, b.gradient)
		}
		a.mask(f.WeightDecay)
		if first == 0 {
			first = loss
		}
		if math.IsNaN(loss) {
			loss = math.Inf(1)
		}
		if loss < lowest {
			lowest, best = loss, append(best[:0], x...)
		}
		last, lastLoss, gradient = append(last[:0], x...), loss/first, gradient[:0]
		for _, list := range [][]float32{a.kernel.Vector(kernels.Gradient), b.gradient} {
			for _, g := range list {
				gradient = append(gradient, float64(g)/first)
			}
		}
		if done < evaluations {
			done++
			failure = errors.Join(failure, f.progress(nil, min(loss, math.MaxFloat64)))
		}
	}
	problem := optimize.Problem{
		Func: func(x []float64) float64 { evaluate(x); return lastLoss },
		Grad: func(g, x []float64) { evaluate(x); copy(g, gradient) },
		Status: func() (optimize.Status, error) {
			if v.stop() {
				return optimize.Success, nil
			}
			return optimize.NotTerminated, failure
		},
	}
	looked := 0
	look := recorder(func(x []float64) error {
		if v == nil || done < looked+lookEvery {
			return nil
		}
		looked = done
		point(x)
		return errors.Join(a.kernel.Updated(), f.look(a, v))
	})
	// A search ends where rounding hides the descent. A new one, without the memory of the old, begins at the best point, as long as the loss falls.
	for gain := true; gain && done < evaluations && failure == nil && !v.stop(); {
		before := lowest
		optimize.Minimize(problem, at, &optimize.Settings{FuncEvaluations: evaluations - done, Converger: optimize.NeverTerminate{}, Recorder: look}, &optimize.LBFGS{Store: 30})
		if best == nil {
			return failure
		}
		gain, last = lowest < (1-leastGain)*before, nil
		at = append(at[:0], best...)
	}
	point(best)
	return errors.Join(failure, a.kernel.Updated())
}

// leastGain is the relative decrease of the loss that a search must reach if another one is to follow.
const leastGain = 1e-3

// lookEvery is the number of evaluations of the loss between two looks at the validation error.
const lookEvery = 50

// recorder receives the points that L-BFGS accepts.
type recorder func(x []float64) error

// Init does nothing.
func (r recorder) Init() error { return nil }

// Record implements optimize.Recorder.
func (r recorder) Record(at *optimize.Location, operation optimize.Operation, _ *optimize.Stats) error {
	if operation != optimize.MajorIteration {
		return nil
	}
	return r(at.X)
}
