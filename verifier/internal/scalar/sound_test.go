package scalar

import (
	"math/rand/v2"
	"testing"

	"github.com/skepdev/skep/isa"
)

const trials = 300_000

func newRand(t testing.TB) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// pair makes two ranges with a member each; half of them by walking.
func pair(rng *rand.Rand) (x, y uint64, a, b Range) {
	if rng.IntN(2) == 0 {
		x, a = reached(rng, 1+rng.IntN(6))
		y, b = reached(rng, 1+rng.IntN(3))
		return
	}
	x, y = randomValue(rng), randomValue(rng)
	return x, y, rangeOf(rng, x), rangeOf(rng, y)
}

func TestSoundAlu(t *testing.T) {
	rng := newRand(t)
	for range trials {
		x, y, a, b := pair(rng)
		op, is64 := aluOps[rng.IntN(len(aluOps))], rng.IntN(2) == 0
		if rng.IntN(3) == 0 {
			y = uint64(rng.IntN(66))
			b = Const(y)
		}
		got, want := Alu(op, is64, a, b), concrete(op, is64, x, y)
		if !got.Has(want) {
			t.Fatalf("op %#x is64 %v:\na = %v has %#x\nb = %v has %#x\nresult %v lacks %#x", op, is64, a, x, b, y, got, want)
		}
	}
}

func TestSoundBranches(t *testing.T) {
	rng := newRand(t)
	for range trials {
		x, y, a, b := pair(rng)
		if rng.IntN(8) == 0 {
			y = x
			b = rangeOf(rng, y)
		}
		op, is32 := jumpOps[rng.IntN(len(jumpOps))], rng.IntN(2) == 0
		taken := holds(op, is32, x, y)
		switch got := Taken(op, is32, a, b); {
		case got == Always && !taken, got == Never && taken:
			t.Fatalf("op %#x is32 %v: Taken = %d\na = %v has %#x\nb = %v has %#x", op, is32, got, a, x, b, y)
		}
		ra, rb, fa, fb := Refine(op, is32, a, b)
		if !taken {
			ra, rb = fa, fb
		}
		if !ra.Has(x) || !rb.Has(y) {
			t.Fatalf("op %#x is32 %v taken %v:\na = %v has %#x\nb = %v has %#x\nrefined to %v\nand %v", op, is32, taken, a, x, b, y, ra, rb)
		}
		if rng.IntN(4) != 0 {
			continue
		}
		self := a
		if taken = holds(op, is32, x, x); taken {
			Assume(op, is32, &self, &self)
		} else {
			Deny(op, is32, &self, &self)
		}
		if !self.Has(x) {
			t.Fatalf("op %#x is32 %v taken %v: %v compared with itself becomes %v and loses %#x", op, is32, taken, a, self, x)
		}
	}
}

func TestSoundConversions(t *testing.T) {
	rng := newRand(t)
	conversions := []struct {
		name string
		do   func(*Range)
		want func(uint64) uint64
	}{
		{"Sync", (*Range).Sync, func(x uint64) uint64 { return x }},
		{"ZeroExtend32", (*Range).ZeroExtend32, func(x uint64) uint64 { return uint64(uint32(x)) }},
		{"Truncate(1)", func(r *Range) { r.Truncate(1) }, func(x uint64) uint64 { return uint64(uint8(x)) }},
		{"Truncate(2)", func(r *Range) { r.Truncate(2) }, func(x uint64) uint64 { return uint64(uint16(x)) }},
		{"Truncate(4)", func(r *Range) { r.Truncate(4) }, func(x uint64) uint64 { return uint64(uint32(x)) }},
		{"SignExtend(1)", func(r *Range) { r.SignExtend(1) }, func(x uint64) uint64 { return uint64(int64(int8(x))) }},
		{"SignExtend(2)", func(r *Range) { r.SignExtend(2) }, func(x uint64) uint64 { return uint64(int64(int16(x))) }},
		{"SignExtend(4)", func(r *Range) { r.SignExtend(4) }, func(x uint64) uint64 { return uint64(int64(int32(x))) }},
		{"SignExtend32(1)", func(r *Range) { r.SignExtend32(1) }, func(x uint64) uint64 { return uint64(uint32(int8(x))) }},
		{"SignExtend32(2)", func(r *Range) { r.SignExtend32(2) }, func(x uint64) uint64 { return uint64(uint32(int16(x))) }},
	}
	for range trials {
		x, _, a, _ := pair(rng)
		for _, c := range conversions {
			got := a
			c.do(&got)
			if !got.Has(c.want(x)) {
				t.Fatalf("%s of %v, which has %#x, is %v and lacks %#x", c.name, a, x, got, c.want(x))
			}
		}
		for _, op := range []uint8{isa.ToLE, isa.ToBE, isa.Bswap} {
			for _, width := range []int{16, 32, 64} {
				if got, want := Swap(op, width, a), swapped(op, width, x); !got.Has(want) {
					t.Fatalf("Swap(%#x, %d) of %v, which has %#x, is %v and lacks %#x", op, width, a, x, got, want)
				}
			}
		}
	}
}

func TestSoundFork(t *testing.T) {
	rng := newRand(t)
	forks := 0
	for range trials {
		x, y, a, b := pair(rng)
		if rng.IntN(4) == 0 {
			x = -uint64(rng.IntN(2))
			a = Unknown()
			a.SMin, a.SMax = -1, 0
			a.Sync()
		}
		if rng.IntN(2) == 0 {
			b = Const(y)
		}
		op := aluOps[rng.IntN(len(aluOps))]
		zero, ones, ok := Fork(op, &a, &b)
		if !ok {
			continue
		}
		forks++
		if !zero.Has(x) && !ones.Has(x) {
			t.Fatalf("op %#x: %v, which has %#x, forks into %v and %v", op, a, x, zero, ones)
		}
	}
	if forks == 0 {
		t.Fatal("nothing forked")
	}
}

func TestSoundLinks(t *testing.T) {
	rng := newRand(t)
	kept := 0
	for range trials {
		x, y, a, b := pair(rng)
		if rng.IntN(2) == 0 {
			y = uint64(int64(int32(y)))
			b = Const(y)
		}
		op, is64 := aluOps[rng.IntN(len(aluOps))], rng.IntN(2) == 0
		if !is64 && rng.IntN(2) == 0 {
			x = uint64(uint32(x))
			a = rangeOf(rng, x)
			a.ZeroExtend32()
		}
		delta, ok := Delta(op, is64, &a, &b)
		if !ok {
			continue
		}
		kept++
		after := concrete(op, is64, x, y)
		sum := x + uint64(int64(delta))
		if !is64 {
			sum = uint64(uint32(sum))
		}
		if after != sum {
			t.Fatalf("%s is64 %v: %#x becomes %#x, but the constant is %d", aluNames[op], is64, x, after, delta)
		}
		if got := Linked(a, int64(delta), !is64); !got.Has(after) {
			t.Fatalf("%s is64 %v: %v, which has %#x, and %d more is %v, which lacks %#x", aluNames[op], is64, a, x, delta, got, after)
		}
	}
	if kept < trials/50 {
		t.Fatalf("only %d constants of %d", kept, trials)
	}
}
