package datasets

import (
	"fmt"

	"hnn/internal/tables"
)

// Share is the part of a table with derivatives that one of several processes reads: blocks of rows from everywhere. The zero value is the whole table.
type Share struct {
	Index, Count int // which of how many, from 0
	Train, Test  int // rows of the two sets of the whole table; FromTableWith fills them in

	table *tables.Table
	train int // rows of the training set that the share has
}

// Place returns where the share's training or test set has a row of the whole set. It returns false if the share does not have the row.
func (s *Share) Place(row int, test bool) (place int, has bool) {
	if test {
		place, has = s.table.Place(s.Train + row)
		return place - s.train, has
	}
	return s.table.Place(row)
}

// divide makes the pieces of trajectories that a share has the trajectories of a table, whose whole trajectories end before the given rows.
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
