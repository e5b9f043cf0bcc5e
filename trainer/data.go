package trainer

import (
	"errors"
	"fmt"
	"slices"

	"hnn/datasets"
	"hnn/internal/kernels"
	"hnn/internal/libtorch"
)

// rows is a dataset in the form that both engines read. It shares the memory of the dataset. If the dataset is a share of a table, the counts of the
// sets are those of the whole table.
type rows struct {
	train, test set
	images      *datasets.Images // nil where states are observed
}

// set is a training or a test set. It holds states and derivatives or, for images, the number of each sample's first frame.
type set struct {
	count, columns int
	x, dx          []float32
	first          []int64
}

func newRows(d datasets.Dataset) rows {
	if d.Images != nil {
		return rows{
			train:  set{count: len(d.Images.Train), first: d.Images.Train},
			test:   set{count: len(d.Images.Test), first: d.Images.Test},
			images: d.Images,
		}
	}
	flatten := func(s datasets.Samples, test bool) set {
		return set{count: d.Rows(test), columns: s.X.Columns, x: s.X.Values, dx: s.DX.Values}
	}
	return rows{train: flatten(d.Train, false), test: flatten(d.Test, true)}
}

func (r rows) set(test bool) set {
	if test {
		return r.test
	}
	return r.train
}

// check returns an error if a set has fewer rows than a batch.
func check(d datasets.Dataset, batch int) error {
	switch train, test := d.Rows(false), d.Rows(true); {
	case train == 0 || test == 0:
		return fmt.Errorf("there are %d training and %d test rows; each set needs at least one", train, test)
	case batch > min(train, test):
		return fmt.Errorf("the batch size is %d, and the task has only %d training and %d test rows", batch, train, test)
	}
	return nil
}

// checkShare returns an error if the data are a share of a table that this process cannot train on.
func (t *Trainer) checkShare() error {
	switch s, group := t.Data.Share, t.Execution.group(); {
	case s == nil:
		return nil
	case s.Index != group.Rank() || s.Count != group.Size():
		return fmt.Errorf("the data are share %d of %d, and this is process %d of %d", s.Index, s.Count, group.Rank(), group.Size())
	case t.Settings.Autograd || t.Execution.CUDA:
		return errors.New("with automatic differentiation, each process needs the whole table")
	}
	return nil
}

// whole returns the batch of all rows of a set, for training or to evaluate the model.
func (t *Trainer) whole(test, evaluate bool) kernels.Batch[float32] {
	set := t.rows.set(test)
	batch := kernels.Batch[float32]{X: set.x, DX: set.dx, Rows: set.first, Count: set.count}
	t.Loss.set(&batch, evaluate)
	return batch
}

// sampler draws batches in the published order. It reuses its memory: a batch is valid until the next draw.
type sampler struct {
	generator *libtorch.Generator
	rows      []int64
	noise     []float32
}

// draw returns the next random batch of the training set, or of the test set.
func (t *Trainer) draw(test bool) (kernels.Batch[float32], error) {
	set, batch := t.rows.set(test), t.whole(test, test)
	d := &t.sampler
	if size := t.Settings.BatchSize; size > 0 {
		d.rows = slices.Grow(d.rows[:0], size)[:size]
		draw := d.generator.Permutation // which the published scripts draw
		if t.Settings.File != "" {
			draw = d.generator.Sample
		}
		if err := draw(set.count, d.rows); err != nil {
			return batch, err
		}
		if set.first != nil {
			for i, row := range d.rows {
				d.rows[i] = set.first[row]
			}
		}
		batch.Rows, batch.Count = d.rows, size
	}
	if !t.drawNoise { // the published scripts of some tasks draw noise even if its standard deviation is 0
		return batch, nil
	}
	count := batch.Count * t.Model.Equation.Dimension()
	d.noise = slices.Grow(d.noise[:0], count)[:count]
	if err := d.generator.Normal(d.noise); err != nil {
		return batch, err
	}
	if t.Settings.InputNoise > 0 {
		batch.Noise, batch.NoiseScale = d.noise, t.Settings.InputNoise
	}
	return batch, nil
}
