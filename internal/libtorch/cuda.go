package libtorch

// #cgo LDFLAGS: -ldl
// #include <stdlib.h>
// #include "libtorch.h"
import "C"

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/sugarme/gotch/ts"
)

// ErrNoCUDA is the base of LoadCUDA's errors. They name what is missing: LibTorch's CUDA library, the driver or a GPU.
var ErrNoCUDA = errors.New("cannot compute on a GPU")

// Version returns the version of the LibTorch that the program was compiled for, such as 2.11.0.
func Version() string { return C.GoString(C.hnn_torch_version()) }

// build returns the version of the LibTorch in use with its variant, as Python's torch.__version__ does.
func build() string { return Version() + variant(int(C.hnn_torch_cuda_runtime())) }

// variant returns the suffix of LibTorch's version for a version of CUDA's run time: +cu130 for 13000, by which CUDA means 13.0, and +cpu for 0.
func variant(runtime int) string {
	if runtime == 0 {
		return "+cpu"
	}
	return fmt.Sprintf("+cu%d%d", runtime/1000, runtime%1000/10)
}

const cudaLibrary = "libtorch_cuda.so"

// computed is set by the first computation. LibTorch then decides for the life of the process whether it has CUDA, as it makes the threads of the
// gradient and the hooks of CUDA (at::detail::getCUDAHooks) only once.
var computed atomic.Bool

// begin notes that a computation begins. Every operation calls it, on all threads, so it writes only once.
func begin() {
	if !computed.Load() {
		computed.Store(true)
	}
}

// loaded is the process's GPU.
var loaded struct {
	sync.Mutex
	done   bool
	device int
}

// LoadCUDA loads LibTorch's CUDA library and chooses the GPU of this process by its number, from 0. A Scope can then make tensors there. LoadCUDA
// looks in the folder of the LibTorch in use, then in python3's torch of the same version and variant. It must precede every other use of LibTorch.
// Later calls with the same number do nothing. The error wraps ErrNoCUDA and names what is missing.
func LoadCUDA(device int) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w: %w", ErrNoCUDA, err)
		}
	}()
	loaded.Lock()
	defer loaded.Unlock()
	if loaded.done {
		if device != loaded.device {
			return fmt.Errorf("this process computes on GPU %d, and GPU %d is asked for; start another process", loaded.device, device)
		}
		return nil
	}
	path, err := findLibrary()
	if err != nil {
		return err
	}
	if computed.Load() {
		return errors.New("LibTorch has computed without CUDA, and cannot load it any more; train on the GPU first, or in another process")
	}
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var found C.struct_hnn_torch_cuda
	if err := check("CUDA library", C.hnn_torch_cuda_load(name, C.int(device), &found)); err != nil {
		return err
	}
	machine := cudaMachine{
		driver: int(found.driver), runtime: int(found.runtime), devices: int(found.devices), failure: int(found.failure),
		major: int(found.major), minor: int(found.minor),
	}
	if err := machine.diagnose(device); err != nil {
		return err
	}
	if err := machine.explain(check("trial", C.hnn_torch_cuda_try())); err != nil {
		return err
	}
	loaded.done, loaded.device = true, device
	return nil
}

// findLibrary returns the path of LibTorch's CUDA library.
func findLibrary() (string, error) {
	var origin *C.char
	if err := check("folder", C.hnn_torch_folder(&origin)); err != nil {
		return "", err
	}
	folder := C.GoString(origin)
	C.free(unsafe.Pointer(origin))
	path := filepath.Join(folder, cudaLibrary)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	path, err := pythonLibrary(build())
	if err != nil {
		return "", fmt.Errorf("LibTorch's CUDA library is missing: %s holds no %s, and %w; `make LIBTORCH_VARIANT=cuda` installs it",
			folder, cudaLibrary, err)
	}
	return path, nil
}

// cudaMachine is what CUDA says of a machine (libtorch.h).
type cudaMachine struct{ driver, runtime, devices, failure, major, minor int }

func cudaVersion(number int) string { return fmt.Sprintf("%d.%d", number/1000, number%1000/10) }

