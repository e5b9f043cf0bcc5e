package trainer

import (
	"math"
	"runtime"
	"slices"

	"gonum.org/v1/gonum/floats"
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
//
// Several processes call Final together, and each evaluates its part of the rows.
func (t *Trainer) Final() (Final, error) {
	evaluate := t.closedFinal
	if t.Settings.Autograd {
		evaluate = t.automaticFinal
	}
	e, err := evaluate()
	return e.Final, err
}

// Evaluation is a Final with the part of a few rows in the test loss.
type Evaluation struct {
	Final
	// WorstRows is the share of the test loss, from 0 to 1, that comes from the five rows with the largest errors.
	WorstRows float64 `json:"test_loss_share_of_five_worst_rows"`
}

// Evaluate computes the losses of a model on a dataset. The settings name the loss. The closed form runs on the given number of threads, 0 for
// all processors.
func Evaluate(task datasets.Task, s Settings, m *Model, set datasets.Dataset, threads int) (Evaluation, error) {
	loss, err := FindLoss(s.Loss)
	if err != nil {
		return Evaluation{}, err
	}
	loss.Step = task.TimeStep
	return (&Trainer{Settings: s, Data: set, Model: m, Loss: loss, Execution: Execution{Threads: threads}}).closedFinal()
}

func (t *Trainer) closedFinal() (Evaluation, error) {
	t.rows = newRows(t.Data)
	model, err := t.Model.kernel(t.rows, 0, t.Execution.threads())
	if err != nil {
		return Evaluation{}, err
	}
	defer model.Close()
	closedform.Load(model, kernels.Values, t.Model.networks(), t.Model.Parameters)
	return t.evaluate(evaluationRows, func(batch kernels.Batch[float32], test bool) ([]float64, error) {
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

func (t *Trainer) automaticFinal() (Evaluation, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := libtorch.Configure(t.Execution.threads()); err != nil {
		return Evaluation{}, err
	}
	t.rows = newRows(t.Data)
	o, err := newOracle(t.Model, t.rows, t.Execution.CUDA)
	if err != nil {
		return Evaluation{}, err
	}
	defer o.keep.Free()
	most := automaticEvaluationRows
	if t.rows.images != nil {
		most = evaluationImages
	}
	return t.evaluate(most, func(batch kernels.Batch[float32], test bool) ([]float64, error) {
		s := libtorch.Scope{CUDA: t.Execution.CUDA}
		defer s.Free()
		var errors []float64
		for _, v := range s.Values(o.errors(&s, batch, s.Indices(batch.Rows), nil, test)) {
			errors = append(errors, float64(v))
		}
		return errors, s.Err()
	})
}

// evaluate computes the mean and the error of both sets, from the squared errors of parts of at most the given number of rows. Like the published
// scripts, it divides the standard deviation of the elements by the square root of the number of rows, not of elements.
func (t *Trainer) evaluate(most int, errorsOf func(part kernels.Batch[float32], test bool) ([]float64, error)) (e Evaluation, err error) {
	group := t.Execution.group()
	for _, set := range []struct {
		test                bool
		mean, standardError *float64
	}{{false, &e.Train, &e.TrainError}, {true, &e.Test, &e.TestError}} {
		whole := t.whole(set.test, true)
		mine, err := (&ranks{group: group, share: t.Data.Share}).part(whole, set.test)
		if err != nil {
			return e, err
		}
		var all tally
		for first := 0; first < mine.Count; first += most {
			batch := part(mine, first, min(first+most, mine.Count))
			errors, err := errorsOf(batch, set.test)
			if err != nil {
				return e, err
			}
			all.add(errors, batch.Count)
		}
		if err := all.gather(group); err != nil {
			return e, err
		}
		*set.mean, *set.standardError = all.mean, all.deviation()/math.Sqrt(float64(whole.Count))
		e.WorstRows = floats.Sum(all.worst[:]) / (all.mean * all.count)
	}
	return e, nil
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

// tally is what an evaluation keeps of squared errors.
type tally struct {
	count, mean float64
	squares     float64    // the sum of their squared distances from the mean
	worst       [5]float64 // the largest sums over a row, in ascending order
}

// add adds the squared errors of rows.
func (t *tally) add(errors []float64, rows int) {
	mean, variance := stat.PopMeanVariance(errors, nil)
	n, columns := float64(len(errors)), len(errors)/rows
	other := tally{count: n, mean: mean, squares: n * variance}
	for i := range rows {
		other.keep(floats.Sum(errors[i*columns : (i+1)*columns]))
	}
	t.join(other)
}

// keep keeps the sum of a row's errors if it is among the largest.
func (t *tally) keep(row float64) {
	if row > t.worst[0] {
		t.worst[0] = row
		slices.Sort(t.worst[:])
	}
}

// join adds a tally of other errors, by the formulae of Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample
// variances", 1979.
func (t *tally) join(other tally) {
	if other.count == 0 {
		return
	}
	count, distance := t.count+other.count, other.mean-t.mean
	t.squares += other.squares + distance*distance*t.count*other.count/count
	t.mean += distance * other.count / count
	t.count = count
	for _, row := range other.worst {
		t.keep(row)
	}
}

// gather joins the tallies of all processes.
func (t *tally) gather(group Group) error {
	lists, err := gather(group, append([]float64{t.count, t.mean, t.squares}, t.worst[:]...))
	*t = tally{}
	for _, list := range lists {
		t.join(tally{count: list[0], mean: list[1], squares: list[2], worst: [5]float64(list[3:])})
	}
	return err
}

// deviation returns the standard deviation, with Bessel's correction.
func (t *tally) deviation() float64 { return math.Sqrt(t.squares / (t.count - 1)) }
