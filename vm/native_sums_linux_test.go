package vm

import (
	"fmt"
	"testing"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

// TestNativeSums accesses proved memory at sums of two registers, each register
// in each role, in each size and direction.
func TestNativeSums(t *testing.T) {
	native, interpreted := bothWays(t, Config{CPUs: 1})
	const stack = 10
	n := 0
	for base := range uint8(11) {
		for index := range uint8(10) {
			for d := range uint8(10) {
				if base == index || d == index {
					continue
				}
				n++
				size := []uint8{isa.SizeB, isa.SizeH, isa.SizeW, isa.SizeDW}[n%4]
				off := []int16{0, 1, -8, 100}[n/4%4]
				k := []int32{0, 5, 130, -130}[n/16%4]
				value := uint8(0) // what is stored and where the result goes
				for value == base || value == index || value == d {
					value++
				}
				code := assemble(t, "*(u64 *)(r10 -200) = -2\n*(u64 *)(r10 -192) = -3\n*(u64 *)(r10 -208) = 0x12345678")
				// base + index + k + off is r10 - 200.
				rest := -200 - int32(off) - k
				if base == stack {
					code = append(code, isa.Instruction{Op: isa.MovK, Dst: index, Imm: rest})
				} else {
					code = append(code, isa.Instruction{Op: isa.MovX, Dst: base, Src: stack}, isa.Instruction{Op: isa.MovK, Dst: index, Imm: rest})
				}
				code = append(code, isa.Instruction{Op: isa.MovK, Dst: value, Imm: 0x70605040})
				if d != base {
					code = append(code, isa.Instruction{Op: isa.MovX, Dst: d, Src: base})
				}
				if k != 0 {
					code = append(code, isa.Instruction{Op: isa.ClassALU64 | isa.OpAdd | isa.SrcK, Dst: d, Imm: k})
				}
				code = append(code, isa.Instruction{Op: isa.ClassALU64 | isa.OpAdd | isa.SrcX, Dst: d, Src: index})
				at := len(code)
				switch n % 3 {
				case 0:
					code = append(code, isa.Instruction{Op: isa.ClassLDX | isa.ModeMEM | size, Dst: d, Src: d, Off: off}, isa.Instruction{Op: isa.MovX, Dst: 0, Src: d})
				case 1:
					in := isa.Instruction{Op: isa.ClassLDX | isa.ModeMEMSX | size, Dst: value, Src: d, Off: off}
					if size == isa.SizeDW {
						in.Op = isa.ClassLDX | isa.ModeMEM | size
					}
					code = append(code, in, isa.Instruction{Op: isa.MovX, Dst: 0, Src: value})
				default:
					code = append(code, isa.Instruction{Op: isa.ClassSTX | isa.ModeMEM | size, Dst: d, Src: value, Off: off})
					code = append(code, assemble(t, "r0 = *(u64 *)(r10 -200)")...)
				}
				code = append(code, assemble(t, "r1 = r0\nr1 >>= 32\nr0 ^= r1\nexit")...)
				facts := make([]Fact, len(code))
				facts[at] = Fact{Class: ClassFrame, Proved: true}
				spec := &ProgramSpec{Name: "sum", Type: abi.ProgXDP, Instructions: code, Facts: facts}
				if a, b := returned(t, native, spec), returned(t, interpreted, spec); a != b {
					t.Fatalf("native code returns %s, the interpreter %s\n%s", a, b, listing(code))
				}
			}
		}
	}
}

func returned(t *testing.T, m *Machine, spec *ProgramSpec) string {
	t.Helper()
	p, err := m.Load(spec)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	res, err := p.TestRun(&TestInput{Data: frame()})
	if err != nil {
		t.Fatalf("%v\n%s", err, listing(spec.Instructions))
	}
	return fmt.Sprintf("%#x", res.Return)
}
