package maps

import (
	"sync/atomic"
	"unsafe"
)

// at64 is the 64-bit word at an address that a lookup gave.
func at64(addr uintptr) *uint64 { return *(**uint64)(unsafe.Pointer(&addr)) }

func peek64(addr uintptr) uint64         { return atomic.LoadUint64(at64(addr)) }
func poke64(addr uintptr, v uint64)      { atomic.StoreUint64(at64(addr), v) }
func bytesOf(addr uintptr, n int) []byte { return bytesAt(unsafe.Pointer(at64(addr)), uintptr(n)) }
