// Package autoencoder holds the encoder, from images to a latent state, and the decoder, from latent states to images (Greydanus et al., 2019,
// section 5). Any model of package hamiltonian can learn the latent dynamics.
package autoencoder

import (
	"fmt"
	"slices"

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
	kernel, err := closedform.New(kernels.Config{Networks: closedform.Layers(a.Networks()), Threads: threads}, a.Networks(), parameters)
	if err != nil {
		return nil, err
	}
	return &Coder{a, kernel}, nil
}

// Close frees the coder's memory and ends its threads.
func (c *Coder) Close() { c.kernel.Close() }

// Encode maps images to latent states. An image is a row of pixels between 0 and 1.
func (c *Coder) Encode(images [][]float32) ([][]float64, error) {
	return forward[float32, float64](c, 0, images)
}

// Decode maps latent states to images. An image is a row of pixels.
func (c *Coder) Decode(states [][]float64) ([][]float32, error) {
	return forward[float64, float32](c, 1, states)
}

// forward evaluates the encoder (number 0) or the decoder (number 1).
func forward[Input, Output float32 | float64](c *Coder, number int, rows [][]Input) ([][]Output, error) {
	const most = 1000 // rows at a time, which bounds the memory
	n := c.autoencoder.Networks()[number]
	var outputs [][]Output
	for part := range slices.Chunk(rows, most) {
		var x []float32
		for i, row := range part {
			if len(row) != n.Inputs() {
				return nil, fmt.Errorf("autoencoder: row %d has %d numbers, and the network takes %d", len(outputs)+i, len(row), n.Inputs())
			}
			for _, v := range row {
				x = append(x, float32(v))
			}
		}
		y := make([]float32, len(part)*n.Outputs())
		if err := c.kernel.Forward(number, x, y, len(part)); err != nil {
			return nil, err
		}
		for values := range slices.Chunk(y, n.Outputs()) {
			row := make([]Output, len(values))
			for i, v := range values {
				row[i] = Output(v)
			}
			outputs = append(outputs, row)
		}
	}
	return outputs, nil
}
