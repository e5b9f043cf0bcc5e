package libtorch

import (
	"slices"
	"testing"

	"github.com/sugarme/gotch"
	"github.com/sugarme/gotch/ts"
)

// Permutation's values and those of the draws after it are torch.randperm's, wherever in the generator's state it begins.
func TestPermutationIsTorchRandperm(t *testing.T) {
	for _, test := range []struct{ rows, first int }{{1, 1}, {2, 1}, {20, 20}, {445, 50}, {623, 1}, {624, 3}, {625, 0}, {40_000, 200}, {80_000, 600}} {
		for _, before := range []int{0, 5, 623, 700} {
			var s Scope
			draw := func(n int) []int64 {
				x := s.Keep(ts.Randperm(int64(n), gotch.Int64, gotch.CPU))
				values := make([]int64, n)
				if err := x.CopyData(values, uint(n)); err != nil {
					t.Fatal(err)
				}
				return values
			}
			seed := func() {
				if err := Seed(7); err != nil {
					t.Fatal(err)
				}
				draw(before + 1)
			}
			seed()
			want, wantNext := draw(test.rows)[:test.first], draw(10)
			seed()
			got := make([]int64, test.first)
			if err := Permutation(test.rows, got); err != nil {
				t.Fatal(err)
			}
			if gotNext := draw(10); !slices.Equal(got, want) || !slices.Equal(gotNext, wantNext) {
				t.Errorf("%d of %d after %d draws: got %v, then %v, want %v, then %v", test.first, test.rows, before, got, gotNext, want, wantNext)
			}
			s.Free()
		}
	}
	if err := Permutation(3, make([]int64, 4)); err == nil {
		t.Error("four of three values were drawn")
	}
}

// Elements come by rows, however they lie in memory.
func TestValues(t *testing.T) {
	var s Scope
	defer s.Free()
	x := s.Slice([]float32{1, 2, 3, 4, 5, 6}, 3)
	if got := s.Values(s.Keep(x.Transpose(0, 1, false))); !slices.Equal(got, []float32{1, 4, 2, 5, 3, 6}) {
		t.Errorf("a transposed matrix gave %v", got)
	}
	if got := s.Values(s.Keep(x.Slice(1, []int64{1}, []int64{1}, 1, false))); len(got) > 0 {
		t.Errorf("no columns gave %v", got)
	}
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	if s.Values(s.Indices([]int64{1})); s.Err() == nil {
		t.Error("integers were read as float32")
	}
}

func BenchmarkPermutation(b *testing.B) {
	rows := make([]int64, 600)
	for b.Loop() {
		if err := Permutation(80_000, rows); err != nil {
			b.Fatal(err)
		}
	}
}
