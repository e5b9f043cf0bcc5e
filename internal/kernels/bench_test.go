package kernels

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

// The published sizes: a step of training (gradient, Adam, and the loss of as many test rows), and the field at a state.
func Benchmark(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range []struct {
		name       string
		rows, n    int
		activation string
	}{{"spring", 750, 2, "tanh"}, {"2body", 200, 8, "tanh"}, {"3body", 600, 12, "tanh"}} {
		x := normal[float32](r, size.rows*size.n, 1)
		dx := normal[float32](r, size.rows*size.n, 1)
		for _, baseline := range []bool{false, true} {
			outputs, term := 2, gradientOf(matrix(r, size.n), Scalar{0, 1})
			name := size.name + "-hnn"
			if baseline {
				outputs, term = size.n, Term{Network: 0}
				name = size.name + "-baseline"
			}
			layers := mlp(size.activation, false, size.n, 200, 200, outputs)
			layers[2].Bias = false
			for _, threads := range []int{1, 2} {
				m := open[float32](b, Config{Networks: [][]Layer{layers}, Terms: []Term{term}, State: size.n, Vectors: 2, Threads: threads})
				step(b, fmt.Sprintf("%s-threads%d", name, threads), m, Batch[float32]{X: x, DX: dx, Count: size.rows})
				if threads == 1 && !baseline {
					b.Run(size.name+"-field", func(b *testing.B) {
						out := make([]float32, size.n)
						for b.Loop() {
							if err := m.Field(x[:size.n], out, 1); err != nil {
								b.Fatal(err)
							}
						}
					})
				}
			}
		}
	}
	frames := make([][]byte, 600)
	for i := range frames {
		frames[i] = make([]byte, 28*28)
		for p := range frames[i] {
			if p%28 > 4 && p%28 < 23 && p > 112 && p < 672 {
				frames[i][p] = byte(r.IntN(256))
			}
		}
	}
	encoder, decoder := mlp("relu", true, 2*784, 200, 200, 200, 2), mlp("relu", true, 2, 200, 200, 200, 2*784)
	latent := mlp("tanh", false, 2, 200, 200, 2)
	latent[2].Bias = false
	var rows []int64
	for range 200 {
		rows = append(rows, r.Int64N(598))
	}
	for _, threads := range []int{1, 2} {
		m := open[float32](b, Config{Networks: [][]Layer{encoder, decoder, latent}, Terms: []Term{gradientOf([]float64{0, 1, -1, 0}, Scalar{2, 1})},
			Frames: frames, State: 2, Vectors: 2, Threads: threads})
		step(b, fmt.Sprintf("images-threads%d", threads), m, Batch[float32]{Rows: rows, Count: len(rows)})
	}
}

func step(b *testing.B, name string, m *Model[float32], batch Batch[float32]) {
	b.Run(name, func(b *testing.B) {
		for b.Loop() {
			_, err := m.Gradient(batch)
			err2 := m.Adam(1, 1e-5, 0)
			_, err3 := m.Loss(batch)
			if err := errors.Join(err, err2, err3); err != nil {
				b.Fatal(err)
			}
		}
	})
}
