package vm

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

// What the loader takes must be an instruction by isa's reading too, and what
// it calls unknown must not be.
func TestLoaderAgreesWithISA(t *testing.T) {
	m := newMachine(t, Config{CPUs: 1})
	rapid.Check(t, func(rt *rapid.T) {
		in := isa.Instruction{
			Op: rapid.Byte().Draw(rt, "op"), Dst: uint8(rapid.IntRange(0, 11).Draw(rt, "dst")), Src: uint8(rapid.SampledFrom([]int{0, 0, 1, 2, 10}).Draw(rt, "src")),
			Off: rapid.SampledFrom([]int16{0, 0, 1, 2, 8, 16, 32, -1}).Draw(rt, "off"),
			Imm: rapid.SampledFrom([]int32{0, 0, 1, 16, 31, 32, 63, 64, 0x40, 0xe1, 0xf1, 0x100, 0x110, -1}).Draw(rt, "imm"),
		}
		if in.Op == isa.LdImm64 {
			return
		}
		insns := []isa.Instruction{{Op: isa.MovK}, in, {Op: isa.MovK}, {Op: isa.MovK}, {Op: isa.Exit}}
		p, err := m.Load(&ProgramSpec{Name: "one", Type: abi.ProgSchedCLS, License: "GPL", Instructions: insns})
		var le *LoadError
		switch valid := isa.Validate(in); {
		case err == nil:
			p.Close()
			if valid != nil {
				rt.Fatalf("%+v: loaded, but %v", in, valid)
			}
		case errors.As(err, &le) && len(le.Reason) > 8 && le.Reason[:8] == "unknown " && valid == nil:
			rt.Fatalf("%+v: %v, but isa knows it", in, err)
		}
	})
}
