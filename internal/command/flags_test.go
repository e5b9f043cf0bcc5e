package command

import (
	"errors"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

type values struct {
	number  int
	seed    uint32
	threads int
	rate    float64
	quiet   bool
	data    string
	starts  []string
	models  []string
	seeds   Seeds
}

func parse(arguments ...string) (v values, err error) {
	flags := Flags("test")
	Int(flags, &v.number, "total-steps", -1, "steps")
	Uint32(flags, &v.seed, "seed", 0, "seed")
	Threads(flags, &v.threads, "")
	flags.Float64Var(&v.rate, "learn-rate", 0, "rate")
	flags.BoolVar(&v.quiet, "quiet", false, "quiet")
	flags.StringVar(&v.data, "data", "", "`file`")
	flags.StringArrayVar(&v.starts, "start", nil, "start")
	flags.StringSliceVar(&v.models, "models", nil, "models")
	flags.Var(&v.seeds, "seeds", "`seeds`")
	Table(flags)
	return v, Parse(flags, arguments)
}

func TestParse(t *testing.T) {
	for _, test := range []struct {
		arguments string
		right     func(v values) bool
	}{
		{"-total-steps 12 -seed 3", func(v values) bool { return v.number == 12 && v.seed == 3 }},
		{"--total_steps=12 --seed=3", func(v values) bool { return v.number == 12 && v.seed == 3 }},
		{"-total_steps -5", func(v values) bool { return v.number == -5 }},
		{"-seed 010 -total-steps 0099", func(v values) bool { return v.number == 99 && v.seed == 10 }},
		{"-seed 4294967295", func(v values) bool { return v.seed == math.MaxUint32 }},
		{"-data -dash.csv -quiet", func(v values) bool { return v.data == "-dash.csv" && v.quiet }},
		{"--data -quiet", func(v values) bool { return v.data == "-quiet" && !v.quiet }},
		{"-data --seed=1", func(v values) bool { return v.data == "--seed=1" && v.seed == 0 }},
		{"-data=-a=b", func(v values) bool { return v.data == "-a=b" }},
		{"-data -- -seed 1", func(v values) bool { return v.data == "--" && v.seed == 1 }},
		{"-data - -quiet=false", func(v values) bool { return v.data == "-" && !v.quiet }},
		{"-start q=1,p=-2 -start -q=3", func(v values) bool { return slices.Equal(v.starts, []string{"q=1,p=-2", "-q=3"}) }},
		{"-threads 0", func(v values) bool { return v.threads == 0 }},
		{"-threads 1", func(v values) bool { return v.threads == 1 }},
		{"-threads 10000", func(v values) bool { return v.threads == runtime.GOMAXPROCS(0) }},
		{"-threads 99999999999999999999", func(v values) bool { return v.threads == runtime.GOMAXPROCS(0) }},
	} {
		if v, err := parse(strings.Fields(test.arguments)...); err != nil || !test.right(v) {
			t.Errorf("%s is read as %+v, error %v", test.arguments, v, err)
		}
	}
	if v, err := parse("-data", "a\n b=c\xff"); err != nil || v.data != "a\n b=c\xff" {
		t.Errorf("the name of a file is read as %q, error %v", v.data, err)
	}
	for _, help := range []string{"-help", "--help", "-h"} {
		if _, err := parse("-quiet", help); !errors.Is(err, pflag.ErrHelp) {
			t.Errorf("%s gave the error %v", help, err)
		}
	}
}

func TestParseErrors(t *testing.T) {
	long := strings.Repeat("9", 10000)
	for _, test := range []struct {
		arguments []string
		want      string
	}{
		{[]string{"-seed", "0x10"}, `-seed "0x10": must be a whole number from 0 to 4294967295; -help lists the flags`},
		{[]string{"-seed", "-1"}, `-seed "-1": must be a whole number from 0`},
		{[]string{"-seed", "4294967296"}, `-seed "4294967296": must be a whole number from 0`},
		{[]string{"-total-steps", "1_0"}, `-total-steps "1_0": must be a whole number; -help`},
		{[]string{"-total_steps", "1e12"}, `-total-steps "1e12": must be a whole number`},
		{[]string{"-total-steps", long}, `-total-steps "9999999999999999999999999999999999999999": must be a whole number`},
		{[]string{"-learn-rate", "x" + long}, `-learn-rate "x999999999999999999999999999999999999999": must be a number; -help`},
		{[]string{"-threads", "-1"}, `-threads "-1": must be a whole number of 1 or more, or 0 for one thread per processor; -help`},
		{[]string{"-threads", "-99999999999999999999"}, `-threads "-99999999999999999999": must be`},
		{[]string{"-threads", "two"}, `-threads "two": must be`},
		{[]string{"-seeds", "1," + long}, `-seeds "1,99999999999999999999999999999999999999": "9999999999999999999999999999999999999999" is no seed`},
		{[]string{"-mass", "1,x" + long}, `-mass "1,x9999999999999999999999999999999999999": invalid syntax; -help`},
		{[]string{"-data="}, "-data is empty; it needs a value; -help lists the flags"},
		{[]string{"--data", ""}, "-data is empty"},
		{[]string{"-models="}, "-models is empty"},
		{[]string{"-quiet="}, "-quiet is empty"},
		{[]string{"-quiet=perhaps"}, `-quiet "perhaps": must be true or false`},
		{[]string{"-data"}, "flag needs an argument: --data; -help"},
		{[]string{"-quiet", "false"}, `"false" is not a flag; -help lists the flags`},
		{[]string{"-cudda"}, "unknown flag: --cudda; -help"},
		{[]string{"x" + long}, "x99999999"},
	} {
		if _, err := parse(test.arguments...); err == nil || !strings.Contains(err.Error(), test.want) || len(err.Error()) > mostCharacters {
			t.Errorf("%.60q gave the error %v, want %q", test.arguments, err, test.want)
		}
	}
}

// -help shows the same as for pflag's own numbers.
func TestUsage(t *testing.T) {
	own, theirs := Flags("test"), Flags("test")
	var number, other int
	var seed uint32
	Int(own, &number, "number", 7, "a number")
	Int(own, &other, "other", 0, "another `count`")
	Uint32(own, &seed, "seed", 0, "a seed")
	theirs.Int("number", 7, "a number")
	theirs.Int("other", 0, "another `count`")
	theirs.Uint32("seed", 0, "a seed")
	if got, want := own.FlagUsages(), theirs.FlagUsages(); got != want || number != 7 {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	var threads int
	Threads(own, &threads, ", or not")
	if want := "--threads int   threads to use, at most one per processor; 0 for one per processor, or not\n"; !strings.Contains(own.FlagUsages(), want) {
		t.Errorf("got\n%s", own.FlagUsages())
	}
}
