package nets

import (
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
		err = run.Save(content, true)
	}
	if err != nil {
		t.Fatal(err)
	}
	return run, folder
}

// Another task and another table of the same name keep their files. A table that has changed, or moved, is still the same.
func TestClaimKeepsOtherRuns(t *testing.T) {
	run, _ := saved(t, `{"task": "my", "data": "a/my.csv", "data_sha256": "1"}`)
	for want, origin := range map[string]Origin{
		"":                         {"my", "a/my.csv", "1"},
		" ":                        {"my", "a/my.csv", "2"},
		"  ":                       {"my", "b/my.csv", "1"},
		`learned from "a/my.csv"`:  {"my", "b/my.csv", "2"},
		`a model of "my", and wou`: {"your", "a/my.csv", "1"},
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
	if _, err := run.Claim(Origin{Task: "my"}, 1<<60); err == nil || !strings.Contains(err.Error(), "free disk space") {
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

// A finished run stays until the next one is finished.
func TestSave(t *testing.T) {
	run, _ := saved(t, "{}")
	before, err := os.ReadFile(run.Finished)
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Save([]byte("new"), false); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(run.Finished); string(after) != string(before) || err != nil {
		t.Errorf("an unfinished run changed the finished one, error %v", err)
	}
	if last, err := run.Last(); last != run.Unfinished || err != nil {
		t.Errorf("the last run is %s, error %v", last, err)
	}
	if err := run.Save([]byte("newer"), true); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(run.Finished); string(after) != "newer" || err != nil {
		t.Errorf("the finished run holds %q, error %v", after, err)
	}
	if last, err := run.Last(); last != run.Finished || err != nil {
		t.Errorf("the last run is %s, error %v", last, err)
	}
}
