package packet

import (
	"encoding/binary"
	"math/bits"
	"syscall"

	"github.com/skepdev/skep/abi"
)

// StoreBytes is bpf_skb_store_bytes.
func (s *SKB) StoreBytes(off uint32, from []byte, flags uint64) syscall.Errno {
	if flags&^uint64(abi.FlagRecomputeCsum|abi.FlagInvalidateHash) != 0 {
		return syscall.EINVAL
	}
	to := s.writable(off, len(from))
	if to == nil {
		return syscall.EFAULT
	}
	copy(to, from)
	if flags&abi.FlagInvalidateHash != 0 {
		s.InvalidateHash()
	}
	return 0
}

// writable is n bytes at off, made part of the linear data; nil if they are
// not there.
func (s *SKB) writable(off uint32, n int) []byte {
	if off > 1<<31-1 {
		return nil
	}
	p := s.Slice(int(off), n)
	if p == nil || s.Linearize(int(off)+n) != 0 {
		return nil
	}
	return p
}

// InvalidateHash is bpf_set_hash_invalid.
func (s *SKB) InvalidateHash() { s.Hash, s.HashValid = 0, false }

// L3CsumReplace is bpf_l3_csum_replace.
func (s *SKB) L3CsumReplace(off uint32, from, to, flags uint64) syscall.Errno {
	if flags&^uint64(abi.FlagHdrFieldMask) != 0 {
		return syscall.EINVAL
	}
	sum := s.checksumAt(off)
	if sum == nil {
		return syscall.EFAULT
	}
	return replaceSum(sum, from, to, flags)
}

// L4CsumReplace is bpf_l4_csum_replace for a packet whose checksum nobody
// else computes.
func (s *SKB) L4CsumReplace(off uint32, from, to, flags uint64) syscall.Errno {
	const known = abi.FlagMarkMangled0 | abi.FlagMarkEnforce | abi.FlagPseudoHdr | abi.FlagHdrFieldMask | abi.FlagIPv6
	if flags&^uint64(known) != 0 {
		return syscall.EINVAL
	}
	sum := s.checksumAt(off)
	if sum == nil {
		return syscall.EFAULT
	}
	mangled := flags&abi.FlagMarkMangled0 != 0
	if mangled && flags&abi.FlagMarkEnforce == 0 && sum[0]|sum[1] == 0 {
		return 0
	}
	if e := replaceSum(sum, from, to, flags); e != 0 {
		return e
	}
	if mangled && sum[0]|sum[1] == 0 {
		sum[0], sum[1] = 0xff, 0xff
	}
	return 0
}

func (s *SKB) checksumAt(off uint32) []byte {
	if off > 0xffff || off&1 != 0 {
		return nil
	}
	return s.writable(off, 2)
}

// replaceSum updates an Internet checksum (RFC 1624) after a field of 2 or 4
// bytes changed; size 0 means that to is the difference itself.
func replaceSum(sum []byte, from, to, flags uint64) syscall.Errno {
	have := uint32(^binary.NativeEndian.Uint16(sum))
	switch flags & abi.FlagHdrFieldMask {
	case 0:
		if from != 0 {
			return syscall.EINVAL
		}
		have = add32(have, uint32(to))
	case 2:
		have = add32(add32(have, uint32(^uint16(from))), uint32(uint16(to)))
	case 4:
		have = add32(add32(have, ^uint32(from)), uint32(to))
	default:
		return syscall.EINVAL
	}
	binary.NativeEndian.PutUint16(sum, ^fold(have))
	return 0
}

// add32 adds in ones' complement.
func add32(a, b uint32) uint32 {
	sum, carry := bits.Add32(a, b, 0)
	return sum + carry
}

func fold(s uint32) uint16 {
	s = s>>16 + s&0xffff
	return uint16(s + s>>16)
}

// Sum adds b, a multiple of 4 bytes, to seed in ones' complement.
func Sum(b []byte, seed uint32) uint32 {
	acc := uint64(seed)
	for ; len(b) >= 4; b = b[4:] {
		acc += uint64(binary.NativeEndian.Uint32(b))
	}
	for acc>>32 != 0 {
		acc = acc&0xffffffff + acc>>32
	}
	return uint32(acc)
}

// CsumDiff is bpf_csum_diff: the 16-bit difference that replacing from by to
// makes, on top of seed.
func CsumDiff(from, to []byte, seed uint32) int64 {
	switch {
	case (len(from)|len(to))&3 != 0:
		return -int64(syscall.EINVAL)
	case len(from) == 0 && len(to) == 0:
		return int64(seed)
	case len(from) == 0:
		return from32to16(Sum(to, seed))
	case len(to) == 0:
		return from32to16(^Sum(from, ^seed))
	}
	return from32to16(add32(Sum(to, seed), ^Sum(from, 0)))
}

func from32to16(sum uint32) int64 {
	sum += sum>>16 | sum<<16
	return int64(sum >> 16)
}

// CsumLevel is bpf_csum_level.
func (s *SKB) CsumLevel(level uint64) int64 {
	const maxLevel = 3
	switch level {
	case abi.CsumLevelInc:
		if s.csumState == csumUnnecessary {
			s.csumLevel = min(s.csumLevel+1, maxLevel)
		} else {
			s.csumState, s.csumLevel = csumUnnecessary, 0
		}
	case abi.CsumLevelDec:
		if s.csumState == csumUnnecessary {
			if s.csumLevel == 0 {
				s.csumState = csumNone
			} else {
				s.csumLevel--
			}
		}
	case abi.CsumLevelReset:
		s.csumState = csumNone
	case abi.CsumLevelQuery:
		if s.csumState == csumUnnecessary {
			return int64(s.csumLevel)
		}
		return -int64(syscall.EACCES)
	default:
		return -int64(syscall.EINVAL)
	}
	return 0
}

// SetCE is bpf_skb_ecn_set_ce: marks an ECN-capable IP packet as having met
// congestion. False if it is not capable of that.
func (s *SKB) SetCE() bool {
	switch s.protocol() {
	case ethIP:
		h := s.HeaderSlice(true, 0, 20)
		if h == nil || h[1]&3 == 0 {
			return false
		}
		if h[1]&3 == 3 {
			return true
		}
		// ECT(0) is 2, ECT(1) is 1: the difference goes into the checksum.
		old := binary.BigEndian.Uint16(h)
		h[1] |= 3
		sum := add32(add32(uint32(^binary.BigEndian.Uint16(h[10:])), uint32(^old)), uint32(binary.BigEndian.Uint16(h)))
		binary.BigEndian.PutUint16(h[10:], ^fold(sum))
		return true
	case ethIPv6:
		h := s.HeaderSlice(true, 0, 40)
		if h == nil || h[1]>>4&3 == 0 {
			return false
		}
		h[1] |= 3 << 4
		return true
	}
	return false
}
