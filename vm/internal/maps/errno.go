package maps

import "syscall"

// notSupp is the kernel's internal ENOTSUPP, which map operations that a type
// does not have let through to callers. It has no name in user space.
const notSupp = syscall.Errno(524)

// eOverflow is EOVERFLOW, which Go does not name on every system.
const eOverflow = syscall.Errno(75)

// Return is what a helper returns to a program for e: 0, or the negative of
// the error's number on Linux, whatever system this runs on.
func Return(e syscall.Errno) uint64 { return -uint64(number(e)) }

// number is the value of e on Linux (asm-generic). Numbers below EAGAIN are
// the same everywhere but on Windows, where Go invents them.
func number(e syscall.Errno) uint32 {
	switch e {
	case 0:
		return 0
	case syscall.EPERM:
		return 1
	case syscall.ENOENT:
		return 2
	case syscall.E2BIG:
		return 7
	case syscall.EAGAIN:
		return 11
	case syscall.ENOMEM:
		return 12
	case syscall.EBUSY:
		return 16
	case syscall.EEXIST:
		return 17
	case syscall.ENODEV:
		return 19
	case syscall.EINVAL:
		return 22
	case syscall.ENOSPC:
		return 28
	case syscall.EOPNOTSUPP:
		return 95
	}
	return uint32(e)
}
