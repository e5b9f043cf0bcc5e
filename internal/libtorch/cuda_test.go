package libtorch

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/sugarme/gotch/ts"
)

// CUDA's own numbers (cudaErrorInsufficientDriver 35, cudaErrorNoDevice 100, cudaErrorNotSupported 801) lead to what is missing.
func TestDiagnosis(t *testing.T) {
	for _, test := range []struct {
		machine cudaMachine
		device  int
		want    string
	}{
		{cudaMachine{runtime: 13000, failure: 35}, 0, "NVIDIA's driver is missing"},
		{cudaMachine{runtime: 13000}, 0, "NVIDIA's driver is missing"},
		{
			cudaMachine{driver: 12040, runtime: 13000, failure: 35}, 0,
			"driver is too old: it serves CUDA 12.4, and LibTorch " + Version() + " needs CUDA 13.0",
		},
		{cudaMachine{driver: 13000, failure: 100}, 0, "there is no GPU"},
		{cudaMachine{driver: 13000}, 0, "there is no GPU"},
		{cudaMachine{driver: 13010, runtime: 13000, failure: 801}, 0, "(CUDA 13.1) answers with error 801 to LibTorch " + Version() + " (CUDA 13.0)"},
		{cudaMachine{driver: 13000, devices: 2}, 2, "process 2 of this machine, counted from 0, needs a GPU of its own, and there are 2"},
	} {
		if err := test.machine.diagnose(test.device); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got the error %v", test, err)
		}
	}
	complete := cudaMachine{driver: 13000, runtime: 13000, devices: 2, major: 6, minor: 1}
	if err := complete.diagnose(1); err != nil {
		t.Errorf("a machine that has everything gave the error %v", err)
	}
	// cudaErrorNoKernelImageForDevice, in the words of CUDA.
	err := complete.explain(errors.New("CUDA error: no kernel image is available for execution on the device"))
	if want := "the GPU has architecture 6.1, and LibTorch " + Version() + " (CUDA 13.0) has no code for it"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if other := errors.New("other"); complete.explain(other) != other || complete.explain(nil) != nil {
		t.Error("another error, or none, did not stay")
	}
}

func TestLoadCUDASaysWhatIsMissing(t *testing.T) {
	err := LoadCUDA(0)
	if err == nil {
		t.Skip("this machine has a GPU, and misses nothing")
	}
	if !errors.Is(err, ErrNoCUDA) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got the error %q", err)
	}
	missing := 0
	for _, what := range []string{"library is missing", "driver is missing", "driver is too old", "no GPU", "has computed without CUDA"} {
		if strings.Contains(err.Error(), what) {
			missing++
		}
	}
	if missing != 1 {
		t.Errorf("the error %q names %d missing things, want one", err, missing)
	}
}

// The suffixes of PyTorch's own packages, by cudaRuntimeGetVersion.
func TestVariant(t *testing.T) {
	for runtime, want := range map[int]string{0: "+cpu", 11080: "+cu118", 12060: "+cu126", 12080: "+cu128", 13000: "+cu130"} {
		if got := variant(runtime); got != want {
			t.Errorf("CUDA %d: got %s, want %s", runtime, got, want)
		}
	}
}

// python puts a python3 first in PATH that prints the folder of a torch, and returns a function that writes a file into that folder or, with another
// first element, elsewhere.
func python(t *testing.T) (torch string, write func(path, content string)) {
	t.Helper()
	bin, torch := t.TempDir(), filepath.Join(t.TempDir(), "torch")
	t.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	write = func(path, content string) {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(bin, "python3"), fmt.Sprintf("#!/bin/sh\necho %s\n", torch))
	return torch, write
}

// A torch of python3's is taken if its version and its variant are LibTorch's and it has the library.
func TestPythonLibrary(t *testing.T) {
	torch, write := python(t)
	fails := func(want string) {
		t.Helper()
		if _, err := pythonLibrary("2.11.0+cu130"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got the error %v, want one with %q", err, want)
		}
	}
	fails("no such file")
	for _, other := range []string{"2.10.1+cu130", "2.11.0+cu126", "2.11.0+cpu"} {
		write(filepath.Join(torch, "version.py"), "from typing import Optional\n__version__ = '"+other+"'\n")
		fails("python3's torch is " + other + " and not 2.11.0+cu130")
	}
	write(filepath.Join(torch, "version.py"), "from typing import Optional\n__version__ = '2.11.0+cu130'\n")
	fails("2.11.0+cu130 has none either")
	write(filepath.Join(torch, "lib", "libtorch_cuda.so"), "")
	if path, err := pythonLibrary("2.11.0+cu130"); err != nil || path != filepath.Join(torch, "lib", "libtorch_cuda.so") {
		t.Errorf("got %s, %v", path, err)
	}
	t.Setenv("PATH", t.TempDir())
	fails("python3 has no torch")
}