// diagnose returns an error that names what is missing for a computation on a GPU, or nil if nothing is.
func (m cudaMachine) diagnose(device int) error {
	const insufficientDriver, noDevice = 35, 100
	switch {
	case m.driver == 0:
		return errors.New("NVIDIA's driver is missing")
	case m.failure == insufficientDriver:
		return fmt.Errorf("NVIDIA's driver is too old: it serves CUDA %s, and LibTorch %s needs CUDA %s",
			cudaVersion(m.driver), Version(), cudaVersion(m.runtime))
	case m.failure == noDevice || m.failure == 0 && m.devices == 0:
		return errors.New("there is no GPU that NVIDIA's driver can see")
	case m.failure != 0:
		return fmt.Errorf("NVIDIA's driver (CUDA %s) answers with error %d to LibTorch %s (CUDA %s)",
			cudaVersion(m.driver), m.failure, Version(), cudaVersion(m.runtime))
	case device >= m.devices:
		return fmt.Errorf("process %d of this machine, counted from 0, needs a GPU of its own, and there are %d", device, m.devices)
	}
	return nil
}

// explain says what the error of a first operation means if LibTorch has no code for the GPU.
func (m cudaMachine) explain(err error) error {
	if err != nil && strings.Contains(err.Error(), "no kernel image") {
		return fmt.Errorf("the GPU has architecture %d.%d, and LibTorch %s (CUDA %s) has no code for it",
			m.major, m.minor, Version(), cudaVersion(m.runtime))
	}
	return err
}

// pythonLibrary returns the CUDA library of python3's torch if that is of the given version and variant.
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
	if installed != version {
		return "", fmt.Errorf("python3's torch is %s and not %s", installed, version)
	}
	path := filepath.Join(folder, "lib", cudaLibrary)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("python3's torch %s has none either", installed)
	}
	return path, nil
}

var allocatorBackend = regexp.MustCompile(`backend\s*:\s*(\w+)`)

// CheckRecording returns an error if a variable of the environment sets an allocator that keeps no memory for a recorded graph. variable looks one
// up as os.LookupEnv does.
func CheckRecording(variable func(name string) (string, bool)) error {
	const advice = "a recorded step would lose its memory; unset it, or give -cuda-graph=false"
	if _, set := variable("PYTORCH_NO_CUDA_MEMORY_CACHING"); set {
		return errors.New("PYTORCH_NO_CUDA_MEMORY_CACHING is set: " + advice)
	}
	for _, name := range []string{"PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"} {
		value, _ := variable(name)
		if backend := allocatorBackend.FindStringSubmatch(value); backend != nil && backend[1] != "native" {
			return fmt.Errorf("%s names the backend %.40s: %s", name, backend[1], advice)
		}
	}
	return nil
}

// Device is where tensors live: the processor, or a GPU, which does its work in order and lets the program go on meanwhile.
type Device interface {
	// Upload copies a tensor's elements from the processor's memory into a tensor of the same size on the device, after the earlier work.
	Upload(to, from *ts.Tensor) error
	// Download copies a tensor's elements from the device into a tensor of the same size in the processor's memory, after the earlier work. They are
	// there after Wait.
	Download(to, from *ts.Tensor) error
	// Wait waits for all earlier work.
	Wait() error
	// Record records the work of a function on the device without doing it. The function must use the same tensors each time. It must have run before,
	// so that LibTorch has already allocated what it keeps.
	Record(work func() error) (Graph, error)
	// Leave ends the use of the device, on the thread that began it.
	Leave() error
}

// Graph is a recorded sequence of operations.
type Graph interface {
	// Replay does the recorded work, after the earlier work.
	Replay() error
	// Nodes returns the number of recorded operations.
	Nodes() int
	// Free releases the graph, which must not be replayed any more.
	Free()
}

// Processor is the processor as a device. It does its work at once, and records nothing.
type Processor struct{}

func (Processor) Upload(to, from *ts.Tensor) error   { return Copy(to, from) }
func (Processor) Download(to, from *ts.Tensor) error { return Copy(to, from) }
func (Processor) Wait() error                        { return nil }
func (Processor) Leave() error                       { return nil }

func (Processor) Record(func() error) (Graph, error) {
	return nil, errors.New("libtorch: the processor records no graphs")
}

// pool holds what nobody uses now and somebody will use again.
type pool[T any] struct {
	sync.Mutex
	list []T
}

// take returns what was given last, if there is anything.
func (p *pool[T]) take() (last T, found bool) {
	p.Lock()
	defer p.Unlock()
	if i := len(p.list) - 1; i >= 0 {
		last, found = p.list[i], true
		p.list = p.list[:i]
	}
	return last, found
}

func (p *pool[T]) give(x T) {
	p.Lock()
	defer p.Unlock()
	p.list = append(p.list, x)
}

