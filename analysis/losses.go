package analysis

import (
	"math"

	"hnn/trainer"
)

// Losses are the losses of a model's training on its batches.
type Losses struct{ Train, Test LossCurve }

// LossCurve holds the losses at some gradient steps, both lists of one length. The test loss may be known at fewer steps than the training loss.
type LossCurve struct{ Steps, Values []float64 }

// readLosses reads the losses that a checkpoint carries. It returns nil for a checkpoint without any, such as PyTorch's.
func readLosses(path string) (*Losses, error) {
	read, err := trainer.ReadLosses(path)
	if err != nil || read == nil {
		return nil, err
	}
	return &Losses{Train: known(read.Train), Test: known(read.Test)}, nil
}

// known returns the losses that are numbers, by step.
func known(losses []float32) (c LossCurve) {
	for step, loss := range losses {
		if value := float64(loss); !math.IsNaN(value) {
			c.Steps, c.Values = append(c.Steps, float64(step)), append(c.Values, value)
		}
	}
	return c
}
