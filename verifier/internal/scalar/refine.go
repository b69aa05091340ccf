package scalar

import "github.com/skepdev/skep/isa"

// Refine is what a comparison teaches of both sides: ta and tb hold where
// "a op b" is true and the jump taken, fa and fb where it is not. It is
// reg_set_min_max: regs_refine_cond_op, reg_bounds_sync and the sanity check,
// after which an outcome that cannot be has lost its bounds. Ask Taken first.
func Refine(op uint8, is32 bool, a, b Range) (ta, tb, fa, fb Range) {
	ta, tb, fa, fb = a, b, a, b
	Assume(op, is32, &ta, &tb)
	Deny(op, is32, &fa, &fb)
	return ta, tb, fa, fb
}

// Assume refines a and b by "a op b" in place. They may be the same register,
// of which an outcome that can be leaves everything as it was.
func Assume(op uint8, is32 bool, a, b *Range) {
	refine(op, is32, a, b)
	settle(a, b)
}

// Deny refines a and b by the contrary of "a op b" in place. They may be the
// same register.
func Deny(op uint8, is32 bool, a, b *Range) {
	if op == isa.OpJSET {
		refineClear(is32, a, b)
	} else {
		refine(contrary[op>>4], is32, a, b)
	}
	settle(a, b)
}

// contrary is the comparison that holds where another does not; JSET has none.
var contrary = [16]uint8{
	isa.OpJEQ >> 4: isa.OpJNE, isa.OpJNE >> 4: isa.OpJEQ,
	isa.OpJGT >> 4: isa.OpJLE, isa.OpJLE >> 4: isa.OpJGT, isa.OpJGE >> 4: isa.OpJLT, isa.OpJLT >> 4: isa.OpJGE,
	isa.OpJSGT >> 4: isa.OpJSLE, isa.OpJSLE >> 4: isa.OpJSGT, isa.OpJSGE >> 4: isa.OpJSLT, isa.OpJSLT >> 4: isa.OpJSGE,
}

// flipped is the comparison with its sides exchanged.
var flipped = [16]uint8{
	isa.OpJEQ >> 4: isa.OpJEQ, isa.OpJNE >> 4: isa.OpJNE, isa.OpJSET >> 4: isa.OpJSET,
	isa.OpJGE >> 4: isa.OpJLE, isa.OpJGT >> 4: isa.OpJLT, isa.OpJLE >> 4: isa.OpJGE, isa.OpJLT >> 4: isa.OpJGT,
	isa.OpJSGE >> 4: isa.OpJSLE, isa.OpJSGT >> 4: isa.OpJSLT, isa.OpJSLE >> 4: isa.OpJSGE, isa.OpJSLT >> 4: isa.OpJSGT,
}

// Flip is the comparison that says of "b op a" what op says of "a op b".
func Flip(op uint8) uint8 { return flipped[op>>4] }

func settle(a, b *Range) {
	a.Sync()
	b.Sync()
	a.forgetIfBroken()
	b.forgetIfBroken()
}

// refine is regs_refine_cond_op.
func refine(op uint8, is32 bool, a, b *Range) {
	switch op {
	case isa.OpJEQ:
		refineEqual(is32, a, b)
	case isa.OpJNE:
		refineUnequal(is32, a, b)
	case isa.OpJSET:
		refineSet(is32, a, b)
	case isa.OpJLE:
		refineBelow(is32, a, b, 0)
	case isa.OpJLT:
		refineBelow(is32, a, b, 1)
	case isa.OpJGE:
		refineBelow(is32, b, a, 0)
	case isa.OpJGT:
		refineBelow(is32, b, a, 1)
	case isa.OpJSLE:
		refineLess(is32, a, b, 0)
	case isa.OpJSLT:
		refineLess(is32, a, b, 1)
	case isa.OpJSGE:
		refineLess(is32, b, a, 0)
	case isa.OpJSGT:
		refineLess(is32, b, a, 1)
	}
}

// refineEqual gives both sides what either knows.
func refineEqual(is32 bool, a, b *Range) {
	if is32 {
		a.intersectU32(b.U32Min, b.U32Max)
		a.intersectS32(b.S32Min, b.S32Max)
		b.U32Min, b.U32Max, b.S32Min, b.S32Max = a.U32Min, a.U32Max, a.S32Min, a.S32Max
		low := a.Bits.Subreg().Intersect(b.Bits.Subreg())
		a.Bits, b.Bits = a.Bits.WithSubreg(low), b.Bits.WithSubreg(low)
		return
	}
	a.intersectU64(b.UMin, b.UMax)
	a.intersectS64(b.SMin, b.SMax)
	b.UMin, b.UMax, b.SMin, b.SMax = a.UMin, a.UMax, a.SMin, a.SMax
	a.Bits = a.Bits.Intersect(b.Bits)
	b.Bits = a.Bits
}

// refineUnequal moves a bound that is exactly the constant one inwards.
func refineUnequal(is32 bool, a, b *Range) {
	a, v, ok := against(is32, a, b)
	switch {
	case !ok:
	case is32:
		lo, hi := uint32(v), int32(v)
		if a.U32Min == lo {
			a.U32Min++
		}
		if a.U32Max == lo {
			a.U32Max--
		}
		if a.S32Min == hi {
			a.S32Min++
		}
		if a.S32Max == hi {
			a.S32Max--
		}
	default:
		if a.UMin == v {
			a.UMin++
		}
		if a.UMax == v {
			a.UMax--
		}
		if a.SMin == int64(v) {
			a.SMin++
		}
		if a.SMax == int64(v) {
			a.SMax--
		}
	}
}

// refineSet learns from a & b != 0 if the constant is one bit.
func refineSet(is32 bool, a, b *Range) {
	a, v, ok := against(is32, a, b)
	if ok && v != 0 && v&(v-1) == 0 {
		a.Bits = a.Bits.Or(TnumConst(v))
	}
}

// refineClear learns from a & b == 0 that the constant's bits are zero. Linux
// forgets the bounds before, so that a dead branch is not contradictory.
func refineClear(is32 bool, a, b *Range) {
	a, v, ok := against(is32, a, b)
	if ok {
		a.unbound64()
		a.unbound32()
		a.Bits = Tnum{a.Bits.Value &^ v, a.Bits.Mask &^ v}
	}
}

// against returns the side that is not the constant, and the constant. If both
// are it is b's.
func against(is32 bool, a, b *Range) (x *Range, v uint64, ok bool) {
	isConst := Range.IsConst
	if is32 {
		isConst = Range.IsConst32
	}
	if !isConst(*b) {
		a, b = b, a
	}
	v = b.Bits.Value
	if is32 {
		v = uint64(uint32(v))
	}
	return a, v, isConst(*b)
}

// refineBelow is a <= b - gap, unsigned.
func refineBelow(is32 bool, a, b *Range, gap uint32) {
	if is32 {
		a.U32Max = min(a.U32Max, b.U32Max-gap)
		b.U32Min = max(a.U32Min+gap, b.U32Min)
		return
	}
	a.UMax = min(a.UMax, b.UMax-uint64(gap))
	b.UMin = max(a.UMin+uint64(gap), b.UMin)
}

// refineLess is a <= b - gap, signed.
func refineLess(is32 bool, a, b *Range, gap int32) {
	if is32 {
		a.S32Max = min(a.S32Max, b.S32Max-gap)
		b.S32Min = max(a.S32Min+gap, b.S32Min)
		return
	}
	a.SMax = min(a.SMax, b.SMax-int64(gap))
	b.SMin = max(a.SMin+int64(gap), b.SMin)
}
