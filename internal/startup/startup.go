// Package startup prepares a program before LibTorch, gotch and Go's runtime begin. To import it is enough. It ends the program with one line on
// stderr and status 1 if the system allows it too little address space or too few threads. It also keeps gotch from making a folder in HOME.
package startup

// #cgo LDFLAGS: -pthread
import "C"

import "syscall"

// When gotch is initialised, it makes HOME/.cache/gotch for files that this module does not use, and ends the program if it cannot. It makes no
// folder if GOTCH_CACHE names one that exists. Go initialises the packages in the order of their paths, each as soon as its imports are: this one
// comes before log, which gotch imports, and so before gotch.
func init() {
	_ = syscall.Setenv("GOTCH_CACHE", "/") // fails only for names that are not valid
}
