package replay

import "encoding/binary"

// Sizes of the context structs and offsets of their fields, in bytes
// (include/uapi/linux/bpf.h, Linux 6.18).
const (
	xdpSize     = 24
	xdpData     = 0 // afterwards: the length of the metadata before the packet
	xdpDataEnd  = 4
	skbSize     = 192
	skbMark     = 8
	skbPriority = 32
	skbIngress  = 36
	skbCB       = 48
	skbTstamp   = 152
	skbWireLen  = 160
)

// fillContext makes the context struct for p in buf, or nil if none is needed.
// An XDP context is always given, because the one that comes back tells the
// length of the metadata that a program put in front of the packet.
func (r *runner) fillContext(p *Packet) []byte {
	buf := r.context[:]
	clear(buf)
	if !r.kind.skb {
		if r.kind.layer != frame {
			return nil
		}
		binary.NativeEndian.PutUint32(buf[xdpDataEnd:], uint32(len(p.Data)))
		return buf[:xdpSize]
	}
	if !r.opts.Context {
		return nil
	}
	binary.NativeEndian.PutUint32(buf[skbIngress:], uint32(p.Interface+1))
	// Linux takes a wire length between the packet's own and 64 KiB.
	if p.Length > len(p.Data) && p.Length <= 65536 {
		binary.NativeEndian.PutUint32(buf[skbWireLen:], uint32(p.Length))
	}
	if ns := p.Time.UnixNano(); !p.Time.IsZero() && ns > 0 {
		binary.NativeEndian.PutUint64(buf[skbTstamp:], uint64(ns))
	}
	return buf[:skbSize]
}

// metadata is the length of what an XDP program put in front of the packet.
func metadata(context []byte, n int) int {
	if len(context) < xdpSize {
		return 0
	}
	m := int(binary.NativeEndian.Uint32(context[xdpData:]))
	if m > n {
		return 0
	}
	return m
}

// contextField is a part of the context that programs write and that does not
// depend on where or when they ran.
type contextField struct {
	name         string
	offset, size int
}

func comparedFields(k kind) []contextField {
	if !k.skb {
		return []contextField{{"length of metadata", xdpData, 4}}
	}
	return []contextField{
		{"mark", skbMark, 4},
		{"priority", skbPriority, 4},
		{"cb[0]", skbCB, 4},
		{"cb[1]", skbCB + 4, 4},
		{"cb[2]", skbCB + 8, 4},
		{"cb[3]", skbCB + 12, 4},
		{"cb[4]", skbCB + 16, 4},
	}
}
