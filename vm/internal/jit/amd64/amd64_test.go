package amd64

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/arch/x86/x86asm"
)

var update = flag.Bool("update", false, "rewrite the golden file")

// rows are every instruction with registers and displacements at the edges of
// their encodings: numbers above 7, RSP and R12 as a base, RBP and R13, byte
// registers that need a prefix.
func rows() (out []string) {
	row := func(call string, f func(c *Code)) {
		c := &Code{}
		f(c)
		out = append(out, fmt.Sprintf("%-40s %-30s %s", call, hex.EncodeToString(c.Bytes), disassemble(c.Bytes)))
	}
	pairs := [][2]Reg{{RAX, RCX}, {RBX, R9}, {R14, RDI}, {R13, R12}, {RSI, RBP}}
	for _, w := range []Width{W32, W64} {
		for _, p := range pairs {
			a, b := p[0], p[1]
			for _, op := range []ALU{Add, Or, And, Sub, Xor, Cmp} {
				row(fmt.Sprint("Arith ", op, w, a, b), func(c *Code) { c.Arith(op, w, a, b) })
				row(fmt.Sprint("ArithImm ", op, w, a), func(c *Code) { c.ArithImm(op, w, a, -128) })
				row(fmt.Sprint("ArithImm ", op, w, b), func(c *Code) { c.ArithImm(op, w, b, 128) })
			}
			for _, op := range []Shift{Shl, Shr, Sar} {
				row(fmt.Sprint("ShiftImm ", op, w, a), func(c *Code) { c.ShiftImm(op, w, a, 31) })
				row(fmt.Sprint("ShiftCL ", op, w, a), func(c *Code) { c.ShiftCL(op, w, a) })
			}
			row(fmt.Sprint("Test ", w, a, b), func(c *Code) { c.Test(w, a, b) })
			row(fmt.Sprint("TestImm ", w, a), func(c *Code) { c.TestImm(w, a, -2) })
			row(fmt.Sprint("Mov ", w, a, b), func(c *Code) { c.Mov(w, a, b) })
			row(fmt.Sprint("Mul ", w, a, b), func(c *Code) { c.Mul(w, a, b) })
			row(fmt.Sprint("MulImm ", w, a), func(c *Code) { c.MulImm(w, a, -3) })
			for _, v := range []int32{3, 5, 9} {
				row(fmt.Sprint("MulImm ", w, a, v), func(c *Code) { c.MulImm(w, a, v) })
			}
			row(fmt.Sprint("Neg ", w, a), func(c *Code) { c.Neg(w, a) })
			row(fmt.Sprint("Div ", w, b), func(c *Code) { c.Div(w, b) })
			row(fmt.Sprint("SDiv ", w, b), func(c *Code) { c.SDiv(w, b) })
			row(fmt.Sprint("Swap ", w, a), func(c *Code) { c.Swap(w, a) })
			for _, bits := range []int{8, 16, 32} {
				row(fmt.Sprint("MovSext ", w, bits, " ", a, b), func(c *Code) { c.MovSext(w, bits, a, b) })
			}
		}
		row(fmt.Sprint("SignRDX ", w), func(c *Code) { c.SignRDX(w) })
	}
	for _, p := range pairs {
		a, b := p[0], p[1]
		row(fmt.Sprint("Swap16 ", a), func(c *Code) { c.Swap16(a) })
		row(fmt.Sprint("Zext16 ", a), func(c *Code) { c.Zext16(a) })
		for _, v := range []uint64{0, 1<<32 - 1, 1<<64 - 1, 1 << 63} {
			row(fmt.Sprint("MovImm ", a, v), func(c *Code) { c.MovImm(a, v) })
		}
		for _, disp := range []int32{0, -129, 127} {
			for _, size := range []int{1, 2, 4, 8} {
				row(fmt.Sprint("Load ", size, a, b, disp), func(c *Code) { c.Load(size, a, b, disp) })
				row(fmt.Sprint("Store ", size, b, disp, a), func(c *Code) { c.Store(size, b, disp, a) })
				row(fmt.Sprint("StoreImm ", size, a, disp), func(c *Code) { c.StoreImm(size, a, disp, 0x12345678) })
				if size < 8 {
					row(fmt.Sprint("LoadSext ", size, a, b, disp), func(c *Code) { c.LoadSext(size, a, b, disp) })
				}
			}
			row(fmt.Sprint("Lea ", a, b, disp), func(c *Code) { c.Lea(a, b, disp) })
			row(fmt.Sprint("ArithFrom ", a, b, disp), func(c *Code) { c.ArithFrom(Sub, a, b, disp) })
			row(fmt.Sprint("ArithMemImm ", a, disp), func(c *Code) { c.ArithMemImm(Sub, a, disp, 7) })
		}
		row(fmt.Sprint("JmpReg ", a), func(c *Code) { c.JmpReg(a) })
	}
	for _, x := range []Cond{Below, AboveEqual, Equal, NotEqual, BelowEqual, Above, Sign, Less, GreaterEqual, LessEqual, Greater} {
		row(fmt.Sprint("Jcc ", x), func(c *Code) { c.Patch(c.Jcc(x), 0x100) })
	}
	for _, p := range pairs {
		a, b := p[0], p[1]
		for _, w := range []Width{W32, W64} {
			for _, op := range []Shift{Shl, Shr, Sar} {
				row(fmt.Sprint("ShiftBy ", op, w, a, b), func(c *Code) { c.ShiftBy(op, w, a, b) })
			}
			row(fmt.Sprint("Divide ", w, b), func(c *Code) { c.Divide(w, R9, b, bool(w), !bool(w)) })
		}
		for _, size := range []int{4, 8} {
			row(fmt.Sprint("AtomicAdd ", size, a, b), func(c *Code) { c.AtomicAdd(size, a, -8, b) })
		}
		row(fmt.Sprint("JmpMem ", a), func(c *Code) { c.JmpMem(a, -1024) })
		row(fmt.Sprint("Address ", a), func(c *Code) { c.PatchAddress(c.Address(a), 0x100) })
		row(fmt.Sprint("MulFold ", b), func(c *Code) { c.MulFold(b) })
	}
	row("Jmp", func(c *Code) { c.Patch(c.Jmp(), 0) })
	row("Ret", func(c *Code) { c.Ret() })
	return out
}

