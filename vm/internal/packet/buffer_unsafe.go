// Package packet knows packets: their memory, the metadata that travels with
// them, and the contexts through which programs see them.
package packet

import (
	"syscall"
	"unsafe"
)

// Sizes in bytes, of Linux 6.18 on 64-bit machines with pages of 4 KiB; what
// programs can do to a packet depends on them.
const (
	pageSize = 4096
	// XDPHeadroom is what an XDP packet has in front of it.
	XDPHeadroom = 256
	// XDPFrame is the part of it that the kernel keeps for itself (struct
	// xdp_frame).
	XDPFrame = 40
	// SharedInfo lies behind the data (struct skb_shared_info).
	SharedInfo = 320
	// SKBHeadroom is what a socket buffer has in front of it at least.
	SKBHeadroom = 64
	// MaxFrags is how many pages a packet may have besides its linear part.
	MaxFrags = 17

	// headroom and capacity of every buffer: enough for a packet of 64 KiB with
	// several headers pushed in front.
	headroom = 8 << 10
	// BufferMemory is the size of a buffer's memory.
	BufferMemory = headroom + 76<<10
	// MaxPacket is the largest packet a buffer is filled with.
	MaxPacket = 68 << 10
)

// Buffer is a packet in memory outside Go's heap. It is used by one goroutine
// at a time.
//
//	hard … meta … data … end … tail … limit
//
// Metadata lies between meta and data; what programs see directly between
// meta and end; from end to tail lie the fragments of a packet that is not
// linear.
type Buffer struct {
	mem                         []byte
	base                        uint64
	hard, meta, data, end, tail int
	limit                       int
	hidden                      bool // programs have no direct access
	tunnel                      tunnel
}

// NewBuffer makes a buffer over BufferMemory bytes outside Go's heap, which
// stay the caller's.
func NewBuffer(mem []byte) *Buffer {
	b := &Buffer{mem: mem, base: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(mem))))}
	b.Reset(nil)
	return b
}

// Memory is the memory the buffer was made over.
func (b *Buffer) Memory() []byte { return b.mem }

// Reset fills the buffer with data, linear and without metadata, with all the
// room there is around it. EMSGSIZE if it is too long.
func (b *Buffer) Reset(data []byte) syscall.Errno {
	if len(data) > MaxPacket {
		return syscall.EMSGSIZE
	}
	b.hard, b.limit, b.hidden = headroom-XDPHeadroom, len(b.mem), false
	b.ClearTunnel()
	b.data = headroom
	b.meta = b.data
	// Programs may move into the room in front: what an earlier packet left
	// there is not theirs to see.
	clear(b.mem[b.hard:b.data])
	b.end = b.data + copy(b.mem[b.data:], data)
	b.tail = b.end
	return 0
}

// CopyFrom makes b a copy of o.
func (b *Buffer) CopyFrom(o *Buffer) {
	copy(b.mem[o.meta:o.tail], o.mem[o.meta:o.tail])
	mem, base := b.mem, b.base
	*b = *o
	b.mem, b.base = mem, base
}

// Window is what programs may access directly: address and length.
func (b *Buffer) Window() (at, n uint64) {
	if b.hidden {
		return 0, 0
	}
	return b.base + uint64(b.meta), uint64(b.end - b.meta)
}

// Near says whether an address lies in the buffer's memory.
func (b *Buffer) Near(a uint64) bool { return a-b.base < uint64(len(b.mem)) }

// DataPtr, EndPtr and MetaPtr are the addresses that contexts tell.
func (b *Buffer) DataPtr() uint64 { return b.base + uint64(b.data) }

// EndPtr is the address behind the linear part.
func (b *Buffer) EndPtr() uint64 { return b.base + uint64(b.end) }

// MetaPtr is the address of the metadata.
func (b *Buffer) MetaPtr() uint64 { return b.base + uint64(b.meta) }

// Bytes is the packet with its fragments, borrowed.
func (b *Buffer) Bytes() []byte { return b.mem[b.data:b.tail] }

// MetaBytes is the metadata in front of the packet, borrowed.
func (b *Buffer) MetaBytes() []byte { return b.mem[b.meta:b.data] }

// Len is the packet's length with its fragments, Linear that without, and
// MetaLen the metadata's.
func (b *Buffer) Len() int { return b.tail - b.data }

// Linear is the length of what programs access directly.
func (b *Buffer) Linear() int { return b.end - b.data }

// MetaLen is the length of the metadata.
func (b *Buffer) MetaLen() int { return b.data - b.meta }

// ClearMeta drops the metadata.
func (b *Buffer) ClearMeta() { b.meta = b.data }

// Slice is n bytes of the packet from off on, or nil if they are not there.
func (b *Buffer) Slice(off, n int) []byte {
	if off < 0 || n < 0 || off > b.Len() || n > b.Len()-off {
		return nil
	}
	return b.mem[b.data+off : b.data+off+n : b.data+off+n]
}

// move shifts the packet within the memory so that there are at least head
// bytes in front of the data. False if the memory is too small.
func (b *Buffer) move(head int) bool {
	by := head - b.meta
	if by <= 0 {
		return true
	}
	if b.tail+by > len(b.mem) {
		return false
	}
	copy(b.mem[b.meta+by:b.tail+by], b.mem[b.meta:b.tail])
	b.meta += by
	b.data += by
	b.end += by
	b.tail += by
	return true
}

// insert makes n zero bytes at off, moving what is in front of it forward.
// Metadata is lost, as in Linux.
func (b *Buffer) insert(off, n int) bool {
	b.meta = b.data
	if b.data < n && !b.move(n) {
		return false
	}
	if at := b.data + off; at > b.tail {
		// The packet is too short for the header that room is made behind.
		if at > len(b.mem) {
			return false
		}
		clear(b.mem[b.tail:at])
	}
	copy(b.mem[b.data-n:], b.mem[b.data:b.data+off])
	b.data -= n
	b.meta = b.data
	clear(b.mem[b.data+off : b.data+off+n])
	return true
}

// remove takes n bytes at off away, moving what is in front of it backward.
func (b *Buffer) remove(off, n int) bool {
	if off+n > b.Linear() {
		return false
	}
	copy(b.mem[b.data+n:], b.mem[b.data:b.data+off])
	b.data += n
	b.meta = b.data
	return true
}

// SetLinear makes only the first n bytes directly accessible; the others are
// in fragments.
func (b *Buffer) SetLinear(n int) { b.end = b.data + n }

// SetHeadroom puts the start of the frame n bytes in front of the data, and
// its end where a frame of the given size leaves room.
func (b *Buffer) SetHeadroom(n, frameSize int) {
	b.hard = b.data - n
	b.limit = min(b.hard+frameSize-SharedInfo, len(b.mem))
}

// SetMeta makes the first n bytes of the data metadata.
func (b *Buffer) SetMeta(n int) {
	b.meta = b.data
	b.data += n
}

// WithMeta is metadata, packet and fragments, borrowed.
func (b *Buffer) WithMeta() []byte { return b.mem[b.meta:b.tail] }
