package profile

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// monotonic is the clock that programs read, in nanoseconds.
func monotonic() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0
	}
	return ts.Nano()
}

// pidNamespace is the file of this process's PID namespace, as the kernel tells
// them apart; inner says that it is not the machine's own.
func pidNamespace() (dev, ino uint64, inner bool) {
	const initial = 0xeffffffc // PROC_PID_INIT_INO of linux/proc_ns.h
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &st); err != nil || st.Ino == initial {
		return 0, 0, false
	}
	return st.Dev, st.Ino, true
}

// cgroupID is the number that the kernel gives a cgroup, and how deep it lies:
// the root is at level 0.
func cgroupID(path string) (id uint64, level uint32, err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return 0, 0, err
	}
	h, _, err := unix.NameToHandleAt(unix.AT_FDCWD, path, 0)
	if err != nil {
		return 0, 0, fmt.Errorf("cgroup %s: %w", path, err)
	}
	b := h.Bytes()
	if len(b) < 8 {
		return 0, 0, fmt.Errorf("cgroup %s: no cgroup of version 2", path)
	}
	var root unix.Statfs_t
	if err := unix.Statfs(path, &root); err != nil || root.Type != unix.CGROUP2_SUPER_MAGIC {
		return 0, 0, fmt.Errorf("cgroup %s: no cgroup of version 2", path)
	}
	for at := path; ; at = filepath.Dir(at) {
		var st unix.Statfs_t
		if at == "/" || unix.Statfs(filepath.Dir(at), &st) != nil || st.Type != unix.CGROUP2_SUPER_MAGIC {
			rest, _ := filepath.Rel(at, path)
			if rest != "." {
				level = uint32(strings.Count(rest, "/") + 1)
			}
			return binary.NativeEndian.Uint64(b), level, nil
		}
	}
}
