package lab

import (
	"encoding/binary"
	"net/netip"
)

// A router's "packet too big" must tell the MTU that would fit (RFC 1191,
// RFC 8201); the stack's leaves it zero, upon which senders shrink to single
// bytes. completeTooBig fills it in before the frame goes out.
func (s *embeddedStack) completeTooBig(frame []byte) {
	if len(frame) < ethernetHeader {
		return
	}
	switch p := frame[ethernetHeader:]; binary.BigEndian.Uint16(frame[12:]) {
	case 0x0800:
		s.completeTooBig4(p)
	case 0x86dd:
		s.completeTooBig6(p)
	}
}

// completeTooBig4 handles ICMP type 3 code 4: the MTU is in bytes 6 and 7 of
// the message, the packet that was dropped follows from byte 8.
func (s *embeddedStack) completeTooBig4(p []byte) {
	if len(p) < 20 || p[9] != 1 {
		return
	}
	size := int(p[0]&0xf) * 4
	if size < 20 || len(p) < size+8+20 {
		return
	}
	m := p[size:]
	if m[0] != 3 || m[1] != 4 || m[6] != 0 || m[7] != 0 {
		return
	}
	dst := netip.AddrFrom4([4]byte(m[8+16:]))
	mtu := min(s.view.Load().mtuTo(dst), 0xffff)
	binary.BigEndian.PutUint16(m[6:], uint16(mtu))
	patchChecksum(m[2:], uint16(mtu))
}

// completeTooBig6 handles ICMPv6 type 2: the MTU is in bytes 4 to 7.
func (s *embeddedStack) completeTooBig6(p []byte) {
	if len(p) < 40+8+40 || p[6] != 58 {
		return
	}
	m := p[40:]
	if m[0] != 2 || binary.BigEndian.Uint32(m[4:]) != 0 {
		return
	}
	dst := netip.AddrFrom16([16]byte(m[8+24:]))
	mtu := s.view.Load().mtuTo(dst)
	binary.BigEndian.PutUint32(m[4:], uint32(mtu))
	patchChecksum(m[2:], uint16(mtu>>16))
	patchChecksum(m[2:], uint16(mtu))
}

// patchChecksum brings a checksum up to date after a word that was zero
// became v (RFC 1624).
func patchChecksum(sum []byte, v uint16) {
	c := uint32(^binary.BigEndian.Uint16(sum)) + uint32(v)
	c = c&0xffff + c>>16
	binary.BigEndian.PutUint16(sum, ^uint16(c))
}
