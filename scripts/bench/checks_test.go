package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// faulty is a machine whose runs have the losses of step n near 1/(n+1), and a fault.
type faulty struct{ fault string }

func (m faulty) train(folder string, environment []string, arguments ...string) outcome {
	last, cuda, graph, resumes := 0, false, true, false
	for i, a := range arguments {
		switch a {
		case "-total-steps":
			fmt.Sscan(arguments[i+1], &last)
		case "-cuda", "-cuda=true":
			cuda = true
		case "-cuda-graph=false":
			graph = false
		case "-resume":
			resumes = true
		}
	}
	share := 1.0
	for _, variable := range environment {
		if _, found := strings.CutPrefix(variable, "CUDA_VISIBLE_DEVICES="); found {
			return m.end("hidden", 2, "train: there is no GPU that the driver can see\n")
		}
		if strings.HasPrefix(variable, "PYTORCH_NO_CUDA_MEMORY_CACHING=") {
			return m.end("uncached", 1, "train: "+variable+"\n")
		}
		if _, text, found := strings.Cut(variable, "per_process_memory_fraction:"); found {
			fmt.Sscan(text, &share)
		}
	}
	switch {
	case share < 1e-3:
		return m.end("memory", 1, "train: step 0: libtorch: linear: CUDA out of memory\n")
	case share < 1.2e-3 && m.fault != "no memory of its own":
		return m.end("recording", 1, "train: step 3: libtorch: linear: CUDA out of memory\n")
	case m.fault == "crash" && cuda:
		return m.end(m.fault, 1, "")
	}
	noise := 0.0
	switch {
	case m.fault == "graph" && cuda && graph, m.fault == "resume" && resumes && cuda:
		noise = 1e-4
	case m.fault == "device" && cuda, m.fault == "way back" && resumes && !cuda:
		noise = 0.1
	}
	var losses [][]float64
	for step := range last + 1 {
		losses = append(losses, []float64{(1 + noise*float64(step)/float64(last)) / float64(step+1), math.NaN()})
	}
	return outcome{losses: losses}
}

// end ends a run, in another way if that is the fault.
func (m faulty) end(name string, status int, lines string) outcome {
	switch m.fault {
	case name:
		return outcome{status: 139, lines: "Segmentation fault\n"}
	case name + ", much said":
		return outcome{status: status, lines: lines + "frame #0\n"}
	}
	return outcome{status: status, lines: lines}
}

func (m faulty) sanitize(...string) error {
	if m.fault == "sanitizer" {
		return errors.New("invalid read")
	}
	return errMissing
}

// Each fault of a machine fails the checks that are there to find it, and a machine without a fault none.
func TestChecksFindFaults(t *testing.T) {
	for fault, want := range map[string][]string{
		"":                     nil,
		"graph":                {"with and without a graph", "with -use-rk4", "with -input-noise", "with -baseline", "with images"},
		"resume":               {"a stop within a round"},
		"way back":             {"and back"},
		"memory":               {"too little memory"},
		"recording":            {"too little memory"},
		"no memory of its own": {"too little memory"},
		"memory, much said":    {"too little memory"},
		"hidden":               {"no GPU is visible"},
		"hidden, much said":    {"no GPU is visible"},
		"uncached":             {"an allocator"},
		"sanitizer":            {"compute-sanitizer"},
	} {
		var failed []string
		for _, c := range checks() {
			if _, err := c.run(faulty{fault}); err != nil && !errors.Is(err, errMissing) {
				failed = append(failed, c.name)
			}
		}
		if !slices.EqualFunc(failed, want, strings.Contains) {
			t.Errorf("%q: failed %q, want %q", fault, failed, want)
		}
	}
	for _, fault := range []string{"device", "crash"} {
		for _, c := range checks() {
			_, err := c.run(faulty{fault})
			if strings.HasPrefix(c.name, "the processor's losses") && err == nil {
				t.Errorf("%s: %s passed", fault, c.name)
			}
		}
	}
	if err := perform(checks(), faulty{"hidden"}); err == nil || err.Error() != fmt.Sprintf("1 of %d checks failed", len(checks())) {
		t.Errorf("one failure gave the error %v", err)
	}
}
