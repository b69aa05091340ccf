package maps

import (
	"encoding/binary"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// Pointer is an address, of Go memory or of memory outside its heap. The
// helpers below are all that this package does with one: no other file needs
// to import unsafe.
type Pointer = unsafe.Pointer

func add(p Pointer, n uintptr) Pointer { return unsafe.Add(p, n) }
func addressOf(p Pointer) uintptr      { return uintptr(p) }

// pointerTo is the address of a slice's first byte; nil for an empty one.
func pointerTo(b []byte) Pointer { return Pointer(unsafe.SliceData(b)) }

func bytesAt(p Pointer, n uintptr) []byte { return unsafe.Slice((*byte)(p), n) }

func read8(p Pointer) byte        { return *(*byte)(p) }
func read32(p Pointer) uint32     { return *(*uint32)(p) }
func read64(p Pointer) uint64     { return *(*uint64)(p) }
func write32(p Pointer, v uint32) { *(*uint32)(p) = v }
func load32(p Pointer) uint32     { return atomic.LoadUint32((*uint32)(p)) }
func store32(p Pointer, v uint32) { atomic.StoreUint32((*uint32)(p), v) }
func or64(p Pointer, v uint64)    { atomic.OrUint64((*uint64)(p), v) }
func load64(p Pointer) uint64     { return atomic.LoadUint64((*uint64)(p)) }
func store64(p Pointer, v uint64) { atomic.StoreUint64((*uint64)(p), v) }

func copyMem(dst, src Pointer, n uintptr) { copy(bytesAt(dst, n), bytesAt(src, n)) }
func zeroMem(p Pointer, n uintptr)        { clear(bytesAt(p, n)) }

// equal compares n bytes.
func equal(a, b Pointer, n uintptr) bool {
	switch n {
	case 4:
		return read32(a) == read32(b)
	case 8:
		return read64(a) == read64(b)
	case 16:
		return read64(a) == read64(b) && read64(add(a, 8)) == read64(add(b, 8))
	}
	return unsafe.String((*byte)(a), n) == unsafe.String((*byte)(b), n)
}

// start is the address at which a slice of memory outside the heap begins.
func start(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

// keyPointer is the address of a key given by the user side, if it has size
// bytes.
func keyPointer(key []byte, size uint32) (Pointer, syscall.Errno) {
	if len(key) != int(size) {
		return nil, syscall.EINVAL
	}
	return pointerTo(key), 0
}

// bigEndian64 reads 8 bytes, the most significant first.
func bigEndian64(p Pointer) uint64 { return binary.BigEndian.Uint64((*[8]byte)(p)[:]) }

// bigEndianTail reads n < 8 bytes as the most significant ones.
func bigEndianTail(p Pointer, n uintptr) uint64 {
	if n == 4 {
		return uint64(binary.BigEndian.Uint32((*[4]byte)(p)[:])) << 32
	}
	var b [8]byte
	copy(b[:n], bytesAt(p, n))
	return binary.BigEndian.Uint64(b[:])
}

// putHandle writes a handle as programs find it in an element.
func putHandle(b *[8]byte, h uintptr) { binary.NativeEndian.PutUint64(b[:], uint64(h)) }

// packTarget is a struct bpf_devmap_val or bpf_cpumap_val: the target, then
// the ID of its program.
func packTarget(target uint32, prog Object) uint64 {
	var b [8]byte
	binary.NativeEndian.PutUint32(b[:], target)
	if prog != nil {
		binary.NativeEndian.PutUint32(b[4:], prog.ID())
	}
	return binary.NativeEndian.Uint64(b[:])
}

func putEntry(b *[8]byte, v uint64) { binary.NativeEndian.PutUint64(b[:], v) }

// MarkTimer makes the struct bpf_timer at addr, in an element of a map, one that
// exists; ClearTimer undoes it.
func MarkTimer(addr uintptr) { store64(unsafe.Add(nil, addr), 1) }

// ClearTimer is MarkTimer's opposite.
func ClearTimer(addr uintptr) { store64(unsafe.Add(nil, addr), 0) }
