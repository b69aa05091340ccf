package capture

import (
	"math"
	"math/bits"
)

// resolution turns the time stamps of a pcapng interface into nanoseconds:
// units of 10⁻ⁿ or 2⁻ⁿ seconds, from an offset in seconds.
type resolution struct {
	// num/den nanoseconds a unit; or, with shift, 10⁹/2^shift.
	num, den uint64
	shift    uint
	offset   int64
}

var micro = resolution{num: 1000, den: 1}

// parseResolution reads the value of if_tsresol. It knows units down to
// 10⁻¹⁹ and 2⁻⁶³ seconds.
func parseResolution(v byte) (resolution, bool) {
	n := v & 0x7f
	switch {
	case v&0x80 != 0:
		return resolution{shift: uint(n), num: 1e9, den: 1}, n <= 63
	case n <= 9:
		return resolution{num: pow10(9 - n), den: 1}, true
	}
	return resolution{num: 1, den: pow10(min(n, 28) - 9)}, n <= 19
}

func pow10(n byte) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}

// nanoseconds since 1970; what does not fit becomes the latest time there is.
func (r *resolution) nanoseconds(units uint64) int64 {
	hi, lo := bits.Mul64(units, r.num)
	if r.shift > 0 {
		lo = hi<<(64-r.shift) | lo>>r.shift
		hi >>= r.shift
	}
	if hi >= r.den {
		return math.MaxInt64
	}
	ns, _ := bits.Div64(hi, lo, r.den)
	if ns > math.MaxInt64 {
		return math.MaxInt64
	}
	const second = 1_000_000_000
	if r.offset > math.MaxInt64/second || r.offset < math.MinInt64/second {
		return math.MaxInt64
	}
	sum := int64(ns) + r.offset*second
	if r.offset > 0 && sum < int64(ns) {
		return math.MaxInt64
	}
	return sum
}
