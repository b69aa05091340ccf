package scalar

import (
	"math"
	"testing"

	"github.com/skepdev/skep/isa"
)

const linux6_1 Era = 6<<8 | 1

// oldRows are what Linux 6.1 knows of r1 at the end of a program, when all jumps
// fall through; of most of them Linux 6.18 knows more, or else. r9 points to a
// map value. TestKernelKnowsTheRows asks Linux 6.1.
var oldRows = []row{
	{"jump on the low half", "r1 = *(u64 *)(r9 + 0)\nif w1 > 15 goto +0", "scalar(smax=0x7fffffff0000000f,umax=0xffffffff0000000f,smin32=0,smax32=umax32=15,var_off=(0x0; 0xffffffff0000000f))"},
	{"jump on the low half, then extended", "r1 = *(u64 *)(r9 + 0)\nif w1 > 15 goto +0\nw1 = w1", "scalar(smin=smin32=0,smax=umax=smax32=umax32=15,var_off=(0x0; 0xf))"},
	{"jump on the low half loses the whole", "r1 = *(u64 *)(r9 + 0)\nr2 = 0x700000000 ll\nif r1 > r2 goto +0\nif w1 > 15 goto +0", "scalar(smin=smin32=0,smax=umax=0x70000000f,smax32=umax32=15,var_off=(0x0; 0x70000000f))"},
	{"low half of a loaded word", "r1 = *(u32 *)(r9 + 0)\nif r1 > 0x10000 goto +0\nr1 += -1", "scalar(smin=smin32=-1,smax=smax32=0xffff)"},
	{"not zero", "r1 = *(u8 *)(r9 + 0)\nif r1 == 0 goto +0", "scalar(smin=smin32=0,smax=umax=smax32=umax32=255,var_off=(0x0; 0xff))"},
	{"two numbers", "r1 = *(u64 *)(r9 + 0)\nr2 = *(u8 *)(r9 + 0)\nif r1 > r2 goto +0", "scalar()"},
	{"two equal numbers", "r1 = *(u64 *)(r9 + 0)\nr2 = *(u8 *)(r9 + 0)\nif r1 != r2 goto +0", "scalar(smin=smin32=0,smax=umax=smax32=umax32=255,var_off=(0x0; 0xff))"},
	{"two equal w numbers", "r1 = *(u32 *)(r9 + 0)\nr2 = *(u8 *)(r9 + 0)\nif w1 != w2 goto +0", "scalar(smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))"},
	{"constant on the left", "r1 = *(u64 *)(r9 + 0)\nr2 = 9\nif r2 < r1 goto +0", "scalar(smin=smin32=0,smax=umax=smax32=umax32=9,var_off=(0x0; 0xf))"},
	{"add that wraps for all", "r1 = *(u8 *)(r9 + 0)\nr1 += -256\nr1 += 300", "scalar(smin=umin=smin32=umin32=44,smax=umax=smax32=umax32=299,var_off=(0x0; 0x1ff))"},
	{"w add that wraps for all", "r1 = *(u8 *)(r9 + 0)\nw1 += -1\nw1 += -256\nw1 += 300", "scalar(smin=umin=smin32=umin32=43,smax=umax=smax32=umax32=298,var_off=(0x0; 0x1ff))"},
	{"subtract below zero", "r1 = *(u8 *)(r9 + 0)\nr1 -= 256", "scalar(smin=smin32=-256,smax=smax32=-1,umin=0xffffffffffffff00,umin32=0xffffff00,var_off=(0xffffffffffffff00; 0xff))"},
	{"w subtract below zero", "r1 = *(u8 *)(r9 + 0)\nw1 -= 256", "scalar(smin=umin=umin32=0xffffff00,smax=umax=0xffffffff,smin32=-256,smax32=-1,var_off=(0xffffff00; 0xff))"},
	{"multiply", "r1 = *(u8 *)(r9 + 0)\nr1 *= 12", "scalar(smin=smin32=0,smax=umax=smax32=umax32=3060,var_off=(0x0; 0xffc))"},
	{"multiply negative", "r1 = *(u8 *)(r9 + 0)\nr1 *= -3", "scalar()"},
	{"multiply two", "r1 = *(u8 *)(r9 + 0)\nr2 = *(u8 *)(r9 + 0)\nr1 *= r2", "scalar()"},
	{"w multiply beyond 16 bits", "r1 = *(u32 *)(r9 + 0)\nw1 &= 0x1ffff\nw1 *= 4", "scalar(smin=smin32=0,smax=umax=smax32=umax32=0x7fffc,var_off=(0x0; 0x7fffc))"},
	{"w multiply over the sign", "r1 = *(u16 *)(r9 + 0)\nw1 |= 1\nw1 *= 0xffff", "scalar(smin=umin=umin32=0xffff,smax=umax=umax32=0xfffe0001,smin32=0x80000001,var_off=(0x1; 0xfffffffe))"},
	{"multiply over the sign", "r1 = *(u32 *)(r9 + 0)\nr1 |= 1\nr2 = 0xffffffff ll\nr1 *= r2", "scalar(smin=0x8000000000000001,umin=0xffffffff,umax=0xfffffffe00000001,smin32=0x80000001,umin32=1,var_off=(0x1; 0xfffffffffffffffe))"},
	{"multiply beyond 32 bits", "r1 = *(u32 *)(r9 + 0)\nr2 = 0x100000000 ll\nr1 *= r2", "scalar(smax=0x7fffffff00000000,umax=0xffffffff00000000,smin32=0,smax32=umax32=0,var_off=(0x0; 0xffffffff00000000))"},
	{"or of two", "r1 = *(u8 *)(r9 + 0)\nr2 = *(u8 *)(r9 + 0)\nr1 |= r2", "scalar()"},
	{"or", "r1 = *(u8 *)(r9 + 0)\nr1 |= 0x101", "scalar(smin=umin=smin32=umin32=257,smax=umax=smax32=umax32=511,var_off=(0x101; 0xfe))"},
	{"or of negative", "r1 = *(u8 *)(r9 + 0)\nr1 |= -256", "scalar(smin=smin32=-256,smax=smax32=-1,umin=0xffffffffffffff00,umin32=0xffffff00,var_off=(0xffffffffffffff00; 0xff))"},
	{"xor", "r1 = *(u8 *)(r9 + 0)\nr1 ^= 0x180", "scalar(smin=umin=smin32=umin32=256,smax=umax=smax32=umax32=511,var_off=(0x100; 0xff))"},
	{"xor of negative", "r1 = *(u8 *)(r9 + 0)\nw1 ^= -256", "scalar(smin=umin=umin32=0xffffff00,smax=umax=0xffffffff,smin32=-256,smax32=-1,var_off=(0xffffff00; 0xff))"},
	{"and of negative", "r1 = *(u64 *)(r9 + 0)\nr1 &= -256", "scalar(smax=0x7fffffffffffff00,umax=0xffffffffffffff00,smax32=0x7fffff00,umax32=0xffffff00,var_off=(0x0; 0xffffffffffffff00))"},
	{"w divide", "r1 = *(u8 *)(r9 + 0)\nw1 /= 2", "scalar(smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))"},
	{"divide", "r1 = *(u8 *)(r9 + 0)\nr1 /= 2", "scalar()"},
	{"negate", "r1 = *(u8 *)(r9 + 0)\nr1 = -r1", "scalar()"},
	{"shift by too much", "r1 = *(u8 *)(r9 + 0)\nr2 = 64\nr1 <<= r2", "scalar()"},
	{"w shift by too much", "r1 = *(u8 *)(r9 + 0)\nr2 = 32\nw1 >>= w2", "scalar(smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))"},
	{"w shift", "r1 = *(u64 *)(r9 + 0)\nw1 >>= 28", "scalar(smin=smin32=0,smax=umax=smax32=umax32=15,var_off=(0x0; 0xf))"},
	{"w signed shift", "r1 = *(u64 *)(r9 + 0)\nw1 s>>= 28", "scalar(smin=0,smax=umax=0xffffffff,smin32=-8,smax32=7,var_off=(0x0; 0xffffffff))"},
	{"sign of the whole", "r1 = *(u64 *)(r9 + 0)\nif r1 s> -5 goto +0\nif r1 s< -9 goto +0", "scalar(smin=smin32=-9,smax=smax32=-5,umin=0xfffffffffffffff7,umax=0xfffffffffffffffb,umin32=0xfffffff7,umax32=0xfffffffb,var_off=(0xfffffffffffffff0; 0xf))"},
	{"one bit set", "r1 = *(u64 *)(r9 + 0)\nif r1 & 4 goto +0", "scalar(smax=0x7ffffffffffffffb,umax=0xfffffffffffffffb,smax32=0x7ffffffb,umax32=0xfffffffb,var_off=(0x0; 0xfffffffffffffffb))"},
}

