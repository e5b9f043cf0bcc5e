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

// LoadCUDA loads LibTorch's CUDA library. A Scope can then make tensors on the first GPU. LoadCUDA looks in the folder of the LibTorch in use,
// then in python3's torch of the same version. The error wraps ErrNoCUDA and names what is missing.
func LoadCUDA() error {
	if err := loadCUDA(); err != nil {
		return fmt.Errorf("%w: %w", ErrNoCUDA, err)
	}
	return nil
}

// Version is that of the LibTorch that the program was compiled for.
func Version() string { return C.GoString(C.hnn_torch_version()) }

const cudaLibrary = "libtorch_cuda.so"

func loadCUDA() error {
	folder, err := torchFolder()
	if err != nil {
		return err
	}
	path := filepath.Join(folder, cudaLibrary)
	if _, err := os.Stat(path); err != nil {
		if path, err = pythonLibrary(Version()); err != nil {
			return fmt.Errorf("LibTorch's CUDA library is missing: %s holds no %s, and %w; `make LIBTORCH_VARIANT=cuda` installs it", folder, cudaLibrary, err)
		}
	}
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	if err := check("CUDA library", C.hnn_torch_cuda_load(name)); err != nil {
		return err
	}
	var driver, devices, failure C.int
	if err := check("CUDA devices", C.hnn_torch_cuda_devices(&driver, &devices, &failure)); err != nil {
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

func torchFolder() (string, error) {
	var folder *C.char
	if err := check("folder", C.hnn_torch_folder(&folder)); err != nil {
		return "", err
	}
	defer C.free(unsafe.Pointer(folder))
	return C.GoString(folder), nil
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

// Stream is a CUDA stream. The thread's GPU operations go to it until Leave. A recording needs its own stream: memory that its operations used
// is then not given to operations outside of the stream.
type Stream struct{ left C.int64_t }

// EnterStream makes a new stream and makes it the thread's current stream.
func EnterStream() (Stream, error) {
	var s Stream
	return s, check("stream", C.hnn_torch_stream_enter(&s.left))
}

// Leave waits for the stream's operations and restores the thread's previous stream.
func (s Stream) Leave() error { return check("stream", C.hnn_torch_stream_leave(s.left)) }

// Wait waits for all operations of the thread's current stream.
func Wait() error { return check("wait", C.hnn_torch_stream_wait()) }

// Graph is a CUDA graph: a recorded sequence of GPU operations that one call replays.
type Graph struct{ handle unsafe.Pointer }

// Record records the GPU operations of a function without executing them. The function must use the same tensors each time. It must have run on
// the same stream before, so that it allocates no new memory.
func Record(work func() error) (*Graph, error) {
	if err := check("record", C.hnn_torch_graph_begin()); err != nil {
		return nil, err
	}
	g := &Graph{}
	workError := work()
	if err := errors.Join(workError, check("record", C.hnn_torch_graph_end(&g.handle))); err != nil {
		return nil, err
	}
	return g, nil
}

// Replay executes the recorded operations.
func (g *Graph) Replay() error { return check("replay", C.hnn_torch_graph_replay(g.handle)) }

// Free frees the graph.
func (g *Graph) Free() error { return check("graph", C.hnn_torch_graph_free(g.handle)) }

// Buffer is a matrix in the CPU's memory. For CUDA the memory is pinned, so copies run asynchronously.
type Buffer[T float32 | int64] struct {
	tensor *ts.Tensor
	rows   []*ts.Tensor
	values []T
}

// NewBuffer returns a matrix of unset numbers. The caller frees it.
func NewBuffer[T float32 | int64](rows, columns int, pinned bool) (*Buffer[T], error) {
	var zero T
	_, integers := any(zero).(int64)
	var pointer unsafe.Pointer
	if err := check("buffer", C.hnn_torch_buffer(C.int64_t(rows), C.int64_t(columns), flag(integers), flag(pinned), &pointer)); err != nil {
		return nil, err
	}
	b := &Buffer[T]{tensor: ts.FromCtensor(pointer)}
	memory, err := b.tensor.DataPtr()
	for row := 0; row < rows && err == nil; row++ {
		var view *ts.Tensor
		if view, err = b.tensor.Select(0, int64(row), false); err == nil {
			b.rows = append(b.rows, view)
		}
	}
	if err != nil {
		b.Free()
		return nil, err
	}
	b.values = unsafe.Slice((*T)(memory), rows*columns)
	return b, nil
}

// Row returns the numbers of a row, in the buffer's own memory.
func (b *Buffer[T]) Row(row int) []T {
	columns := len(b.values) / len(b.rows)
	return b.values[row*columns : (row+1)*columns]
}

// Upload copies a row into a tensor of the same size, after the stream's earlier work.
func (b *Buffer[T]) Upload(row int, to *ts.Tensor) error { return Copy(to, b.rows[row]) }

// Download copies a tensor into a row, after the stream's earlier work. The numbers are there after Wait.
func (b *Buffer[T]) Download(row int, from *ts.Tensor) error { return Copy(b.rows[row], from) }

// Free frees the buffer.
func (b *Buffer[T]) Free() {
	for _, row := range b.rows {
		_ = row.Drop()
	}
	_ = b.tensor.Drop()
}

// Copy copies a tensor's elements into another tensor of the same size, after the stream's earlier work.
func Copy(to, from *ts.Tensor) error {
	err := check("copy", C.hnn_torch_copy(to.Ctensor(), from.Ctensor()))
	runtime.KeepAlive(to)
	runtime.KeepAlive(from)
	return err
}

// FusedAdam is Adam in one GPU kernel. The step number is a float32 tensor of one element. FusedAdam increments it and makes that step, so a
// recorded graph can replay the operation.
func FusedAdam(parameters, gradients, mean, square []*ts.Tensor, step *ts.Tensor, learningRate, weightDecay float64) error {
	p, g, m, s := pointers(parameters), pointers(gradients), pointers(mean), pointers(square)
	err := check("adam", C.hnn_torch_fused_adam(&p[0], &g[0], &m[0], &s[0], C.size_t(len(p)), step.Ctensor(), C.double(learningRate), C.double(weightDecay)))
	runtime.KeepAlive([][]*ts.Tensor{parameters, gradients, mean, square, {step}})
	return err
}
