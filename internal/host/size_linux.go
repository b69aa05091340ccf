//go:build linux

package host

import (
	"os"
	"path"
	"path/filepath"
)

// MemorySize is how many bytes of memory this process may use: the machine's, or
// the least limit of the control groups that it is in (memory.max, or
// memory.limit_in_bytes of version 1). 0 means that the system does not tell.
func MemorySize() int64 {
	size := parseMemTotal(readAll("/proc/meminfo"))
	groups := readAll("/proc/self/cgroup")
	for _, h := range []struct{ controller, root, file string }{
		{"", "/sys/fs/cgroup", "memory.max"},
		{"memory", "/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
	} {
		at, ok := cgroupPath(groups, h.controller)
		if !ok {
			continue
		}
		// In a container the path may be the host's, which is not there: then the
		// root is what is left of it.
		for at = path.Clean("/" + at); ; at = path.Dir(at) {
			size = smaller(size, parseLimit(readAll(filepath.Join(h.root, at, h.file))))
			if at == "/" {
				break
			}
		}
	}
	return size
}

func readAll(name string) string {
	b, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	return string(b)
}
