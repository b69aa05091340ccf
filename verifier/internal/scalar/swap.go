package scalar

import (
	"math/bits"

	"github.com/skepdev/skep/isa"
)

// Swap is what a register holds after a byte-order instruction. op is the
// instruction's opcode (isa.ToLE, isa.ToBE or isa.Bswap) and width its 16, 32 or
// 64; the machine is little-endian.
//
// Linux 6.18 forgets the number whatever it is. A constant is kept here, and the
// width of what was narrowed.
func Swap(op uint8, width int, r Range) Range {
	if !r.IsConst() {
		u := Unknown()
		if width < 64 {
			u.Truncate(width / 8)
		}
		return u
	}
	v := r.Value()
	if op != isa.ToLE {
		v = bits.ReverseBytes64(v) >> (64 - width)
	}
	return Const(v << (64 - width) >> (64 - width))
}
