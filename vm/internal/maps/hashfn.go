package maps

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"

	"github.com/skepdev/skep/abi"
)

// hasher turns keys into 32-bit hashes. It folds 64x64-bit products of the key
// and two secrets, so that who does not know them cannot aim keys at one
// bucket.
type hasher struct {
	size   uintptr
	s0, s1 uint64
}

// newHasher draws fresh secrets, or fixed ones for BPF_F_ZERO_SEED.
func newHasher(size, flags uint32) hasher {
	h := hasher{size: uintptr(size), s0: 0x9e3779b97f4a7c15, s1: 0xd1b54a32d192ed03}
	if flags&abi.FlagZeroSeed == 0 {
		var b [16]byte
		rand.Read(b[:]) // never fails
		h.s0 = binary.NativeEndian.Uint64(b[:8])
		h.s1 = binary.NativeEndian.Uint64(b[8:]) | 1
	}
	return h
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

func fold(h uint64) uint32 { return uint32(h) ^ uint32(h>>32) }

// sum hashes the h.size bytes at key.
func (h *hasher) sum(key Pointer) uint32 { return fold(h.sum64(key)) }

func (h *hasher) sum64(key Pointer) uint64 {
	switch h.size {
	case 4:
		k := uint64(read32(key))
		return mix(k<<32|k^h.s0, h.s1)
	case 8:
		return mix(read64(key)^h.s0, h.s1)
	}
	return h.long(key)
}

func (h *hasher) long(key Pointer) uint64 {
	n := h.size
	acc := h.s1 ^ uint64(n)
	for ; n > 16; n -= 16 {
		acc = mix(read64(key)^h.s0, read64(add(key, 8))^acc)
		key = add(key, 16)
	}
	var a, b uint64
	switch {
	case n >= 8:
		a, b = read64(key), read64(add(key, n-8))
	case n >= 4:
		a, b = uint64(read32(key)), uint64(read32(add(key, n-4)))
	case n > 0:
		a = uint64(read8(key)) | uint64(read8(add(key, n/2)))<<8 | uint64(read8(add(key, n-1)))<<16
	}
	return mix(mix(a^h.s0, b^acc), h.s1)
}
