package trainer

import (
	"math"
	"runtime"

	"gonum.org/v1/gonum/stat"

	"hnn/datasets"
	"hnn/internal/closedform"
	"hnn/internal/kernels"
	"hnn/internal/libtorch"
)

// Final holds the mean loss over the whole training set and the whole test set, with its error, as the published scripts print them. The error
// is the standard deviation of the squared errors (of the loss of each image) divided by the square root of the number of rows.
type Final struct {
	Train      float64 `json:"train_loss"`
	TrainError float64 `json:"train_loss_error"`
	Test       float64 `json:"test_loss"`
	TestError  float64 `json:"test_loss_error"`
}

// Final evaluates the model on the whole training set and the whole test set, without input noise. It uses LibTorch if Settings.Autograd is
// set, and otherwise the closed form, also after a run on a GPU.
func (t *Trainer) Final() (Final, error) {
	if t.Settings.Autograd {
		return t.automaticFinal()
	}
	return t.closedFinal()
}

// Evaluate computes the losses of a model on a dataset. The settings name the loss. The closed form runs on the given number of threads, 0 for
// all processors.
func Evaluate(task datasets.Task, s Settings, m *Model, set datasets.Dataset, threads int) (Final, error) {
	loss, err := FindLoss(s.Loss)
	if err != nil {
		return Final{}, err
	}
	loss.Step = task.TimeStep
	return (&Trainer{Settings: s, Data: set, Model: m, Loss: loss, Execution: Execution{Threads: threads}}).closedFinal()
}

func (t *Trainer) closedFinal() (Final, error) {
	t.rows = newRows(t.Data)
	model, err := t.Model.kernel(t.rows, 0, t.Execution.threads())
	if err != nil {
		return Final{}, err
	}
	defer model.Close()
	closedform.Load(model, kernels.Values, t.Model.networks(), t.Model.Parameters)
	return t.summarise(evaluationRows, func(batch kernels.Batch[float32], test bool) ([]float64, error) {
		errors := make([]float64, batch.Count*max(1, t.rows.set(test).columns))
		return errors, model.Errors(batch, errors)
	})
}

// The rows of an evaluation are evaluated in parts, so that its memory does not grow with their number. LibTorch keeps every layer of every row,
// and of an image more.
const (
	evaluationRows          = 100_000
	automaticEvaluationRows = 10_000
	evaluationImages        = 1_000
)

func (t *Trainer) automaticFinal() (Final, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := libtorch.Configure(t.Execution.threads()); err != nil {
		return Final{}, err
	}
	t.rows = newRows(t.Data)
	o, err := newOracle(t.Model, t.rows, t.Execution.CUDA)
	if err != nil {
		return Final{}, err
	}
	defer o.keep.Free()
	most := automaticEvaluationRows
	if t.rows.images != nil {
		most = evaluationImages
	}
	return t.summarise(most, func(batch kernels.Batch[float32], test bool) ([]float64, error) {
		s := libtorch.Scope{CUDA: t.Execution.CUDA}
		defer s.Free()
		var errors []float64
		for _, v := range s.Values(o.errors(&s, batch, s.Indices(batch.Rows), nil, test)) {
			errors = append(errors, float64(v))
		}
		return errors, s.Err()
	})
}

// summarise computes the mean and the error of both sets, from the squared errors of parts of at most so many rows. Like the published scripts, it
// divides the standard deviation of the elements by the square root of the number of rows, not of elements.
func (t *Trainer) summarise(most int, errorsOf func(part kernels.Batch[float32], test bool) ([]float64, error)) (f Final, err error) {
	for _, set := range []struct {
		test                bool
		mean, standardError *float64
	}{{false, &f.Train, &f.TrainError}, {true, &f.Test, &f.TestError}} {
		batch := t.whole(set.test, true)
		var all moments
		for first := 0; first < batch.Count; first += most {
			errors, err := errorsOf(part(batch, first, min(first+most, batch.Count)), set.test)
			if err != nil {
				return f, err
			}
			all.add(errors)
		}
		*set.mean, *set.standardError = all.mean, all.deviation()/math.Sqrt(float64(batch.Count))
	}
	return f, nil
}

// part returns the rows of a whole set from first on and before last. Rows names them.
func part(whole kernels.Batch[float32], first, last int) kernels.Batch[float32] {
	rows := make([]int64, last-first)
	for i := range rows {
		if rows[i] = int64(first + i); whole.Rows != nil {
			rows[i] = whole.Rows[first+i]
		}
	}
	whole.Rows, whole.Count = rows, len(rows)
	return whole
}

// moments are the mean of numbers and the sum of their squared distances from it.
type moments struct{ count, mean, squares float64 }

// add adds numbers. Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979.
func (m *moments) add(values []float64) {
	mean, variance := stat.PopMeanVariance(values, nil)
	n := float64(len(values))
	count, distance := m.count+n, mean-m.mean
	m.squares += n*variance + distance*distance*m.count*n/count
	m.mean += distance * n / count
	m.count = count
}

// deviation returns the standard deviation, with Bessel's correction.
func (m *moments) deviation() float64 { return math.Sqrt(m.squares / (m.count - 1)) }
