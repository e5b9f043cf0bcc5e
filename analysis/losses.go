package analysis

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strconv"

	"hnn/nets"
)

// Losses are the losses of a model's training on its batches.
type Losses struct{ Train, Test LossCurve }

// LossCurve holds the losses at some gradient steps, both lists of one length. The test loss may be known at fewer steps than the training loss.
type LossCurve struct{ Steps, Values []float64 }

// readLosses reads the losses that a checkpoint carries. It returns nil for a checkpoint without any, such as PyTorch's.
func readLosses(path string) (*Losses, error) {
	checkpoint, err := nets.ReadCheckpoint(path, nets.LossesFile)
	content, ok := checkpoint.Attachments[nets.LossesFile]
	if err != nil || !ok {
		return nil, err
	}
	rows, err := csv.NewReader(bytes.NewReader(content)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", path, nets.LossesFile, err)
	}
	var losses Losses
	for i, row := range rows[min(1, len(rows)):] { // below the header
		for column, curve := range []*LossCurve{&losses.Train, &losses.Test} {
			if err := curve.append(row[0], row[min(len(row)-1, column+1)]); err != nil {
				return nil, fmt.Errorf("%s: %s, line %d: %w", path, nets.LossesFile, i+2, err)
			}
		}
	}
	return &losses, nil
}

// append adds a loss, unless it is empty.
func (c *LossCurve) append(step, loss string) error {
	if loss == "" {
		return nil
	}
	at, err := strconv.ParseFloat(step, 64)
	if err != nil {
		return err
	}
	value, err := strconv.ParseFloat(loss, 64)
	if err != nil {
		return err
	}
	c.Steps, c.Values = append(c.Steps, at), append(c.Values, value)
	return nil
}
