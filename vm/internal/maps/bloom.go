package maps

import (
	"math"
	"math/bits"
	"syscall"

	"github.com/skepdev/skep/abi"
)

// bloom is BPF_MAP_TYPE_BLOOM_FILTER. It has as many bits as Linux gives it
// and as many hashes; the hash function is this package's.
type bloom struct {
	common
	mem    []byte
	mask   uint32
	hashes uint32
	hash   hasher
}

var _ Stream = (*bloom)(nil)

func newBloom(s *Spec, env *Env) (Map, error) {
	if s.ValueSize > kmallocMax {
		return nil, s.refuse(syscall.E2BIG, "a value of %d bytes is above the limit of %d", s.ValueSize, kmallocMax)
	}
	switch {
	case s.KeySize != 0:
		return nil, s.refuse(syscall.EINVAL, "the key size must be 0, not %d", s.KeySize)
	case s.ValueSize == 0:
		return nil, s.refuse(syscall.EINVAL, "the value size is 0")
	case s.MaxEntries == 0:
		return nil, s.refuse(syscall.EINVAL, "max_entries is 0")
	case s.Extra > 15:
		return nil, s.refuse(syscall.EINVAL, "map_extra is the number of hashes, 0 to 15, not %d", s.Extra)
	}
	if err := s.checkFlags(abi.FlagNumaNode | abi.FlagZeroSeed | accessFlags); err != nil {
		return nil, err
	}
	m := &bloom{common: newCommon(s, env), hashes: uint32(s.Extra), hash: newHasher(s.ValueSize, s.Flags)}
	if m.hashes == 0 {
		m.hashes = 5
	}
	m.mask = bloomMask(s.MaxEntries, m.hashes)
	mem, err := env.mapArena(s, int((uint64(m.mask)+1)/8))
	if err != nil {
		return nil, err
	}
	m.mem = mem
	return m, nil
}

// bloomMask is the number of bits less one: entries × hashes / ln 2 (taken as
// 7/5) rounded up to a power of two from 64 to 2³².
func bloomMask(entries, hashes uint32) uint32 {
	n := uint64(entries) * uint64(hashes)
	if n > math.MaxUint32 {
		return math.MaxUint32
	}
	n = n / 5 * 7
	if n > 1<<31 {
		return math.MaxUint32
	}
	return uint32(1)<<bits.Len32(uint32(max(n, 64))-1) - 1
}

// probe is the word and the bit of the n-th hash.
func (m *bloom) probe(h uint64, n uint32) (Pointer, uint64) {
	b := fold(mix(h+uint64(n)*m.hash.s1, m.hash.s0)) & m.mask
	return add(pointerTo(m.mem), uintptr(b/64)*8), 1 << (b % 64)
}

func (m *bloom) Push(value Pointer, flags uint64) syscall.Errno {
	if flags != abi.UpdateAny {
		return syscall.EINVAL
	}
	h := m.hash.sum64(value)
	for n := range m.hashes {
		word, bit := m.probe(h, n)
		or64(word, bit)
	}
	return 0
}

func (m *bloom) Peek(value Pointer) syscall.Errno {
	h := m.hash.sum64(value)
	for n := range m.hashes {
		word, bit := m.probe(h, n)
		if load64(word)&bit == 0 {
			return syscall.ENOENT
		}
	}
	return 0
}

func (m *bloom) Pop(Pointer) syscall.Errno { return syscall.EOPNOTSUPP }

// UserLookup takes the value to look for from value.
func (m *bloom) UserLookup(key, value []byte, flags uint64) syscall.Errno {
	if e := m.lookupOK(key, value, flags); e != 0 {
		return e
	}
	return m.Peek(pointerTo(value))
}

func (m *bloom) UserUpdate(key, value []byte, flags uint64) syscall.Errno {
	if e := m.updateOK(key, value, flags); e != 0 {
		return e
	}
	return m.Push(pointerTo(value), flags)
}

func (m *bloom) UserDelete(key []byte) syscall.Errno {
	if e := m.deleteOK(key); e != 0 {
		return e
	}
	return syscall.EOPNOTSUPP
}

func (m *bloom) NextKey(key, next []byte) syscall.Errno {
	if e := m.nextKeyOK(key, next); e != 0 {
		return e
	}
	return syscall.EOPNOTSUPP
}

func (m *bloom) Update(_, _ Pointer, _ uint64, _ int) syscall.Errno { return syscall.EINVAL }
func (m *bloom) Delete(Pointer) syscall.Errno                       { return syscall.EOPNOTSUPP }

func (m *bloom) Close() {
	if m.closed.CompareAndSwap(false, true) {
		m.env.unmap(m.mem)
	}
}
