package scalar

import (
	"math/bits"

	"github.com/skepdev/skep/isa"
)

// Swap is what a register holds after a byte-order instruction. op is the
// instruction's opcode (isa.ToLE, isa.ToBE or isa.Bswap) and width its 16, 32 or
// 64; the machine is little-endian.
//
// Bits move with their bytes and bounds are lost; what only narrows keeps both.
// This is scalar_byte_swap, which 6.18 has from a later stable release; 6.18.0
// forgets the number.
func Swap(op uint8, width int, r Range) Range {
	if op != isa.ToLE {
		r.Bits = r.Bits.Swap(width)
		r.unbound64()
		r.unbound32()
	}
	if width < 64 {
		r.Truncate(width / 8)
	}
	r.Sync()
	r.forgetIfBroken()
	return r
}

// Swap reverses the bytes of the low width bits and clears the others
// (tnum_bswap16, 32 and 64).
func (a Tnum) Swap(width int) Tnum {
	return Tnum{bits.ReverseBytes64(a.Value) >> (64 - width), bits.ReverseBytes64(a.Mask) >> (64 - width)}
}