// With a stand-in for LibTorch's CUDA library, which plays machines, one line names what is missing. CUDA is refused after a computation without it.
func TestMachines(t *testing.T) {
	if os.Getenv("MACHINE") != "" { // a process for each case, as CUDA is loaded once
		if os.Getenv("COMPUTED") != "" {
			if _, err := NewGenerator(0); err != nil {
				t.Fatal(err)
			}
		}
		fmt.Printf("<%v>\n", LoadCUDA(0))
		return
	}
	if path, err := findLibrary(); err == nil {
		t.Skip("this machine has the library: ", path)
	}
	torch, write := python(t)
	write(filepath.Join(torch, "version.py"), "__version__ = '"+build()+"'\n")
	write(filepath.Join(torch, "lib", "README"), "")
	library := filepath.Join(torch, "lib", cudaLibrary)
	if output, err := exec.Command("gcc", "-shared", "-fPIC", "-o", library, "testdata/cuda.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	for _, test := range []struct{ environment, want string }{
		{"DRIVER=0", "NVIDIA's driver is missing"},
		{"DRIVER=12040 FAILURE=35", "it serves CUDA 12.4, and LibTorch " + Version() + " needs CUDA 13.0"},
		{"DRIVER=13000 DEVICES=0", "there is no GPU"},
		{"DRIVER=13000 DEVICES=1", "trial: "}, // the stand-in computes nothing
		{"DRIVER=13000 DEVICES=1 COMPUTED=1", "LibTorch has computed without CUDA"},
	} {
		process := exec.Command(os.Args[0], "-test.run=^TestMachines$")
		process.Env = append(os.Environ(), append(strings.Fields(test.environment), "MACHINE=1")...)
		output, err := process.Output()
		_, rest, _ := strings.Cut(string(output), "<")
		message, _, found := strings.Cut(rest, ">\n")
		told := strings.HasPrefix(message, ErrNoCUDA.Error()) && strings.Contains(message, test.want)
		if err != nil || !found || !told || strings.Contains(message, "\n") {
			t.Errorf("%s: %v, %s", test.environment, err, output)
		}
	}
}

// These settings, by PyTorch's names, take the memory of a recorded step away.
func TestCheckRecording(t *testing.T) {
	for _, test := range []struct{ name, value, want string }{
		{"PYTORCH_NO_CUDA_MEMORY_CACHING", "1", "PYTORCH_NO_CUDA_MEMORY_CACHING is set"},
		{"PYTORCH_NO_CUDA_MEMORY_CACHING", "", "PYTORCH_NO_CUDA_MEMORY_CACHING is set"},
		{"PYTORCH_CUDA_ALLOC_CONF", "backend:cudaMallocAsync", "the backend cudaMallocAsync"},
		{"PYTORCH_ALLOC_CONF", "expandable_segments:True, backend : cudaMallocAsync", "PYTORCH_ALLOC_CONF names the backend cudaMallocAsync"},
		{"PYTORCH_CUDA_ALLOC_CONF", "backend:native,max_split_size_mb:512", ""},
		{"PYTORCH_ALLOC_CONF", "expandable_segments:True", ""},
	} {
		err := CheckRecording(func(name string) (string, bool) { return test.value, name == test.name })
		if err == nil != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s=%s: got %v", test.name, test.value, err)
		}
	}
}

// One call after another runs on the same thread of the operating system, and one beside another on another.
func TestOnThread(t *testing.T) {
	var threads []int
	OnThread(func() {
		threads = append(threads, syscall.Gettid())
		OnThread(func() { threads = append(threads, syscall.Gettid()) })
	})
	for range 20 {
		runtime.Gosched()
		OnThread(func() {
			if thread := syscall.Gettid(); thread != threads[0] {
				t.Errorf("a later call runs on thread %d, the first on %d", thread, threads[0])
			}
		})
	}
	if threads[0] == threads[1] {
		t.Error("two calls at once share a thread")
	}
}

// The one kernel that a GPU uses makes the steps of the published order of operations, here on the processor.
func TestFusedAdamIsAdam(t *testing.T) {
	const learningRate, weightDecay = 1e-2, 0.1
	var s Scope
	defer s.Free()
	columns := func(first float32) []*ts.Tensor { return []*ts.Tensor{s.Matrix([]float32{first, -2, 0.3, 4e-3}, 2)} }
	p, q, mean, square, mean2, square2 := columns(1), columns(1), columns(0.5), columns(0.25), columns(0.5), columns(0.25)
	for _, list := range [][]*ts.Tensor{square, square2} { // squares are not negative
		list[0] = s.SquaredError(list[0], s.Scale(0, list[0]))
	}
	steps := s.Matrix([]float32{4}, 1)
	for step := 5; step < 25; step++ {
		gradient := columns(float32(math.Sin(float64(step))))
		if err := Adam(p, gradient, mean, square, step, nil, learningRate, weightDecay); err != nil {
			t.Fatal(err)
		}
		err := Adam(q, gradient, mean2, square2, 0, steps, learningRate, weightDecay)
		if err != nil && strings.Contains(err.Error(), "CPU") {
			t.Skip("this LibTorch has the kernel on GPUs alone: ", err)
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if number := s.Values(steps)[0]; number != 24 {
		t.Errorf("the number of steps is %g, want 24", number)
	}
	want, got := s.Values(p[0]), s.Values(q[0])
	for i := range want {
		if math.Abs(float64(got[i]-want[i])) > 1e-6*math.Abs(float64(want[i])) {
			t.Errorf("element %d: got %g, want %g", i, got[i], want[i])
		}
	}
}

func TestBufferCopiesRows(t *testing.T) {
	var s Scope
	defer s.Free()
	buffer := NewBuffer(&s, 3, make([]float32, 4), 2, 2)
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	upload := buffer.Upload(Processor{}, 1, []float32{1, 2, 3, 4})
	if err := errors.Join(upload, Copy(buffer.Tensor, s.Scale(2, buffer.Tensor)), buffer.Download(Processor{}, 2)); err != nil {
		t.Fatal(err)
	}
	if got, want := buffer.Rows[4:], []float32{1, 2, 3, 4, 2, 4, 6, 8}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
