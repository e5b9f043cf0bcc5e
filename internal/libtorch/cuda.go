package libtorch

// #cgo LDFLAGS: -ldl
// #include <stdlib.h>
// #include "libtorch.h"
import "C"

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"unsafe"

	"github.com/sugarme/gotch/ts"
)

// ErrNoCUDA is the base of LoadCUDA's errors. They name what is missing: LibTorch's CUDA library, the driver or a GPU.
var ErrNoCUDA = errors.New("cannot compute on a GPU")

// Version is that of the LibTorch that the program was compiled for.
func Version() string { return C.GoString(C.hnn_torch_version()) }

const cudaLibrary = "libtorch_cuda.so"

// LoadCUDA loads LibTorch's CUDA library. A Scope can then make tensors on the first GPU. LoadCUDA looks in the folder of the LibTorch in use,
// then in python3's torch of the same version. The error wraps ErrNoCUDA and names what is missing.
func LoadCUDA() (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w: %w", ErrNoCUDA, err)
		}
	}()
	var origin *C.char
	if err := check("folder", C.hnn_torch_folder(&origin)); err != nil {
		return err
	}
	folder := C.GoString(origin)
	C.free(unsafe.Pointer(origin))
	path := filepath.Join(folder, cudaLibrary)
	if _, err := os.Stat(path); err != nil {
		if path, err = pythonLibrary(Version()); err != nil {
			return fmt.Errorf("LibTorch's CUDA library is missing: %s holds no %s, and %w; `make LIBTORCH_VARIANT=cuda` installs it", folder, cudaLibrary, err)
		}
	}
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var driver, devices, failure C.int
	if err := check("CUDA library", C.hnn_torch_cuda_load(name, &driver, &devices, &failure)); err != nil {
		return err
	}
	return diagnose(int(driver), int(devices), int(failure))
}

// diagnose returns an error that names what is missing according to CUDA, or nil if nothing is.
func diagnose(driver, devices, failure int) error {
	const insufficientDriver, noDevice = 35, 100
	version := func() string { return fmt.Sprintf("%d.%d", driver/1000, driver%1000/10) }
	switch {
	case driver == 0:
		return errors.New("NVIDIA's driver is missing")
	case failure == insufficientDriver:
		return fmt.Errorf("NVIDIA's driver is too old: it serves CUDA %s, and LibTorch needs a later one", version())
	case failure == noDevice || failure == 0 && devices == 0:
		return errors.New("there is no GPU that NVIDIA's driver can see")
	case failure != 0:
		return fmt.Errorf("NVIDIA's driver (CUDA %s) answers with error %d", version(), failure)
	}
	return nil
}

// pythonLibrary returns the CUDA library of python3's torch if that is of the given version.
func pythonLibrary(version string) (string, error) {
	const find = "import importlib.util, os; s = importlib.util.find_spec('torch'); print(os.path.dirname(s.origin) if s else '')"
	output, err := exec.Command("python3", "-c", find).Output()
	folder := strings.TrimSpace(string(output))
	if err != nil || folder == "" {
		return "", errors.New("python3 has no torch")
	}
	content, err := os.ReadFile(filepath.Join(folder, "version.py"))
	if err != nil {
		return "", err
	}
	_, rest, _ := strings.Cut(string(content), "__version__ = '")
	installed, _, _ := strings.Cut(rest, "'")
	if release, _, _ := strings.Cut(installed, "+"); release != version {
		return "", fmt.Errorf("python3's torch is %s and not %s", installed, version)
	}
	path := filepath.Join(folder, "lib", cudaLibrary)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("python3's torch %s has none either", installed)
	}
	return path, nil
}

// EnterStream makes a new CUDA stream. The thread's GPU operations go to it until leave, which waits for them and restores the previous stream.
// A recording needs its own stream: memory that its operations used is then not given to operations outside of the stream.
func EnterStream() (leave func() error, err error) {
	var left C.int64_t
	if err := check("stream", C.hnn_torch_stream_switch(1, &left)); err != nil {
		return nil, err
	}
	return func() error { return check("stream", C.hnn_torch_stream_switch(0, &left)) }, nil
}

// Graph is a CUDA graph: a recorded sequence of GPU operations that one call replays.
type Graph struct{ handle unsafe.Pointer }

// Record records the GPU operations of a function without executing them. The function must use the same tensors each time. It must have run on
// the same stream before, so that it allocates no new memory.
func Record(work func() error) (*Graph, error) {
	if err := check("record", C.hnn_torch_graph_begin()); err != nil {
		return nil, err
	}
	var g Graph
	err := work()
	return &g, errors.Join(err, check("record", C.hnn_torch_graph_end(&g.handle)))
}

// Replay executes the recorded operations.
func (g *Graph) Replay() error { return check("replay", C.hnn_torch_graph_replay(g.handle)) }

// Free frees the graph.
func (g *Graph) Free() error { return check("graph", C.hnn_torch_graph_free(g.handle)) }

// Buffer is a tensor on a scope's device with rows in the CPU's memory that it is copied from and to. For CUDA this memory is pinned, so the
// copies run asynchronously.
type Buffer[T float32 | int64] struct {
	Tensor *ts.Tensor
	Rows   []T // row by row; each has as many numbers as the tensor
	views  []*ts.Tensor
}

// NewBuffer returns a buffer with unset rows and a tensor of the given values and shape. The scope owns both. Without values, the buffer is
// empty.
func NewBuffer[T float32 | int64](s *Scope, rows int, values []T, shape ...int64) (b Buffer[T]) {
	if values == nil {
		return b
	}
	b.Tensor = newTensor(s, values, shape, false)
	memory := newTensor[T](s, nil, []int64{int64(rows), int64(len(values))}, false)
	for row := range rows {
		b.views = append(b.views, s.operator("row", []float64{float64(row)}, memory))
	}
	b.Rows = Memory[T](s, memory)
	return b
}

// Upload copies values through a row into the tensor, after the stream's earlier work. On an empty buffer it does nothing.
func (b Buffer[T]) Upload(row int, values []T) error {
	if b.Tensor == nil {
		return nil
	}
	copy(b.Rows[row*len(values):], values)
	return Copy(b.Tensor, b.views[row])
}

// Download copies the tensor into a row, after the stream's earlier work. The numbers are there after Wait.
func (b Buffer[T]) Download(row int) error { return Copy(b.views[row], b.Tensor) }

// Copy copies a tensor's elements into another tensor of the same size, after the stream's earlier work.
func Copy(to, from *ts.Tensor) error {
	err := check("copy", C.hnn_torch_copy(to.Ctensor(), from.Ctensor()))
	runtime.KeepAlive(to)
	runtime.KeepAlive(from)
	return err
}

// Wait waits on a GPU for all operations of the thread's current stream.
func (s *Scope) Wait() error {
	if !s.CUDA {
		return nil
	}
	return check("wait", C.hnn_torch_stream_wait())
}