func TestOldRows(t *testing.T) {
	differ := 0
	for _, row := range oldRows {
		row.hold(t, linux6_1)
		if logForm(row.walk(t, Newest).regs[1].Range) != row.want {
			differ++
		}
	}
	if differ < 12 {
		t.Errorf("of %d rows only %d are not as Linux 6.18 has them", len(oldRows), differ)
	}
}

// TestOutcomeOld holds what 6.1, 6.4 and 6.18 find out of a jump.
func TestOutcomeOld(t *testing.T) {
	small, large := Unknown(), Unknown()
	small.UMax = 15
	large.UMin, large.UMax = 16, 31
	small.Sync()
	large.Sync()
	k20, unknown := Const(20), Unknown()
	top := Unknown()
	top.UMin, top.SMax = math.MaxUint32+1, math.MaxInt64
	for _, c := range []struct {
		name                 string
		op                   uint8
		is32                 bool
		a, b                 *Range
		six1, six4, sixtyeen int
	}{
		{"below a constant", isa.OpJLT, false, &small, &k20, Always, Always, Always},
		{"constant above", isa.OpJGT, false, &k20, &small, Maybe, Always, Always},
		{"w constant above", isa.OpJGT, true, &k20, &small, Maybe, Always, Always},
		{"constant not below", isa.OpJLE, false, &k20, &small, Maybe, Never, Never},
		{"unequal by bounds", isa.OpJEQ, false, &small, &k20, Maybe, Never, Never},
		{"w unequal by bounds", isa.OpJNE, true, &small, &k20, Maybe, Always, Always},
		{"a range below a range", isa.OpJLT, false, &small, &large, Maybe, Maybe, Always},
		{"equal constants", isa.OpJEQ, false, &k20, &k20, Always, Always, Always},
		{"unequal constants", isa.OpJNE, true, &k20, &k20, Never, Never, Never},
		{"a bit that is set", isa.OpJSET, false, &large, &k20, Always, Always, Always},
		{"a bit that is not", isa.OpJSET, false, &k20, &small, Maybe, Maybe, Maybe},
		{"nothing known", isa.OpJSGE, false, &unknown, &k20, Maybe, Maybe, Maybe},
		{"beyond 32 bits", isa.OpJEQ, false, &top, &k20, Maybe, Never, Never},
	} {
		for era, want := range map[Era]int{linux6_1: c.six1, linux6_4: c.six4, Newest: c.sixtyeen} {
			if got := era.Outcome(c.op, c.is32, c.a, c.b); got != want {
				t.Errorf("%s: Linux 6.%d finds %d, want %d", c.name, era&0xff, got, want)
			}
		}
	}
}

