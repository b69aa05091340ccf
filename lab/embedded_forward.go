package lab

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// forward routes a frame that came in for a router, and reports whether that
// settled it. What is not plain forwarding (the router's own addresses,
// options, an expiring hop limit, no route) is left to the stack below.
//
// The stack could forward too, but in doing so reads the hop limit of a packet
// whose buffer it has just given back to a pool, and its "packet too big" does
// not tell the size that would fit.
func (s *embeddedStack) forward(frame []byte) bool {
	p := frame[ethernetHeader:]
	switch binary.BigEndian.Uint16(frame[12:]) {
	case etherTypeIPv4:
		return s.forward4(p)
	case etherTypeIPv6:
		return s.forward6(p)
	}
	return false
}

const (
	etherTypeIPv4 = 0x0800
	etherTypeIPv6 = 0x86dd
)

// Parts of an IPv4 header (RFC 791), and where they are.
const (
	ipv4Header   = 20
	ipv4Length   = 2
	ipv4Fragment = 6
	ipv4TTL      = 8
	ipv4Protocol = 9
	ipv4Checksum = 10
	ipv4Src      = 12
	ipv4Dst      = 16

	dontFragment   = 0x4000
	fragmentOffset = 0x1fff
)

func (s *embeddedStack) forward4(p []byte) bool {
	if len(p) < ipv4Header || p[0] != 0x45 || p[ipv4TTL] < 2 || checksum(p[:ipv4Header]) != 0 {
		return false
	}
	length := int(binary.BigEndian.Uint16(p[ipv4Length:]))
	if length < ipv4Header || length > len(p) {
		return false
	}
	src, dst := netip.AddrFrom4([4]byte(p[ipv4Src:])), netip.AddrFrom4([4]byte(p[ipv4Dst:]))
	v := s.view.Load()
	h, ok := v.route(src, dst)
	if !ok {
		return false
	}
	if length > h.out.mtu {
		if binary.BigEndian.Uint16(p[ipv4Fragment:])&dontFragment == 0 {
			return false
		}
		s.tooBig4(v, p[:length], h.out.mtu)
		return true
	}
	s.emit(h, dst, etherTypeIPv4, p[:length], func(p []byte) {
		p[ipv4TTL]--
		// RFC 1624: the word that holds the TTL became smaller by 0x100.
		sum := uint32(binary.BigEndian.Uint16(p[ipv4Checksum:])) + 0x100
		binary.BigEndian.PutUint16(p[ipv4Checksum:], uint16(sum+sum>>16))
	})
	return true
}

// Parts of an IPv6 header (RFC 8200), and where they are.
const (
	ipv6Header   = 40
	ipv6Length   = 4
	ipv6Next     = 6
	ipv6HopLimit = 7
	ipv6Src      = 8
	ipv6Dst      = 24

	hopByHop = 0
)

func (s *embeddedStack) forward6(p []byte) bool {
	if len(p) < ipv6Header || p[0]>>4 != 6 || p[ipv6HopLimit] < 2 || p[ipv6Next] == hopByHop {
		return false
	}
	length := ipv6Header + int(binary.BigEndian.Uint16(p[ipv6Length:]))
	if length > len(p) {
		return false
	}
	src, dst := netip.AddrFrom16([16]byte(p[ipv6Src:])), netip.AddrFrom16([16]byte(p[ipv6Dst:]))
	v := s.view.Load()
	h, ok := v.route(src, dst)
	if !ok {
		return false
	}
	if length > h.out.mtu {
		s.tooBig6(v, p[:length], h.out.mtu)
		return true
	}
	s.emit(h, dst, etherTypeIPv6, p[:length], func(p []byte) { p[ipv6HopLimit]-- })
	return true
}

// route finds the way of a packet that may be forwarded: between unicast
// addresses of more than link scope, none of them the router's own.
func (v *view) route(src, dst netip.Addr) (hop, bool) {
	if !src.IsGlobalUnicast() || !dst.IsGlobalUnicast() || src.Is4In6() || dst.Is4In6() ||
		slices.Contains(v.local, dst) || slices.Contains(v.local, src) {
		return hop{}, false
	}
	return v.to(dst)
}

// parking holds the frames for one neighbour until its hardware address is
// known; mostly that is at once.
type parking struct {
	out *device

	mu     sync.Mutex
	frames [][]byte
	free   [][]byte
}

// parkMax bounds the frames that wait for one neighbour; parkingsMax the
// neighbours.
const (
	parkMax     = 128
	parkingsMax = 8192
)

// parkingOf finds or makes a neighbour's parking; nil if there are too many.
func (s *embeddedStack) parkingOf(k nearKey) *parking {
	s.parkMu.Lock()
	defer s.parkMu.Unlock()
	w := s.parked[k]
	if w == nil && len(s.parked) < parkingsMax {
		w = &parking{out: k.on}
		if s.parked == nil {
			s.parked = map[nearKey]*parking{}
		}
		s.parked[k] = w
	}
	return w
}

// emit sends a packet along h, after change has been made to its copy.
func (s *embeddedStack) emit(h hop, dst netip.Addr, etherType uint16, p []byte, change func(p []byte)) {
	next := h.via
	if !next.IsValid() {
		next = dst
	}
	k := s.parkingOf(nearKey{h.out, next})
	if k == nil || !k.hold(etherType, p, change) {
		h.out.lost.Add(1)
		return
	}
	// The stack resolves as for packets of its own, asks again when the
	// answer grows old, and calls back, perhaps at once.
	if err := s.stack.GetLinkAddress(h.out.nic, stackAddr(next), stackAddr(netip.Addr{}), protocolOf(next), k.resolved); err != nil {
		if !pending(err) {
			k.drop()
		}
	}
}

// hold keeps a copy of a packet as a frame without destination.
func (w *parking) hold(etherType uint16, p []byte, change func(p []byte)) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.frames) >= parkMax {
		return false
	}
	var b []byte
	if k := len(w.free); k > 0 {
		b, w.free = w.free[k-1][:0], w.free[:k-1]
	}
	b = append(b, 0, 0, 0, 0, 0, 0)
	b = append(b, w.out.mac[:]...)
	b = binary.BigEndian.AppendUint16(b, etherType)
	b = append(b, p...)
	change(b[ethernetHeader:])
	w.frames = append(w.frames, b)
	return true
}

// resolved sends what waited. The stack calls it with a neighbour's lock held,
// which the device's queue does not need.
func (w *parking) resolved(r stack.LinkResolutionResult) {
	if r.Err != nil {
		w.drop()
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, b := range w.frames {
		copy(b[:6], r.LinkAddress)
		w.out.transmit(b)
	}
	w.recycle()
}

// drop gives up what waited.
func (w *parking) drop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.out.lost.Add(uint64(len(w.frames)))
	w.recycle()
}

func (w *parking) recycle() {
	if len(w.free) == 0 {
		w.free = append(w.free, w.frames...)
	}
	w.frames = w.frames[:0]
}
