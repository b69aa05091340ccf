package scalar

import (
	"testing"

	"github.com/skepdev/skep/isa"
)

type row struct{ name, program, want string }

// rows are what Linux 6.18 knows of r1 at the end of a program, when all jumps
// fall through. r9 points to a map value. TestKernelKnowsTheRows asks it.
var rows = []row{
	{"mask", "r1 = *(u64 *)(r9 + 0)\nr1 &= 15", "scalar(smin=smin32=0,smax=umax=smax32=umax32=15,var_off=(0x0; 0xf))"},
	{"mask then add", "r1 = *(u64 *)(r9 + 0)\nr1 &= 15\nr1 += 3", "scalar(smin=umin=smin32=umin32=3,smax=umax=smax32=umax32=18,var_off=(0x0; 0x1f))"},
	{"subtract below zero", "r1 = *(u8 *)(r9 + 0)\nr1 -= 16", "scalar(smin=smin32=-16,smax=smax32=239)"},
	{"add that wraps for none", "r1 = *(u8 *)(r9 + 0)\nr1 += -256", "scalar(smin=smin32=-256,smax=smax32=-1,umin=0xffffffffffffff00,umin32=0xffffff00,var_off=(0xffffffffffffff00; 0xff))"},
	{"add that wraps for all", "r1 = *(u8 *)(r9 + 0)\nr1 += -256\nr1 += 300", "scalar(smin=umin=smin32=umin32=44,smax=umax=smax32=umax32=299,var_off=(0x0; 0x1ff))"},
	{"add that wraps for some", "r1 = *(u8 *)(r9 + 0)\nr1 += -16\nw1 = w1\nr1 += -8", "scalar(smin=-8,smax=0xfffffff7,smin32=-24,smax32=231)"},
	{"w add that wraps for all", "r1 = *(u8 *)(r9 + 0)\nw1 += -1\nw1 += -256\nw1 += 300", "scalar(smin=umin=smin32=umin32=43,smax=umax=smax32=umax32=298,var_off=(0x0; 0x1ff))"},
	{"negate", "r1 = *(u8 *)(r9 + 0)\nr1 = -r1", "scalar(smin=smin32=-255,smax=smax32=0)"},
	{"w negate", "r1 = *(u8 *)(r9 + 0)\nw1 = -w1", "scalar(smin=0,smax=umax=0xffffffff,smin32=-255,smax32=0,var_off=(0x0; 0xffffffff))"},
	{"multiply", "r1 = *(u8 *)(r9 + 0)\nr1 *= 12", "scalar(smin=smin32=0,smax=umax=smax32=umax32=3060,var_off=(0x0; 0xffc))"},
	{"multiply negative", "r1 = *(s8 *)(r9 + 0)\nr1 *= -3", "scalar(smin=smin32=-381,smax=smax32=384)"},
	{"multiply two", "r1 = *(s8 *)(r9 + 0)\nr2 = *(u16 *)(r9 + 0)\nr1 *= r2", "scalar(smin=0xffffffffff800080,smax=smax32=0x7eff81,smin32=0xff800080)"},
	{"w multiply that overflows", "r1 = *(u16 *)(r9 + 0)\nw1 *= 0x20000", "scalar(smin=0,smax=umax=umax32=0xfffe0000,smax32=0x7ffe0000,var_off=(0x0; 0xfffe0000))"},
	{"multiply beyond 64 bits", "r1 = *(u64 *)(r9 + 0)\nr1 *= 6", "scalar(smax=0x7ffffffffffffffe,umax=0xfffffffffffffffe,smax32=0x7ffffffe,umax32=0xfffffffe,var_off=(0x0; 0xfffffffffffffffe))"},
	{"divide", "r1 = *(u8 *)(r9 + 0)\nr1 /= 2", "scalar()"},
	{"w remainder", "r1 = *(u8 *)(r9 + 0)\nw1 %= 4", "scalar()"},
	{"or", "r1 = *(u8 *)(r9 + 0)\nr1 |= 0x101", "scalar(smin=umin=smin32=umin32=257,smax=umax=smax32=umax32=511,var_off=(0x101; 0xfe))"},
	{"or of two", "r1 = *(u8 *)(r9 + 0)\nr2 = *(u16 *)(r9 + 0)\nr1 |= r2", "scalar(smin=smin32=0,smax=umax=smax32=umax32=0xffff,var_off=(0x0; 0xffff))"},
	{"and of negative", "r1 = *(s8 *)(r9 + 0)\nr1 &= -4", "scalar(smax=0x7ffffffffffffffc,umax=0xfffffffffffffffc,smax32=0x7ffffffc,umax32=0xfffffffc,var_off=(0x0; 0xfffffffffffffffc))"},
	{"xor", "r1 = *(u8 *)(r9 + 0)\nr1 ^= -1", "scalar(smin=smin32=-256,smax=smax32=-1,umin=0xffffffffffffff00,umin32=0xffffff00,var_off=(0xffffffffffffff00; 0xff))"},
	{"w xor", "r1 = *(u8 *)(r9 + 0)\nw1 ^= 0x80", "scalar(smin=smin32=0,smax=umax=smax32=umax32=255,var_off=(0x0; 0xff))"},
	{"shift left", "r1 = *(u8 *)(r9 + 0)\nr1 <<= 4", "scalar(smin=smin32=0,smax=umax=smax32=umax32=4080,var_off=(0x0; 0xff0))"},
	{"shift left to the sign", "r1 = *(u8 *)(r9 + 0)\nr1 <<= 56", "scalar(smax=0x7f00000000000000,umax=0xff00000000000000,smin32=0,smax32=umax32=0,var_off=(0x0; 0xff00000000000000))"},
	{"sign extension by shifts", "r1 = *(u32 *)(r9 + 0)\nr1 <<= 32\nr1 s>>= 32", "scalar(smin=0xffffffff80000000,smax=0x7fffffff)"},
	{"sign extension by shifts, bounded", "r1 = *(u32 *)(r9 + 0)\nif w1 s> 100 goto +0\nr1 <<= 32\nr1 s>>= 32", "scalar(smin=0xffffffff80000000,smax=smax32=100)"},
	{"w shift left by the unknown", "r1 = *(u8 *)(r9 + 0)\nr2 = *(u8 *)(r9 + 0)\nw1 <<= w2", "scalar()"},
	{"w shift left that drops bits", "r1 = *(u16 *)(r9 + 0)\nw1 <<= 20", "scalar(smin=0,smax=umax=umax32=0xfff00000,smax32=0x7ff00000,var_off=(0x0; 0xfff00000))"},
	{"shift right", "r1 = *(u64 *)(r9 + 0)\nr1 >>= 56", "scalar(smin=smin32=0,smax=umax=smax32=umax32=255,var_off=(0x0; 0xff))"},
	{"w shift right", "r1 = *(u64 *)(r9 + 0)\nw1 >>= 30", "scalar(smin=smin32=0,smax=umax=smax32=umax32=3,var_off=(0x0; 0x3))"},
	{"shift right of two halves", "r1 = *(u64 *)(r9 + 0)\nr1 >>= 8", "scalar(smin=0,smax=umax=0xffffffffffffff,var_off=(0x0; 0xffffffffffffff))"},
	{"arithmetic shift right", "r1 = *(s16 *)(r9 + 0)\nr1 s>>= 8", "scalar(smin=smin32=-128,smax=smax32=127)"},
	{"w arithmetic shift right", "r1 = *(s16 *)(r9 + 0)\nw1 s>>= 8", "scalar(smin=0,smax=umax=0xffffffff,smin32=-128,smax32=127,var_off=(0x0; 0xffffffff))"},
	{"sign-extend a bounded byte", "r1 = *(u64 *)(r9 + 0)\nif r1 > 0x7f goto +0\nr1 = (s8)r1", "scalar(smin=smin32=0,smax=umax=smax32=umax32=127,var_off=(0x0; 0x7f))"},
	{"sign-extend an unbounded byte", "r1 = *(u8 *)(r9 + 0)\nr1 = (s8)r1", "scalar(smin=smin32=-128,smax=smax32=127)"},
	{"sign-extend forgets bits", "r1 = *(u64 *)(r9 + 0)\nr1 &= 0x7c\nr1 = (s8)r1", "scalar(smin=smin32=0,smax=umax=smax32=umax32=124,var_off=(0x0; 0x7f))"},
	{"w sign-extend", "r1 = *(u8 *)(r9 + 0)\nw1 = (s8)w1", "scalar(smin=0,smax=umax=0xffffffff,smin32=-128,smax32=127,var_off=(0x0; 0xffffffff))"},
	{"w sign-extend a bounded byte", "r1 = *(u8 *)(r9 + 0)\nr1 &= 0x3f\nr1 += -64\nw1 = (s8)w1", "scalar(smin=umin=umin32=0xffffffc0,smax=umax=0xffffffff,smin32=-64,smax32=-1,var_off=(0xffffffc0; 0x3f))"},
	{"w move", "r1 = *(s16 *)(r9 + 0)\nw1 = w1", "scalar(smin=0,smax=umax=0xffffffff,smin32=-32768,smax32=32767,var_off=(0x0; 0xffffffff))"},
	{"swap 16", "r1 = *(u8 *)(r9 + 0)\nr1 = be16 r1", "scalar(smin=smin32=0,smax=umax=smax32=umax32=0xff00,var_off=(0x0; 0xff00))"},
	{"swap 32", "r1 = *(u16 *)(r9 + 0)\nr1 = bswap32 r1", "scalar(smin=0,smax=umax=umax32=0xffff0000,smax32=0x7fff0000,var_off=(0x0; 0xffff0000))"},
	{"little-endian 32", "r1 = *(s8 *)(r9 + 0)\nr1 = le32 r1", "scalar(smin=0,smax=umax=0xffffffff,smin32=-128,smax32=127,var_off=(0x0; 0xffffffff))"},
	{"unsigned upper bound", "r1 = *(u64 *)(r9 + 0)\nif r1 > 100 goto +0", "scalar(smin=smin32=0,smax=umax=smax32=umax32=100,var_off=(0x0; 0x7f))"},
	{"unsigned lower bound", "r1 = *(u64 *)(r9 + 0)\nif r1 < 100 goto +0", "scalar(umin=100)"},
	{"signed upper bound", "r1 = *(u64 *)(r9 + 0)\nif r1 s> 100 goto +0", "scalar(smax=100)"},
	{"signed on both sides", "r1 = *(u64 *)(r9 + 0)\nif r1 s> 100 goto +0\nif r1 s< -5 goto +0", "scalar(smin=smin32=-5,smax=smax32=100)"},
	{"signed turned unsigned", "r1 = *(u64 *)(r9 + 0)\nif r1 s> 100 goto +0\nif r1 s< 5 goto +0", "scalar(smin=umin=smin32=umin32=5,smax=umax=smax32=umax32=100,var_off=(0x0; 0x7f))"},
	{"one side of a signed range", "r1 = *(u64 *)(r9 + 0)\nif r1 s> 100 goto +0\nif r1 s< -100 goto +0\nif r1 > 1000 goto +0", "scalar(smin=smin32=0,smax=umax=smax32=umax32=100,var_off=(0x0; 0x7f))"},
	{"the other side", "r1 = *(u64 *)(r9 + 0)\nif r1 s> 100 goto +0\nif r1 s< -100 goto +0\nif r1 < 1000 goto +0", "scalar(smin=smin32=-100,smax=smax32=-1,umin=0xffffffffffffff9c,umin32=0xffffff9c,var_off=(0xffffffffffffff80; 0x7f))"},
	{"w bounds alone", "r1 = *(u64 *)(r9 + 0)\nif w1 > 100 goto +0", "scalar(smax=0x7fffffff00000064,umax=0xffffffff00000064,smin32=0,smax32=umax32=100,var_off=(0x0; 0xffffffff0000007f))"},
	{"w signed bounds", "r1 = *(u64 *)(r9 + 0)\nif w1 s> 100 goto +0\nif w1 s< -5 goto +0", "scalar(smin32=-5,smax32=100)"},
	{"low half bounds the whole", "r1 = *(u64 *)(r9 + 0)\nr2 = 0x100000000 ll\nif r1 < r2 goto +0\nr2 = 0x380000000 ll\nif r1 > r2 goto +0\nif w1 s< 1 goto +0", "scalar(smin=umin=0x100000001,smax=umax=0x37fffffff,smin32=umin32=1,umax32=0x7fffffff,var_off=(0x0; 0x37fffffff))"},
	{"low half after sign extension", "r1 = *(s32 *)(r9 + 0)\nif w1 s< 0 goto +0", "scalar(smin=smin32=0,smax=umax=umax32=0x7fffffff,var_off=(0x0; 0x7fffffff))"},
	{"equal", "r1 = *(u64 *)(r9 + 0)\nif r1 != 7 goto +0", "7"},
	{"w equal", "r1 = *(u64 *)(r9 + 0)\nif w1 != 7 goto +0", "scalar(smin=0x8000000000000007,smax=0x7fffffff00000007,umin=smin32=umin32=7,umax=0xffffffff00000007,smax32=umax32=7,var_off=(0x7; 0xffffffff00000000))"},
	{"equal to a bounded one", "r1 = *(u64 *)(r9 + 0)\nr2 = *(u8 *)(r9 + 0)\nr2 &= 0xf8\nif r1 != r2 goto +0", "scalar(smin=smin32=0,smax=umax=smax32=umax32=248,var_off=(0x0; 0xf8))"},
	{"unequal at the edge", "r1 = *(u8 *)(r9 + 0)\nif r1 == 0 goto +0\nif r1 == 255 goto +0", "scalar(smin=umin=smin32=umin32=1,smax=umax=smax32=umax32=254,var_off=(0x0; 0xff))"},
	{"unequal in the middle", "r1 = *(u8 *)(r9 + 0)\nif r1 == 9 goto +0", "scalar(smin=smin32=0,smax=umax=smax32=umax32=255,var_off=(0x0; 0xff))"},
	{"bit clear", "r1 = *(u8 *)(r9 + 0)\nif r1 & 0x81 goto +0", "scalar(smin=smin32=0,smax=umax=smax32=umax32=126,var_off=(0x0; 0x7e))"},
	{"bit clear forgets bounds", "r1 = *(u64 *)(r9 + 0)\nif r1 > 100 goto +0\nif r1 & 0x1 goto +0", "scalar(smin=smin32=0,smax=umax=smax32=umax32=126,var_off=(0x0; 0x7e))"},
	{"compared with a register", "r1 = *(u16 *)(r9 + 0)\nr2 = *(u8 *)(r9 + 0)\nif r1 >= r2 goto +0", "scalar(smin=smin32=0,smax=umax=smax32=umax32=254,var_off=(0x0; 0xff))"},
	{"only one number left", "r1 = *(u64 *)(r9 + 0)\nr1 &= 0x80\nif r1 == 0 goto +0", "128"},
	{"only one number between", "r1 = *(u8 *)(r9 + 0)\nr1 &= 0x88\nif r1 < 0x81 goto +0\nif r1 > 0x87 goto +0", "136"},
	{"forked mask", "r1 = *(s32 *)(r9 + 0)\nr1 s>>= 31\nr1 &= 12", "12"},
	{"low half over the sign of the whole", "r1 = *(u64 *)(r9 + 0)\nr2 = 0x7ffffffffffffff0 ll\nif r1 < r2 goto +0\nr2 = 0x8000000000000010 ll\nif r1 > r2 goto +0", "scalar(umin=0x7ffffffffffffff0,umax=0x8000000000000010,smin32=-16,smax32=16)"},
	{"low half over a step of the high one", "r1 = *(u64 *)(r9 + 0)\nr2 = 0x1fffffff0 ll\nif r1 < r2 goto +0\nr2 = 0x200000010 ll\nif r1 > r2 goto +0", "scalar(smin=umin=0x1fffffff0,smax=umax=0x200000010,smin32=-16,smax32=16,var_off=(0x0; 0x3ffffffff))"},
	{"low half of a signed range far below zero", "r1 = *(u64 *)(r9 + 0)\nr2 = 0xfffffff0fffffff0 ll\nif r1 s< r2 goto +0\nr2 = 0xfffffff100000010 ll\nif r1 s> r2 goto +0", "scalar(smin=0xfffffff0fffffff0,smax=0xfffffff100000010,umin=0xfffffff0fffffff0,umax=0xfffffff100000010,smin32=-16,smax32=16,var_off=(0xfffffff000000000; 0x1ffffffff))"},
	{"high half settled", "r1 = *(u64 *)(r9 + 0)\nr2 = 0x10000000a ll\nif r1 < r2 goto +0\nr2 = 0x10000000f ll\nif r1 > r2 goto +0", "scalar(smin=umin=0x10000000a,smax=umax=0x10000000f,smin32=umin32=10,smax32=umax32=15,var_off=(0x100000008; 0x7))"},
	{"w one side of a signed range", "r1 = *(u64 *)(r9 + 0)\nif w1 s> 100 goto +0\nif w1 s< -100 goto +0\nif w1 > 1000 goto +0", "scalar(smax=0x7fffffff00000064,umax=0xffffffff00000064,smin32=0,smax32=umax32=100,var_off=(0x0; 0xffffffff0000007f))"},
	{"w the other side", "r1 = *(u64 *)(r9 + 0)\nif w1 s> 100 goto +0\nif w1 s< -100 goto +0\nif w1 < 1000 goto +0", "scalar(smin=0x80000000ffffff9c,umin=umin32=0xffffff9c,smin32=-100,smax32=-1,var_off=(0xffffff80; 0xffffffff0000007f))"},
	{"w signed equal", "r1 = *(u64 *)(r9 + 0)\nif w1 s> -7 goto +0\nif w1 s< -7 goto +0", "scalar(smin=0x80000000fffffff9,smax=0x7ffffffffffffff9,umin=umin32=0xfffffff9,umax=0xfffffffffffffff9,smin32=-7,smax32=-7,umax32=0xfffffff9,var_off=(0xfffffff9; 0xffffffff00000000))"},
	{"equal by both signed bounds", "r1 = *(u64 *)(r9 + 0)\nif r1 s> -7 goto +0\nif r1 s< -7 goto +0", "-7"},
	{"signed bounds by the low half", "r1 = *(u64 *)(r9 + 0)\nr2 = 0x8000000100000000 ll\nif r1 s< r2 goto +0\nr2 = 0x300000000 ll\nif r1 s> r2 goto +0\nif w1 < 16 goto +0\nif w1 > 32 goto +0", "scalar(smin=0x8000000100000010,smax=0x300000000,umin=smin32=umin32=16,umax=0xffffffff00000020,smax32=umax32=32,var_off=(0x0; 0xffffffff0000003f))"},
	{"w product just within 32 bits", "r1 = *(u16 *)(r9 + 0)\nr1 |= 1\nw1 *= 65537", "scalar(smin=umin=umin32=0x10001,smax=umax=0xffffffff,smin32=0x80010001,var_off=(0x10001; 0xfffefffe))"},
	{"w sum just within the sign", "r1 = *(u64 *)(r9 + 0)\nif w1 s> 2147483640 goto +0\nif w1 s< -5 goto +0\nw1 += 7", "scalar(smin=umin=smin32=umin32=2,smax=umax=umax32=0x7fffffff,var_off=(0x0; 0x7fffffff))"},
	{"w sum just beyond the sign", "r1 = *(u64 *)(r9 + 0)\nif w1 s> 2147483640 goto +0\nif w1 s< -5 goto +0\nw1 += 8", "scalar(smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))"},
	{"w difference just within the sign", "r1 = *(u64 *)(r9 + 0)\nif w1 s> 5 goto +0\nif w1 s< -10 goto +0\nw1 -= 2147483638", "scalar(smin=umin=umin32=0x80000000,smax=umax=smax32=umax32=0x8000000f,var_off=(0x80000000; 0xf))"},
	{"w difference just beyond the sign", "r1 = *(u64 *)(r9 + 0)\nif w1 s> 5 goto +0\nif w1 s< -10 goto +0\nw1 -= 2147483639", "scalar(smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))"},
	{"sum just within the sign", "r1 = *(u64 *)(r9 + 0)\nr2 = 0x7ffffffffffffff0 ll\nif r1 s> r2 goto +0\nif r1 s< -5 goto +0\nr1 += 15", "scalar(smin=umin=10,umax=0x7fffffffffffffff,var_off=(0x0; 0x7fffffffffffffff))"},
	{"sum just beyond the sign", "r1 = *(u64 *)(r9 + 0)\nr2 = 0x7ffffffffffffff0 ll\nif r1 s> r2 goto +0\nif r1 s< -5 goto +0\nr1 += 16", "scalar()"},
	{"product just within 64 bits", "r1 = *(u32 *)(r9 + 0)\nr1 |= 1\nr2 = 0x100000001 ll\nr1 *= r2", "scalar(smin=0x8000000100000001,umin=0x100000001,smin32=0x80000001,umin32=1,var_off=(0x100000001; 0xfffffffefffffffe))"},
	{"signed product just within 64 bits", "r1 = *(s32 *)(r9 + 0)\nr2 = 0x100000000 ll\nr1 *= r2", "scalar(smax=0x7fffffff00000000,umax=0xffffffff00000000,smin32=0,smax32=umax32=0,var_off=(0x0; 0xffffffff00000000))"},
}

// rowProgram is a row between the load of r9 and the exit.
func rowProgram(t *testing.T, text string, fd int) []isa.Instruction {
	t.Helper()
	body, err := isa.Assemble(text)
	if err != nil {
		t.Fatal(err)
	}
	insns := []isa.Instruction{{Op: isa.LdImm64, Dst: 9, Src: isa.PseudoMapValue, Imm: int32(fd)}, {}}
	insns = append(insns, body...)
	return append(insns, isa.Instruction{Op: isa.MovK}, isa.Instruction{Op: isa.Exit})
}

// walk follows the row to its end, all jumps falling through.
func (r row) walk(t *testing.T, era Era) *walker {
	t.Helper()
	w := &walker{era: era, insns: rowProgram(t, r.program, 0)}
	for at := 2; at < len(w.insns)-2; at = w.next {
		w.step(at)
	}
	return w
}

func (r row) hold(t *testing.T, era Era) {
	t.Helper()
	if got := logForm(r.walk(t, era).regs[1].Range); got != r.want {
		t.Errorf("{%q, %q, %q},", r.name, r.program, got)
	}
}

func TestRows(t *testing.T) {
	for _, row := range rows {
		row.hold(t, Newest)
	}
}
