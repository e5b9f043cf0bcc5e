package datasets

import (
	"math"
	"slices"
)

// shrinkable is a square picture, of which parts can be shrunk at a cost that hardly depends on how many pixels they have: what a
// span of a row adds to the shrunk row is the difference between running totals at its two ends.
type shrinkable struct {
	side   int // of the shrunk picture
	feeds  []feed
	totals []totals // of each row
}

// feed is what a pixel gives to a shrunk row or column: weights, in units of 2⁻²², in that one's pixel number to and in the next.
type feed struct {
	to      int
	weights [2]int32
}

const weightBits = 22

// totals are sums of weight times pixel along a row.
type totals struct {
	before [][2]int32 // at each pixel: over all before it, in the two pixels of the shrunk row that it feeds
	whole  []int32    // over all, in each pixel of the shrunk row
}

// rounded returns the nearest byte to a sum of weight times pixel.
func rounded(sum int32) byte { return byte((sum + 1<<(weightBits-1)) >> weightBits) }

// triangleFilter returns how the Python Imaging Library shrinks a row of pixels: in each pixel of the result, the weights fall in a
// straight line from its centre to those of its neighbours. A last feed, without weight, stands for the row's end.
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

// newShrinkable returns a picture of size×size bytes that is to be shrunk to side×side, where side is at most size.
func newShrinkable(picture []byte, size, side int) *shrinkable {
	s := &shrinkable{side, triangleFilter(size, side), make([]totals, size)}
	for row := range s.totals {
		t := totals{make([][2]int32, size+1), make([]int32, side+1)}
		for i, v := range picture[row*size:][:size] {
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

// span is a run of pixels of a row, from first to before last. It is empty if last is not beyond first.
type span struct{ first, last int }

// canvas says which parts of a picture to shrink, and holds the memory that this takes, to be used again.
type canvas struct {
	rows [][shapes]span // the pixels that some shapes cover, in each row of the picture; shapes may overlap
	line []int32        // the sums of a shrunk row, and one more: each pixel feeds two
	sums []int32        // the sums of the shrunk picture, and one more row
}

func (s *shrinkable) newCanvas() any {
	return &canvas{make([][shapes]span, len(s.totals)), make([]int32, s.side+1), make([]int32, (s.side+1)*s.side)}
}

// shrink returns the picture, with 0 where no shape covers it, as the Python Imaging Library shrinks it: each row first, then each
// column, rounded to bytes in between. It leaves the canvas empty.
func (s *shrinkable) shrink(c *canvas) []byte {
	for row := range c.rows {
		s.addRow(c, row, s.shrinkRow(c, row))
	}
	picture := make([]byte, s.side*s.side)
	for i, sum := range c.sums[:len(picture)] {
		picture[i] = rounded(sum)
	}
	clear(c.rows)
	clear(c.sums)
	return picture
}

// shrinkRow adds what shapes cover in a row to the line, and returns the line's pixels that it feeds.
func (s *shrinkable) shrinkRow(c *canvas, row int) span {
	covered := c.rows[row][:]
	lit := covered[:0]
	for _, pixels := range covered {
		if pixels.first < pixels.last {
			lit = append(lit, pixels)
		}
	}
	if len(lit) == 0 {
		return span{}
	}
	if len(lit) > 1 { // which few rows have
		slices.SortFunc(lit, func(a, b span) int { return a.first - b.first })
	}
	t, line := &s.totals[row], c.line
	fed, end := span{first: s.feeds[lit[0].first].to}, 0
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
		fed.last, end = min(to+2, s.side), last
	}
	return fed
}

// addRow adds the line's pixels, rounded, to the two rows of the shrunk picture that the row feeds, and sets them to 0.
func (s *shrinkable) addRow(c *canvas, row int, fed span) {
	f := &s.feeds[row]
	line := c.line[fed.first:fed.last]
	upper := c.sums[f.to*s.side+fed.first:][:len(line)]
	lower := c.sums[(f.to+1)*s.side+fed.first:][:len(line)]
	for i, sum := range line {
		v := int32(rounded(sum))
		upper[i] += v * f.weights[0]
		lower[i] += v * f.weights[1]
		line[i] = 0
	}
}
