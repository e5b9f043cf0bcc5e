package datasets

import (
	"fmt"

	"hnn/internal/tables"
)

// Share is the part of a table with derivatives that one of several processes reads: blocks of rows from everywhere in it. The zero value is the
// whole table.
type Share struct {
	Index, Count int // which share, from 0, and how many there are
	Train, Test  int // rows of the two sets of the whole table; FromTableWith fills them in

	table *tables.Table
	train int // rows of the training set that the share has
}

// Place returns the row of the share's training or test set that is the given row of the whole set. It returns false if the share lacks the row.
func (s *Share) Place(row int, test bool) (place int, has bool) {
	if test {
		place, has = s.table.Place(s.Train + row)
		return place - s.train, has
	}
	return s.table.Place(row)
}

// divide makes each piece of a trajectory in the share a trajectory of the table. The whole trajectories end before the given rows of the file. A
// single one is cut where the test set begins.
func (t *userTable) divide(share Share, ends []int) error {
	if t.Rows == 0 {
		return fmt.Errorf("%s: %d rows are too few for %d processes; start fewer", t.path, t.Total, share.Count)
	}
	rows := func(end int) int { return end }
	train, _ := split(ends, testShare, rows, func(_, _, end int) int { return end })
	share.Train = train[len(train)-1]
	share.Test, share.table = t.Total-share.Train, t.Table
	share.train, _ = t.Place(share.Train)
	if len(ends) == 1 {
		ends = []int{share.Train, t.Total}
	}
	t.share, t.ends, t.Labels, t.Names = &share, t.Cut(ends), nil, nil
	return nil
}
