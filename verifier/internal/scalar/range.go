package scalar

import "math"

// Range is what is known of a register that holds a number: var_off and the
// bounds of the kernel's bpf_reg_state. Bounds are inclusive. Ranges compare
// with ==. The zero Range is the number 0.
type Range struct {
	Bits           Tnum
	SMin, SMax     int64
	UMin, UMax     uint64
	S32Min, S32Max int32 // of the low half
	U32Min, U32Max uint32
}

// Unknown knows nothing (__mark_reg_unknown).
func Unknown() Range {
	return Range{
		Bits: TnumUnknown(),
		SMin: math.MinInt64, SMax: math.MaxInt64, UMax: math.MaxUint64,
		S32Min: math.MinInt32, S32Max: math.MaxInt32, U32Max: math.MaxUint32,
	}
}

// Const is the number v (__mark_reg_known).
func Const(v uint64) Range {
	return Range{
		Bits: TnumConst(v),
		SMin: int64(v), SMax: int64(v), UMin: v, UMax: v,
		S32Min: int32(v), S32Max: int32(v), U32Min: uint32(v), U32Max: uint32(v),
	}
}

// IsConst reports whether the number is known.
func (r Range) IsConst() bool { return r.Bits.IsConst() }

// IsConst32 reports whether its low half is known.
func (r Range) IsConst32() bool { return r.Bits.IsConst32() }

// Value is the number, if IsConst; else its known bits.
func (r Range) Value() uint64 { return r.Bits.Value }

// Contains reports whether r says of every part at least what o allows: Linux's
// range_within and tnum_in, by which a state that was found safe covers another.
func (r Range) Contains(o Range) bool {
	return r.UMin <= o.UMin && r.UMax >= o.UMax && r.SMin <= o.SMin && r.SMax >= o.SMax &&
		r.U32Min <= o.U32Min && r.U32Max >= o.U32Max && r.S32Min <= o.S32Min && r.S32Max >= o.S32Max &&
		r.Bits.Contains(o.Bits)
}

// Has reports whether the register may hold v.
func (r Range) Has(v uint64) bool {
	return r.Bits.Has(v) && r.UMin <= v && v <= r.UMax && r.SMin <= int64(v) && int64(v) <= r.SMax &&
		r.U32Min <= uint32(v) && uint32(v) <= r.U32Max && r.S32Min <= int32(v) && int32(v) <= r.S32Max
}

// Valid reports whether Broken finds nothing.
func (r Range) Valid() bool { return r.Broken() == "" }

// Broken says what is contradictory about r in the words of
// reg_bounds_sanity_check, or nothing. A broken Range is one of a path that no
// run can take.
func (r Range) Broken() string {
	switch {
	case r.isEmpty():
		return "range bounds violation"
	case r.IsConst() && !r.isExactly(r.Bits.Value):
		return "const tnum out of sync with range bounds"
	case r.IsConst32() && !r.isExactly32(uint32(r.Bits.Value)):
		return "const subreg tnum out of sync with range bounds"
	}
	return ""
}

// forgetIfBroken drops the bounds of a contradictory Range and keeps its bits,
// as reg_bounds_sanity_check does.
func (r *Range) forgetIfBroken() {
	if r.isEmpty() ||
		r.Bits.IsConst() && !r.isExactly(r.Bits.Value) ||
		r.Bits.IsConst32() && !r.isExactly32(uint32(r.Bits.Value)) {
		r.unbound64()
		r.unbound32()
	}
}

func (r *Range) isEmpty() bool {
	return r.UMin > r.UMax || r.SMin > r.SMax || r.U32Min > r.U32Max || r.S32Min > r.S32Max
}

// isConstant reports whether r is what Const makes: IsConst, and no bound says
// otherwise.
func (r *Range) isConstant() bool {
	v := r.Bits.Value
	return r.Bits.Mask == 0 && r.isExactly(v) && r.isExactly32(uint32(v))
}

func (r *Range) isExactly(v uint64) bool {
	return r.UMin == v && r.UMax == v && r.SMin == int64(v) && r.SMax == int64(v)
}

func (r *Range) isExactly32(v uint32) bool {
	return r.U32Min == v && r.U32Max == v && r.S32Min == int32(v) && r.S32Max == int32(v)
}

func (r *Range) unbound64() {
	r.SMin, r.SMax, r.UMin, r.UMax = math.MinInt64, math.MaxInt64, 0, math.MaxUint64
}

func (r *Range) unbound32() {
	r.S32Min, r.S32Max, r.U32Min, r.U32Max = math.MinInt32, math.MaxInt32, 0, math.MaxUint32
}

// setConst32 makes the low half v (__mark_reg32_known).
func (r *Range) setConst32(v uint32) {
	r.Bits = r.Bits.ConstSubreg(v)
	r.S32Min, r.S32Max, r.U32Min, r.U32Max = int32(v), int32(v), v, v
}

// differs is r != o without a call to compare memory.
func (r *Range) differs(o *Range) bool {
	return (r.Bits.Value^o.Bits.Value)|(r.Bits.Mask^o.Bits.Mask)|
		uint64(r.SMin^o.SMin)|uint64(r.SMax^o.SMax)|(r.UMin^o.UMin)|(r.UMax^o.UMax) != 0 ||
		uint32(r.S32Min^o.S32Min)|uint32(r.S32Max^o.S32Max)|(r.U32Min^o.U32Min)|(r.U32Max^o.U32Max) != 0
}
