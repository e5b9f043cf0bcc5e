package command

import (
	"os"
	"runtime"

	"go.uber.org/automaxprocs/maxprocs"
)

// limitProcessors sets GOMAXPROCS, the number of threads that the program computes with, to the processors that it may use: those of its affinity,
// and no more than the quota of its control group, but at least one. Go itself takes two where a quota allows less. A smaller number in the
// environment stays.
func limitProcessors() {
	const variable = "GOMAXPROCS"
	chosen := min(runtime.GOMAXPROCS(0), runtime.NumCPU())
	if text, set := os.LookupEnv(variable); set { // maxprocs would take it, whatever the quota
		_ = os.Unsetenv(variable)
		defer os.Setenv(variable, text)
	}
	_, _ = maxprocs.Set() // a control group that cannot be read sets no limit
	runtime.GOMAXPROCS(min(chosen, runtime.GOMAXPROCS(0)))
}
