package packet

import (
	"syscall"

	"github.com/skepdev/skep/abi"
)

// errNotSupp is the kernel's ENOTSUPP, which user space does not know.
const errNotSupp = syscall.Errno(524)

// maxSKB is what a packet may grow to through bpf_skb_adjust_room.
const maxSKB = 65535

// maxAlloc bounds growing where no device's MTU does (SKB_MAX_ALLOC).
const maxAlloc = 16384 - SharedInfo

func (s *SKB) maxLen() int {
	if s.Ingress || s.MTU == 0 {
		return maxAlloc
	}
	return min(s.MTU+ethHeader, MaxPacket)
}

// ChangeHead is bpf_skb_change_head: n zero bytes in front, which become the
// new link-layer header.
func (s *SKB) ChangeHead(n uint32, flags uint64) syscall.Errno {
	if flags != 0 || int32(n) < 0 || s.Len()+int(n) > s.maxLen() {
		return syscall.EINVAL
	}
	if !s.insert(0, int(n)) {
		return syscall.ENOMEM
	}
	s.mac = 0
	s.net += int(n)
	return 0
}

// ChangeTail is bpf_skb_change_tail: the packet gets n bytes, zeroes where it
// grows.
func (s *SKB) ChangeTail(n uint32, flags uint64) syscall.Errno {
	if flags != 0 || uint64(n) > uint64(s.maxLen()) || int(n) < s.net {
		return syscall.EINVAL
	}
	tail := s.data + int(n)
	if tail > len(s.mem) {
		if !s.compact() || s.data+int(n) > len(s.mem) {
			return syscall.ENOMEM
		}
		tail = s.data + int(n)
	}
	if tail > s.tail {
		clear(s.mem[s.tail:tail])
		if s.tail == s.end {
			s.end = tail
		}
	}
	s.tail = tail
	s.end = min(s.end, tail)
	s.GSOSegs, s.GSOSize = 0, 0
	return 0
}

// compact moves the packet to the front of the buffer.
func (b *Buffer) compact() bool {
	by := b.meta - SKBHeadroom
	if by <= 0 {
		return false
	}
	copy(b.mem[b.meta-by:], b.mem[b.meta:b.tail])
	b.meta -= by
	b.data -= by
	b.end -= by
	b.tail -= by
	return true
}

// ChangeProto is bpf_skb_change_proto: room for the other IP header.
func (s *SKB) ChangeProto(proto uint16, flags uint64) syscall.Errno {
	if flags != 0 {
		return syscall.EINVAL
	}
	const diff = 40 - 20
	switch from := s.protocol(); {
	case from == ethIP && proto == ethIPv6:
		if !s.insert(s.net, diff) {
			return syscall.ENOMEM
		}
	case from == ethIPv6 && proto == ethIP:
		if !s.remove(s.net, diff) {
			return syscall.ENOMEM
		}
	default:
		return errNotSupp
	}
	s.setProtocol(proto)
	s.HashValid, s.Hash = false, 0
	return 0
}

func (s *SKB) baseLen() int {
	switch s.protocol() {
	case ethIP:
		return 20
	case ethIPv6:
		return 40
	}
	return 1 << 30
}

const (
	roomEncapL3 = abi.FlagAdjRoomEncapL3IPv4 | abi.FlagAdjRoomEncapL3IPv6
	roomDecapL3 = abi.FlagAdjRoomDecapL3IPv4 | abi.FlagAdjRoomDecapL3IPv6
	roomEncap   = roomEncapL3 | abi.FlagAdjRoomEncapL4GRE | abi.FlagAdjRoomEncapL4UDP |
		abi.FlagAdjRoomEncapL2Eth | abi.AdjRoomEncapL2Mask<<abi.AdjRoomEncapL2Shift
	roomFlags = roomEncap | roomDecapL3 | abi.FlagAdjRoomFixedGSO | abi.FlagAdjRoomNoCsumReset
)

