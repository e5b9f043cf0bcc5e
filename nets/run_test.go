package nets

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// saved returns a run of an origin with a finished file.
func saved(t *testing.T, settings string) (run Run, folder string) {
	t.Helper()
	folder = filepath.Join(t.TempDir(), "new")
	run = NewRun(folder, "my-hnn")
	content, err := EncodeCheckpoint([]Entry{{Name: "a", Shape: []int64{1}, Data: []float32{1}}}, Attachment{SettingsFile, []byte(settings)})
	if err == nil {
		err = run.SaveFinished(content)
	}
	if err != nil {
		t.Fatal(err)
	}
	return run, folder
}

// Another task and another table of the same name keep their files. A table that has changed, or moved, is still the same.
func TestClaimKeepsOtherRuns(t *testing.T) {
	table := filepath.Join(t.TempDir(), "my.csv")
	if err := os.WriteFile(table, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	run, _ := saved(t, fmt.Sprintf(`{"task": "my", "data": %q, "data_sha256": "1"}`, table))
	for want, origin := range map[string]Origin{
		"":                         {"my", table, "1"},
		" ":                        {"my", table, "2"},
		"  ":                       {"my", "b/my.csv", "1"},
		`learned from "` + table:   {"my", "b/my.csv", "2"},
		"from its own data":        {"my", "", ""},
		`a model of "my", and wou`: {"your", table, "1"},
	} {
		release, err := run.Claim(origin, 0)
		if strings.TrimSpace(want) == "" {
			if err != nil {
				t.Errorf("%v: %v", origin, err)
			} else {
				release()
			}
		} else if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v gave the error %v, want %q", origin, err, want)
		}
	}
}

// Claim removes what a killed save left, and nothing else. It finds out what would fail at the end.
func TestClaim(t *testing.T) {
	run, folder := saved(t, `{"task": "my"}`)
	for _, name := range []string{".my-hnn-unfinished.tar123", ".my-hnn-unfinished.tar1.bak", ".your-hnn-unfinished.tar123"} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	release, err := run.Claim(Origin{Task: "my"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	release()
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != 3 || entries[0].Name() != ".my-hnn-unfinished.tar1.bak" || entries[2].Name() != "my-hnn.tar" {
		t.Errorf("the folder has %v, error %v", entries, err)
	}
	if _, err := run.Claim(Origin{Task: "my"}, 1<<60); err == nil || !strings.Contains(err.Error(), "cannot be written there") {
		t.Errorf("2^60 bytes gave the error %v", err)
	}
	long := NewRun(folder, strings.Repeat("x", 238)) // the name of the finished file fits, and that of a temporary one does not
	if _, err := long.Claim(Origin{Task: "my"}, 0); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("a long name gave the error %v", err)
	}
	if err := os.WriteFile(filepath.Join(folder, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewRun(filepath.Join(folder, "file"), "x").Claim(Origin{}, 0); err == nil {
		t.Error("a file in place of the folder gave no error")
	}
}

// The two files of a run are written apart from each other.
func TestSave(t *testing.T) {
	run, _ := saved(t, "{}")
	before, err := os.ReadFile(run.Finished)
	if err != nil {
		t.Fatal(err)
	}
	if err := run.SaveUnfinished([]byte("new")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{run.Finished: string(before), run.Unfinished: "new"} {
		if content, err := os.ReadFile(path); string(content) != want || err != nil {
			t.Errorf("%s holds %q, error %v", path, content, err)
		}
	}
}

// Settings are read if they were written so, and otherwise the error says why not.
func TestSettings(t *testing.T) {
	type settings struct {
		Task  string `json:"task"`
		Steps int    `json:"steps"`
	}
	written, err := EncodeSettings(settings{"my", 3})
	if err != nil {
		t.Fatal(err)
	}
	for content, want := range map[string]string{
		string(written):                         "",
		`{"task": "my", "steps": 3, "more": 1}`: `unknown field "more"`,
		`{"task": "my"}`:                        "lack steps",
		`{}`:                                    "lack steps, task",
		`{"task": "my", "steps": "3"}`:          `"steps" is a string, which it cannot be`,
		`{"task": "my", "steps": 3`:             "unexpected EOF",
		``:                                      "EOF",
		`{"task": "my", "steps": 3}`:            "not written as ./train writes them",
		string(written) + "x":                   "invalid character 'x'",
		strings.Replace(string(written), "3", "3,\n  \"steps\": 4", 1): "not written as",
		strings.Replace(string(written), "steps", "STEPS", 1):          "lack steps",
	} {
		var s settings
		err := DecodeSettings([]byte(content), &s)
		if want == "" {
			if err != nil || s != (settings{"my", 3}) {
				t.Errorf("%v, error %v", s, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 300 {
			t.Errorf("%s gave the error %v, want %q", content, err, want)
		}
	}
}

// What comes out of a pipe is other data each time, even if the pipe has the same name.
func TestClaimOfPipe(t *testing.T) {
	run, _ := saved(t, `{"task": "stdin", "data": "/dev/stdin", "data_sha256": "1"}`)
	if _, err := run.Claim(Origin{"stdin", "/dev/stdin", "2"}, 0); err == nil || !strings.Contains(err.Error(), "choose another -save-dir") {
		t.Errorf("got the error %v", err)
	}
	if err := os.Remove(run.Finished); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(run.Finished, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := run.Claim(Origin{Task: "stdin"}, 0); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("a folder in place of the file gave the error %v", err)
	}
}
