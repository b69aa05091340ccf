package embedded

import (
	"os"
	"syscall"
)

// namespaceInode is the number of one of this process's namespaces, 0 if it
// cannot be told.
func namespaceInode(kind string) uint64 {
	info, err := os.Stat("/proc/self/ns/" + kind)
	if err != nil {
		return 0
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Ino
	}
	return 0
}
