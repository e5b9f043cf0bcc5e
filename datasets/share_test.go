package datasets

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The shares of a table have its rows, each once, in the sets of the whole table, with one trajectory and with many.
func TestShares(t *testing.T) {
	for _, trajectories := range []int{1, 30} {
		var text strings.Builder
		text.WriteString("trajectory,t,q,p,dq,dp\n")
		for i := range 9000 {
			fmt.Fprintf(&text, "%d,%d,%d,%g,1,%d\n", i*trajectories/9000, i, i, float64(i%17), i%3)
		}
		path := filepath.Join(t.TempDir(), "rows.csv")
		if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		whole, err := FromTable(path)
		if err != nil {
			t.Fatal(err)
		}
		want, err := whole.Generate(0)
		if err != nil {
			t.Fatal(err)
		}
		for _, count := range []int{2, 5} {
			holders := map[bool][]int{false: make([]int, 7200), true: make([]int, 1800)}
			for index := range count {
				task, err := FromTableWith(path, TableOptions{Share: Share{Index: index, Count: count}})
				if err != nil {
					t.Fatal(err)
				}
				got, err := task.Generate(0)
				if err != nil || task.BatchSize != whole.BatchSize || task.Steps != whole.Steps || task.Example != nil {
					t.Fatalf("%d steps with batches of %d rows; error %v", task.Steps, task.BatchSize, err)
				}
				for test, list := range holders {
					ours, theirs := got.Train, want.Train
					if test {
						ours, theirs = got.Test, want.Test
					}
					if got.Rows(test) != len(list) {
						t.Fatalf("share %d of %d says that there are %d rows, want %d", index, count, got.Rows(test), len(list))
					}
					held := 0
					for row := range list {
						place, has := got.Share.Place(row, test)
						if !has {
							continue
						}
						held++
						list[row]++
						if !slices.Equal(ours.X.Row(place), theirs.X.Row(row)) || !slices.Equal(ours.DX.Row(place), theirs.DX.Row(row)) {
							t.Fatalf("share %d of %d has %v for row %d, want %v", index, count, ours.X.Row(place), row, theirs.X.Row(row))
						}
					}
					if held != ours.rows() {
						t.Errorf("share %d of %d has %d rows, and names %d", index, count, ours.rows(), held)
					}
				}
			}
			for test, list := range holders {
				if slices.Min(list) != 1 || slices.Max(list) != 1 {
					t.Errorf("of the set %t, a row is in %d to %d of %d shares", test, slices.Min(list), slices.Max(list), count)
				}
			}
		}
	}
}

// What cannot be shared is an error that says what to do.
func TestNoShare(t *testing.T) {
	const wrapped = "t,q,p,dq,dp\n"
	rows := ""
	for i := range 40 {
		rows += fmt.Sprintf("%d,%g,%d,1,1\n", i, float64(i%7)*0.897597901025655, i%3)
	}
	for _, test := range []struct{ text, want string }{
		{"trajectory,q,p,dq,dp\na,1,2,3,4\nb,2,3,4,5\na,3,3,3,4\n" + strings.Repeat("c,4,3,2,1\n", 200), `line 4 belongs to "a"`},
		{wrapped + rows, "cannot count the turns of its angles"},
		{"q,p,dq,dp\n1,2,3,4\n2,3,4,5\n", "rows are too few"},
	} {
		path := filepath.Join(t.TempDir(), "rows.csv")
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := FromTableWith(path, TableOptions{Share: Share{Index: 0, Count: 2}}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error %v, want one that contains %q", err, test.want)
		}
	}
}