// LibTorch keeps memory for each stream, and cuBLAS keeps a handle and a workspace for each thread of the operating system. Streams and threads are
// therefore used again.
var (
	idleStreams pool[*Stream]
	idleThreads pool[chan func()]
)

// OnThread calls work on one thread of the operating system, and returns when work does. It takes a thread that has computed on the GPU before and is
// idle, if there is one. Go itself would move work from thread to thread.
func OnThread(work func()) {
	thread, found := idleThreads.take()
	if !found {
		thread = make(chan func())
		go func() {
			runtime.LockOSThread()
			for work := range thread {
				work()
			}
		}()
	}
	done := make(chan struct{})
	thread <- func() {
		defer close(done)
		work()
	}
	<-done
	idleThreads.give(thread)
}

// Stream is the GPU as a device, by a CUDA stream.
type Stream struct {
	other C.int64_t  // this stream or, while it is entered, the one that was left
	first *cudaGraph // the first one that was recorded here; it is kept, so that all later ones share its memory
}

// EnterStream takes a CUDA stream, to which this thread's GPU operations go until Leave. Recorded work needs such a stream: its memory is then not
// given to operations outside of the stream.
func EnterStream() (*Stream, error) {
	s, found := idleStreams.take()
	if !found {
		s = &Stream{}
		if err := check("stream", C.hnn_torch_stream_new(&s.other)); err != nil {
			return nil, err
		}
	}
	return s, check("stream", C.hnn_torch_stream_exchange(&s.other))
}

// Leave waits for the stream's work and returns to the stream before.
func (s *Stream) Leave() error {
	if err := check("stream", C.hnn_torch_stream_exchange(&s.other)); err != nil {
		return err
	}
	idleStreams.give(s)
	return nil
}

// Upload implements Device. The copy is made without waiting if the processor's memory is pinned, as a Scope's is.
func (s *Stream) Upload(to, from *ts.Tensor) error { return Copy(to, from) }

// Download implements Device, as Upload.
func (s *Stream) Download(to, from *ts.Tensor) error { return Copy(to, from) }

// Wait implements Device.
func (s *Stream) Wait() error { return check("wait", C.hnn_torch_stream_wait()) }

// Record implements Device by a CUDA graph. The stream's graphs share memory that nothing else gets. They can, since they are replayed one after the
// other and leave nothing there.
func (s *Stream) Record(work func() error) (Graph, error) {
	g := &cudaGraph{stream: s}
	var first unsafe.Pointer
	if s.first != nil {
		first = s.first.handle
	}
	if err := check("record", C.hnn_torch_graph_begin(first, &g.handle)); err != nil {
		return nil, err
	}
	failure := work()
	if err := check("record", C.hnn_torch_graph_end(g.handle, &g.nodes)); err != nil {
		return nil, cmp.Or(failure, err) // after this error the graph must not be freed (libtorch.h)
	}
	if failure != nil {
		g.Free()
		return nil, failure
	}
	if s.first == nil {
		s.first = g
	}
	return g, nil
}

type cudaGraph struct {
	stream *Stream
	handle unsafe.Pointer
	nodes  C.size_t
}

func (g *cudaGraph) Replay() error { return check("replay", C.hnn_torch_graph_replay(g.handle)) }
func (g *cudaGraph) Nodes() int    { return int(g.nodes) }

// Free keeps the first graph of a stream, whose memory the later ones share.
func (g *cudaGraph) Free() {
	if g != g.stream.first {
		C.hnn_torch_graph_free(g.handle)
	}
}

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

// Upload copies values through a row into the tensor, after the device's earlier work. On an empty buffer it does nothing.
func (b Buffer[T]) Upload(d Device, row int, values []T) error {
	if b.Tensor == nil {
		return nil
	}
	copy(b.Rows[row*len(values):], values)
	return d.Upload(b.Tensor, b.views[row])
}

// Download copies the tensor into a row, after the device's earlier work. The numbers are there after Wait.
func (b Buffer[T]) Download(d Device, row int) error { return d.Download(b.views[row], b.Tensor) }

// Copy copies a tensor's elements into another tensor of the same size, after the stream's earlier work.
func Copy(to, from *ts.Tensor) error {
	err := check("copy", C.hnn_torch_copy(to.Ctensor(), from.Ctensor()))
	runtime.KeepAlive(to)
	runtime.KeepAlive(from)
	return err
}
