package command

import (
	"slices"
	"strings"
	"testing"
)

func TestSeeds(t *testing.T) {
	for text, want := range map[string]Seeds{
		"0-4":        {0, 1, 2, 3, 4},
		"0,2,5-7":    {0, 2, 5, 6, 7},
		"9, 3-3":     {9, 3},
		"4294967295": {1<<32 - 1},
	} {
		seeds := Seeds{8} // a default, which the flag replaces
		if err := seeds.Set(text); err != nil || !slices.Equal(seeds, want) {
			t.Errorf("%s is read as %v, error %v", text, seeds, err)
		}
		again := Seeds{}
		if err := again.Set(seeds.String()); err != nil || !slices.Equal(again, want) {
			t.Errorf("%v is written as %s", want, seeds.String())
		}
	}
	for text, want := range map[string]string{
		"":             `"" is no seed`,
		"1,x,2":        `"x" is no seed`,
		"1,-2":         `"-2" is no seed`,
		"7-5":          `"7-5" is no seed; seeds are numbers from 0 to 4294967295 and rising ranges`,
		"1-2-3":        `"1-2-3" is no seed`,
		"4294967296":   `"4294967296" is no seed`,
		"0-3,2":        `"2" gives the seed 2 a second time`,
		"5,0-999":      `with "0-999" there are more than 1000 seeds`,
		"0-4294967295": `with "0-4294967295" there are more than 1000 seeds`,
	} {
		seeds := Seeds{8}
		if err := seeds.Set(text); err == nil || !strings.HasPrefix(err.Error(), want) || !slices.Equal(seeds, Seeds{8}) {
			t.Errorf("%q gave %v and the error %v, want %s", text, seeds, err, want)
		}
	}
}
