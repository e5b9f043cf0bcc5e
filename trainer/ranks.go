package trainer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"hnn/datasets"
	"hnn/internal/kernels"
	"hnn/nets"
)

// Group is processes that compute together. Each has a number, its rank. ./train makes one of the processes that torchrun, Slurm or Kubernetes start.
type Group interface {
	Rank() int      // from 0 to Size − 1
	Size() int      // the number of processes
	LocalSize() int // the number of those that share this one's processors
	LocalRank() int // the number among the processes of a machine, from 0, which is also the number of its GPU
	// Sum replaces values, as many in each process, by their sums over all processes. All get the same bits.
	Sum(values []float32) error
	// Broadcast returns in every process the content that rank 0 gives.
	Broadcast(content []byte) ([]byte, error)
}

// ranks is what a run exchanges with the other processes of Execution.Group. They draw the same batches, and each computes its part of the rows.
type ranks struct {
	group  Group
	ended  func() error    // the error of this process's context
	buffer []float32       // the gradient, the loss, and for each of reasons how many contexts it has ended
	reason error           // why all processes stop after the present step
	share  *datasets.Share // of a table that this process has; nil for all of it
	rows   []int64         // of the present batch that this process has
	noise  []float32       // for these rows
}

// reasons are the errors of a context that has ended, the stronger one first.
var reasons = []error{context.Canceled, context.DeadlineExceeded}

// part returns the rows of a batch of the training or test set that this process computes: an equal part or, if it has a share of a table, those of
// the share, which may be none. It reuses their memory in the next call.
func (r *ranks) part(batch kernels.Batch[float32], test bool) (kernels.Batch[float32], error) {
	rank, size := r.group.Rank(), r.group.Size()
	switch {
	case size == 1:
		return batch, nil
	case r.share != nil:
		return r.own(batch, test), nil
	}
	if batch.Count < size {
		return batch, fmt.Errorf("the batch has %d rows for %d processes; each needs one", batch.Count, size)
	}
	first, last := batch.Count*rank/size, batch.Count*(rank+1)/size
	mine := part(batch, first, last)
	mine.Whole = batch.Count
	if batch.Noise != nil {
		columns := len(batch.Noise) / batch.Count
		mine.Noise = batch.Noise[first*columns : last*columns]
	}
	return mine, nil
}

// own returns the rows of a batch that this process has read.
func (r *ranks) own(batch kernels.Batch[float32], test bool) kernels.Batch[float32] {
	mine, columns := batch, len(batch.Noise)/batch.Count
	r.rows, r.noise = slices.Grow(r.rows[:0], batch.Count), r.noise[:0]
	for i := range batch.Count {
		row := i
		if batch.Rows != nil {
			row = int(batch.Rows[i])
		}
		if place, has := r.share.Place(row, test); has {
			r.rows, r.noise = append(r.rows, int64(place)), append(r.noise, batch.Noise[i*columns:(i+1)*columns]...)
		}
	}
	mine.Rows, mine.Count, mine.Whole = r.rows, len(r.rows), batch.Count
	if batch.Noise != nil {
		mine.Noise = r.noise
	}
	return mine
}

// sum adds up the losses and the gradients of all parts, and learns whether a context of any process has ended.
func (r *ranks) sum(loss *float32, gradient ...[]float32) error {
	if r.group.Size() == 1 {
		return nil
	}
	r.buffer = r.buffer[:0]
	for _, g := range gradient {
		r.buffer = append(r.buffer, g...)
	}
	count := len(r.buffer)
	r.buffer = append(append(r.buffer, *loss), make([]float32, len(reasons))...)
	ended := r.buffer[count+1:]
	for i, reason := range reasons {
		if errors.Is(r.ended(), reason) {
			ended[i] = 1
		}
	}
	if err := r.group.Sum(r.buffer); err != nil {
		return err
	}
	rest := r.buffer
	for _, g := range gradient {
		rest = rest[copy(g, rest):]
	}
	*loss = r.buffer[count]
	for i, processes := range ended {
		if processes > 0 && r.reason == nil {
			r.reason = reasons[i]
		}
	}
	return nil
}

// gather returns the numbers that each process gives, by rank. The processes can only add up float32, which hold integers of 16 bits exactly. So each
// number travels in four such pieces, and the other processes add zeros.
func gather(group Group, numbers []float64) ([][]float64, error) {
	const pieces, bits = 4, 16
	if group.Size() == 1 {
		return [][]float64{numbers}, nil
	}
	sum := make([]float32, group.Size()*len(numbers)*pieces)
	for i, number := range numbers {
		for piece := range pieces {
			sum[(group.Rank()*len(numbers)+i)*pieces+piece] = float32(uint16(math.Float64bits(number) >> (piece * bits)))
		}
	}
	if err := group.Sum(sum); err != nil {
		return nil, err
	}
	lists := make([][]float64, group.Size())
	for rank := range lists {
		for i := range numbers {
			number := uint64(0)
			for piece := range pieces {
				number |= uint64(sum[(rank*len(numbers)+i)*pieces+piece]) << (piece * bits)
			}
			lists[rank] = append(lists[rank], math.Float64frombits(number))
		}
	}
	return lists, nil
}

// stop returns why the run stops after the present step, or nil.
func (r *ranks) stop() error {
	if r.group.Size() == 1 {
		return r.ended()
	}
	return r.reason
}

// share gives all processes the state of rank 0. It returns an error where the settings differ.
func (t *Trainer) share() error {
	group := t.Execution.group()
	if group.Size() == 1 {
		return nil
	}
	if s := t.Data.Share; s != nil {
		here := fmt.Sprintf("%d training and %d test rows", s.Train, s.Test)
		there, err := group.Broadcast([]byte(here))
		if err != nil {
			return err
		}
		if here != string(there) {
			return fmt.Errorf("%s has %s, and %s for rank 0; give all processes the same table", t.Settings.File, here, there)
		}
	}
	var content []byte
	if group.Rank() == 0 {
		var err error
		if content, err = t.encode(nil); err != nil {
			return err
		}
	}
	content, err := group.Broadcast(content)
	if err != nil || group.Rank() == 0 {
		return err
	}
	return t.decode(content)
}

// decode restores the run that rank 0 has encoded, which may have no step yet.
func (t *Trainer) decode(content []byte) error {
	checkpoint, err := nets.DecodeCheckpoint(content, nets.SettingsFile, trainingFile)
	if err != nil {
		return err
	}
	var there state
	if err := nets.DecodeSettings(checkpoint.Attachments[nets.SettingsFile], &there); err != nil {
		return err
	}
	here := t.Settings
	if t.Data.Share != nil {
		here.Hash = there.Settings.Hash // of the whole file, which only rank 0 has read
	}
	if err := here.compare(there.Settings); err != nil {
		return fmt.Errorf("of rank 0, %w", err)
	}
	if there.TotalSteps != t.Settings.TotalSteps {
		return fmt.Errorf("of rank 0, the last step is %d, and here it is %d; give all processes the same -total-steps", there.TotalSteps, t.Settings.TotalSteps)
	}
	return t.restore(checkpoint, there.Steps)
}
