package jit

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/arch/arm64/arm64asm"
	"golang.org/x/arch/x86/x86asm"

	"github.com/skepdev/skep/isa"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const packetStart = "r6 = *(u32 *)(r1 +0)\n"

// passes are programs that show one thing that the compiler does each.
var passes = []struct {
	name, code string
	facts      bool // all accesses of the packet are proved
}{
	{"known places need no comparison", "r2 = r10\nr2 += -8\n*(u64 *)(r2 +0) = 1\nr0 = *(u32 *)(r2 +4)\nexit", false},
	{"likely places are compared first", packetStart + "r0 = *(u8 *)(r6 +3)\nexit", false},
	{"accesses from one base are compared together", packetStart + "r0 = *(u8 *)(r6 +3)\nr2 = *(u16 *)(r6 +12)\nr0 += r2\nexit", false},
	{"bytes that are put together are one load", packetStart + "r0 = *(u8 *)(r6 +0)\nr2 = *(u8 *)(r6 +1)\nr2 <<= 8\nr0 |= r2\nr2 = *(u8 *)(r6 +2)\nr2 <<= 16\nr0 |= r2\nr2 = *(u8 *)(r6 +3)\nr2 <<= 24\nr0 |= r2\nr2 = 0\nexit", false},
	{"in the other order they are swapped", packetStart + "r0 = *(u8 *)(r6 +0)\nr0 <<= 8\nr2 = *(u8 *)(r6 +1)\nr0 |= r2\nr2 = 0\nexit", false},
	{"fuel has a register to spare", "r0 = 0\nloop:\nr0 += 1\nif r0 < 100 goto loop\nexit", false},
	{"a call keeps what the callee changes", "r6 = 1\nr7 = 2\ncall f\nr0 += r6\nr0 += r7\nexit\nf:\nr6 = r1\nr0 = r6\nexit", false},
	{"sums of registers are addressing modes", packetStart + "r0 = 0\nr2 = *(u16 *)(r6 +0)\nif r2 == 0 goto done\nr3 = r6\nr3 += 8\nr3 += r2\n*(u8 *)(r3 +1) = r0\nif r2 == 1 goto done\nr6 += r2\nr6 = *(s16 *)(r6 +2)\nr0 = r6\ndone:\nexit", true},
}

// TestPasses compares what becomes of them, on both processors, with golden
// files.
func TestPasses(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		var b strings.Builder
		for _, p := range passes {
			insns, err := isa.Assemble(p.code)
			if err != nil {
				t.Fatalf("%s: %v", p.name, err)
			}
			pieces, err := Pieces(decoded(t, insns, p.facts), arch)
			if err != nil {
				t.Fatalf("%s: %v", p.name, err)
			}
			fmt.Fprintf(&b, "== %s\n", p.name)
			for _, pc := range pieces {
				if pc.Slot < 0 && !pc.Aside {
					continue // the way in and out
				}
				writePiece(&b, arch, insns, pc)
			}
		}
		path := "testdata/passes_" + arch + ".golden"
		if *update {
			if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), b.String()); diff != "" {
			t.Errorf("%s (-golden +now), rewrite with -update\n%s", arch, diff)
		}
	}
}

var inThread = regexp.MustCompile(`(\[|^|[ *,])(?:-?0x[0-9a-f]+)?(?:x11(?:,#[0-9]+)?|\(%r15\))(\]|)`)

// writePiece writes a piece down: the instruction and what became of it.
func writePiece(b *strings.Builder, arch string, insns []isa.Instruction, pc Piece) {
	text := ""
	if pc.Slot >= 0 && pc.Slot < len(insns) {
		text, _ = isa.Disassemble(insns, pc.Slot)
	}
	mark := ""
	if pc.Aside {
		mark = " (aside)"
	}
	fmt.Fprintf(b, "%3d: %s%s\n", pc.Slot, strings.TrimSpace(text), mark)
	for code := pc.Bytes; len(code) > 0; {
		line, n := "?", 4
		if arch == "arm64" {
			if in, err := arm64asm.Decode(code); err == nil {
				line = strings.ToLower(arm64asm.GNUSyntax(in))
			}
		} else if in, err := x86asm.Decode(code, 64); err == nil {
			line, n = x86asm.GNUSyntax(in, uint64(0), nil), in.Len
		}
		// Where things lie in the thread is nobody's business here.
		fmt.Fprintf(b, "        %s\n", inThread.ReplaceAllString(line, "${1}thread${2}"))
		code = code[n:]
	}
}
