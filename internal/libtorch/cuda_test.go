package libtorch

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sugarme/gotch/ts"
)

// CUDA's own numbers (cudaErrorInsufficientDriver 35, cudaErrorNoDevice 100, cudaErrorNotSupported 801) lead to what is missing.
func TestDiagnosis(t *testing.T) {
	for _, test := range []struct {
		driver, devices, failure int
		want                     string
	}{
		{0, 0, 35, "NVIDIA's driver is missing"},
		{0, 0, 0, "NVIDIA's driver is missing"},
		{12040, 0, 35, "driver is too old: it serves CUDA 12.4"},
		{13000, 0, 100, "there is no GPU"},
		{13000, 0, 0, "there is no GPU"},
		{13000, 0, 801, "(CUDA 13.0) answers with error 801"},
	} {
		if err := diagnose(test.driver, test.devices, test.failure); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got the error %v", test, err)
		}
	}
	if err := diagnose(13000, 1, 0); err != nil {
		t.Errorf("a machine that has everything gave the error %v", err)
	}
}

func TestLoadCUDASaysWhatIsMissing(t *testing.T) {
	err := LoadCUDA()
	if err == nil {
		t.Skip("this machine has a GPU, and misses nothing")
	}
	if !errors.Is(err, ErrNoCUDA) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got the error %q", err)
	}
	missing := 0
	for _, what := range []string{"library is missing", "driver is missing", "driver is too old", "no GPU"} {
		if strings.Contains(err.Error(), what) {
			missing++
		}
	}
	if missing != 1 {
		t.Errorf("the error %q names %d missing things, want one", err, missing)
	}
}

// A torch of python3's is taken if its version is LibTorch's and it has the library.
func TestPythonLibrary(t *testing.T) {
	bin, torch := t.TempDir(), filepath.Join(t.TempDir(), "torch")
	t.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	write := func(path, content string) {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	fails := func(want string) {
		t.Helper()
		if _, err := pythonLibrary("2.11.0"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got the error %v, want one with %q", err, want)
		}
	}
	write(filepath.Join(bin, "python3"), "#!/bin/sh\necho\n")
	fails("python3 has no torch")
	write(filepath.Join(bin, "python3"), fmt.Sprintf("#!/bin/sh\necho %s\n", torch))
	write(filepath.Join(torch, "version.py"), "__version__ = '2.10.1+cu128'\n")
	fails("python3's torch is 2.10.1+cu128 and not 2.11.0")
	write(filepath.Join(torch, "version.py"), "from typing import Optional\n__version__ = '2.11.0+cpu'\n")
	fails("2.11.0+cpu has none either")
	write(filepath.Join(torch, "lib", "libtorch_cuda.so"), "")
	if path, err := pythonLibrary("2.11.0"); err != nil || path != filepath.Join(torch, "lib", "libtorch_cuda.so") {
		t.Errorf("got %s, %v", path, err)
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
	upload := buffer.Upload(1, []float32{1, 2, 3, 4})
	if err := errors.Join(upload, Copy(buffer.Tensor, s.Scale(2, buffer.Tensor)), buffer.Download(2)); err != nil {
		t.Fatal(err)
	}
	if got, want := buffer.Rows[4:], []float32{1, 2, 3, 4, 2, 4, 6, 8}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
