//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// tracefsPaths are where tracefs is usually mounted.
func tracefsPaths() []string {
	return []string{"/sys/kernel/tracing", "/sys/kernel/debug/tracing"}
}

// openTracefs opens the root of tracefs: the mounted one, or a detached mount
// that exists only as the returned descriptor (fsmount(2), Linux 5.2). The
// caller closes it.
func openTracefs() (*os.File, error) {
	for _, path := range tracefsPaths() {
		var st unix.Statfs_t
		if unix.Statfs(path, &st) == nil && st.Type == unix.TRACEFS_MAGIC {
			fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			if err == nil {
				return os.NewFile(uintptr(fd), path), nil
			}
		}
	}
	f, err := detachedMount("tracefs")
	switch {
	case err == nil:
		return f, nil
	case errors.Is(err, unix.EPERM):
		return nil, permission("mount tracefs", err, capSysAdmin)
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENOSYS):
		return nil, notSupported("tracefs", "this kernel has no tracing file system", "a kernel with CONFIG_FTRACE", err)
	}
	return nil, fmt.Errorf("mount tracefs: %w", err)
}

// detachedMount mounts a file system nowhere: it is there for who holds the
// descriptor and goes with it.
func detachedMount(fstype string) (*os.File, error) {
	conf, err := unix.Fsopen(fstype, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, err
	}
	defer unix.Close(conf)
	if err := unix.FsconfigCreate(conf); err != nil {
		return nil, err
	}
	fd, err := unix.Fsmount(conf, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), fstype), nil
}

// readAt reads a small file below an open directory.
func readAt(dir *os.File, path string) (string, error) {
	fd, err := unix.Openat(int(dir.Fd()), path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", &fs.PathError{Op: "read", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	b := make([]byte, 4096)
	n, err := f.Read(b)
	if n == 0 && err != nil {
		return "", err
	}
	return string(b[:n]), nil
}

// tracepointID is the number of a tracepoint in perf events.
func tracepointID(group, name string) (uint64, error) {
	if !isEventName(group) || !isEventName(name) {
		return 0, fmt.Errorf("tracepoint %s:%s: not a name: %w", group, name, unix.EINVAL)
	}
	dir, err := openTracefs()
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	s, err := readAt(dir, "events/"+group+"/"+name+"/id")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, fmt.Errorf("tracepoint %s:%s: this kernel has none of that name: %w", group, name, err)
	case isPermission(err):
		return 0, permission("read tracepoint "+group+":"+name, err, capSysAdmin)
	case err != nil:
		return 0, fmt.Errorf("tracepoint %s:%s: %w", group, name, err)
	}
	return strconv.ParseUint(strings.TrimSpace(s), 10, 64)
}

// isEventName: names become parts of paths.
func isEventName(s string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-' {
			return false
		}
	}
	return s != ""
}