// disassemble reads the instructions with somebody else's eyes.
func disassemble(code []byte) string {
	var texts []string
	for len(code) > 0 {
		in, err := x86asm.Decode(code, 64)
		if err != nil {
			return err.Error()
		}
		texts = append(texts, x86asm.IntelSyntax(in, 0, nil))
		code = code[in.Len:]
	}
	return strings.Join(texts, "; ")
}

// TestGolden compares every instruction with testdata/amd64.golden: the call,
// the bytes, and what a disassembler reads in them.
func TestGolden(t *testing.T) {
	got := strings.Join(rows(), "\n") + "\n"
	const path = "testdata/amd64.golden"
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

func TestNot(t *testing.T) {
	for a, b := range map[Cond]Cond{Below: AboveEqual, Equal: NotEqual, BelowEqual: Above, Less: GreaterEqual, LessEqual: Greater} {
		if a.Not() != b || b.Not() != a {
			t.Errorf("the opposite of %d is %d", a, a.Not())
		}
	}
}

// TestAlign fills every gap with instructions that do nothing.
func TestAlign(t *testing.T) {
	for n := range 65 {
		c := &Code{Bytes: make([]byte, n)}
		c.Align()
		if len(c.Bytes)%64 != 0 || len(c.Bytes)-n > 63 {
			t.Errorf("from %d to %d", n, len(c.Bytes))
		}
		for code := c.Bytes[n:]; len(code) > 0; {
			in, err := x86asm.Decode(code, 64)
			if err != nil || in.Op != x86asm.NOP && !(in.Op == x86asm.XCHG && in.Len <= 2) {
				t.Fatalf("behind %d bytes: % x is %v, %v", n, code, in, err)
			}
			code = code[in.Len:]
		}
	}
}
