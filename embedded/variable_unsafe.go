package embedded

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"
)

// Naturally aligned numbers are read and written whole, as C would, so that a
// program that runs meanwhile sees the old or the new value. mem is outside of
// Go's heap.

func copyOut(dst, mem []byte) {
	p := unsafe.Pointer(unsafe.SliceData(mem))
	switch {
	case len(mem) == 4 && uintptr(p)%4 == 0:
		binary.NativeEndian.PutUint32(dst, atomic.LoadUint32((*uint32)(p)))
	case len(mem) == 8 && uintptr(p)%8 == 0:
		binary.NativeEndian.PutUint64(dst, atomic.LoadUint64((*uint64)(p)))
	default:
		copy(dst, mem)
	}
}

func copyIn(mem, src []byte) {
	p := unsafe.Pointer(unsafe.SliceData(mem))
	switch {
	case len(mem) == 4 && uintptr(p)%4 == 0:
		atomic.StoreUint32((*uint32)(p), binary.NativeEndian.Uint32(src))
	case len(mem) == 8 && uintptr(p)%8 == 0:
		atomic.StoreUint64((*uint64)(p), binary.NativeEndian.Uint64(src))
	default:
		copy(mem, src)
	}
}
