//go:build !linux

package helpers

// cgroupPath is the root cgroup: this system has none.
func cgroupPath() []uint64 { return []uint64{1} }

// pidNamespace is none that a program can name.
func pidNamespace() (dev, ino uint64) { return 0, 0 }
