package scalar

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

// edges are numbers around which carries, borrows and signs turn.
var edges = []uint64{
	0, 1, 2, 7, 8, 31, 32, 63, 64, 127, 128, 255, 256, math.MaxInt16, math.MaxInt16 + 1, math.MaxUint16,
	math.MaxUint16 + 1, math.MaxInt32 - 1, math.MaxInt32, math.MaxInt32 + 1, math.MaxUint32 - 1, math.MaxUint32,
	1 << 32, 1<<32 + 1, 1<<62 - 1, 1 << 62, math.MaxInt64 - 1, math.MaxInt64, 1 << 63, 1<<63 + 1,
	1<<64 - 1<<32 - 1, 1<<64 - 1<<32, 1<<64 - 1<<31 - 1, 1<<64 - 1<<31, 1<<64 - 1<<15, 1<<64 - 129, 1<<64 - 128, 1<<64 - 2,
	math.MaxUint64,
}

func randomValue(rng *rand.Rand) uint64 {
	switch rng.IntN(6) {
	case 0:
		return edges[rng.IntN(len(edges))]
	case 1:
		return edges[rng.IntN(len(edges))] + rng.Uint64N(9) - 4
	case 2:
		return rng.Uint64() >> rng.IntN(64)
	case 3:
		return -(rng.Uint64() >> rng.IntN(64))
	case 4:
		return uint64(rng.Uint32N(70))
	}
	return rng.Uint64()
}

// around returns a distance that is often small and never overflows [0, room].
func around(rng *rand.Rand, room uint64) uint64 {
	d := rng.Uint64() >> rng.IntN(65)
	if rng.IntN(4) == 0 {
		d = uint64(rng.IntN(3))
	}
	return min(d, room)
}

// rangeOf makes a Range that has x: what is known is chosen freely for each
// part, or comes from a chain of instructions and comparisons that x passes.
func rangeOf(rng *rand.Rand, x uint64) Range {
	r := Unknown()
	switch rng.IntN(8) {
	case 0:
		return Const(x)
	case 1:
		return r
	}
	if rng.IntN(2) == 0 {
		mask := rng.Uint64() >> rng.IntN(64) << rng.IntN(64)
		if rng.IntN(3) == 0 {
			mask |= rng.Uint64() | rng.Uint64()
		}
		r.Bits = Tnum{x &^ mask, mask}
	}
	if rng.IntN(2) == 0 {
		r.UMin, r.UMax = x-around(rng, x), x+around(rng, math.MaxUint64-x)
	}
	if rng.IntN(2) == 0 {
		s := x ^ 1<<63
		r.SMin, r.SMax = int64((s-around(rng, s))^1<<63), int64((s+around(rng, math.MaxUint64-s))^1<<63)
	}
	low := uint64(uint32(x))
	if rng.IntN(2) == 0 {
		r.U32Min, r.U32Max = uint32(low-around(rng, low)), uint32(low+around(rng, math.MaxUint32-low))
	}
	if rng.IntN(2) == 0 {
		s := low ^ 1<<31
		r.S32Min, r.S32Max = int32(uint32(s-around(rng, s))^1<<31), int32(uint32(s+around(rng, math.MaxUint32-s))^1<<31)
	}
	if rng.IntN(4) != 0 {
		r.Sync()
	}
	return r
}

// reached walks a number and what is known of it through n random instructions
// and comparisons, as a program would.
func reached(rng *rand.Rand, n int) (uint64, Range) {
	x := randomValue(rng)
	r := rangeOf(rng, x)
	for range n {
		x, r = step(rng, x, r)
	}
	return x, r
}

func step(rng *rand.Rand, x uint64, r Range) (uint64, Range) {
	y := randomValue(rng)
	s := rangeOf(rng, y)
	is64 := rng.IntN(3) != 0
	switch rng.IntN(10) {
	case 0:
		size := 1 << rng.IntN(3)
		r.Truncate(size)
		return x << (64 - 8*size) >> (64 - 8*size), r
	case 1:
		size := 1 << rng.IntN(3)
		r.SignExtend(size)
		return uint64(int64(x<<(64-8*size)) >> (64 - 8*size)), r
	case 2:
		r.ZeroExtend32()
		return uint64(uint32(x)), r
	case 3, 4, 5:
		op := aluOps[rng.IntN(len(aluOps))]
		if bits.Len64(y) > 6 && rng.IntN(2) == 0 {
			y &= 63
			s = Const(y)
		}
		return concrete(op, is64, x, y), Alu(op, is64, r, s)
	}
	op := jumpOps[rng.IntN(len(jumpOps))]
	if rng.IntN(2) == 0 {
		s = Const(y)
	}
	ta, _, fa, _ := Refine(op, !is64, r, s)
	if holds(op, !is64, x, y) {
		return x, ta
	}
	return x, fa
}
