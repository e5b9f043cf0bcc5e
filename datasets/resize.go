package datasets

import (
	"math"
	"slices"
)

// resizable is a square image with prefix sums along its rows. The prefix sums make it fast to resize any part of the image: a span of a row
// contributes the difference of two sums, however many pixels it has. The result equals that of the Python Imaging Library, which the
// published code uses.
type resizable struct {
	side   int // rows and columns of the result
	feeds  []feed
	totals []totals // of each row
}

// feed holds the weights of a pixel, in units of 2⁻²², in pixels to and to+1 of the resized row or column.
type feed struct {
	to      int
	weights [2]int32
}

const weightBits = 22

// totals are sums of weight times pixel along a row.
type totals struct {
	before [][2]int32 // for each pixel: the sums over all pixels before it, in the two result pixels that it feeds
	whole  []int32    // for each result pixel: the sum over the row
}

// rounded returns a sum of weight times pixel, rounded to the nearest byte.
func rounded(sum int32) byte { return byte((sum + 1<<(weightBits-1)) >> weightBits) }

// triangleFilter returns the Python Imaging Library's weights for resizing a row: the weights of each result pixel fall linearly from its centre to
// those of its neighbours. A last feed without weight marks the end of the row.
func triangleFilter(from, to int) []feed {
	scale := float64(from) / float64(to)
	feeds := make([]feed, from+1)
	feeds[from].to = to - 1
	for i := range to {
		center := (float64(i) + 0.5) * scale
		first, last := max(0, int(center-scale+0.5)), min(from, int(center+scale+0.5))
		weights, sum := make([]float64, last-first), 0.0
		for j := range weights {
			weights[j] = max(0, 1-math.Abs((float64(first+j)-center+0.5)/scale))
			sum += weights[j]
		}
		for j, w := range weights {
			weight := int32(w/sum*(1<<weightBits) + 0.5)
			if f := &feeds[first+j]; f.weights[0] == 0 {
				*f = feed{i, [2]int32{weight}}
			} else if weight > 0 {
				f.weights[1] = weight
			}
		}
	}
	return feeds
}

// newResizable prepares an image of size×size bytes for resizing to side×side; side is at most size.
func newResizable(image []byte, size, side int) *resizable {
	s := &resizable{side, triangleFilter(size, side), make([]totals, size)}
	for row := range s.totals {
		t := totals{make([][2]int32, size+1), make([]int32, side+1)}
		for i, v := range image[row*size:][:size] {
			f := s.feeds[i]
			t.before[i] = [2]int32(t.whole[f.to:])
			t.whole[f.to] += f.weights[0] * int32(v)
			t.whole[f.to+1] += f.weights[1] * int32(v)
		}
		t.before[size] = [2]int32(t.whole[s.feeds[size].to:])
		s.totals[row] = t
	}
	return s
}

// span is the pixels first to last−1 of a row. It is empty unless first < last.
type span struct{ first, last int }

// resize returns the resized image of the given spans of each row, with 0 elsewhere. Spans may overlap. Rows come first, then columns, with
// rounding to bytes in between.
func (s *resizable) resize(rows [][shapes]span) []byte {
	line := make([]int32, s.side+1)          // one more than the result has, because each pixel feeds two
	sums := make([]int32, (s.side+1)*s.side) // one more row
	for row := range rows {
		covered := rows[row][:]
		lit := covered[:0]
		for _, pixels := range covered {
			if pixels.first < pixels.last {
				lit = append(lit, pixels)
			}
		}
		if len(lit) == 0 {
			continue
		}
		if len(lit) > 1 { // true of few rows
			slices.SortFunc(lit, func(a, b span) int { return a.first - b.first })
		}
		t, fed, end := &s.totals[row], span{first: s.side}, 0
		for _, pixels := range lit {
			first, last := max(pixels.first, end), pixels.last // each pixel once
			if first >= last {
				continue
			}
			from, to := s.feeds[first].to, s.feeds[last].to
			line[from] -= t.before[first][0]
			line[from+1] -= t.before[first][1]
			for i, sum := range t.whole[from:to] {
				line[from+i] += sum
			}
			line[to] += t.before[last][0]
			line[to+1] += t.before[last][1]
			fed, end = span{min(fed.first, from), min(to+2, s.side)}, last
		}
		f := &s.feeds[row]
		part := line[fed.first:fed.last]
		upper := sums[f.to*s.side+fed.first:][:len(part)]
		lower := sums[(f.to+1)*s.side+fed.first:][:len(part)]
		for i, sum := range part {
			v := int32(rounded(sum))
			upper[i] += v * f.weights[0]
			lower[i] += v * f.weights[1]
		}
		clear(part)
	}
	image := make([]byte, s.side*s.side)
	for i := range image {
		image[i] = rounded(sums[i])
	}
	return image
}
