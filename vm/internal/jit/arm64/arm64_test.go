package arm64

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/arch/arm64/arm64asm"

	"github.com/skepdev/skep/vm/internal/jit/asm"
)

var update = flag.Bool("update", false, "rewrite the golden file")

// rows are every instruction with registers, immediates and displacements at
// the edges of their encodings.
func rows() (out []string) {
	row := func(call string, f func(c *Code)) {
		c := &Code{}
		f(c)
		if c.err != nil {
			call += " " + c.err.Error()
		}
		out = append(out, fmt.Sprintf("%-36s %-26s %s", call, hex.EncodeToString(c.bytes), disassemble(c.bytes)))
	}
	pairs := [][2]Reg{{0, 1}, {10, 13}, {14, 7}}
	for _, w := range []asm.Width{asm.W32, asm.W64} {
		for _, p := range pairs {
			a, b := p[0], p[1]
			for _, op := range []asm.ALU{asm.Add, asm.Or, asm.And, asm.Sub, asm.Xor, asm.Cmp} {
				row(fmt.Sprint("Arith ", op, w, a, b), func(c *Code) { c.Arith(op, w, a, b) })
				for _, v := range []int32{0, 4095, 4096, -1, -4095, -4096} {
					row(fmt.Sprint("ArithImm ", op, w, a, v), func(c *Code) { c.ArithImm(op, w, a, v) })
				}
			}
			for _, op := range []asm.Shift{asm.Shl, asm.Shr, asm.Sar} {
				for _, n := range []uint8{0, 1, 31} {
					row(fmt.Sprint("ShiftImm ", op, w, a, n), func(c *Code) { c.ShiftImm(op, w, a, n) })
				}
				row(fmt.Sprint("ShiftBy ", op, w, a, b), func(c *Code) { c.ShiftBy(op, w, a, b) })
			}
			row(fmt.Sprint("Test ", w, a, b), func(c *Code) { c.Test(w, a, b) })
			row(fmt.Sprint("TestImm ", w, a), func(c *Code) { c.TestImm(w, a, -2) })
			row(fmt.Sprint("Mov ", w, a, b), func(c *Code) { c.Mov(w, a, b) })
			row(fmt.Sprint("Mul ", w, a, b), func(c *Code) { c.Mul(w, a, b) })
			row(fmt.Sprint("MulImm ", w, a), func(c *Code) { c.MulImm(w, a, -3) })
			row(fmt.Sprint("Neg ", w, a), func(c *Code) { c.Neg(w, a) })
			row(fmt.Sprint("Swap ", w, a), func(c *Code) { c.Swap(w, a) })
			for _, signed := range []bool{false, true} {
				for _, rest := range []bool{false, true} {
					row(fmt.Sprint("Divide ", w, a, b, signed, rest), func(c *Code) { c.Divide(w, a, b, signed, rest) })
				}
			}
			for _, bits := range []int{8, 16, 32} {
				if bits < 32 || w == asm.W64 {
					row(fmt.Sprint("MovSext ", w, bits, " ", a, b), func(c *Code) { c.MovSext(w, bits, a, b) })
				}
			}
		}
	}
	row("ShiftImm 63", func(c *Code) { c.ShiftImm(asm.Shl, asm.W64, 3, 63) })
	for _, p := range pairs {
		a, b := p[0], p[1]
		row(fmt.Sprint("Swap16 ", a), func(c *Code) { c.Swap16(a) })
		row(fmt.Sprint("MulFold ", a), func(c *Code) { c.MulFold(a) })
		for _, v := range []uint64{0, 1, 1<<32 - 1, 1<<64 - 1, 1 << 63, 0xffff_ffff_1234_ffff, 0x1234_0000_5678_0000, 0x1122_3344_5566_7788} {
			row(fmt.Sprintf("MovImm %v %#x", a, v), func(c *Code) { c.MovImm(a, v) })
		}
		for _, off := range []int32{0, 8, -1, 255, -256, -257, 32760, 32768} {
			for _, size := range []int{1, 2, 4, 8} {
				row(fmt.Sprint("Load ", size, a, b, off), func(c *Code) { c.Load(size, a, b, off) })
				row(fmt.Sprint("Store ", size, b, off, a), func(c *Code) { c.Store(size, b, off, a) })
				if size < 8 {
					row(fmt.Sprint("LoadSext ", size, a, b, off), func(c *Code) { c.LoadSext(size, a, b, off) })
				}
			}
			row(fmt.Sprint("Lea ", a, b, off), func(c *Code) { c.Lea(a, b, off) })
		}
		row(fmt.Sprint("StoreImm ", a), func(c *Code) { c.StoreImm(4, a, 8, 0x12345678) })
		row(fmt.Sprint("StoreImm 0 ", a), func(c *Code) { c.StoreImm(8, a, 8, 0) })
		row(fmt.Sprint("LoadAcquire ", a, b), func(c *Code) { c.LoadAcquire(a, b, 4) })
		row(fmt.Sprint("ArithFrom ", a, b), func(c *Code) { c.ArithFrom(asm.Sub, a, b, 16) })
		row(fmt.Sprint("ArithMemImm ", a), func(c *Code) { c.ArithMemImm(asm.Sub, a, 16, 7) })
		for _, size := range []int{4, 8} {
			row(fmt.Sprint("AtomicAdd ", size, a, b), func(c *Code) { c.AtomicAdd(size, a, -8, b) })
		}
		row(fmt.Sprint("JmpReg ", a), func(c *Code) { c.JmpReg(a) })
		row(fmt.Sprint("JmpMem ", a), func(c *Code) { c.JmpMem(a, -1024) })
		row(fmt.Sprint("Address ", a), func(c *Code) { c.PatchAddress(c.Address(a), 0x104) })
	}
	for _, x := range []asm.Cond{asm.Below, asm.AboveEqual, asm.Equal, asm.NotEqual, asm.BelowEqual, asm.Above, asm.Sign, asm.Less, asm.GreaterEqual, asm.LessEqual, asm.Greater, asm.Carry} {
		row(fmt.Sprint("Jcc ", x), func(c *Code) { c.Patch(c.Jcc(x), 0x100) })
		row(fmt.Sprint("far Jcc ", x), func(c *Code) { c.Far = true; c.Patch(c.Jcc(x), 1<<26) })
	}
	row("Jcc far away", func(c *Code) { c.Patch(c.Jcc(asm.Equal), 1<<20) })
	row("Jcc back", func(c *Code) { c.emit(0); c.Patch(c.Jcc(asm.Equal), 0) })
	row("Jmp", func(c *Code) { c.Patch(c.Jmp(), 1<<27-4) })
	row("Jmp too far", func(c *Code) { c.Patch(c.Jmp(), 1<<27) })
	row("Ret", func(c *Code) { c.Ret() })
	return out
}

// disassemble reads the instructions with somebody else's eyes.
func disassemble(code []byte) string {
	var texts []string
	for ; len(code) > 0; code = code[4:] {
		in, err := arm64asm.Decode(code)
		if err != nil {
			texts = append(texts, err.Error())
			continue
		}
		texts = append(texts, strings.ToLower(arm64asm.GNUSyntax(in)))
	}
	return strings.Join(texts, "; ")
}

// TestGolden compares every instruction with testdata/arm64.golden: the call,
// the bytes, and what a disassembler reads in them.
func TestGolden(t *testing.T) {
	got := strings.Join(rows(), "\n") + "\n"
	const path = "testdata/arm64.golden"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-golden +now), rewrite with -update\n%s", diff)
	}
}
