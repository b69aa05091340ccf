package scalar

import (
	"math"
	"math/bits"
	"testing"
)

// smallTnums are all tristate numbers of n bits, moved up by shift.
func smallTnums(n, shift int) []Tnum {
	var all []Tnum
	for mask := range uint64(1) << n {
		for value := range uint64(1) << n {
			if value&mask == 0 {
				all = append(all, Tnum{value << shift, mask << shift})
			}
		}
	}
	return all
}

// values lists what a tristate number can be, least first.
func values(a Tnum) []uint64 {
	all := []uint64{a.Value}
	for s := (0 - a.Mask) & a.Mask; s != 0; s = (s - a.Mask) & a.Mask {
		all = append(all, a.Value|s)
	}
	return all
}

// hull is the best tristate number for all of vs.
func hull(vs []uint64) Tnum {
	t := TnumConst(vs[0])
	for _, v := range vs {
		t = t.Union(TnumConst(v))
	}
	return t
}

// TestTnumIsBest tries all pairs of 4-bit numbers, at the bottom and at the top
// of the word, where carries leave it. Of multiplication, which is not exact,
// soundness and how far it is from the best is held.
func TestTnumIsBest(t *testing.T) {
	binary := []struct {
		name     string
		do       func(a, b Tnum) Tnum
		concrete func(x, y uint64) uint64
		excess   int // unknown bits too many, over all pairs
	}{
		{"add", Tnum.Add, func(x, y uint64) uint64 { return x + y }, 0},
		{"sub", Tnum.Sub, func(x, y uint64) uint64 { return x - y }, 0},
		{"and", Tnum.And, func(x, y uint64) uint64 { return x & y }, 0},
		{"or", Tnum.Or, func(x, y uint64) uint64 { return x | y }, 0},
		{"xor", Tnum.Xor, func(x, y uint64) uint64 { return x ^ y }, 0},
		{"mul", Tnum.Mul, func(x, y uint64) uint64 { return x * y }, 913},
		{"neg", func(a, _ Tnum) Tnum { return a.Neg() }, func(x, _ uint64) uint64 { return -x }, 0},
	}
	for _, op := range binary {
		excess := 0
		for _, shift := range []int{0, 60} {
			all := smallTnums(4, shift)
			for _, a := range all {
				for _, b := range all {
					var results []uint64
					for _, x := range values(a) {
						for _, y := range values(b) {
							results = append(results, op.concrete(x, y))
						}
					}
					got, best := op.do(a, b), hull(results)
					if !got.Contains(best) {
						t.Fatalf("%s of %x and %x is %x, but can be %x", op.name, a, b, got, best)
					}
					excess += bits.OnesCount64(got.Mask) - bits.OnesCount64(best.Mask)
				}
			}
		}
		if excess != op.excess {
			t.Errorf("%s leaves %d bits unknown that could be known, want %d", op.name, excess, op.excess)
		}
	}
}

func TestTnumSets(t *testing.T) {
	all := smallTnums(3, 30)
	for _, a := range all {
		for _, b := range all {
			var common []uint64
			within := true
			for _, v := range values(b) {
				if a.Has(v) {
					common = append(common, v)
				} else {
					within = false
				}
			}
			if got := a.Contains(b); got != within {
				t.Fatalf("%x contains %x: %v", a, b, got)
			}
			if got := a.Overlaps(b); got != (len(common) > 0) {
				t.Fatalf("%x overlaps %x: %v", a, b, got)
			}
			if got, want := a.Union(b), hull(append(values(a), values(b)...)); got != want {
				t.Fatalf("union of %x and %x is %x, want %x", a, b, got, want)
			}
			if len(common) == 0 {
				continue
			}
			if got, want := a.Intersect(b), hull(common); got != want {
				t.Fatalf("%x and %x share %x, want %x", a, b, got, want)
			}
		}
		for _, n := range []int{0, 1, 2, 5, 31, 32, 63} {
			shifts := []struct {
				name     string
				got      Tnum
				concrete func(uint64) uint64
			}{
				{"lsh", a.Lsh(n), func(x uint64) uint64 { return x << n }},
				{"rsh", a.Rsh(n), func(x uint64) uint64 { return x >> n }},
				{"arsh", a.Lsh(31).Arsh(n, 64), func(x uint64) uint64 { return uint64(int64(x<<31) >> n) }},
				{"arsh32", a.Arsh(n, 32), func(x uint64) uint64 { return uint64(uint32(int32(x) >> n)) }},
				{"cast", a.Cast(4), func(x uint64) uint64 { return uint64(uint32(x)) }},
				{"subreg", a.Subreg(), func(x uint64) uint64 { return uint64(uint32(x)) }},
				{"clear subreg", a.ClearSubreg(), func(x uint64) uint64 { return x >> 32 << 32 }},
				{"const subreg", a.ConstSubreg(7), func(x uint64) uint64 { return x>>32<<32 | 7 }},
				{"swap 16", a.Rsh(25).Swap(16), func(x uint64) uint64 { return uint64(bits.ReverseBytes16(uint16(x >> 25))) }},
				{"swap 32", a.Swap(32), func(x uint64) uint64 { return uint64(bits.ReverseBytes32(uint32(x))) }},
				{"swap 64", a.Swap(64), bits.ReverseBytes64},
			}
			for _, s := range shifts {
				var results []uint64
				for _, v := range values(a) {
					results = append(results, s.concrete(v))
				}
				if want := hull(results); s.got != want {
					t.Fatalf("%s by %d of %x is %x, want %x", s.name, n, a, s.got, want)
				}
			}
		}
	}
}

func TestTnumRange(t *testing.T) {
	for _, shift := range []int{0, 29, 60} {
		for lo := range uint64(16) {
			for hi := lo; hi < 16; hi++ {
				var vs []uint64
				for v := lo; v <= hi; v++ {
					vs = append(vs, v<<shift)
				}
				below := uint64(1)<<shift - 1
				got, want := TnumRange(lo<<shift, hi<<shift|below), hull(append(vs, hi<<shift|below, lo<<shift|below))
				if lo == hi && shift == 0 {
					want = TnumConst(lo)
				}
				if !got.Contains(want) || lo != hi && got.Value != want.Value {
					t.Fatalf("%#x to %#x is %x, want %x", lo<<shift, hi<<shift|below, got, want)
				}
			}
		}
	}
	if got := TnumRange(0, math.MaxUint64); got != TnumUnknown() {
		t.Errorf("everything is %x", got)
	}
	if got := TnumRange(5, 6); got != (Tnum{4, 3}) {
		t.Errorf("5 to 6 is %x", got)
	}
}

func TestTnumNext(t *testing.T) {
	for _, shift := range []int{0, 13, 59} {
		for _, a := range smallTnums(5, shift) {
			all := values(a)
			for z := range uint64(32) {
				for _, z := range []uint64{z << shift, z<<shift + 1, z<<shift - 1} {
					want := all[len(all)-1]
					for _, v := range all {
						if v > z {
							want = v
							break
						}
					}
					if got := a.next(z); got != want {
						t.Fatalf("the one of %x after %#x is %#x, want %#x", a, z, got, want)
					}
				}
			}
		}
	}
}

func TestTnumAligned(t *testing.T) {
	for _, a := range smallTnums(4, 0) {
		for _, size := range []uint64{0, 1, 2, 4, 8} {
			want := true
			for _, v := range values(a) {
				want = want && (size == 0 || v%size == 0)
			}
			if got := a.Aligned(size); got != want {
				t.Errorf("%x aligned to %d: %v", a, size, got)
			}
		}
	}
}
