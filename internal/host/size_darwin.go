//go:build darwin

package host

import "golang.org/x/sys/unix"

// MemorySize is how many bytes of memory the machine has; 0 means that the
// system does not tell.
func MemorySize() int64 {
	n, err := unix.SysctlUint64("hw.memsize")
	if err != nil {
		return 0
	}
	return int64(min(n, 1<<62))
}
