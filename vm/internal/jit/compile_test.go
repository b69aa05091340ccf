package jit

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/vm/internal/interp"
)

// TestCompileAnything compiles whatever the decoder takes, on every platform:
// each slot has its place in the code, and all jumps stay within it.
func TestCompileAnything(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 30).Draw(rt, "n")
		insns := make([]isa.Instruction, n, n+1)
		for i := range insns {
			insns[i] = isa.Instruction{
				Op: rapid.Byte().Draw(rt, "op"), Dst: uint8(rapid.IntRange(0, 10).Draw(rt, "dst")), Src: uint8(rapid.SampledFrom([]int{0, 0, 1, 9, 10}).Draw(rt, "src")),
				Off: int16(rapid.IntRange(-3, 3).Draw(rt, "off")), Imm: rapid.SampledFrom([]int32{0, 0, 1, 16, 32, 64, -1, 0xe1}).Draw(rt, "imm"),
			}
			if isa.Validate(insns[i]) != nil || insns[i].Op == isa.LdImm64 {
				insns[i] = isa.Instruction{Op: isa.MovK}
			}
		}
		insns = append(insns, isa.Instruction{Op: isa.Exit})
		p, err := interp.Compile(&interp.Spec{
			Type: abi.ProgXDP, Instructions: insns,
			Helper: func(abi.HelperID) (interp.Helper, string) { return nil, "none here" },
			Kfunc:  func(int32) (interp.Helper, string) { return nil, "none here" },
		})
		if err != nil {
			rt.Skip(err)
		}
		c := compile(p, assembler(rapid.SampledFrom([]string{"amd64", "arm64"}).Draw(rt, "arch"), rapid.Bool().Draw(rt, "far")), nil)
		if c.Err() != nil {
			rt.Fatal(c.Err())
		}
		if len(c.slots) != len(insns)+1 {
			rt.Fatalf("%d entries for %d slots", len(c.slots), len(insns))
		}
		for i, at := range c.slots {
			if int(at) >= len(c.Code()) || at == 0 {
				rt.Fatalf("slot %d begins at %d of %d bytes", i, at, len(c.Code()))
			}
		}
		for _, j := range c.jumps {
			if j.slot < 0 || j.slot >= len(insns) {
				rt.Fatalf("a jump to slot %d of %d", j.slot, len(insns))
			}
		}
	})
}
