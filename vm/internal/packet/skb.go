package packet

import (
	"encoding/binary"
	"math/bits"
	"syscall"

	"github.com/skepdev/skep/abi"
)

// EtherTypes in host byte order.
const (
	ethIP     = 0x0800
	ethIPv6   = 0x86dd
	ethVLAN   = 0x8100
	ethQinQ   = 0x88a8
	ethHeader = 14
	vlanLen   = 4
)

// States of a packet's checksum (skb->ip_summed).
const (
	csumNone = iota
	csumUnnecessary
)

// SKB is a packet as socket-buffer programs see it: struct __sk_buff.
type SKB struct {
	*Buffer
	*Meta
	kind access
	// mac and net are the places of the headers relative to the data; mac is
	// negative when the packet was pulled past its Ethernet header.
	mac, net int
	// MTU of the device that sends the packet, which bounds growing; 0 if there
	// is none.
	MTU int

	encapsulated         bool
	csumState, csumLevel uint8
}

// Network turns the 16-bit value of a field in network byte order into its
// number, and back.
func Network(v uint16) uint16 {
	if isBig {
		return v
	}
	return bits.ReverseBytes16(v)
}

var isBig = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// Begin prepares s for a run of a program of type t on b, which holds a frame
// from the Ethernet header on. Programs of the link layer start there, all
// others behind it, at the network header; End undoes that.
func (s *SKB) Begin(b *Buffer, m *Meta, t abi.ProgramType) syscall.Errno {
	if b.Linear() < ethHeader {
		return syscall.EINVAL
	}
	kind := kindOf(t)
	*s = SKB{Buffer: b, Meta: m, kind: kind, net: ethHeader}
	b.hidden = kind == accSocket
	if m.Protocol == 0 {
		m.Protocol = Network(b.etherType())
	}
	if kind != accTC {
		b.data += ethHeader
		b.meta = b.data
		s.mac, s.net = -ethHeader, 0
	}
	return 0
}

// End puts the data back to the link-layer header.
func (s *SKB) End() {
	b := s.Buffer
	if s.kind != accTC && b.data >= ethHeader {
		b.data -= ethHeader
	}
	if s.kind != accTC {
		b.meta = b.data
	}
	b.hidden = false
}

// etherType is what eth_type_trans finds: lengths instead of types mean 802.2
// (4), or 802.3 (1) where no LLC header follows.
func (b *Buffer) etherType() uint16 {
	f := b.Bytes()
	t := binary.BigEndian.Uint16(f[12:])
	switch {
	case t >= 0x600:
		return t
	case len(f) >= 16 && f[14] == 0xff && f[15] == 0xff:
		return 1
	}
	return 4
}

// PacketType is what eth_type_trans finds for a device with address hw:
// PACKET_HOST, _BROADCAST, _MULTICAST or _OTHERHOST.
func PacketType(frame []byte, hw [6]byte) uint32 {
	if len(frame) < 6 || [6]byte(frame) == hw {
		return 0
	}
	if [6]byte(frame) == [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff} {
		return 1
	}
	if frame[0]&1 != 0 {
		return 2
	}
	return 3
}

func (s *SKB) protocol() uint16     { return Network(s.Protocol) }
func (s *SKB) setProtocol(p uint16) { s.Protocol = Network(p) }

// Proto is the packet's EtherType in host byte order.
func (s *SKB) Proto() uint16 { return s.protocol() }

// NetworkOffset is where the network header lies, relative to the data.
func (s *SKB) NetworkOffset() int { return s.net }

// LinkLayer says that the program starts at the Ethernet header.
func (s *SKB) LinkLayer() bool { return s.kind == accTC }

// HeaderSlice is n bytes from off on relative to the link-layer or the network
// header, or nil.
func (s *SKB) HeaderSlice(network bool, off, n int) []byte {
	at := s.mac
	if network {
		at = s.net
	}
	at += off
	if at < 0 {
		if s.data+at < 0 || n < 0 || at+n > s.Len() {
			return nil
		}
		return s.mem[s.data+at : s.data+at+n]
	}
	return s.Slice(at, n)
}

// offsets of LD_ABS that are relative to a header.
const (
	skfNet = -0x100000
	skfLL  = -0x200000
)

// LoadLegacy is the load of LD_ABS and LD_IND: size bytes at off in network
// byte order.
func (s *SKB) LoadLegacy(off int32, size int) (uint32, syscall.Errno) {
	var p []byte
	switch {
	case off >= 0:
		p = s.Slice(int(off), size)
	case off >= skfNet:
		p = s.HeaderSlice(true, int(off)-skfNet, size)
	case off >= skfLL:
		p = s.HeaderSlice(false, int(off)-skfLL, size)
	}
	if p == nil {
		return 0, syscall.EFAULT
	}
	var v uint32
	for _, b := range p {
		v = v<<8 | uint32(b)
	}
	return v, 0
}

// Linearize makes the first n bytes directly accessible; 0 means the linear
// part there is already. ENOMEM if the packet is shorter.
func (s *SKB) Linearize(n int) syscall.Errno {
	if n > s.Len() || n < 0 {
		return syscall.ENOMEM
	}
	if n > s.Linear() {
		s.end = s.data + n
	}
	return 0
}

// LinearHeader is the first n bytes of the network header if they are in the
// linear part, or nil.
func (s *SKB) LinearHeader(n int) []byte {
	if s.net+n > s.Linear() {
		return nil
	}
	return s.Slice(s.net, n)
}

// PushZeroes puts n zero bytes in front of the packet, for test runs, which
// show a packet that has no link-layer header with an empty one.
func (s *SKB) PushZeroes(n int) {
	if s.data < n && !s.move(n) {
		return
	}
	s.data -= n
	s.meta = s.data
	s.hidden = false
	clear(s.mem[s.data : s.data+n])
}

// FieldAt names the field of struct __sk_buff at an offset in bytes.
func FieldAt(off int) string {
	if off >= cbOff && off < cbEnd {
		return "cb"
	}
	if i := fieldAt[off/4]; i != 0 {
		return skbFields[i-1].name
	}
	return "padding"
}
