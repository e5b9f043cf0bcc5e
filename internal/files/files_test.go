package files

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// names returns the names of the files in a folder.
func names(t *testing.T, folder string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// A write that fails leaves the old content and no other file.
func TestReplace(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "a")
	if err := Write(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	if err := Replace(path, func(w io.Writer) error {
		fmt.Fprint(w, "half of the new")
		return broken
	}); !errors.Is(err, broken) || !strings.Contains(err.Error(), path) {
		t.Errorf("got the error %v", err)
	}
	if content, err := os.ReadFile(path); string(content) != "old" || err != nil || len(names(t, folder)) != 1 {
		t.Errorf("the file holds %q, error %v; the folder has %v", content, err, names(t, folder))
	}
	if err := Write(filepath.Join(folder, "none", "a"), nil); err == nil {
		t.Error("a folder that does not exist gave no error")
	}
}

// A link stays, and the file behind it changes. A device stays what it is.
func TestReplaceBehind(t *testing.T) {
	folder := t.TempDir()
	path, link := filepath.Join(folder, "a"), filepath.Join(folder, "link")
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Symlink("a", link), Write(link, []byte("new"))); err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(path); string(content) != "new" || err != nil {
		t.Errorf("the file behind the link holds %q, error %v", content, err)
	}
	if err := Write(os.DevNull, []byte("x")); err != nil {
		t.Error(err)
	}
	if there, err := os.Stat(os.DevNull); err != nil || there.Mode().IsRegular() {
		t.Errorf("%s is %v, error %v", os.DevNull, there.Mode(), err)
	}
}

// A lock is held once, says by whom, and leaves no file.
func TestLock(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "lock")
	for range 2 {
		unlock, err := Lock(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Lock(path); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d on ", os.Getpid())) {
			t.Errorf("a second lock gave the error %v", err)
		}
		unlock()
		if list := names(t, folder); list != nil {
			t.Errorf("the folder has %v", list)
		}
	}
}

// Abandon removes what a write has begun, so that the end of the program leaves nothing.
func TestAbandon(t *testing.T) {
	folder := t.TempDir()
	err := Replace(filepath.Join(folder, "a"), func(io.Writer) error {
		if len(names(t, folder)) != 1 {
			t.Errorf("the folder has %v", names(t, folder))
		}
		Abandon()
		return nil
	})
	if list := names(t, folder); err == nil || list != nil {
		t.Errorf("error %v, and the folder has %v", err, list)
	}
}

// A link in place of a lock leads to a file that is none.
func TestLockIsNoLink(t *testing.T) {
	folder := t.TempDir()
	thesis, lock := filepath.Join(folder, "thesis"), filepath.Join(folder, "lock")
	if err := errors.Join(os.WriteFile(thesis, []byte("text"), 0o600), os.Symlink(thesis, lock)); err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(lock); err == nil {
		t.Error("a link was locked")
	}
	if content, err := os.ReadFile(thesis); string(content) != "text" || err != nil {
		t.Errorf("the file behind the link holds %q, error %v", content, err)
	}
}
