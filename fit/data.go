package fit

import (
	"math"
	"slices"

	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/internal/kernels"
)

// longestStep is the longest time step that one Runge-Kutta step crosses. A time step longer than gap ends a piece. Both are in medians of the
// time steps.
const longestStep, gap = 1.5, 10

// series holds the pieces of scaled trajectories between gaps.
type series []piece

// piece is a part of a trajectory, in steps of about the same length. Rows that divide a long step are not observed.
type piece struct {
	state, columns [][]float32
	length         []float32 // of the step from each row
	observed       []bool
}

// newSeries scales trajectories, cuts them at gaps and divides long steps.
func newSeries(trajectories []datasets.Observed, s *hamiltonian.Scaling) series {
	var steps []float64
	for _, t := range trajectories {
		for i := 1; i < len(t.Times); i++ {
			steps = append(steps, t.Times[i]-t.Times[i-1])
		}
	}
	slices.Sort(steps)
	median := steps[len(steps)/2]
	var all series
	for _, t := range trajectories {
		var p piece
		for i, state := range t.States {
			row := s.Row(nil, state, t.Columns(i))
			p.state, p.columns, p.observed = append(p.state, row[:len(state)]), append(p.columns, row[len(state):]), append(p.observed, true)
			if i+1 == len(t.Times) {
				break
			}
			step := t.Times[i+1] - t.Times[i]
			if step > gap*median {
				all, p = append(all, p), piece{}
				continue
			}
			parts := 1
			for step/float64(parts) > longestStep*median {
				parts++
			}
			for k := range parts {
				p.length = append(p.length, float32(step/float64(parts)/s.Time))
				if k > 0 {
					p.state, p.columns, p.observed = append(p.state, row[:len(state)]), append(p.columns, row[len(state):]), append(p.observed, false)
				}
			}
		}
		all = append(all, p)
	}
	return slices.DeleteFunc(all, func(p piece) bool { return len(p.state) < 2 })
}

func (s series) longest() int {
	longest := 0
	for _, p := range s {
		longest = max(longest, len(p.state))
	}
	return longest
}

// steps returns the steps between successive observed rows: the state and the columns at the start, the mean derivative and the length.
func (s series) steps() kernels.Batch[float32] {
	var b kernels.Batch[float32]
	for _, p := range s {
		for i := range len(p.state) - 1 {
			if !p.observed[i] || !p.observed[i+1] {
				continue
			}
			b.X = append(append(b.X, p.state[i]...), p.columns[i]...)
			for j, v := range p.state[i+1] {
				b.DX = append(b.DX, (v-p.state[i][j])/p.length[i])
			}
			b.Steps = append(b.Steps, p.length[i])
			b.Count++
		}
	}
	return b
}

// batch is a set of windows, with their estimated starts.
type batch struct {
	kernels.Windows[float32]
	gradient, mean, square []float32 // of the starts; mean and square are those of Adam
	count                  int       // of observed numbers
}

// mostRows is about the largest number of rows in all windows together. Of larger data, evenly spaced windows are taken.
const mostRows = 10_000

// windows returns windows of the given number of rows. Neighbours share a row, and the last window of a piece may share more. Rows that were not
// observed have no weight, and of a state only the first `seen` components have.
func (s series) windows(rows, seen int) *batch {
	b := &batch{Windows: kernels.Windows[float32]{Steps: rows - 1}}
	total := 0
	for _, p := range s {
		total += len(p.state)
	}
	every, number := (total+mostRows-1)/mostRows, 0
	for _, p := range s {
		last := len(p.state) - rows
		for first := 0; last >= 0; first = min(first+rows-1, last) {
			if number%every == 0 {
				b.add(p, first, rows, seen)
			}
			if number++; first == last {
				break
			}
		}
	}
	for i := range b.Weights {
		b.Weights[i] /= float32(max(1, b.count))
	}
	b.Path = make([]float32, len(b.Observed))
	b.gradient, b.mean, b.square = make([]float32, len(b.Starts)), make([]float32, len(b.Starts)), make([]float32, len(b.Starts))
	return b
}

func (b *batch) add(p piece, first, rows, seen int) {
	b.Count++
	b.Starts = append(b.Starts, p.state[first]...)
	for i := first; i < first+rows; i++ {
		b.Observed = append(b.Observed, p.state[i]...)
		for j := range p.state[i] {
			weight := float32(0)
			if p.observed[i] && j < seen {
				weight, b.count = 1, b.count+1
			}
			b.Weights = append(b.Weights, weight)
		}
		if i < first+rows-1 {
			b.Constants, b.Lengths = append(b.Constants, p.columns[i]...), append(b.Lengths, p.length[i])
		}
	}
}

// move makes a step of Adam over the starts.
func (b *batch) move(step int, rate float64) {
	first, second := 1-math.Pow(.9, float64(step)), 1-math.Pow(.999, float64(step))
	for i, g := range b.gradient {
		b.mean[i] += .1 * (g - b.mean[i])
		b.square[i] += .001 * (g*g - b.square[i])
		b.Starts[i] -= float32(rate * float64(b.mean[i]) / first / (math.Sqrt(float64(b.square[i])/second) + 1e-8))
	}
}
