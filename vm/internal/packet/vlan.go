package packet

import (
	"encoding/binary"
	"syscall"
)

func isVLAN(proto uint16) bool { return proto == ethVLAN || proto == ethQinQ }

// PushTag moves the tag that m carries into the frame in b.
func PushTag(b *Buffer, m *Meta) syscall.Errno {
	if !m.VLANPresent {
		return 0
	}
	if b.Linear() < ethHeader {
		return syscall.EINVAL
	}
	if !b.insert(12, vlanLen) {
		return syscall.ENOMEM
	}
	f := b.Bytes()
	binary.BigEndian.PutUint16(f[12:], Network(m.VLANProto))
	binary.BigEndian.PutUint16(f[14:], m.VLANTCI)
	m.Protocol = m.VLANProto
	m.VLANPresent, m.VLANTCI, m.VLANProto = false, 0, 0
	return 0
}

// PopTag takes the outer tag of the frame in b into m, if there is one and m
// carries none.
func PopTag(b *Buffer, m *Meta) syscall.Errno {
	f := b.Bytes()
	if m.VLANPresent || b.Linear() < ethHeader || !isVLAN(binary.BigEndian.Uint16(f[12:])) {
		return 0
	}
	if b.Linear() < ethHeader+vlanLen {
		return syscall.EINVAL
	}
	proto, tci := binary.BigEndian.Uint16(f[12:]), binary.BigEndian.Uint16(f[14:])
	b.remove(12, vlanLen)
	m.VLANPresent, m.VLANTCI, m.VLANProto = true, tci, Network(proto)
	m.Protocol = Network(b.etherType())
	return 0
}

// VLANPush is bpf_skb_vlan_push: the tag goes beside the packet, and one that
// was there before into it.
func (s *SKB) VLANPush(proto uint16, tci uint16) syscall.Errno {
	if !isVLAN(proto) {
		proto = ethVLAN
	}
	if s.VLANPresent {
		if s.mac != 0 {
			return syscall.EINVAL
		}
		outer := s.VLANProto
		if e := PushTag(s.Buffer, s.Meta); e != 0 {
			return e
		}
		s.Protocol = outer
		s.net += vlanLen
	}
	s.VLANPresent, s.VLANProto, s.VLANTCI = true, Network(proto), tci
	return 0
}

// VLANPop is bpf_skb_vlan_pop: the tag beside the packet is dropped, and the
// next one, if any, taken out of the packet to its place.
func (s *SKB) VLANPop() syscall.Errno {
	if s.VLANPresent {
		s.VLANPresent, s.VLANTCI, s.VLANProto = false, 0, 0
	} else {
		if !isVLAN(s.protocol()) {
			return 0
		}
		if e := s.pullTag(); e != 0 {
			return e
		}
		s.VLANPresent, s.VLANTCI, s.VLANProto = false, 0, 0
	}
	if !isVLAN(s.protocol()) {
		return 0
	}
	return s.pullTag()
}

func (s *SKB) pullTag() syscall.Errno {
	if s.mac != 0 || s.Linear() < ethHeader+vlanLen {
		return syscall.ENOMEM
	}
	f := s.Bytes()
	proto, tci := s.Protocol, binary.BigEndian.Uint16(f[14:])
	s.remove(12, vlanLen)
	s.Protocol = Network(s.etherType())
	s.VLANPresent, s.VLANTCI, s.VLANProto = true, tci, proto
	s.net = max(s.net-vlanLen, ethHeader)
	return 0
}
