// Package numpy reproduces numpy's legacy random generator: the Mersenne Twister, uniform numbers with 53 bits, and normal numbers by the polar
// method. A seed therefore gives the same datasets as the published Python code.
package numpy

import (
	"math"

	"gonum.org/v1/gonum/mathext/prng"
)

// Random is a numpy.random.RandomState. One goroutine at a time may use it.
type Random struct {
	source    *prng.MT19937
	normal    float64 // the second value of a pair, for the next call of Normal
	hasNormal bool
}

// NewRandom returns RandomState(seed).
func NewRandom(seed uint32) *Random {
	source := prng.NewMT19937()
	source.Seed(uint64(seed))
	return &Random{source: source}
}

// NewRandomFromKey returns RandomState(words) with the 32-bit words of a key, lowest first. A high word of 0 is left out.
func NewRandomFromKey(key uint64) *Random {
	words := []uint32{uint32(key)}
	if high := uint32(key >> 32); high != 0 {
		words = append(words, high)
	}
	source := prng.NewMT19937()
	source.SeedFromKeys(words)
	return &Random{source: source}
}

// Float64 returns the next rand(): uniform in [0, 1), with 53 bits.
func (r *Random) Float64() float64 {
	high, low := r.source.Uint32()>>5, r.source.Uint32()>>6
	return (float64(high)*67108864 + float64(low)) / 9007199254740992
}

// Normal returns the next randn(): standard normal, by Marsaglia's polar method, which gives two values at a time.
func (r *Random) Normal() float64 {
	if r.hasNormal {
		r.hasNormal = false
		return r.normal
	}
	for {
		x, y := 2*r.Float64()-1, 2*r.Float64()-1
		square := x*x + y*y
		if square < 1 && square != 0 {
			factor := math.Sqrt(-2 * math.Log(square) / square)
			r.normal, r.hasNormal = factor*x, true
			return factor * y
		}
	}
}
