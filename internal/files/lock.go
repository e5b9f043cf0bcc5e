package files

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// patience is the time in which a program that was told to end saves its state.
const patience = time.Second

// Lock keeps other programs from what a name stands for until the caller calls unlock or the program ends, however it ends. The file of that name
// says who holds it; unlock removes the file. If another program holds the lock for longer than patience, the error says which one.
func Lock(path string) (unlock func(), err error) {
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		file, err := open(path)
		if err != nil {
			return nil, err
		}
		if errors.Is(unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK) {
			holder, _ := io.ReadAll(io.LimitReader(file, 100))
			_ = file.Close()
			if time.Since(begin) < patience {
				continue
			}
			return nil, fmt.Errorf("%s writes there now; wait until it has ended, or choose another folder", holder)
		}
		// Between opening and locking, the holder may have removed the file. The lock of a file without a name protects nothing.
		opened, err := file.Stat()
		if named, missing := os.Stat(path); err != nil || missing != nil || !os.SameFile(opened, named) {
			_ = file.Close()
			continue
		}
		host, _ := os.Hostname()
		_ = file.Truncate(0)
		_, _ = fmt.Fprintf(file, "process %d on %s", os.Getpid(), host)
		return func() {
			_ = os.Remove(path)
			_ = file.Close()
		}, nil
	}
}

// open opens the file of a lock, or makes it. A link could lead to a file that is none.
func open(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o644)
	if errors.Is(err, os.ErrPermission) { // the file of another user, which can be locked all the same
		file, err = os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	}
	if err != nil {
		return nil, err
	}
	if there, err := file.Stat(); err != nil || !there.Mode().IsRegular() {
		_ = file.Close()
		return nil, fmt.Errorf("%s is no regular file; remove it", path)
	}
	return file, nil
}
