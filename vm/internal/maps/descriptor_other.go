//go:build !linux

package maps

import "syscall"

// Descriptors of cgroups, files, sockets and processes are Linux's.

func cgroupOf(uint32) (uint64, syscall.Errno) { return 0, syscall.EBADF }
func inodeOf(uint32) (uint64, syscall.Errno)  { return 0, syscall.EBADF }
func socketOf(uint32) (uint64, syscall.Errno) { return 0, syscall.EBADF }
func taskOf(uint32) (uint64, syscall.Errno)   { return 0, syscall.EBADF }
