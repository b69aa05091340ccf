package scalar

import (
	"math"

	"github.com/skepdev/skep/isa"
)

// applyOld is adjust_scalar_min_max_vals of Linux 6.1: of products, disjunctions
// and shifts nothing is known unless src is. Where src is, a quotient is
// unknown too, but on w registers it has 32 bits.
func (r *Range) applyOld(op uint8, is64 bool, src *Range) {
	s := *src
	known := s.IsConst()
	if !is64 {
		known = s.IsConst32()
	}
	counts := op == isa.OpAdd || op == isa.OpSub || op == isa.OpAnd // with unknown numbers, too
	if s.contradictsOld(is64) || !known && !counts {
		*r = Unknown()
		return
	}
	switch op {
	case isa.OpAdd:
		r.addOld32(&s)
		r.addOld64(&s)
		r.Bits = r.Bits.Add(s.Bits)
	case isa.OpSub:
		r.subOld32(&s)
		r.subOld64(&s)
		r.Bits = r.Bits.Sub(s.Bits)
	case isa.OpMul:
		r.Bits = r.Bits.mulOld(s.Bits)
		r.mulOld32(&s)
		r.mulOld64(&s)
	case isa.OpAnd, isa.OpOr, isa.OpXor:
		r.bitwiseOld(op, &s)
	case isa.OpLsh, isa.OpRsh, isa.OpArsh:
		r.shiftOld(op, is64, &s)
	default:
		*r = Unknown()
	}
	if !is64 {
		r.assign32()
	}
	r.syncOld()
}

// contradictsOld reports an operand of a path that no run can take.
func (r *Range) contradictsOld(is64 bool) bool {
	if is64 {
		return r.SMin > r.SMax || r.UMin > r.UMax || r.IsConst() && (r.SMin != r.SMax || r.UMin != r.UMax)
	}
	return r.S32Min > r.S32Max || r.U32Min > r.U32Max || r.IsConst32() && (r.S32Min != r.S32Max || r.U32Min != r.U32Max)
}

// shiftOld leaves the low half's bounds as its bits have them, for assign32 to
// take.
func (r *Range) shiftOld(op uint8, is64 bool, s *Range) {
	switch {
	case is64 && s.UMax < 64:
		r.alu64(op, s)
	case !is64 && s.UMax < 32:
		r.alu32(op, s)
		r.update32()
	default:
		*r = Unknown()
	}
}

// addOld64 is add64 that gives up wherever a bound wraps.
func (r *Range) addOld64(s *Range) {
	wraps := r.UMin+s.UMin < s.UMin || r.UMax+s.UMax < s.UMax
	r.add64(s)
	if wraps {
		r.UMin, r.UMax = 0, math.MaxUint64
	}
}

func (r *Range) addOld32(s *Range) {
	wraps := r.U32Min+s.U32Min < s.U32Min || r.U32Max+s.U32Max < s.U32Max
	r.add32(s)
	if wraps {
		r.U32Min, r.U32Max = 0, math.MaxUint32
	}
}

func (r *Range) subOld64(s *Range) {
	wraps := r.UMin < s.UMax
	r.sub64(s)
	if wraps {
		r.UMin, r.UMax = 0, math.MaxUint64
	}
}

func (r *Range) subOld32(s *Range) {
	wraps := r.U32Min < s.U32Max
	r.sub32(s)
	if wraps {
		r.U32Min, r.U32Max = 0, math.MaxUint32
	}
}

// mulOld64 multiplies numbers that are not negative and fit half the width.
func (r *Range) mulOld64(s *Range) {
	if s.SMin < 0 || r.SMin < 0 || s.UMax > math.MaxUint32 || r.UMax > math.MaxUint32 {
		r.unbound64()
		return
	}
	r.UMin, r.UMax = r.UMin*s.UMin, r.UMax*s.UMax
	r.SMin, r.SMax = int64(r.UMin), int64(r.UMax)
	if r.UMax > math.MaxInt64 {
		r.SMin, r.SMax = math.MinInt64, math.MaxInt64
	}
}

func (r *Range) mulOld32(s *Range) {
	if s.S32Min < 0 || r.S32Min < 0 || s.U32Max > math.MaxUint16 || r.U32Max > math.MaxUint16 {
		r.unbound32()
		return
	}
	r.U32Min, r.U32Max = r.U32Min*s.U32Min, r.U32Max*s.U32Max
	r.S32Min, r.S32Max = int32(r.U32Min), int32(r.U32Max)
	if r.U32Max > math.MaxInt32 {
		r.S32Min, r.S32Max = math.MinInt32, math.MaxInt32
	}
}

// mulOld is tnum_mul of Linux 6.1: the product of the known bits, plus what each
// unknown bit may add.
func (a Tnum) mulOld(b Tnum) Tnum {
	product := TnumConst(a.Value * b.Value)
	var sum Tnum
	for a.Value|a.Mask != 0 {
		switch {
		case a.Value&1 != 0:
			sum = sum.Add(Tnum{0, b.Mask})
		case a.Mask&1 != 0:
			sum = sum.Add(Tnum{0, b.Value | b.Mask})
		}
		a, b = a.Rsh(1), b.Lsh(1)
	}
	return product.Add(sum)
}

// bitwiseOld keeps signed bounds only of two numbers that are not negative.
func (r *Range) bitwiseOld(op uint8, s *Range) {
	signless, signless32 := r.SMin >= 0 && s.SMin >= 0, r.S32Min >= 0 && s.S32Min >= 0
	switch op {
	case isa.OpAnd:
		r.Bits = r.Bits.And(s.Bits)
		r.U32Min, r.U32Max = uint32(r.Bits.Value), min(r.U32Max, s.U32Max)
		r.UMin, r.UMax = r.Bits.Value, min(r.UMax, s.UMax)
	case isa.OpOr:
		r.Bits = r.Bits.Or(s.Bits)
		r.U32Min, r.U32Max = max(r.U32Min, s.U32Min), uint32(r.Bits.Max())
		r.UMin, r.UMax = max(r.UMin, s.UMin), r.Bits.Max()
	case isa.OpXor:
		r.Bits = r.Bits.Xor(s.Bits)
		r.U32Min, r.U32Max = uint32(r.Bits.Value), uint32(r.Bits.Max())
		r.UMin, r.UMax = r.Bits.Value, r.Bits.Max()
	}
	r.SMin, r.SMax = math.MinInt64, math.MaxInt64
	if signless {
		r.SMin, r.SMax = int64(r.UMin), int64(r.UMax)
	}
	r.S32Min, r.S32Max = math.MinInt32, math.MaxInt32
	if signless32 {
		r.S32Min, r.S32Max = int32(r.U32Min), int32(r.U32Max)
	}
	if r.IsConst32() && s.IsConst32() {
		r.setConst32(uint32(r.Bits.Value))
	}
	if r.IsConst() && s.IsConst() {
		*r = Const(r.Bits.Value)
		return
	}
	r.update32()
	r.update64Old()
}
