package trainer

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat"

	"hnn/datasets"
	"hnn/internal/kernels"
)

// The tally of parts is that of the whole, by gonum and by sorting.
func TestTally(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var all, sums []float64
	var parts tally
	for _, rows := range []int{1, 100, 7, 1000} {
		part := make([]float64, 2*rows)
		for i := range rows {
			part[2*i], part[2*i+1] = 1e6+random.NormFloat64(), 1e6+random.NormFloat64()
			sums = append(sums, part[2*i]+part[2*i+1])
		}
		parts.add(part, rows)
		all = append(all, part...)
	}
	mean, deviation := stat.MeanStdDev(all, nil)
	relative(t, "mean", parts.mean, mean, 1e-15)
	relative(t, "standard deviation", parts.deviation(), deviation, 1e-10)
	slices.Sort(sums)
	if largest := sums[len(sums)-5:]; !slices.Equal(parts.worst[:], largest) {
		t.Errorf("the largest are %v, want %v", parts.worst, largest)
	}
}

// The parts of an evaluation do not change its result, for states and for images.
func TestFinalInParts(t *testing.T) {
	for _, task := range []datasets.Task{datasets.Real, datasets.Pixel} {
		s := settings(task, 0)
		s.BatchSize, s.HiddenDim = 10, 8
		trainer := start(t, task, s)
		trainer.rows = newRows(trainer.Data)
		evaluate := func(most int) Final {
			t.Helper()
			count := 0
			e, err := trainer.evaluate(most, func(part kernels.Batch[float32], test bool) ([]float64, error) {
				if part.Count > most {
					t.Errorf("a part has %d rows", part.Count)
				}
				errors := make([]float64, part.Count)
				for i, row := range part.Rows {
					errors[i] = float64(row * row)
				}
				count += part.Count
				return errors, nil
			})
			if err != nil || count != trainer.rows.train.count+trainer.rows.test.count {
				t.Errorf("%d rows, error %v", count, err)
			}
			return e.Final
		}
		whole, parts := evaluate(1<<30), evaluate(37)
		relative(t, "train", parts.Train, whole.Train, 1e-12)
		relative(t, "train error", parts.TrainError, whole.TrainError, 1e-12)
		relative(t, "test", parts.Test, whole.Test, 1e-12)
		if final, err := trainer.Final(); err != nil || math.IsNaN(final.Train+final.TestError) || final.Train <= 0 {
			t.Errorf("%+v, error %v", final, err)
		}
	}
}
