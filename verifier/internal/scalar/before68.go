package scalar

import "math"

// What is known of numbers before Linux 6.8. Nothing passes between the whole
// and its low half but through the known bits; a range is compared with a
// constant only.

// syncOld is reg_bounds_sync of Linux 6.1.
func (r *Range) syncOld() {
	r.update32()
	r.update64Old()
	r.deduceOld32()
	r.deduceOld64()
	r.boundBits()
	r.update32()
	r.update64Old()
}

// update64Old is update64 without findOnly.
func (r *Range) update64Old() {
	value, mask := r.Bits.Value, r.Bits.Mask
	r.SMin = max(r.SMin, int64(value|mask&(1<<63)))
	r.SMax = min(r.SMax, int64(value|mask&math.MaxInt64))
	r.UMin = max(r.UMin, value)
	r.UMax = min(r.UMax, value|mask)
}

// deduceOld64 is __reg64_deduce_bounds: where either pair of bounds stays on one
// side of the sign, signed and unsigned are the same.
func (r *Range) deduceOld64() {
	lo, hi := max(uint64(r.SMin), r.UMin), min(uint64(r.SMax), r.UMax)
	switch {
	case r.SMin >= 0 || r.SMax < 0:
		r.SMin, r.UMin = int64(lo), lo
		r.SMax, r.UMax = int64(hi), hi
	case int64(r.UMax) >= 0:
		r.SMin = int64(r.UMin)
		r.SMax, r.UMax = int64(hi), hi
	case int64(r.UMin) < 0:
		r.SMin, r.UMin = int64(lo), lo
		r.SMax = int64(r.UMax)
	}
}

// deduceOld32 is __reg32_deduce_bounds.
func (r *Range) deduceOld32() {
	lo, hi := max(uint32(r.S32Min), r.U32Min), min(uint32(r.S32Max), r.U32Max)
	switch {
	case r.S32Min >= 0 || r.S32Max < 0:
		r.S32Min, r.U32Min = int32(lo), lo
		r.S32Max, r.U32Max = int32(hi), hi
	case int32(r.U32Max) >= 0:
		r.S32Min = int32(r.U32Min)
		r.S32Max, r.U32Max = int32(hi), hi
	case int32(r.U32Min) < 0:
		r.S32Min, r.U32Min = int32(lo), lo
		r.S32Max = int32(r.U32Max)
	}
}

// combine32 passes what was learned of the low half on to the whole
// (__reg_combine_32_into_64): all of it if the high half is zero, else only
// through the bits, and the whole's bounds are lost.
func (r *Range) combine32() {
	if r.Bits.ClearSubreg() == TnumConst(0) {
		r.assign32()
	} else {
		r.unbound64()
	}
	r.syncOld()
}

// combine64 passes what was learned of the whole on to the low half, if it fits
// (__reg_combine_64_into_32).
func (r *Range) combine64() {
	r.unbound32()
	if r.SMin >= math.MinInt32 && r.SMin <= math.MaxInt32 && r.SMax >= math.MinInt32 && r.SMax <= math.MaxInt32 {
		r.S32Min, r.S32Max = int32(r.SMin), int32(r.SMax)
	}
	if r.UMin <= math.MaxUint32 && r.UMax <= math.MaxUint32 {
		r.U32Min, r.U32Max = uint32(r.UMin), uint32(r.UMax)
	}
	r.syncOld()
}

// truncateOld is coerce_reg_to_size, which leaves the low half as it is where
// all of it is kept.
func (r *Range) truncateOld(bytes int) {
	r.cut(bytes)
	if bytes < 4 {
		r.combine64()
	}
}
