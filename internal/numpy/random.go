// Package numpy reproduces the legacy random stream of numpy.random: the Mersenne Twister, 53-bit uniforms and polar-method
// normals, so that a seed gives the datasets that the published Python code gives.
package numpy

import (
	"math"

	"gonum.org/v1/gonum/mathext/prng"
)

// Random is numpy.random.RandomState(seed).
type Random struct {
	source    *prng.MT19937
	normal    float64
	hasNormal bool
}

// NewRandom seeds the stream as numpy.random.seed does with a 32-bit integer.
func NewRandom(seed uint32) *Random {
	source := prng.NewMT19937()
	source.Seed(uint64(seed))
	return &Random{source: source}
}

// NewRandomFromKey seeds the stream as numpy.random.seed does with the 32-bit words of a larger integer, lowest first.
func NewRandomFromKey(key uint64) *Random {
	words := []uint32{uint32(key)}
	if high := uint32(key >> 32); high != 0 {
		words = append(words, high)
	}
	source := prng.NewMT19937()
	source.SeedFromKeys(words)
	return &Random{source: source}
}

// Float64 returns the next rand(), uniform in [0, 1) with 53 bits.
func (r *Random) Float64() float64 {
	high, low := r.source.Uint32()>>5, r.source.Uint32()>>6
	return (float64(high)*67108864 + float64(low)) / 9007199254740992
}

// Normal returns the next randn(), by Marsaglia's polar method; the second value of each pair is kept for the next call.
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
