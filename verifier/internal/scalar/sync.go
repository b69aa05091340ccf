package scalar

import "math"

// Sync lets bits and bounds learn from each other: reg_bounds_sync of Linux
// 6.18. It is not run to a fixed point, so a second Sync may learn more.
func (r *Range) Sync() {
	if r.isConstant() {
		return
	}
	r.update()
	for range 3 {
		if !r.deduce() {
			break // the other rounds would not either
		}
	}
	r.boundBits()
	r.update()
}

// update tightens the bounds by the known bits (__update_reg_bounds).
func (r *Range) update() {
	r.update32()
	r.update64()
}

func (r *Range) update32() {
	value, mask := uint32(r.Bits.Value), uint32(r.Bits.Mask)
	r.S32Min = max(r.S32Min, int32(value|mask&(1<<31)))
	r.S32Max = min(r.S32Max, int32(value|mask&math.MaxInt32))
	r.U32Min = max(r.U32Min, value)
	r.U32Max = min(r.U32Max, value|mask)
}

func (r *Range) update64() {
	value, mask := r.Bits.Value, r.Bits.Mask
	r.SMin = max(r.SMin, int64(value|mask&(1<<63)))
	r.SMax = min(r.SMax, int64(value|mask&math.MaxInt64))
	r.UMin = max(r.UMin, value)
	r.UMax = min(r.UMax, value|mask)
	r.findOnly()
}

// findOnly makes the number known if the unsigned bounds hold a single number
// that has the known bits. Linux does in __update_reg64_bounds, 6.18 from a
// later stable release.
func (r *Range) findOnly() {
	next := r.Bits.next(r.UMin)
	switch {
	case r.Bits.Has(r.UMin):
		if next > r.UMax {
			*r = Const(r.UMin)
		}
	case next == r.Bits.Max(), next <= r.UMax && r.Bits.next(next) > r.UMax:
		*r = Const(next)
	}
}

// deduce lets the bounds learn from each other (__reg_deduce_bounds) and
// reports whether any changed.
func (r *Range) deduce() bool {
	before := *r
	r.deduce32From64()
	r.deduce32()
	r.deduce64()
	r.deduceMixed()
	return r.differs(&before)
}

// deduce32From64 is the first half of __reg32_deduce_bounds: bounds of the whole
// bound the low half while the high half stays the same, or steps by one and
// the low half goes from negative to positive.
func (r *Range) deduce32From64() {
	if lo, hi := r.UMin>>32, r.UMax>>32; lo == hi {
		r.intersectU32(uint32(r.UMin), uint32(r.UMax))
		if int32(r.UMin) <= int32(r.UMax) {
			r.intersectS32(int32(r.UMin), int32(r.UMax))
		}
	}
	if lo, hi := r.SMin>>32, r.SMax>>32; lo == hi {
		if uint32(r.SMin) <= uint32(r.SMax) {
			r.intersectU32(uint32(r.SMin), uint32(r.SMax))
		}
		if int32(r.SMin) <= int32(r.SMax) {
			r.intersectS32(int32(r.SMin), int32(r.SMax))
		}
	}
	if uint32(r.UMin>>32)+1 == uint32(r.UMax>>32) && int32(r.UMin) < 0 && int32(r.UMax) >= 0 {
		r.intersectS32(int32(r.UMin), int32(r.UMax))
	}
	if uint32(r.SMin>>32)+1 == uint32(r.SMax>>32) && int32(r.SMin) < 0 && int32(r.SMax) >= 0 {
		r.intersectS32(int32(r.SMin), int32(r.SMax))
	}
}

func (r *Range) intersectU32(lo, hi uint32) {
	r.U32Min, r.U32Max = max(r.U32Min, lo), min(r.U32Max, hi)
}

func (r *Range) intersectS32(lo, hi int32) {
	r.S32Min, r.S32Max = max(r.S32Min, lo), min(r.S32Max, hi)
}

func (r *Range) intersectU64(lo, hi uint64) { r.UMin, r.UMax = max(r.UMin, lo), min(r.UMax, hi) }
func (r *Range) intersectS64(lo, hi int64)  { r.SMin, r.SMax = max(r.SMin, lo), min(r.SMax, hi) }

// deduce32 is the second half of __reg32_deduce_bounds. Signed and unsigned
// bounds are the same where they stay on one side of the sign; a signed range
// over zero is two pieces of the unsigned line, and if the unsigned bounds touch
// only one of them the other is out.
func (r *Range) deduce32() {
	if int32(r.U32Min) <= int32(r.U32Max) {
		r.intersectS32(int32(r.U32Min), int32(r.U32Max))
	}
	switch {
	case uint32(r.S32Min) <= uint32(r.S32Max):
		r.intersectU32(uint32(r.S32Min), uint32(r.S32Max))
	case r.U32Max < uint32(r.S32Min):
		r.S32Min = int32(r.U32Min)
		r.U32Max = min(r.U32Max, uint32(r.S32Max))
	case uint32(r.S32Max) < r.U32Min:
		r.S32Max = int32(r.U32Max)
		r.U32Min = max(r.U32Min, uint32(r.S32Min))
	}
}

// deduce64 is __reg64_deduce_bounds: deduce32 for the whole.
func (r *Range) deduce64() {
	if int64(r.UMin) <= int64(r.UMax) {
		r.intersectS64(int64(r.UMin), int64(r.UMax))
	}
	switch {
	case uint64(r.SMin) <= uint64(r.SMax):
		r.intersectU64(uint64(r.SMin), uint64(r.SMax))
	case r.UMax < uint64(r.SMin):
		r.SMin = int64(r.UMin)
		r.UMax = min(r.UMax, uint64(r.SMax))
	case uint64(r.SMax) < r.UMin:
		r.SMax = int64(r.UMax)
		r.UMin = max(r.UMin, uint64(r.SMin))
	}
}

// deduceMixed bounds the whole by its low half (__reg_deduce_mixed_bounds): the
// low half of a 64-bit bound can be replaced by the bound of the low half.
func (r *Range) deduceMixed() {
	const high = uint64(math.MaxUint32) << 32
	r.intersectU64(r.UMin&high|uint64(r.U32Min), r.UMax&high|uint64(r.U32Max))
	r.intersectS64(int64(uint64(r.SMin)&high|uint64(r.U32Min)), int64(uint64(r.SMax)&high|uint64(r.U32Max)))

	if lo, hi := uint32(r.S32Min), uint32(r.S32Max); lo <= hi {
		r.intersectU64(r.UMin&high|uint64(lo), r.UMax&high|uint64(hi))
		r.intersectS64(int64(uint64(r.SMin)&high|uint64(lo)), int64(uint64(r.SMax)&high|uint64(hi)))
	}

	// After a sign extension: a number that fits an int32 and whose low half is
	// not negative is that low half.
	if r.S32Min >= 0 && r.SMin >= math.MinInt32 && r.SMax <= math.MaxInt32 {
		r.SMin, r.SMax = int64(r.S32Min), int64(r.S32Max)
		r.UMin, r.UMax = uint64(r.S32Min), uint64(r.S32Max)
		r.Bits = r.Bits.Intersect(TnumRange(r.UMin, r.UMax))
	}
}

// boundBits learns leading bits from the unsigned bounds (__reg_bound_offset).
func (r *Range) boundBits() {
	whole := r.Bits.Intersect(TnumRange(r.UMin, r.UMax))
	low := whole.Subreg().Intersect(TnumRange(uint64(r.U32Min), uint64(r.U32Max)))
	r.Bits = whole.ClearSubreg().Or(low)
}
