package scalar

import (
	"math"
	"math/bits"
)

// Tnum is a tristate number: bits set in Mask are unknown, all others are those
// of Value. Value has no bit that Mask has. It is the kernel's struct tnum.
type Tnum struct{ Value, Mask uint64 }

// TnumUnknown is the number of which nothing is known.
func TnumUnknown() Tnum { return Tnum{0, math.MaxUint64} }

// TnumConst is the number v (tnum_const).
func TnumConst(v uint64) Tnum { return Tnum{v, 0} }

// TnumRange keeps the leading bits that lo and hi share (tnum_range).
func TnumRange(lo, hi uint64) Tnum {
	mask := uint64(math.MaxUint64) >> bits.LeadingZeros64(lo^hi)
	if lo == hi {
		mask = 0
	}
	return Tnum{lo &^ mask, mask}
}

// IsConst reports whether all bits are known.
func (a Tnum) IsConst() bool { return a.Mask == 0 }

// IsConst32 reports whether the low 32 bits are known (tnum_subreg_is_const).
func (a Tnum) IsConst32() bool { return uint32(a.Mask) == 0 }

// IsUnknown reports whether no bit is known.
func (a Tnum) IsUnknown() bool { return a.Mask == math.MaxUint64 }

// Min and Max are the least and the greatest unsigned value.
func (a Tnum) Min() uint64 { return a.Value }
func (a Tnum) Max() uint64 { return a.Value | a.Mask }

// Has reports whether v is a value of a.
func (a Tnum) Has(v uint64) bool { return v&^a.Mask == a.Value }

// Contains reports whether every value of b is one of a (tnum_in).
func (a Tnum) Contains(b Tnum) bool { return b.Mask&^a.Mask == 0 && b.Value&^a.Mask == a.Value }

// Overlaps reports whether a and b agree in the bits that both know, which is
// whether they share a value (tnum_overlap).
func (a Tnum) Overlaps(b Tnum) bool { return (a.Value^b.Value)&^(a.Mask|b.Mask) == 0 }

// Aligned reports whether every value is a multiple of size, a power of two
// (tnum_is_aligned). Everything is aligned to 0.
func (a Tnum) Aligned(size uint64) bool { return size == 0 || (a.Value|a.Mask)&(size-1) == 0 }

// next is the least value above z, or the greatest if there is none (tnum_step).
func (a Tnum) next(z uint64) uint64 {
	if z >= a.Max() {
		return a.Max()
	}
	if z < a.Value {
		return a.Value
	}
	// Count d up by one in the unknown bits alone: with all other bits set, and
	// those too that d has below one it must not have, the carry runs over them.
	d := z - a.Value
	below := uint64(1)<<bits.Len64(d&^a.Mask) - 1
	return a.Value | (d|below|^a.Mask+1)&a.Mask
}

// Add is tnum_add.
func (a Tnum) Add(b Tnum) Tnum {
	v := a.Value + b.Value
	carries := (a.Mask + b.Mask + v) ^ v // with all unknown bits set, against with none
	mask := carries | a.Mask | b.Mask
	return Tnum{v &^ mask, mask}
}

// Sub is tnum_sub.
func (a Tnum) Sub(b Tnum) Tnum {
	v := a.Value - b.Value
	borrows := (v + a.Mask) ^ (v - b.Mask)
	mask := borrows | a.Mask | b.Mask
	return Tnum{v &^ mask, mask}
}

// Neg is tnum_neg.
func (a Tnum) Neg() Tnum { return Tnum{}.Sub(a) }

// And is tnum_and.
func (a Tnum) And(b Tnum) Tnum {
	v := a.Value & b.Value
	return Tnum{v, a.Max() & b.Max() &^ v}
}

// Or is tnum_or.
func (a Tnum) Or(b Tnum) Tnum {
	v := a.Value | b.Value
	return Tnum{v, (a.Mask | b.Mask) &^ v}
}

// Xor is tnum_xor.
func (a Tnum) Xor(b Tnum) Tnum {
	mask := a.Mask | b.Mask
	return Tnum{(a.Value ^ b.Value) &^ mask, mask}
}

// Mul is the long multiplication of tnum_mul as of Linux 6.18: where a bit of
// the multiplier is unknown the product is either of two.
func (a Tnum) Mul(b Tnum) Tnum {
	var sum Tnum
	for a.Value|a.Mask != 0 {
		skip := bits.TrailingZeros64(a.Value | a.Mask)
		a, b = a.Rsh(skip), b.Lsh(skip)
		if with := sum.Add(b); a.Value&1 != 0 {
			sum = with
		} else {
			sum = sum.Union(with)
		}
		a, b = a.Rsh(1), b.Lsh(1)
	}
	return sum
}

// Lsh is tnum_lshift. A shift by 64 or more gives 0.
func (a Tnum) Lsh(n int) Tnum { return Tnum{a.Value << n, a.Mask << n} }

// Rsh is tnum_rshift. A shift by 64 or more gives 0.
func (a Tnum) Rsh(n int) Tnum { return Tnum{a.Value >> n, a.Mask >> n} }

// Arsh shifts the low width bits, 32 or 64, arithmetically; of a shift by 32
// the upper half is zero (tnum_arshift).
func (a Tnum) Arsh(n, width int) Tnum {
	if width == 32 {
		return Tnum{uint64(uint32(int32(a.Value) >> n)), uint64(uint32(int32(a.Mask) >> n))}
	}
	return Tnum{uint64(int64(a.Value) >> n), uint64(int64(a.Mask) >> n)}
}

// Intersect knows what a or b knows; where they contradict each other it says
// 1, as tnum_intersect does.
func (a Tnum) Intersect(b Tnum) Tnum {
	mask := a.Mask & b.Mask
	return Tnum{(a.Value | b.Value) &^ mask, mask}
}

// Union knows what a and b agree on (tnum_union).
func (a Tnum) Union(b Tnum) Tnum {
	mask := (a.Value ^ b.Value) | a.Mask | b.Mask
	return Tnum{a.Value & b.Value &^ mask, mask}
}

// Cast keeps the low size bytes, the others become zero (tnum_cast).
func (a Tnum) Cast(size int) Tnum {
	keep := uint64(1)<<(8*size) - 1
	return Tnum{a.Value & keep, a.Mask & keep}
}

// Subreg keeps the low 32 bits (tnum_subreg).
func (a Tnum) Subreg() Tnum { return Tnum{uint64(uint32(a.Value)), uint64(uint32(a.Mask))} }

// ClearSubreg keeps the high 32 bits (tnum_clear_subreg).
func (a Tnum) ClearSubreg() Tnum { return Tnum{a.Value &^ math.MaxUint32, a.Mask &^ math.MaxUint32} }

// WithSubreg takes its low 32 bits from b (tnum_with_subreg).
func (a Tnum) WithSubreg(b Tnum) Tnum {
	hi, lo := a.ClearSubreg(), b.Subreg()
	return Tnum{hi.Value | lo.Value, hi.Mask | lo.Mask}
}

// ConstSubreg has v as its low 32 bits (tnum_const_subreg).
func (a Tnum) ConstSubreg(v uint32) Tnum { return a.WithSubreg(TnumConst(uint64(v))) }
