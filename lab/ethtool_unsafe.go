//go:build linux

package lab

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ethtoolValue is struct ethtool_value, and ethtoolRequest the part of struct
// ifreq that SIOCETHTOOL reads, padded to its size (linux/ethtool.h,
// linux/if.h).
type ethtoolValue struct{ cmd, data uint32 }

type ethtoolRequest struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [24 - unsafe.Sizeof(uintptr(0))]byte
}

// ethtool sets a feature of the device dev in the namespace of the socket fd.
func ethtool(fd int, dev string, cmd, data uint32) error {
	v := &ethtoolValue{cmd, data}
	r := &ethtoolRequest{data: unsafe.Pointer(v)}
	copy(r.name[:unix.IFNAMSIZ-1], dev)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(r)))
	runtime.KeepAlive(v)
	if errno != 0 {
		return errno
	}
	return nil
}
