package nets

import (
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
)

// Initialise sets the weights of networks to their Start, or to random orthogonal matrices (Saxe, McClelland and Ganguli, 2014), and the biases
// to 0. p must be the parameters of the networks.
func Initialise(networks []Network, p Parameters, random *rand.Rand) {
	p.EachLayer(networks, func(network, layer int, weight, bias []float32) {
		clear(bias)
		n := networks[network]
		if n.Start != nil && n.Start[layer] != nil {
			copy(weight, n.Start[layer])
			return
		}
		orthogonal(weight, n.Layers[layer].Outputs, n.Layers[layer].Inputs, random)
	})
}

// orthogonal fills a matrix by rows with orthonormal rows or columns.
func orthogonal(weight []float32, rows, columns int, random *rand.Rand) {
	tall, wide := max(rows, columns), min(rows, columns)
	gaussian := mat.NewDense(tall, wide, nil)
	for i := range tall {
		for j := range wide {
			gaussian.Set(i, j, random.NormFloat64())
		}
	}
	var qr mat.QR
	qr.Factorize(gaussian)
	var q, r mat.Dense
	qr.QTo(&q)
	qr.RTo(&r)
	for i := range rows {
		for j := range columns {
			a, b := i, j
			if rows < columns {
				a, b = j, i
			}
			v := q.At(a, b)
			if r.At(b, b) < 0 {
				v = -v
			}
			weight[i*columns+j] = float32(v)
		}
	}
}
