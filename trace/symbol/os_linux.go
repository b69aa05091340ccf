package symbol

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// fileKey tells files apart: the same file under two names, or in two mount
// namespaces, has one key.
type fileKey struct {
	dev, inode  uint64
	size, mtime int64
	name        string // for what is no file
}

// openRegular opens a regular file; others could block or have no end.
func openRegular(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	f := os.NewFile(uintptr(fd), path)
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		f.Close()
		return nil, fmt.Errorf("open %s: no regular file", path)
	}
	return f, nil
}

func keyOf(f *os.File) (fileKey, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fileKey{}, fmt.Errorf("stat %s: %w", f.Name(), err)
	}
	return fileKey{dev: st.Dev, inode: st.Ino, size: st.Size, mtime: st.Mtim.Nano()}, nil
}

// openRoot holds a process's root directory, so that its files can be opened
// after its end; nil if it is our own.
func openRoot(pid int) (*os.File, error) {
	var own, other unix.Stat_t
	path := fmt.Sprintf("/proc/%d/root", pid)
	if err := unix.Stat("/", &own); err != nil {
		return nil, err
	}
	if err := unix.Stat(path, &other); err != nil {
		return nil, err
	}
	a, err1 := os.Readlink("/proc/self/ns/mnt")
	b, err2 := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", pid))
	if err1 == nil && err2 == nil && a == b && own.Dev == other.Dev && own.Ino == other.Ino {
		return nil, nil
	}
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}
