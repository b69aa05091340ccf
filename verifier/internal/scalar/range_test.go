package scalar

import (
	"math"
	"testing"

	"github.com/skepdev/skep/isa"
)

func TestContains(t *testing.T) {
	rng := newRand(t)
	within := 0
	for range trials {
		_, r := reached(rng, 2)
		x, o := reached(rng, 2)
		if rng.IntN(2) == 0 { // one that is likely to lie in r
			o = r
			ta, _, _, _ := Refine(jumpOps[rng.IntN(len(jumpOps))], false, o, Const(randomValue(rng)))
			o = ta
			x = o.UMin
		}
		if r.Contains(o) {
			within++
			if o.Has(x) && !r.Has(x) {
				t.Fatalf("%v contains %v, but not %#x", r, o, x)
			}
		}
		if !r.Contains(r) || !Unknown().Contains(r) {
			t.Fatalf("%+v is not in itself or not in everything", r)
		}
	}
	if within < trials/10 {
		t.Fatalf("only %d lie in others", within)
	}

	// Each part counts.
	r := Range{Tnum{0, 0xff}, 2, 9, 2, 9, 2, 9, 2, 9}
	for i, o := range []Range{
		{Tnum{0, 0x1ff}, 2, 9, 2, 9, 2, 9, 2, 9},
		{Tnum{256, 0xff}, 2, 9, 2, 9, 2, 9, 2, 9},
		{Tnum{0, 0xff}, 1, 9, 2, 9, 2, 9, 2, 9},
		{Tnum{0, 0xff}, 2, 10, 2, 9, 2, 9, 2, 9},
		{Tnum{0, 0xff}, 2, 9, 1, 9, 2, 9, 2, 9},
		{Tnum{0, 0xff}, 2, 9, 2, 10, 2, 9, 2, 9},
		{Tnum{0, 0xff}, 2, 9, 2, 9, 1, 9, 2, 9},
		{Tnum{0, 0xff}, 2, 9, 2, 9, 2, 10, 2, 9},
		{Tnum{0, 0xff}, 2, 9, 2, 9, 2, 9, 1, 9},
		{Tnum{0, 0xff}, 2, 9, 2, 9, 2, 9, 2, 10},
	} {
		if r.Contains(o) || !o.Contains(r) && i != 1 {
			t.Errorf("%d: %+v contains %+v, or not the other way round", i, r, o)
		}
	}
}

func TestBroken(t *testing.T) {
	const bounds = "range bounds violation"
	const whole = "const tnum out of sync with range bounds"
	const low = "const subreg tnum out of sync with range bounds"
	change := func(r Range, f func(*Range)) Range { f(&r); return r }
	for _, c := range []struct {
		r    Range
		want string
	}{
		{Unknown(), ""},
		{Const(math.MaxUint64), ""},
		{change(Unknown(), func(r *Range) { r.UMin, r.UMax = 2, 1 }), bounds},
		{change(Unknown(), func(r *Range) { r.SMin, r.SMax = 2, 1 }), bounds},
		{change(Unknown(), func(r *Range) { r.U32Min, r.U32Max = 2, 1 }), bounds},
		{change(Unknown(), func(r *Range) { r.S32Min, r.S32Max = 2, 1 }), bounds},
		{change(Const(5), func(r *Range) { r.UMin = 4 }), whole},
		{change(Const(5), func(r *Range) { r.UMax = 6 }), whole},
		{change(Const(5), func(r *Range) { r.SMin = 4 }), whole},
		{change(Const(5), func(r *Range) { r.SMax = 6 }), whole},
		{change(Const(5), func(r *Range) { r.U32Min = 4 }), low},
		{change(Const(5), func(r *Range) { r.U32Max = 6 }), low},
		{change(Const(5), func(r *Range) { r.S32Min = 4 }), low},
		{change(Const(5), func(r *Range) { r.S32Max = 6 }), low},
		{change(Unknown(), func(r *Range) { r.Bits.Mask <<= 32 }), low},
	} {
		if got := c.r.Broken(); got != c.want || c.r.Valid() != (c.want == "") {
			t.Errorf("%+v: %q, want %q", c.r, got, c.want)
		}
		r := c.r
		r.forgetIfBroken()
		want := c.r
		if c.want != "" {
			want = Unknown()
			want.Bits = c.r.Bits
		}
		if r != want {
			t.Errorf("%+v becomes %+v", c.r, r)
		}
	}
}

// TestImpossible refines by an outcome that bounds allow and bits do not: then
// bounds are forgotten, and known bits are not.
func TestImpossible(t *testing.T) {
	small, high := Unknown(), Unknown()
	small.Truncate(1)
	high.Apply(isa.OpAnd, true, ptr(Const(0x10000100a)))
	Deny(isa.OpJLT, true, &high, ptr(Const(19))) // so it has 0x1000
	if got := Taken(isa.OpJGE, true, small, high); got != Maybe {
		t.Fatalf("Taken is %d", got)
	}
	for name, refined := range map[string]func(a, b *Range){
		"small >= high": func(a, b *Range) { Assume(isa.OpJGE, true, a, b) },
		"high <= small": func(a, b *Range) { Assume(isa.OpJLE, true, b, a) },
		"small < high":  func(a, b *Range) { Deny(isa.OpJLT, true, a, b) },
		"high > small":  func(a, b *Range) { Deny(isa.OpJGT, true, b, a) },
	} {
		a, b := small, high
		refined(&a, &b)
		if b.UMax != math.MaxUint64 || b.U32Max != math.MaxUint32 || !high.Bits.Contains(b.Bits) {
			t.Errorf("%s leaves %v of %v", name, b, high)
		}
	}
}

