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

	"github.com/sugarme/gotch"
	"github.com/sugarme/gotch/ts"
)

// ErrNoCUDA is wrapped by the error that says which of LibTorch's CUDA library, a driver and a GPU is missing.
var ErrNoCUDA = errors.New("cannot compute on a GPU")

// device is where tensors live. Like LibTorch's number of threads, it is the process's.
var device = gotch.CPU

// OnCUDA tells whether UseCUDA was called with success.
func OnCUDA() bool { return device.IsCuda() }

// UseCUDA makes the first GPU the place of all tensors that this package and package nets make from now on. Random numbers stay
// those of the processor's generator. LibTorch's CUDA library is taken from the folder of the LibTorch in use, or from a Python
// installation of the same version. The error wraps ErrNoCUDA.
func UseCUDA() error {
	if err := loadCUDA(); err != nil {
		return fmt.Errorf("%w: %w", ErrNoCUDA, err)
	}
	device = gotch.CudaBuilder(0)
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
	if err := check("CUDA library", C.hnn_cuda_load(name)); err != nil {
		return err
	}
	var driver, devices C.int
	failure := C.hnn_cuda_devices(&driver, &devices)
	return diagnose(int(driver), int(devices), int(failure))
}

// diagnose turns what CUDA says of a machine into the error that names what is missing, nil for nothing.
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

// Place moves a tensor that the caller owns to where tensors live, and returns it or what has taken its place. One that requires
// gradients goes on doing so, by itself and not as a copy of the first.
func Place(t *ts.Tensor) (*ts.Tensor, error) {
	if !OnCUDA() {
		return t, nil
	}
	requires, err := t.RequiresGrad()
	if err != nil {
		return nil, err
	}
	if t, err = t.Detach(true); err != nil {
		return nil, err
	}
	if t, err = t.To(device, true); err != nil || !requires {
		return t, err
	}
	return t, t.RequiresGrad_(true)
}

// Stream is a queue of work of its own on the GPU, which the thread's work goes to until Leave. Recordings need one: what memory
// their work has used is given to nothing outside of the stream.
type Stream struct{ left C.int64_t }

// EnterStream makes a stream the thread's.
func EnterStream() (Stream, error) {
	var s Stream
	return s, check("stream", C.hnn_stream_enter(&s.left))
}

// Leave waits for the stream's work and makes the stream before it the thread's again.
func (s Stream) Leave() error { return check("stream", C.hnn_stream_leave(s.left)) }

// Wait returns when the work of the thread's stream is done.
func Wait() error {
	if !OnCUDA() {
		return nil
	}
	return check("wait", C.hnn_stream_wait())
}

// Recording is work on the GPU that can be done again without being asked for piece by piece: a CUDA graph.
type Recording struct{ handle unsafe.Pointer }

// Record records what work asks of the GPU, on the same tensors each time, without doing it. The work must have been done before on
// the same stream, so that it needs no new memory.
func Record(work func() error) (*Recording, error) {
	if err := check("record", C.hnn_record_begin()); err != nil {
		return nil, err
	}
	r := &Recording{}
	workError := work()
	if err := errors.Join(workError, check("record", C.hnn_record_end(&r.handle))); err != nil {
		return nil, err
	}
	return r, nil
}

// Replay does the recorded work.
func (r *Recording) Replay() error { return check("replay", C.hnn_replay(r.handle)) }

// Free drops the recording.
func (r *Recording) Free() { C.hnn_recording_free(r.handle) }

// Staging is a matrix in the processor's memory from and to which the GPU copies on its own.
type Staging[T float32 | int64] struct {
	tensor *ts.Tensor
	rows   []*ts.Tensor
	values []T
}

// NewStaging returns a matrix of unset numbers; the caller frees it.
func NewStaging[T float32 | int64](rows, columns int) (*Staging[T], error) {
	var zero T
	_, integers := any(zero).(int64)
	var pointer unsafe.Pointer
	if err := check("staging", C.hnn_staging(C.int64_t(rows), C.int64_t(columns), flag(integers), flag(OnCUDA()), &pointer)); err != nil {
		return nil, err
	}
	s := &Staging[T]{tensor: ts.FromCtensor(pointer)}
	memory, err := s.tensor.DataPtr()
	for row := 0; row < rows && err == nil; row++ {
		var view *ts.Tensor
		if view, err = s.tensor.Select(0, int64(row), false); err == nil {
			s.rows = append(s.rows, view)
		}
	}
	if err != nil {
		s.Free()
		return nil, err
	}
	s.values = unsafe.Slice((*T)(memory), rows*columns)
	return s, nil
}

// Row returns the numbers of a row, in the matrix's own memory.
func (s *Staging[T]) Row(row int) []T {
	columns := len(s.values) / len(s.rows)
	return s.values[row*columns : (row+1)*columns]
}

// Upload copies a row into a tensor of as many elements, once the stream's earlier work is done.
func (s *Staging[T]) Upload(row int, to *ts.Tensor) error { return Copy(to, s.rows[row]) }

// Download copies a tensor into a row, once the stream's earlier work is done; it is there after Wait.
func (s *Staging[T]) Download(row int, from *ts.Tensor) error { return Copy(s.rows[row], from) }

// Free drops the matrix.
func (s *Staging[T]) Free() {
	for _, row := range s.rows {
		_ = row.Drop()
	}
	_ = s.tensor.Drop()
}

// Copy copies a tensor's elements into another of as many, once the stream's earlier work is done.
func Copy(to, from *ts.Tensor) error {
	err := check("copy", C.hnn_copy(to.Ctensor(), from.Ctensor()))
	runtime.KeepAlive(to)
	runtime.KeepAlive(from)
	return err
}

// FusedAdam is Adam on the GPU, in one kernel. The step number, a float32 tensor of one element, is raised by one, and is then that
// of the step, so that the work is the same each time.
func FusedAdam(parameters, gradients, mean, square []*ts.Tensor, step *ts.Tensor, learningRate, weightDecay float64) error {
	p, g, m, s := pointers(parameters), pointers(gradients), pointers(mean), pointers(square)
	err := check("adam", C.hnn_fused_adam(&p[0], &g[0], &m[0], &s[0], C.size_t(len(p)), step.Ctensor(), C.double(learningRate), C.double(weightDecay)))
	runtime.KeepAlive([][]*ts.Tensor{parameters, gradients, mean, square, {step}})
	return err
}
