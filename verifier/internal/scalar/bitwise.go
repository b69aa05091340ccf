package scalar

import "math"

// and64 takes the minimum from the bits, which know best, and as maximum the
// lesser of the maxima (scalar_min_max_and).
func (r *Range) and64(s *Range) {
	r.Bits = r.Bits.And(s.Bits)
	r.setBitwise64(r.Bits.Value, min(r.UMax, s.UMax))
}

// and32 is scalar32_min_max_and. It reads the bits before the operation.
func (r *Range) and32(s *Range) {
	b := r.Bits.And(s.Bits)
	r.setBitwise32(uint32(b.Value), min(r.U32Max, s.U32Max))
}

// or64 takes the maximum from the bits, and as minimum the greater of the minima
// (scalar_min_max_or).
func (r *Range) or64(s *Range) {
	r.Bits = r.Bits.Or(s.Bits)
	r.setBitwise64(max(r.UMin, s.UMin), r.Bits.Max())
}

// or32 is scalar32_min_max_or.
func (r *Range) or32(s *Range) {
	b := r.Bits.Or(s.Bits)
	r.setBitwise32(max(r.U32Min, s.U32Min), uint32(b.Max()))
}

// xor64 takes both bounds from the bits (scalar_min_max_xor).
func (r *Range) xor64(s *Range) {
	r.Bits = r.Bits.Xor(s.Bits)
	r.setBitwise64(r.Bits.Value, r.Bits.Max())
}

// xor32 is scalar32_min_max_xor.
func (r *Range) xor32(s *Range) {
	b := r.Bits.Xor(s.Bits)
	r.setBitwise32(uint32(b.Value), uint32(b.Max()))
}

// setBitwise64 takes the unsigned bounds of a bitwise operation. Linux makes
// signed ones of them here and learns from the bits; Sync does both.
func (r *Range) setBitwise64(lo, hi uint64) {
	r.UMin, r.UMax = lo, hi
	r.SMin, r.SMax = math.MinInt64, math.MaxInt64
}

func (r *Range) setBitwise32(lo, hi uint32) {
	r.U32Min, r.U32Max = lo, hi
	r.S32Min, r.S32Max = math.MinInt32, math.MaxInt32
}
