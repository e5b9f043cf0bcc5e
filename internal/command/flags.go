package command

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"hnn/datasets"
)

// Flags returns an empty set of flags that takes - and _ between words: the published scripts write total_steps.
func Flags(name string) *pflag.FlagSet {
	flags := pflag.NewFlagSet(name, pflag.ContinueOnError)
	flags.SortFlags = false
	flags.SetOutput(io.Discard)
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
	})
	return flags
}

// CUDA adds the flag -cuda.
func CUDA(flags *pflag.FlagSet, cuda *bool) {
	flags.BoolVar(cuda, "cuda", false, "train on the GPU; without a usable one this is an error with exit status 2")
}

// Threads adds the flag -threads, whose usage ends with more. A number beyond the processors that the program may use becomes their number: further
// threads would wait for one another. 0 stays 0, and a negative number is an error of Parse.
func Threads(flags *pflag.FlagSet, threads *int, more string) {
	flags.Var((*threadsValue)(threads), "threads", "threads to use, at most one per processor; 0 for one per processor"+more)
}

type threadsValue int

func (v *threadsValue) Set(text string) error {
	count, err := strconv.Atoi(text)
	if err != nil && !errors.Is(err, strconv.ErrRange) || count < 0 { // out of range, count is the largest number
		return errors.New("must be a whole number of 1 or more, or 0 for one thread per processor")
	}
	*v = threadsValue(min(count, runtime.GOMAXPROCS(0)))
	return nil
}

func (v *threadsValue) String() string { return strconv.Itoa(int(*v)) }
func (v *threadsValue) Type() string   { return "int" }

// Int adds a flag with a whole number. It is decimal: pflag's own would read 010 as 8.
func Int(flags *pflag.FlagSet, value *int, name string, byDefault int, usage string) {
	*value = byDefault
	flags.Var((*intValue)(value), name, usage)
}

type intValue int

func (v *intValue) Set(text string) error {
	number, err := strconv.Atoi(text)
	if err != nil {
		return errors.New("must be a whole number")
	}
	*v = intValue(number)
	return nil
}

func (v *intValue) String() string { return strconv.Itoa(int(*v)) }
func (v *intValue) Type() string   { return "int" }

// Float64 is Int for numbers with a fraction. Hexadecimal digits and underscores, which Go's literals may have, are errors.
func Float64(flags *pflag.FlagSet, value *float64, name string, byDefault float64, usage string) {
	*value = byDefault
	flags.Var((*floatValue)(value), name, usage)
}

type floatValue float64

func (v *floatValue) Set(text string) error {
	number, err := strconv.ParseFloat(text, 64)
	if err != nil || strings.ContainsAny(text, "xX_") {
		return errors.New("must be a number")
	}
	*v = floatValue(number)
	return nil
}

func (v *floatValue) String() string { return strconv.FormatFloat(float64(*v), 'g', -1, 64) }
func (v *floatValue) Type() string   { return "float64" }

// Uint32 is Int for numbers from 0 to 4294967295.
func Uint32(flags *pflag.FlagSet, value *uint32, name string, byDefault uint32, usage string) {
	*value = byDefault
	flags.Var((*uint32Value)(value), name, usage)
}

type uint32Value uint32

func (v *uint32Value) Set(text string) error {
	number, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return fmt.Errorf("must be a whole number from 0 to %d", uint32(math.MaxUint32))
	}
	*v = uint32Value(number)
	return nil
}

func (v *uint32Value) String() string { return strconv.FormatUint(uint64(*v), 10) }
func (v *uint32Value) Type() string   { return "uint32" }

// Table adds the flags that say of a table what it does not.
func Table(flags *pflag.FlagSet) *datasets.TableOptions {
	o := &datasets.TableOptions{}
	flags.StringSliceVar(&o.Angles, "angles", nil, "positions of a table that are angles, such as q1,q2, or none (default: those that jump by a full turn)")
	flags.Float64SliceVar(&o.Masses, "mass", nil, "`masses` of the positions, for momenta that were not measured (default: 1)")
	flags.Lookup("mass").DefValue = "" // pflag would print [] as a second default
	return o
}

// Apart returns an error if the output of a flag is one of the files that a command reads, or that it writes too.
func Apart(flag, output string, others ...string) error {
	there, err := os.Stat(output)
	if err != nil || !there.Mode().IsRegular() {
		return nil // it does not exist yet, or is a pipe or a device
	}
	for _, path := range others {
		if other, err := os.Stat(path); err == nil && os.SameFile(there, other) {
			return fmt.Errorf("-%s %s would overwrite %s; give another file", flag, output, path)
		}
	}
	return nil
}

// TestFraction is the part of a table's trajectories that training does not see, by default.
const TestFraction = 0.2

// Parse reads the arguments. Flags start with one dash or two. The argument after a flag that takes a value is its value, whatever it begins with.
// Parse returns pflag.ErrHelp if the arguments ask for help; any other error names the flag.
func Parse(flags *pflag.FlagSet, arguments []string) error {
	joined, err := join(flags, arguments)
	if err == nil {
		err = flags.Parse(joined)
	}
	var invalid *pflag.InvalidValueError
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return err
	case errors.As(err, &invalid):
		return fmt.Errorf("-%s %.40q: %w; -help lists the flags", invalid.GetFlag().Name, invalid.GetValue(), reason(invalid))
	case err != nil:
		return fmt.Errorf("%w; -help lists the flags", err)
	case flags.NArg() > 0:
		return fmt.Errorf("%.100q is not a flag; -help lists the flags", flags.Arg(0))
	}
	return nil
}

// reason returns what is wrong with a value, without the value.
func reason(invalid *pflag.InvalidValueError) error {
	var number *strconv.NumError
	if errors.As(invalid, &number) {
		return number.Err
	}
	return invalid.Unwrap()
}

var flag = regexp.MustCompile(`(?s)^--?([a-z][^=]+)(=(.*))?$`)

// join returns the arguments as pflag reads them: flags with two dashes, and values behind an equals sign.
func join(flags *pflag.FlagSet, arguments []string) ([]string, error) {
	var joined []string
	for len(arguments) > 0 {
		argument := arguments[0]
		arguments = arguments[1:]
		parts := flag.FindStringSubmatch(argument)
		if parts == nil {
			joined = append(joined, argument)
			continue
		}
		name, value, given := parts[1], parts[3], parts[2] != ""
		if f := flags.Lookup(name); f != nil && f.NoOptDefVal == "" && !given && len(arguments) > 0 {
			value, given, arguments = arguments[0], true, arguments[1:]
		}
		switch {
		case !given:
			joined = append(joined, "--"+name)
		case value == "":
			return nil, fmt.Errorf("-%.100s is empty; it needs a value", name)
		default:
			joined = append(joined, "--"+name+"="+value)
		}
	}
	return joined, nil
}
