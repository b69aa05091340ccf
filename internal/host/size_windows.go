//go:build windows

package host

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// memoryStatus is MEMORYSTATUSEX.
type memoryStatus struct {
	length, load                                                              uint32
	total, free, totalPage, freePage, totalVirtual, freeVirtual, freeExtended uint64
}

// MemorySize is how many bytes of memory the machine has; 0 means that the
// system does not tell.
func MemorySize() int64 {
	m := memoryStatus{}
	m.length = uint32(unsafe.Sizeof(m))
	f := windows.NewLazySystemDLL("kernel32.dll").NewProc("GlobalMemoryStatusEx")
	if ok, _, _ := f.Call(uintptr(unsafe.Pointer(&m))); ok == 0 {
		return 0
	}
	return int64(min(m.total, 1<<62))
}