// AdjustRoom is bpf_skb_adjust_room: room behind the link-layer header (mode
// AdjRoomMAC) or behind the network header (AdjRoomNet) grows or shrinks.
func (s *SKB) AdjustRoom(diff int32, mode uint32, flags uint64) syscall.Errno {
	n := int(diff)
	shrink := n < 0
	if shrink {
		n = -n
	}
	switch {
	case flags&^uint64(roomFlags) != 0:
		return syscall.EINVAL
	case n > 0xfff:
		return syscall.EFAULT
	case s.protocol() != ethIP && s.protocol() != ethIPv6:
		return errNotSupp
	}
	off := s.net
	switch mode {
	case abi.AdjRoomNet:
		off += s.baseLen()
	case abi.AdjRoomMAC:
	default:
		return errNotSupp
	}
	least := s.baseLen()
	if decap := flags & roomDecapL3; decap != 0 {
		switch {
		case !shrink, decap == roomDecapL3:
			return syscall.EINVAL
		case decap == abi.FlagAdjRoomDecapL3IPv4:
			least = 20
		default:
			least = 40
		}
	}
	have := s.Len() - s.net
	if shrink && (n >= have || have-n < least) || !shrink && s.Len()+n > maxSKB {
		return errNotSupp
	}
	if shrink {
		return s.shrink(off, n, flags)
	}
	return s.grow(off, n, flags)
}

func (s *SKB) grow(off, n int, flags uint64) syscall.Errno {
	encap := flags&roomEncapL3 != 0
	if encap {
		if e := s.checkEncap(n, flags); e != 0 {
			return e
		}
	}
	if !s.insert(off, n) {
		return syscall.ENOMEM
	}
	if encap {
		s.encapsulated = true
		switch p := s.protocol(); {
		case p == ethIP && flags&abi.FlagAdjRoomEncapL3IPv6 != 0:
			s.setProtocol(ethIPv6)
		case p == ethIPv6 && flags&abi.FlagAdjRoomEncapL3IPv4 != 0:
			s.setProtocol(ethIP)
		}
	}
	if s.GSOSize != 0 && flags&abi.FlagAdjRoomFixedGSO == 0 {
		s.GSOSize -= uint32(n)
		s.GSOSegs = 0
	}
	return 0
}

// checkEncap checks the combination of encapsulation flags.
func (s *SKB) checkEncap(n int, flags uint64) syscall.Errno {
	p := s.protocol()
	inner := int(flags >> abi.AdjRoomEncapL2Shift & abi.AdjRoomEncapL2Mask)
	switch {
	case p != ethIP && p != ethIPv6:
		return errNotSupp
	case s.encapsulated:
		return syscall.EALREADY
	case flags&roomEncapL3 == roomEncapL3,
		flags&abi.FlagAdjRoomEncapL4GRE != 0 && flags&abi.FlagAdjRoomEncapL4UDP != 0,
		flags&abi.FlagAdjRoomEncapL2Eth != 0 && inner < ethHeader:
		return syscall.EINVAL
	}
	// The inner network header begins where room was made and the outer
	// headers were; what remains must hold the inner link-layer header.
	if inner > n {
		return syscall.EINVAL
	}
	return 0
}

func (s *SKB) shrink(off, n int, flags uint64) syscall.Errno {
	if flags&^uint64(roomDecapL3|abi.FlagAdjRoomFixedGSO|abi.FlagAdjRoomNoCsumReset) != 0 {
		return syscall.EINVAL
	}
	if !s.remove(off, n) {
		return syscall.ENOMEM
	}
	switch p := s.protocol(); {
	case p == ethIP && flags&abi.FlagAdjRoomDecapL3IPv6 != 0:
		s.setProtocol(ethIPv6)
	case p == ethIPv6 && flags&abi.FlagAdjRoomDecapL3IPv4 != 0:
		s.setProtocol(ethIP)
	}
	if s.GSOSize != 0 && flags&abi.FlagAdjRoomFixedGSO == 0 {
		s.GSOSize += uint32(n)
		s.GSOSegs = 0
	}
	return 0
}
