package scalar

import "math"

// ZeroExtend32 makes the low half the whole, as every write to a w register
// does (zext_32_to_64 and reg_bounds_sync).
func (r *Range) ZeroExtend32() {
	r.assign32()
	r.Sync()
}

// assign32 is zext_32_to_64.
func (r *Range) assign32() {
	r.Bits = r.Bits.Subreg()
	r.UMin, r.UMax = uint64(r.U32Min), uint64(r.U32Max)
	r.SMin, r.SMax = 0, math.MaxUint32
	if r.S32Min >= 0 && r.S32Max >= 0 {
		r.SMin, r.SMax = int64(r.S32Min), int64(r.S32Max)
	}
}

// Truncate keeps the low 1, 2 or 4 bytes and clears the others, as a narrow
// load does (coerce_reg_to_size).
func (r *Range) Truncate(bytes int) {
	r.cut(bytes)
	if bytes < 4 {
		r.unbound32()
	}
	r.Sync()
}

// cut keeps the low bytes of what is known of the whole; the low half's own
// bounds stay as they are.
func (r *Range) cut(bytes int) {
	r.Bits = r.Bits.Cast(bytes)
	mask := uint64(1)<<(8*bytes) - 1
	if r.UMin&^mask == r.UMax&^mask {
		r.UMin, r.UMax = r.UMin&mask, r.UMax&mask
	} else {
		r.UMin, r.UMax = 0, mask
	}
	r.SMin, r.SMax = int64(r.UMin), int64(r.UMax)
}

// SignExtend copies the sign of the low 1, 2 or 4 bytes to all bits above, as
// r1 = (s8)r2 and sign-extending loads do (coerce_reg_to_size_sx). All known
// bits are forgotten but those that the new bounds imply, as in Linux.
func (r *Range) SignExtend(bytes int) {
	width := 8 * bytes
	if r.IsConst() {
		*r = Const(uint64(signed(r.Bits.Value, width)))
		return
	}
	lo, hi := signed(uint64(r.SMin), width), signed(uint64(r.SMax), width)
	lo, hi = min(lo, hi), max(lo, hi)
	if r.SMin>>width != r.SMax>>width || (lo < 0) != (hi < 0) {
		*r = Unknown()
		r.SMin, r.SMax = -1<<(width-1), 1<<(width-1)-1
		r.S32Min, r.S32Max = int32(r.SMin), int32(r.SMax)
		return
	}
	r.SMin, r.SMax = lo, hi
	r.UMin, r.UMax = uint64(lo), uint64(hi)
	r.S32Min, r.S32Max = int32(lo), int32(hi)
	r.U32Min, r.U32Max = uint32(lo), uint32(hi)
	r.Bits = TnumRange(uint64(lo), uint64(hi))
}

// SignExtend32 copies the sign of the low 1 or 2 bytes up to bit 31 and clears
// the high half, as w1 = (s8)w2 does (coerce_subreg_to_size_sx, zext_32_to_64,
// reg_bounds_sync).
func (r *Range) SignExtend32(bytes int) {
	r.signExtendLow(8 * bytes)
	r.ZeroExtend32()
}

func (r *Range) signExtendLow(width int) {
	if r.IsConst() {
		r.setConst32(uint32(signed(r.Bits.Value, width)))
		return
	}
	lo, hi := int32(signed(uint64(r.S32Min), width)), int32(signed(uint64(r.S32Max), width))
	lo, hi = min(lo, hi), max(lo, hi)
	if r.S32Min>>width != r.S32Max>>width || (lo < 0) != (hi < 0) {
		r.S32Min, r.S32Max = -1<<(width-1), 1<<(width-1)-1
		r.U32Min, r.U32Max = 0, math.MaxUint32
		r.Bits = TnumUnknown()
		return
	}
	r.S32Min, r.S32Max = lo, hi
	r.U32Min, r.U32Max = uint32(lo), uint32(hi)
	r.Bits = TnumRange(uint64(lo), uint64(hi))
}

// signed reads the low width bits of v as a signed number.
func signed(v uint64, width int) int64 { return int64(v<<(64-width)) >> (64 - width) }
