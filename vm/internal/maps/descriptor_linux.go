package maps

import (
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// What descriptors stand for, as maps that take them need to know.

// cgroupOf is the number of the cgroup whose directory fd is open on: its
// inode, which is what bpf_get_current_cgroup_id answers as well.
func cgroupOf(fd uint32) (id uint64, _ syscall.Errno) {
	var fs unix.Statfs_t
	var st unix.Stat_t
	if unix.Fstatfs(int(int32(fd)), &fs) != nil || fs.Type != unix.CGROUP2_SUPER_MAGIC || unix.Fstat(int(int32(fd)), &st) != nil {
		return 0, syscall.EBADF
	}
	return st.Ino, 0
}

// inodeOf is a number for the file that fd is open on.
func inodeOf(fd uint32) (id uint64, _ syscall.Errno) {
	var st unix.Stat_t
	if unix.Fstat(int(int32(fd)), &st) != nil {
		return 0, syscall.EBADF
	}
	return mix(st.Dev^0x9e3779b97f4a7c15, st.Ino|1<<63) | 1, 0
}

// socketOf is the cookie of the socket fd.
func socketOf(fd uint32) (id uint64, _ syscall.Errno) {
	_, err := unix.GetsockoptInt(int(int32(fd)), unix.SOL_SOCKET, unix.SO_TYPE)
	switch err {
	case nil:
	case unix.ENOTSOCK:
		return 0, syscall.ENOTSOCK
	default:
		return 0, syscall.EBADF
	}
	cookie, err := unix.GetsockoptUint64(int(int32(fd)), unix.SOL_SOCKET, unix.SO_COOKIE)
	if err != nil {
		return 0, syscall.EBADF
	}
	return cookie, 0
}

// taskOf is the process that the pidfd is for.
func taskOf(fd uint32) (pid uint64, _ syscall.Errno) {
	info, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(int(int32(fd))))
	if err != nil {
		return 0, syscall.EBADF
	}
	for line := range strings.Lines(string(info)) {
		text, ok := strings.CutPrefix(line, "Pid:")
		if !ok {
			continue
		}
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || n <= 0 { // the process has ended
			return 0, syscall.ENOENT
		}
		return uint64(n), 0
	}
	return 0, syscall.EBADF
}
