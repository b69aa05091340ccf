//go:build unix

package host

import "golang.org/x/sys/unix"

func mapMemory(size int) ([]byte, error) {
	return unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|noReserve)
}

func makeExecutable(b []byte) error { return unix.Mprotect(b, unix.PROT_READ|unix.PROT_EXEC) }

func unmapMemory(b []byte) error { return unix.Munmap(b) }
