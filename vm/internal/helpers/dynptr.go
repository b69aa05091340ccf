package helpers

import (
	"encoding/binary"
	"syscall"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/interp"
)

var dynptrTable = table{
	abi.FnDynptrFromMem: dynptrFromMem,
	abi.FnDynptrRead:    dynptrRead,
	abi.FnDynptrWrite:   dynptrWrite,
	abi.FnDynptrData:    dynptrData,
}

// A dynptr is 16 bytes of the program's stack, opaque to it: address, size
// with kind and a read-only mark in the high bits, and offset. A program
// without a proof can forge one; what it refers to is therefore checked like
// any other access when it is used.
const (
	dynptrSize     = 16
	dynptrMax      = 1<<24 - 1
	dynptrReadOnly = 1 << 31
	dynptrKind     = 28
)

// Kinds of dynptrs: memory, ring buffer records, and packets, whose address
// is only a mark and whose bytes are found through the packet.
const (
	dynptrMem = iota + 1
	dynptrRing
	dynptrPacket
)

type dynptr struct {
	at       uint64
	size     uint32
	off      uint32
	kind     uint32
	readOnly bool
}

func getDynptr(b []byte) dynptr {
	s := binary.NativeEndian.Uint32(b[8:])
	return dynptr{
		at: binary.NativeEndian.Uint64(b), size: s & dynptrMax, off: binary.NativeEndian.Uint32(b[12:]),
		kind: s >> dynptrKind & 7, readOnly: s&dynptrReadOnly != 0,
	}
}

func setDynptr(b []byte, d dynptr) {
	s := d.size | d.kind<<dynptrKind
	if d.readOnly {
		s |= dynptrReadOnly
	}
	putUint64(b, d.at)
	binary.NativeEndian.PutUint32(b[8:], s)
	binary.NativeEndian.PutUint32(b[12:], d.off)
}

// has says whether n bytes at off lie within the dynptr.
func (d *dynptr) has(off, n uint64) bool {
	return off <= uint64(d.size) && n <= uint64(d.size)-off
}

// bytes is n bytes of what the dynptr refers to, from off on.
func (d *dynptr) bytes(t *interp.Thread, off, n uint64, write bool) []byte {
	if d.kind == dynptrPacket {
		if t.Packet == nil {
			return nil
		}
		return t.Packet.Slice(int(uint64(d.off)+off), int(n))
	}
	b, ok := t.Probe(d.at+uint64(d.off)+off, n, write)
	if !ok {
		return nil
	}
	return b
}

func dynptrFromMem(t *interp.Thread) uint64 {
	d := t.Write(t.R[4], dynptrSize)
	if d == nil {
		return 0
	}
	size := uint64(uint32(t.R[2]))
	clear(d)
	switch {
	case size > dynptrMax:
		return fail(syscall.E2BIG)
	case t.R[3] != 0:
		return fail(syscall.EINVAL)
	}
	if t.Write(t.R[1], size) == nil {
		return 0
	}
	setDynptr(d, dynptr{at: t.R[1], size: uint32(size), kind: dynptrMem})
	return 0
}

func dynptrRead(t *interp.Thread) uint64 {
	n := uint64(uint32(t.R[2]))
	dst := t.Write(t.R[1], n)
	mem := t.Read(t.R[3], dynptrSize)
	if dst == nil || mem == nil {
		return 0
	}
	d := getDynptr(mem)
	if d.at == 0 || t.R[5] != 0 {
		return fail(syscall.EINVAL)
	}
	if !d.has(uint64(uint32(t.R[4])), n) {
		return fail(syscall.E2BIG)
	}
	src := d.bytes(t, uint64(uint32(t.R[4])), n, false)
	if src == nil {
		return fail(syscall.EFAULT)
	}
	copy(dst, src)
	return 0
}

func dynptrWrite(t *interp.Thread) uint64 {
	mem := t.Read(t.R[1], dynptrSize)
	if mem == nil {
		return 0
	}
	off, n := uint64(uint32(t.R[2])), uint64(uint32(t.R[4]))
	src := t.Read(t.R[3], n)
	if src == nil {
		return 0
	}
	d := getDynptr(mem)
	if d.at == 0 || d.readOnly {
		return fail(syscall.EINVAL)
	}
	if !d.has(off, n) {
		return fail(syscall.E2BIG)
	}
	switch {
	case d.kind == dynptrPacket && t.SKB != nil:
		e := t.SKB.StoreBytes(d.off+uint32(off), src, t.R[5])
		t.PacketChanged()
		return result(e)
	case t.R[5] != 0:
		return fail(syscall.EINVAL)
	}
	dst := d.bytes(t, off, n, true)
	if dst == nil {
		return fail(syscall.EFAULT)
	}
	copy(dst, src)
	return 0
}

func dynptrData(t *interp.Thread) uint64 {
	mem := t.Read(t.R[1], dynptrSize)
	if mem == nil {
		return 0
	}
	off, n := uint64(uint32(t.R[2])), uint64(uint32(t.R[3]))
	d := getDynptr(mem)
	if d.at == 0 || d.readOnly || d.kind == dynptrPacket || !d.has(off, n) {
		return 0
	}
	return d.at + uint64(d.off) + off
}
