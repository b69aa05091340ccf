package helpers

import (
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// cgroupPath are the inodes of this process's cgroup (version 2) and those
// above it, the root first; the root's usual number alone if they cannot be
// told.
var cgroupPath = sync.OnceValue(func() []uint64 {
	unknown := []uint64{1}
	list, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return unknown
	}
	for line := range strings.Lines(string(list)) {
		path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok {
			continue
		}
		for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
			if _, err := os.Stat(root + "/cgroup.controllers"); err != nil {
				continue
			}
			if ids := inodesUp(root, path); ids != nil {
				return ids
			}
		}
	}
	return unknown
})

// inodesUp are the inodes of the directories from root to root+path.
func inodesUp(root, path string) (ids []uint64) {
	for path = strings.TrimRight(path, "/"); ; path = path[:strings.LastIndexByte(path, '/')] {
		var st syscall.Stat_t
		if syscall.Stat(root+path, &st) != nil {
			return nil
		}
		ids = append(ids, st.Ino)
		if path == "" {
			slices.Reverse(ids)
			return ids
		}
	}
}

// pidNamespace is the namespace of processes that this one is in.
var pidNamespace = sync.OnceValues(func() (dev, ino uint64) {
	var st syscall.Stat_t
	if syscall.Stat("/proc/self/ns/pid", &st) != nil {
		return 0, 0
	}
	return st.Dev, st.Ino
})
