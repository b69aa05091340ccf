package scalar

import "github.com/skepdev/skep/isa"

// known is the number that is compared, if r has but one.
func (r *Range) known(is32 bool) (v uint64, ok bool) {
	if is32 {
		return uint64(uint32(r.Bits.Value)), r.IsConst32()
	}
	return r.Bits.Value, r.IsConst()
}

// outcomeOld is is_branch_taken, which knows comparisons with a constant: on the
// right; since 6.4 on the left too, and that a number outside of the bounds is
// not equal.
func (e Era) outcomeOld(op uint8, is32 bool, a, b *Range) int {
	v, ok := b.known(is32)
	if !ok && e >= linux6_4 {
		a, b, op = b, a, Flip(op)
		v, ok = b.known(is32)
	}
	if !ok {
		return Maybe
	}
	c := Const(v)
	if op != isa.OpJEQ && op != isa.OpJNE {
		return Outcome(op, is32, a, &c)
	}
	taken := e.equalOld(is32, a, &c)
	if op == isa.OpJNE {
		return not(taken)
	}
	return taken
}

func (e Era) equalOld(is32 bool, a, c *Range) int {
	if v, ok := a.known(is32); ok {
		w, _ := c.known(is32)
		return when(v == w, v != w)
	}
	outside := a.UMin > c.UMax || a.UMax < c.UMin || a.SMin > c.SMax || a.SMax < c.SMin
	if is32 {
		outside = a.U32Min > c.U32Max || a.U32Max < c.U32Min || a.S32Min > c.S32Max || a.S32Max < c.S32Min
	}
	return when(false, outside && e >= linux6_4)
}

// refineOld is what "a op b" teaches if it is holds (reg_set_min_max,
// reg_set_min_max_inv, reg_combine_min_max): of the side that is compared with a
// constant, or of two that are equal.
func refineOld(op uint8, is32 bool, a, b *Range, holds bool) {
	if v, ok := b.known(is32); ok {
		a.narrowOld(op, is32, v, holds)
		return
	}
	if v, ok := a.known(is32); ok {
		b.narrowOld(Flip(op), is32, v, holds)
		return
	}
	if equal := op == isa.OpJEQ && holds || op == isa.OpJNE && !holds; !equal || is32 {
		return
	}
	a.intersectU64(b.UMin, b.UMax)
	a.intersectS64(b.SMin, b.SMax)
	b.UMin, b.UMax, b.SMin, b.SMax = a.UMin, a.UMax, a.SMin, a.SMax
	a.Bits = a.Bits.Intersect(b.Bits)
	b.Bits = a.Bits
	a.syncOld()
	b.syncOld()
}

// narrowOld is one half of reg_set_min_max. That a number is not v teaches
// nothing.
func (r *Range) narrowOld(op uint8, is32 bool, v uint64, holds bool) {
	c := Const(v)
	switch equal := op == isa.OpJEQ && holds || op == isa.OpJNE && !holds; {
	case equal && is32:
		r.setConst32(uint32(v))
	case equal:
		*r = c
	case op == isa.OpJEQ, op == isa.OpJNE:
	case op == isa.OpJSET && holds:
		refineSet(is32, r, &c)
	case op == isa.OpJSET:
		refineClear(is32, r, &c)
	default:
		if !holds {
			op = contrary[op>>4]
		}
		refine(op, is32, r, &c)
	}
	if is32 {
		r.combine32()
	} else {
		r.combine64()
	}
}
