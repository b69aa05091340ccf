package interp

import (
	"encoding/binary"
	"unsafe"
)

// bigEndian is the byte order of this machine.
var bigEndian = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// ptr makes a pointer of an address outside Go's heap that was checked.
func ptr(a uint64) unsafe.Pointer { return unsafe.Add(nil, uintptr(a)) }

func addressOf(mem []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(mem)))) }

// AddressOf is where memory outside Go's heap begins.
func AddressOf(mem []byte) uint64 { return addressOf(mem) }

func bytesAt(a uint64, n int) []byte { return unsafe.Slice((*byte)(ptr(a)), n) }

func firstValue(m *Map) uint64 {
	var key [8]byte
	return uint64(m.Lookup(unsafe.Pointer(&key), 0))
}

// read says whether size bytes at a can be read; a no is a context that is not
// memory, or a bad access.
func (t *Thread) read(a, size uint64) bool {
	return t.val.has(a, size) || t.pkt.has(a, size) || t.common(a, size, false)
}

// write is read for writing.
func (t *Thread) write(a, size uint64) bool {
	return t.wval.has(a, size) || t.wpkt.has(a, size) || t.common(a, size, true)
}

// common checks what is not the packet.
func (t *Thread) common(a, size uint64, write bool) bool {
	if off := a - t.stackBase; off < stackSize {
		in := off & (frameStride - 1)
		return in >= frameStride/2 && size <= frameStride-in && off < t.R[10]-t.stackBase
	}
	if t.ctxLen != 0 && (span{t.ctxBase, t.ctxLen}).has(a, size) {
		return true
	}
	if t.side.has(a, size) {
		return true
	}
	for _, m := range t.prog.Maps {
		if m.contains(a) {
			return m.allows(a, size, write)
		}
	}
	for _, m := range t.inner {
		if m.contains(a) {
			return m.allows(a, size, write)
		}
	}
	for i := range t.extra {
		if t.extra[i].has(a, size) {
			return true
		}
	}
	if t.prog.Heap && t.Env.Heap.Has(a, size) {
		return true
	}
	return !write && t.Env.readsTask(a, size)
}

func (m *Map) allows(a, size uint64, write bool) bool {
	if write && !m.writable || !write && !m.readable {
		return false
	}
	if m.flat.has(a, size) {
		return true
	}
	ok, _ := m.Check(uintptr(a), int(size), write)
	return ok
}
