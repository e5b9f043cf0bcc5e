package main

import (
	"os"
	"strings"
	"testing"
)

func Example() {
	main()
	// Output: The wells are 0.25 deep; in truth, 0.25.
}

func TestREADMEShowsThisProgram(t *testing.T) {
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "```go\n"+string(program)+"```\n") {
		t.Error("the README's program is not that of examples/doublewell/main.go")
	}
}
