package helpers

import (
	"os"
	"strings"
	"sync"
	"syscall"
)

// cgroupID is the inode of this process's cgroup (version 2), 1 if it cannot be
// told: that of the root.
var cgroupID = sync.OnceValue(func() uint64 {
	list, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return 1
	}
	for line := range strings.Lines(string(list)) {
		path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok {
			continue
		}
		for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
			var st syscall.Stat_t
			if _, err := os.Stat(root + "/cgroup.controllers"); err == nil && syscall.Stat(root+path, &st) == nil {
				return st.Ino
			}
		}
	}
	return 1
})
