package trainer

import (
	"fmt"
	"slices"

	"hnn/datasets"
	"hnn/internal/kernels"
	"hnn/internal/libtorch"
)

// data are a dataset's rows as both engines read them: flat, in float32.
type data struct {
	train, test rows
	images      *datasets.Images // nil where states are observed
}

// rows are a training or a test set: states and derivatives, or the first frames of samples.
type rows struct {
	count, columns int
	x, dx          []float32
	first          []int64
}

func newData(set datasets.Dataset) data {
	if set.Images != nil {
		return data{
			train:  rows{count: len(set.Images.Train), first: set.Images.Train},
			test:   rows{count: len(set.Images.Test), first: set.Images.Test},
			images: set.Images,
		}
	}
	return data{train: newRows(set.Train), test: newRows(set.Test)}
}

func newRows(s datasets.Samples) rows {
	r := rows{count: len(s.X), x: flat(s.X), dx: flat(s.DX)}
	if r.count > 0 {
		r.columns = len(s.X[0])
	}
	return r
}

func flat(list [][]float64) []float32 {
	var values []float32
	for _, row := range list {
		for _, v := range row {
			values = append(values, float32(v))
		}
	}
	return values
}

func (d data) set(test bool) rows {
	if test {
		return d.test
	}
	return d.train
}

// check returns an error if a set has fewer rows than a batch.
func (d data) check(batch int) error {
	switch {
	case d.train.count == 0 || d.test.count == 0:
		return fmt.Errorf("there are %d training and %d test rows; each set needs at least one", d.train.count, d.test.count)
	case batch > min(d.train.count, d.test.count):
		return fmt.Errorf("the batch size is %d, and the task has only %d training and %d test rows", batch, d.train.count, d.test.count)
	}
	return nil
}

// whole is the batch of all rows of a set.
func (t *Trainer) whole(test bool) kernels.Batch[float32] {
	set := t.data.set(test)
	batch := kernels.Batch[float32]{X: set.x, DX: set.dx, Rows: set.first, Count: set.count}
	batch.Step, batch.Scale = t.Loss.step(t.timeStep, test)
	return batch
}

// sampler draws batches in the published order. It uses its memory again, so that a batch holds until the next one of the same set.
type sampler struct {
	generator *libtorch.Generator
	rows      []int64
	noise     []float32
}

// draw returns the next random batch of the training set, or of the test set.
func (t *Trainer) draw(test bool) (kernels.Batch[float32], error) {
	set, batch := t.data.set(test), t.whole(test)
	d := &t.sampler
	if size := t.Settings.BatchSize; size > 0 {
		d.rows = slices.Grow(d.rows[:0], size)[:size]
		if err := d.generator.Permutation(set.count, d.rows); err != nil {
			return batch, err
		}
		if set.first != nil {
			for i, row := range d.rows {
				d.rows[i] = set.first[row]
			}
		}
		batch.Rows, batch.Count = d.rows, size
	}
	if !t.drawNoise { // the published scripts of some tasks draw noise even where its size is 0
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
