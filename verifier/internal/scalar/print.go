package scalar

import (
	"math"
	"strconv"
)

// String is what Linux's log says of the register: a constant, or what stands
// between the parentheses of scalar() (print_scalar_ranges). That is nothing if
// nothing is known.
func (r Range) String() string { return string(r.Append(nil)) }

// Append appends String to b.
func (r Range) Append(b []byte) []byte {
	if r.IsConst() {
		return appendSigned(b, int64(r.Value()))
	}
	start := len(b)
	b = r.appendBounds(b)
	if r.Bits.IsUnknown() {
		return b
	}
	if len(b) > start {
		b = append(b, ',')
	}
	b = append(b, "var_off=("...)
	b = appendHex(b, r.Bits.Value)
	b = append(b, "; "...)
	b = appendHex(b, r.Bits.Mask)
	return append(b, ')')
}

// appendBounds names each bound that says something; bounds with the same value
// share it, signed with signed and unsigned with unsigned.
func (r *Range) appendBounds(b []byte) []byte {
	bounds := [...]struct {
		name string
		v    uint64
		omit bool
	}{
		{"smin=", uint64(r.SMin), r.SMin == math.MinInt64},
		{"smax=", uint64(r.SMax), r.SMax == math.MaxInt64},
		{"umin=", r.UMin, r.UMin == 0},
		{"umax=", r.UMax, r.UMax == math.MaxUint64},
		{"smin32=", widen(r.S32Min), r.S32Min == math.MinInt32},
		{"smax32=", widen(r.S32Max), r.S32Max == math.MaxInt32},
		{"umin32=", uint64(r.U32Min), r.U32Min == 0},
		{"umax32=", uint64(r.U32Max), r.U32Max == math.MaxUint32},
	}
	negative := func(i int) bool { return bounds[i].name[0] == 's' && int64(bounds[i].v) < 0 }
	comma := false
	for i := range bounds {
		if bounds[i].omit {
			continue
		}
		if comma {
			b = append(b, ',')
		}
		comma = true
		b = append(b, bounds[i].name...)
		for j := i + 2; j < len(bounds); j += 2 { // minima with minima
			if !bounds[j].omit && bounds[j].v == bounds[i].v && negative(i) == negative(j) {
				bounds[j].omit = true
				b = append(b, bounds[j].name...)
			}
		}
		if bounds[i].name[0] == 's' {
			b = appendSigned(b, int64(bounds[i].v))
		} else {
			b = appendUnsigned(b, bounds[i].v)
		}
	}
	return b
}

// widen keeps a 32-bit bound 32 bits wide if it is printed in hexadecimal.
func widen(v int32) uint64 {
	if v < math.MinInt16 || v > math.MaxInt16 {
		return uint64(uint32(v))
	}
	return uint64(int64(v))
}

func appendSigned(b []byte, v int64) []byte {
	if v < math.MinInt16 || v > math.MaxInt16 {
		return appendHex(b, uint64(v))
	}
	return strconv.AppendInt(b, v, 10)
}

func appendUnsigned(b []byte, v uint64) []byte {
	if v > math.MaxUint16 {
		return appendHex(b, v)
	}
	return strconv.AppendUint(b, v, 10)
}

// appendHex is printf's %#llx, which writes zero without the prefix; the kernel
// writes 0x0.
func appendHex(b []byte, v uint64) []byte {
	return strconv.AppendUint(append(b, "0x"...), v, 16)
}
