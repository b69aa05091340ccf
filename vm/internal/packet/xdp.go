package packet

import "syscall"

// XDP is a packet as XDP programs see it: struct xdp_md.
type XDP struct {
	*Buffer
	IngressIfIndex, RxQueueIndex, EgressIfIndex uint32
	// Devmap says that the program runs for a device map's entry, where it may
	// ask for the egress device.
	Devmap bool
}

// FrameXDP gives the buffer the room that a packet has in a frame of the
// given size: 256 bytes in front of the data less what the kernel keeps, and
// as many behind it as the frame leaves.
func (b *Buffer) FrameXDP(frameSize int) {
	b.hard = max(b.meta-XDPHeadroom, 0)
	b.limit = min(b.hard+frameSize-SharedInfo, len(b.mem))
	b.hidden = false
}

var xdpFields = [...]string{"data", "data_end", "data_meta", "ingress_ifindex", "rx_queue_index", "egress_ifindex"}

// Load is interp.Context's.
func (x *XDP) Load(off, size uint64) (uint64, bool) {
	if size != 4 {
		return 0, false
	}
	switch off {
	case 0:
		return x.DataPtr(), true
	case 4:
		return x.EndPtr(), true
	case 8:
		return x.MetaPtr(), true
	case 12:
		return uint64(x.IngressIfIndex), true
	case 16:
		return uint64(x.RxQueueIndex), true
	case 20:
		return uint64(x.EgressIfIndex), x.Devmap
	}
	return 0, false
}

// Store is interp.Context's: nothing in struct xdp_md can be written.
func (x *XDP) Store(_, _, _ uint64) bool { return false }

// Explain is interp.Context's.
func (x *XDP) Explain(off, size uint64, write bool) string {
	if off >= 24 {
		return "past the end of the context (struct xdp_md has 24 bytes)"
	}
	name := xdpFields[off/4]
	switch {
	case write:
		return "context field " + name + " is read-only for xdp programs"
	case off%4 != 0 || size != 4:
		return "context field " + name + " must be read as a whole"
	}
	return "context field " + name + " is readable only for programs attached to device maps"
}

// AdjustHead is bpf_xdp_adjust_head.
func (x *XDP) AdjustHead(delta int32) syscall.Errno {
	b := x.Buffer
	meta := b.MetaLen()
	start := b.hard + XDPFrame + meta
	data := b.data + int(delta)
	if data < start || data > b.end-14 {
		return syscall.EINVAL
	}
	if meta != 0 {
		copy(b.mem[data-meta:data], b.mem[b.meta:b.meta+meta])
	}
	b.data, b.meta = data, data-meta
	return 0
}

// AdjustMeta is bpf_xdp_adjust_meta.
func (x *XDP) AdjustMeta(delta int32) syscall.Errno {
	b := x.Buffer
	meta := b.meta + int(delta)
	if meta < b.hard+XDPFrame || meta > b.data {
		return syscall.EINVAL
	}
	if n := b.data - meta; InvalidMetaLen(n) {
		return syscall.EACCES
	}
	b.meta = meta
	return 0
}

// InvalidMetaLen says that metadata cannot have n bytes: it is at most 252
// bytes, in words of 4.
func InvalidMetaLen(n int) bool { return n < 0 || n%4 != 0 || n > 252 }

// AdjustTail is bpf_xdp_adjust_tail.
func (x *XDP) AdjustTail(delta int32) syscall.Errno {
	b := x.Buffer
	d := int(delta)
	if b.tail > b.end {
		return b.adjustFrags(d)
	}
	end := b.end + d
	if end > b.limit || end < b.data+14 {
		return syscall.EINVAL
	}
	if d > 0 {
		clear(b.mem[b.end:end])
	}
	b.end, b.tail = end, end
	return 0
}

// adjustFrags moves the end of a packet that has fragments: growing happens
// within the last page, shrinking takes pages away, and the linear part last.
func (b *Buffer) adjustFrags(d int) syscall.Errno {
	if d >= 0 {
		if used := (b.tail - b.end) % pageSize; used == 0 || d > pageSize-used || b.tail+d > len(b.mem) {
			return syscall.EINVAL
		}
		clear(b.mem[b.tail : b.tail+d])
		b.tail += d
		return 0
	}
	if -d > b.Len()-14 {
		return syscall.EINVAL
	}
	b.tail += d
	if b.tail < b.end {
		b.end = b.tail
	}
	return 0
}