// TestSoundOld: what an old kernel knows is true as well.
func TestSoundOld(t *testing.T) {
	rng := newRand(t)
	for range trials {
		x, y, a, b := pair(rng)
		if rng.IntN(3) == 0 {
			y = uint64(rng.IntN(66))
			b = Const(y)
		}
		linux6_1.Sync(&a) // as all that an instruction leaves
		linux6_1.Sync(&b)
		op, is64, got := aluOps[rng.IntN(len(aluOps))], rng.IntN(2) == 0, a
		if op == isa.OpNeg {
			op = isa.OpSub
		}
		if linux6_1.Apply(op, is64, &got, &b); !got.Has(concrete(op, is64, x, y)) {
			t.Fatalf("op %#x is64 %v:\na = %v has %#x\nb = %v has %#x\nresult %v lacks %#x", op, is64, a, x, b, y, got, concrete(op, is64, x, y))
		}
		for _, bytes := range []int{1, 2, 4} {
			got := a
			if linux6_1.Truncate(&got, bytes); !got.Has(x & (1<<(8*bytes) - 1)) {
				t.Fatalf("the low %d bytes of %v, which has %#x, are %v", bytes, a, x, got)
			}
		}
		jump, is32, ra, rb := jumpOps[rng.IntN(len(jumpOps))], !is64, a, b
		taken := holds(jump, is32, x, y)
		for _, era := range []Era{linux6_1, linux6_4} {
			if got := era.Outcome(jump, is32, &a, &b); got == Always && !taken || got == Never && taken {
				t.Fatalf("op %#x is32 %v: %d\na = %v has %#x\nb = %v has %#x", jump, is32, got, a, x, b, y)
			}
		}
		if taken {
			linux6_1.Assume(jump, is32, &ra, &rb)
		} else {
			linux6_1.Deny(jump, is32, &ra, &rb)
		}
		if !ra.Has(x) || !rb.Has(y) {
			t.Fatalf("op %#x is32 %v taken %v:\na = %v has %#x\nb = %v has %#x\nrefined to %v\nand %v", jump, is32, taken, a, x, b, y, ra, rb)
		}
	}
}
