package scalar

import (
	"math"
	"math/bits"
)

// add64 adds bounds to bounds (scalar_min_max_add). The unsigned sum wraps for
// all values or for none of them, or else nothing is known.
func (r *Range) add64(s *Range) {
	lo, hi := r.SMin+s.SMin, r.SMax+s.SMax
	if addOverflows(r.SMin, s.SMin, lo) || addOverflows(r.SMax, s.SMax, hi) {
		lo, hi = math.MinInt64, math.MaxInt64
	}
	r.SMin, r.SMax = lo, hi

	ulo, carryLo := bits.Add64(r.UMin, s.UMin, 0)
	uhi, carryHi := bits.Add64(r.UMax, s.UMax, 0)
	if carryLo != carryHi {
		ulo, uhi = 0, math.MaxUint64
	}
	r.UMin, r.UMax = ulo, uhi
}

// add32 is scalar32_min_max_add.
func (r *Range) add32(s *Range) {
	r.setS32(int64(r.S32Min)+int64(s.S32Min), int64(r.S32Max)+int64(s.S32Max))
	lo, hi := uint64(r.U32Min)+uint64(s.U32Min), uint64(r.U32Max)+uint64(s.U32Max)
	if lo>>32 != hi>>32 {
		lo, hi = 0, math.MaxUint32
	}
	r.U32Min, r.U32Max = uint32(lo), uint32(hi)
}

// sub64 is scalar_min_max_sub.
func (r *Range) sub64(s *Range) {
	lo, hi := r.SMin-s.SMax, r.SMax-s.SMin
	if subOverflows(r.SMin, s.SMax, lo) || subOverflows(r.SMax, s.SMin, hi) {
		lo, hi = math.MinInt64, math.MaxInt64
	}
	r.SMin, r.SMax = lo, hi

	ulo, borrowLo := bits.Sub64(r.UMin, s.UMax, 0)
	uhi, borrowHi := bits.Sub64(r.UMax, s.UMin, 0)
	if borrowLo != borrowHi {
		ulo, uhi = 0, math.MaxUint64
	}
	r.UMin, r.UMax = ulo, uhi
}

// sub32 is scalar32_min_max_sub.
func (r *Range) sub32(s *Range) {
	r.setS32(int64(r.S32Min)-int64(s.S32Max), int64(r.S32Max)-int64(s.S32Min))
	lo, hi := uint64(r.U32Min)-uint64(s.U32Max), uint64(r.U32Max)-uint64(s.U32Min)
	if lo>>32 != hi>>32 {
		lo, hi = 0, math.MaxUint32
	}
	r.U32Min, r.U32Max = uint32(lo), uint32(hi)
}

// mul64 multiplies bounds; where a product overflows nothing is known
// (scalar_min_max_mul).
func (r *Range) mul64(s *Range) {
	over1, ulo := bits.Mul64(r.UMin, s.UMin)
	over2, uhi := bits.Mul64(r.UMax, s.UMax)
	if over1|over2 != 0 {
		ulo, uhi = 0, math.MaxUint64
	}
	r.UMin, r.UMax = ulo, uhi

	a, overA := mulS64(r.SMin, s.SMin)
	b, overB := mulS64(r.SMin, s.SMax)
	c, overC := mulS64(r.SMax, s.SMin)
	d, overD := mulS64(r.SMax, s.SMax)
	r.SMin, r.SMax = min(a, b, c, d), max(a, b, c, d)
	if overA || overB || overC || overD {
		r.SMin, r.SMax = math.MinInt64, math.MaxInt64
	}
}

// mul32 is scalar32_min_max_mul.
func (r *Range) mul32(s *Range) {
	lo, hi := uint64(r.U32Min)*uint64(s.U32Min), uint64(r.U32Max)*uint64(s.U32Max)
	if hi > math.MaxUint32 || lo > math.MaxUint32 {
		lo, hi = 0, math.MaxUint32
	}
	r.U32Min, r.U32Max = uint32(lo), uint32(hi)

	a, b := int64(r.S32Min)*int64(s.S32Min), int64(r.S32Min)*int64(s.S32Max)
	c, d := int64(r.S32Max)*int64(s.S32Min), int64(r.S32Max)*int64(s.S32Max)
	r.setS32(min(a, b, c, d), max(a, b, c, d))
}

// setS32 takes bounds of the low half that were computed without overflow.
func (r *Range) setS32(lo, hi int64) {
	if lo < math.MinInt32 || lo > math.MaxInt32 || hi < math.MinInt32 || hi > math.MaxInt32 {
		lo, hi = math.MinInt32, math.MaxInt32
	}
	r.S32Min, r.S32Max = int32(lo), int32(hi)
}

func addOverflows(a, b, sum int64) bool  { return (a^sum)&(b^sum) < 0 }
func subOverflows(a, b, diff int64) bool { return (a^b)&(a^diff) < 0 }

func mulS64(a, b int64) (product int64, overflows bool) {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	// The high word is that of an unsigned product; correct it for signs.
	h := int64(hi) - (a>>63)&b - (b>>63)&a
	return int64(lo), h != int64(lo)>>63
}
