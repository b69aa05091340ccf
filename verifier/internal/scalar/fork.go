package scalar

import (
	"math"

	"github.com/skepdev/skep/isa"
)

// Fork splits a number that is 0 or -1, the mask that compilers make of a
// comparison, before an AND or OR with a constant: Linux follows both values on
// their own (maybe_fork_scalars). ok tells whether it does; then zero is to be
// queued in front of the same instruction, and ones goes on.
func Fork(op uint8, dst, src *Range) (zero, ones Range, ok bool) {
	if op != isa.OpAnd && op != isa.OpOr || !src.IsConst() {
		return zero, ones, false
	}
	switch {
	case dst.SMin == -1 && dst.SMax == 0:
		return Const(0), Const(math.MaxUint64), true
	case dst.S32Min == -1 && dst.S32Max == 0:
		zero, ones = *dst, *dst
		zero.setConst32(0)
		ones.setConst32(math.MaxUint32)
		return zero, ones, true
	}
	return zero, ones, false
}
