package command

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Seeds is the value of a flag -seeds: different seeds in the order given, such as those of 0,2,5-7. It is a pflag.Value.
type Seeds []uint32

const mostSeeds = 1000

// Set reads numbers and ranges with commas between them. Its error names the part that is wrong.
func (s *Seeds) Set(text string) error {
	var seeds Seeds
	for part := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			to = from
		}
		first, wrong := strconv.ParseUint(from, 10, 32)
		last, wrongToo := strconv.ParseUint(to, 10, 32)
		switch {
		case wrong != nil || wrongToo != nil || last < first:
			return fmt.Errorf("%.40q is no seed; seeds are numbers from 0 to %d and rising ranges of them, such as 0,2,5-7", part, uint32(1<<32-1))
		case last-first >= uint64(mostSeeds-len(seeds)):
			return fmt.Errorf("with %.40q there are more than %d seeds", part, mostSeeds)
		}
		for seed := first; seed <= last; seed++ {
			if slices.Contains(seeds, uint32(seed)) {
				return fmt.Errorf("%.40q gives the seed %d a second time", part, seed)
			}
			seeds = append(seeds, uint32(seed))
		}
	}
	*s = seeds
	return nil
}

// String returns the seeds as Set reads them, without ranges.
func (s *Seeds) String() string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint([]uint32(*s)), " ", ","), "[]")
}

// Type returns the name of the value in the list of flags.
func (s *Seeds) Type() string { return "seeds" }
