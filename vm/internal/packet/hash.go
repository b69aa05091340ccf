package packet

import (
	"encoding/binary"
)

// FlowHash is skb_get_hash: the packet's hash, or one over addresses, protocol
// and ports that is the same for every packet of a flow. It is our own
// function: Linux seeds its own anew at each boot.
func (s *SKB) FlowHash() uint32 {
	if !s.HashValid {
		s.Hash, s.HashValid = s.flowHash(), true
	}
	return s.Hash
}

func (s *SKB) flowHash() uint32 {
	h := uint64(0x9e3779b97f4a7c15)
	var l4 int
	var proto byte
	switch s.protocol() {
	case ethIP:
		ip := s.HeaderSlice(true, 0, 20)
		if ip == nil {
			break
		}
		proto = ip[9]
		h = mixBytes(h, ip[12:20])
		l4 = int(ip[0]&0xf) * 4
		if binary.BigEndian.Uint16(ip[6:])&0x3fff != 0 {
			l4 = 0 // fragments have no ports that all of them share
		}
	case ethIPv6:
		ip := s.HeaderSlice(true, 0, 40)
		if ip == nil {
			break
		}
		proto = ip[6]
		h = mixBytes(h, ip[8:40])
		l4 = 40
	default:
		h = mix(h, uint64(s.protocol()))
	}
	h = mix(h, uint64(proto))
	switch proto {
	case 6, 17, 33, 132, 136:
		if p := s.HeaderSlice(true, l4, 4); p != nil && l4 != 0 {
			h = mixBytes(h, p)
		}
	}
	out := uint32(h ^ h>>32)
	if out == 0 {
		return 1
	}
	return out
}

func mixBytes(h uint64, b []byte) uint64 {
	for ; len(b) >= 4; b = b[4:] {
		h = mix(h, uint64(binary.BigEndian.Uint32(b)))
	}
	return h
}

// mix is a round of splitmix64.
func mix(h, v uint64) uint64 {
	h = (h ^ v) * 0xbf58476d1ce4e5b9
	h ^= h >> 27
	h *= 0x94d049bb133111eb
	return h ^ h>>31
}
