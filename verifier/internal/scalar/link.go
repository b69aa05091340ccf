package scalar

import (
	"math"

	"github.com/skepdev/skep/isa"
)

// Delta is the constant by which "dst op= src" moves dst, if Linux keeps it to
// learn of one number from another: additions and subtractions of an int32, on
// w registers only of a number that fits 32 bits. dst is the number before the
// operation. It is the last part of adjust_reg_min_max_vals; Linux 6.18 has it
// for w registers, subtractions and negative constants from a later stable
// release.
func Delta(op uint8, is64 bool, dst, src *Range) (delta int32, ok bool) {
	v := int64(src.Bits.Value)
	switch {
	case op != isa.OpAdd && op != isa.OpSub:
		return 0, false
	case is64:
		if !src.IsConst() || v != int64(int32(v)) {
			return 0, false
		}
	case !src.IsConst32() || dst.UMax > math.MaxUint32:
		return 0, false
	}
	delta = int32(v)
	if op == isa.OpSub {
		return -delta, delta != math.MinInt32
	}
	return delta, true
}

// Linked is a number that is delta more than one that became better known
// (sync_linked_regs). If narrow, the sum is one of w registers.
func Linked(known Range, delta int64, narrow bool) Range {
	d := Const(uint64(delta))
	known.add32(&d)
	known.add64(&d)
	known.Bits = known.Bits.Add(d.Bits)
	if narrow {
		known.assign32()
	}
	known.Sync()
	return known
}