// TestImpossibleSum adds to a number that cannot be.
func TestImpossibleSum(t *testing.T) {
	r := Unknown()
	r.U32Min, r.U32Max = 60, 3
	r.Apply(isa.OpAdd, true, ptr(Const(1)))
	want := Unknown()
	want.Bits = r.Bits
	if r != want || r.Bits.IsUnknown() {
		t.Errorf("a low half of at least 60 and at most 3, and 1 more, is %+v", r)
	}
}

func TestFork(t *testing.T) {
	mask := Unknown()
	mask.Apply(isa.OpArsh, true, ptr(Const(63)))
	low := Unknown()
	low.Apply(isa.OpArsh, false, ptr(Const(31)))
	k, any := Const(12), Unknown()
	for _, c := range []struct {
		op       uint8
		dst, src *Range
		ok       bool
	}{
		{isa.OpAnd, &mask, &k, true},
		{isa.OpOr, &mask, &k, true},
		{isa.OpXor, &mask, &k, false},
		{isa.OpAdd, &mask, &k, false},
		{isa.OpAnd, &mask, &any, false},
		{isa.OpAnd, &any, &k, false},
		{isa.OpAnd, &low, &k, true},
	} {
		zero, ones, ok := Fork(c.op, c.dst, c.src)
		if ok != c.ok {
			t.Errorf("%s of %v and %v forks: %v", aluNames[c.op], c.dst, c.src, ok)
		}
		if ok && (uint32(zero.Value()) != 0 || !zero.IsConst32() || uint32(ones.Value()) != math.MaxUint32 || !ones.IsConst32()) {
			t.Errorf("%s of %v and %v forks into %v and %v", aluNames[c.op], c.dst, c.src, zero, ones)
		}
	}
	if zero, ones, _ := Fork(isa.OpAnd, &mask, &k); zero != Const(0) || ones != Const(math.MaxUint64) {
		t.Errorf("%v forks into %v and %v", mask, zero, ones)
	}
}

func TestDelta(t *testing.T) {
	small, big := Unknown(), Unknown()
	small.ZeroExtend32()
	wide := Const(1 << 32) // the least and the greatest need more than 32 bits
	for _, c := range []struct {
		op    uint8
		is64  bool
		dst   Range
		src   uint64
		delta int32
		ok    bool
	}{
		{isa.OpAdd, true, big, 7, 7, true},
		{isa.OpSub, true, big, 7, -7, true},
		{isa.OpAdd, true, big, 1<<64 - 7, -7, true},
		{isa.OpAnd, true, big, 7, 0, false},
		{isa.OpAdd, true, big, math.MaxInt32 + 1, 0, false},
		{isa.OpAdd, true, big, 1<<64 - 1<<31, math.MinInt32, true},
		{isa.OpAdd, true, big, 1<<64 - 1<<31 - 1, 0, false},
		{isa.OpSub, true, big, 1<<64 - 1<<31, math.MinInt32, false},
		{isa.OpAdd, false, big, 7, 0, false},
		{isa.OpAdd, false, wide, 7, 0, false},
		{isa.OpAdd, false, small, 7, 7, true},
		{isa.OpAdd, false, Const(math.MaxUint32), 7, 7, true},
		{isa.OpSub, false, small, 1<<32 + 7, -7, true},
	} {
		src := Const(c.src)
		if delta, ok := Delta(c.op, c.is64, &c.dst, &src); delta != c.delta && ok || ok != c.ok {
			t.Errorf("%s %#x is64 %v: %d, %v", aluNames[c.op], c.src, c.is64, delta, ok)
		}
	}
	if _, ok := Delta(isa.OpAdd, true, &big, &small); ok {
		t.Error("an unknown constant")
	}
}

// TestConstantsTakeTheSameWay holds the short way of constants against the long
// one, which they leave at once if a bound is not exact.
func TestConstantsTakeTheSameWay(t *testing.T) {
	rng := newRand(t)
	for range trials / 3 {
		x, y := randomValue(rng), randomValue(rng)
		op, is64 := aluOps[rng.IntN(len(aluOps))], rng.IntN(2) == 0
		if rng.IntN(2) == 0 {
			y %= 64
		}
		inexact := Const(x)
		inexact.unbound64()
		short, long := Alu(op, is64, Const(x), Const(y)), Alu(op, is64, inexact, Const(y))
		if short != long {
			t.Fatalf("%s is64 %v of %#x and %#x: %+v, the long way %+v", aluNames[op], is64, x, y, short, long)
		}
	}
}
