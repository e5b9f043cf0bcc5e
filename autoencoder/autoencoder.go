// Package autoencoder holds the encoder, from images to a latent state, and the decoder, from latent states to images (Greydanus et al., 2019,
// section 5). Any model of package hamiltonian can learn the latent dynamics.
package autoencoder

import (
	"fmt"

	"hnn/internal/closedform"
	"hnn/internal/kernels"
	"hnn/nets"
)

// LatentPrefix stands before the names of the latent model's parameters in a checkpoint, as in the published PixelHNN class.
const LatentPrefix = "hnn."

// Autoencoder is the pair of networks.
type Autoencoder struct{ Encoder, Decoder nets.Network }

// New returns the published autoencoder: a ResidualMLP from pixels to a latent state, and one from a latent state to pixels. pixels is the
// number of pixels in all frames of an image together.
func New(pixels, hidden, latent int) Autoencoder {
	const prefix = "autoencoder."
	return Autoencoder{
		Encoder: nets.Network{Prefix: prefix, First: 1, Layers: nets.ResidualMLP(pixels, hidden, latent)},
		Decoder: nets.Network{Prefix: prefix, First: 5, Layers: nets.ResidualMLP(latent, hidden, pixels)},
	}
}

// Networks returns the encoder and the decoder, in the order of their parameters.
func (a Autoencoder) Networks() []nets.Network { return []nets.Network{a.Encoder, a.Decoder} }

// Coder encodes and decodes with a copy of the autoencoder's parameters. Only one goroutine at a time may use it.
type Coder struct {
	autoencoder Autoencoder
	kernel      *kernels.Model[float32]
}

// Coder returns a Coder that runs on the given number of threads, 0 for all processors. The caller closes it.
func (a Autoencoder) Coder(parameters nets.Parameters, threads int) (*Coder, error) {
	for _, n := range a.Networks() {
		if err := n.Check(); err != nil {
			return nil, fmt.Errorf("autoencoder: %w", err)
		}
	}
	kernel, err := closedform.New(a.Networks(), nil, parameters, threads)
	if err != nil {
		return nil, err
	}
	return &Coder{a, kernel}, nil
}

// Close frees the coder's memory and ends its threads.
func (c *Coder) Close() { c.kernel.Close() }

// Encode maps images to latent states. An image is a row of pixels between 0 and 1.
func (c *Coder) Encode(images [][]float32) ([][]float64, error) {
	encoded, err := c.forward(0, c.autoencoder.Encoder, images)
	if err != nil {
		return nil, err
	}
	states := make([][]float64, len(encoded))
	for i, row := range encoded {
		states[i] = make([]float64, len(row))
		for j, v := range row {
			states[i][j] = float64(v)
		}
	}
	return states, nil
}

// Decode maps latent states to images. An image is a row of pixels.
func (c *Coder) Decode(states [][]float64) ([][]float32, error) {
	rows := make([][]float32, len(states))
	for i, state := range states {
		for _, v := range state {
			rows[i] = append(rows[i], float32(v))
		}
	}
	return c.forward(1, c.autoencoder.Decoder, rows)
}

func (c *Coder) forward(number int, n nets.Network, rows [][]float32) ([][]float32, error) {
	const most = 1000 // rows at a time, which bounds the memory
	var outputs [][]float32
	for len(rows) > 0 {
		part := rows[:min(most, len(rows))]
		rows = rows[len(part):]
		var x []float32
		for i, row := range part {
			if len(row) != n.Inputs() {
				return nil, fmt.Errorf("autoencoder: row %d has %d numbers, and the network takes %d", i, len(row), n.Inputs())
			}
			x = append(x, row...)
		}
		y := make([]float32, len(part)*n.Outputs())
		if err := c.kernel.Forward(number, x, y, len(part)); err != nil {
			return nil, err
		}
		for i := range part {
			outputs = append(outputs, y[i*n.Outputs():(i+1)*n.Outputs()])
		}
	}
	return outputs, nil
}
