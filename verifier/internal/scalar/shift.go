package scalar

import "math"

// Shifts leave it to Sync to learn bounds from bits; Linux does that here already,
// and once more in Sync.

// lsh64 is scalar_min_max_lsh. Unsigned bounds survive while no set bit can
// leave; signed ones only a shift by 32, half of a sign extension.
func (r *Range) lsh64(n int) {
	if n == 32 {
		r.SMin, r.SMax = int64(r.S32Min)<<32, int64(r.S32Max)<<32
	} else {
		r.SMin, r.SMax = math.MinInt64, math.MaxInt64
	}
	if r.UMax > 1<<(63-n) {
		r.UMin, r.UMax = 0, math.MaxUint64
	} else {
		r.UMin, r.UMax = r.UMin<<n, r.UMax<<n
	}
	r.lshBounds32(n)
	r.Bits = r.Bits.Lsh(n)
}

// lsh32 is scalar32_min_max_lsh.
func (r *Range) lsh32(n int) {
	r.lshBounds32(n)
	r.Bits = r.Bits.Subreg().Lsh(n).Subreg()
}

func (r *Range) lshBounds32(n int) {
	r.S32Min, r.S32Max = math.MinInt32, math.MaxInt32
	if n > 31 || r.U32Max > 1<<(31-n) {
		r.U32Min, r.U32Max = 0, math.MaxUint32
	} else {
		r.U32Min, r.U32Max = r.U32Min<<n, r.U32Max<<n
	}
}

// rsh64 is scalar_min_max_rsh. What comes into the low half from above is left
// to the bits.
func (r *Range) rsh64(n int) {
	r.SMin, r.SMax = math.MinInt64, math.MaxInt64
	r.UMin, r.UMax = r.UMin>>n, r.UMax>>n
	r.Bits = r.Bits.Rsh(n)
	r.unbound32()
}

// rsh32 is scalar32_min_max_rsh.
func (r *Range) rsh32(n int) {
	r.S32Min, r.S32Max = math.MinInt32, math.MaxInt32
	r.U32Min, r.U32Max = r.U32Min>>n, r.U32Max>>n
	r.Bits = r.Bits.Subreg().Rsh(n)
}

// arsh64 is scalar_min_max_arsh.
func (r *Range) arsh64(n int) {
	r.SMin, r.SMax = r.SMin>>n, r.SMax>>n
	r.UMin, r.UMax = 0, math.MaxUint64
	r.Bits = r.Bits.Arsh(n, 64)
	r.unbound32()
}

// arsh32 is scalar32_min_max_arsh.
func (r *Range) arsh32(n int) {
	r.S32Min, r.S32Max = r.S32Min>>n, r.S32Max>>n
	r.U32Min, r.U32Max = 0, math.MaxUint32
	r.Bits = r.Bits.Arsh(n, 32)
}
