package lab

import (
	"encoding/binary"
	"net/netip"
)

// Protocol numbers and sizes of "packet too big" messages.
const (
	protocolICMP   = 1
	protocolICMPv6 = 58
	icmpHeader     = 8
	// As much of the packet as fits into what every host takes (RFC 1812
	// section 4.3.2.3, RFC 4443 section 2.4).
	tooBigMax4 = 576
	tooBigMax6 = 1280
	hopLimit   = 64
)

// tooBig4 answers a packet that may not be fragmented and does not fit: ICMP
// type 3 code 4 with the MTU that would (RFC 1191). Errors are never answered
// with errors, nor fragments but the first.
func (s *embeddedStack) tooBig4(v *view, p []byte, mtu int) {
	if binary.BigEndian.Uint16(p[ipv4Fragment:])&fragmentOffset != 0 {
		return
	}
	if p[ipv4Protocol] == protocolICMP && (len(p) <= ipv4Header || !isEcho4(p[ipv4Header])) {
		return
	}
	src := netip.AddrFrom4([4]byte(p[ipv4Src:]))
	own := firstOf(v.local, netip.Addr.Is4)
	h, ok := v.to(src)
	if !ok || !own.IsValid() {
		return
	}
	quoted := p[:min(len(p), tooBigMax4-ipv4Header-icmpHeader)]
	b := make([]byte, ipv4Header+icmpHeader, tooBigMax4)
	b[0], b[ipv4TTL], b[ipv4Protocol] = 0x45, hopLimit, protocolICMP
	binary.BigEndian.PutUint16(b[ipv4Length:], uint16(len(b)+len(quoted)))
	copy(b[ipv4Src:], own.AsSlice())
	copy(b[ipv4Dst:], src.AsSlice())
	binary.BigEndian.PutUint16(b[ipv4Checksum:], checksum(b[:ipv4Header]))
	m := b[ipv4Header:]
	m[0], m[1] = 3, 4
	binary.BigEndian.PutUint16(m[6:], uint16(min(mtu, 0xffff)))
	b = append(b, quoted...)
	m = b[ipv4Header:]
	binary.BigEndian.PutUint16(m[2:], checksum(m))
	s.emit(h, src, etherTypeIPv4, b, unchanged)
}

// isEcho4 tells messages that may be answered with errors.
func isEcho4(icmpType byte) bool { return icmpType == 0 || icmpType == 8 }

// tooBig6 answers a packet that does not fit: ICMPv6 type 2 (RFC 4443).
func (s *embeddedStack) tooBig6(v *view, p []byte, mtu int) {
	// ICMPv6 errors are types below 128.
	if p[ipv6Next] == protocolICMPv6 && (len(p) <= ipv6Header || p[ipv6Header] < 128) {
		return
	}
	src := netip.AddrFrom16([16]byte(p[ipv6Src:]))
	own := firstOf(v.local, netip.Addr.Is6)
	h, ok := v.to(src)
	if !ok || !own.IsValid() {
		return
	}
	quoted := p[:min(len(p), tooBigMax6-ipv6Header-icmpHeader)]
	b := make([]byte, ipv6Header+icmpHeader, tooBigMax6)
	// While the checksum is made, the header is the pseudo header of RFC 8200
	// section 8.1: only addresses, length and protocol count.
	binary.BigEndian.PutUint16(b[ipv6Length:], uint16(icmpHeader+len(quoted)))
	b[ipv6HopLimit] = protocolICMPv6
	copy(b[ipv6Src:], own.AsSlice())
	copy(b[ipv6Dst:], src.AsSlice())
	m := b[ipv6Header:]
	m[0] = 2
	binary.BigEndian.PutUint32(m[4:], uint32(mtu))
	b = append(b, quoted...)
	binary.BigEndian.PutUint16(b[ipv6Header+2:], checksum(b))
	b[0], b[ipv6Next], b[ipv6HopLimit] = 0x60, protocolICMPv6, hopLimit
	s.emit(h, src, etherTypeIPv6, b, unchanged)
}

func unchanged([]byte) {}
