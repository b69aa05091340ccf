package vm

import (
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

// TestRandomAgainstKernel runs random arithmetic, memory and jump programs on
// the interpreter and in the kernel. Registers start as constants or as bytes of
// the packet, which the verifier cannot know.
func TestRandomAgainstKernel(t *testing.T) {
	needKernel(t)
	m := newMachine(t, Config{CPUs: 1})
	refused := 0
	rapid.Check(t, func(rt *rapid.T) {
		insns := randomProgram(rt)
		data := make([]byte, 128)
		for i := range data {
			data[i] = rapid.Byte().Draw(rt, "byte")
		}
		want, _, ok := kernelRun(t, abi.ProgXDP, insns, data)
		if !ok {
			refused++
			return
		}
		p, err := m.Load(&ProgramSpec{Name: "random", Type: abi.ProgXDP, Instructions: insns})
		if err != nil {
			rt.Fatalf("load: %v\n%s", err, listing(insns))
		}
		defer p.Close()
		res, err := p.TestRun(&TestInput{Data: data})
		if err != nil {
			rt.Fatalf("run: %v\n%s", err, listing(insns))
		}
		if res.Return != want {
			rt.Fatalf("the interpreter returns %#x, the kernel %#x\n%s", res.Return, want, listing(insns))
		}
	})
	t.Logf("%d programs refused by the kernel", refused)
}

// randomProgram fills r0 and r2 to r9, mangles them, and folds all into the
// result. Jumps go forward only.
func randomProgram(rt *rapid.T) []isa.Instruction {
	var p []isa.Instruction
	add := func(in ...isa.Instruction) { p = append(p, in...) }
	add(isa.Instruction{Op: isa.ClassLDX | isa.ModeMEM | isa.SizeW, Dst: 6, Src: 1},
		isa.Instruction{Op: isa.ClassLDX | isa.ModeMEM | isa.SizeW, Dst: 7, Src: 1, Off: 4},
		isa.Instruction{Op: isa.MovX, Dst: 8, Src: 6},
		isa.Instruction{Op: isa.ClassALU64 | isa.OpAdd, Dst: 8, Imm: 128},
		isa.Instruction{Op: isa.ClassJMP | isa.OpJLE | isa.SrcX, Dst: 8, Src: 7, Off: 2},
		isa.Instruction{Op: isa.MovK, Dst: 0, Imm: 77},
		isa.Instruction{Op: isa.Exit})
	for i := range 8 {
		add(isa.Instruction{Op: isa.ClassST | isa.ModeMEM | isa.SizeDW, Dst: 10, Off: int16(-8 * (i + 1)), Imm: int32(rapid.Uint32().Draw(rt, "slot"))})
	}
	modes := []uint8{isa.ModeMEM | isa.SizeB, isa.ModeMEM | isa.SizeH, isa.ModeMEM | isa.SizeW, isa.ModeMEM | isa.SizeDW, isa.ModeMEMSX | isa.SizeB, isa.ModeMEMSX | isa.SizeH, isa.ModeMEMSX | isa.SizeW}
	for _, r := range []uint8{0, 2, 3, 4, 5, 7, 8, 9, 1, 6} {
		if rapid.IntRange(0, 3).Draw(rt, "source") == 0 || r == 6 {
			v := interesting(rt)
			add(isa.Instruction{Op: isa.LdImm64, Dst: r, Imm: int32(v)}, isa.Instruction{Imm: int32(v >> 32)})
			continue
		}
		mode := rapid.SampledFrom(modes).Draw(rt, "mode")
		add(isa.Instruction{Op: isa.ClassLDX | mode, Dst: r, Src: 6, Off: int16(rapid.IntRange(0, 120).Draw(rt, "offset"))})
	}
	n := rapid.IntRange(1, 40).Draw(rt, "length")
	body := make([]isa.Instruction, n)
	for i := range body {
		body[i] = randomInstruction(rt, n-i-1)
	}
	add(body...)
	for r := uint8(1); r < 10; r++ {
		add(isa.Instruction{Op: isa.ClassALU64 | isa.OpMul | isa.SrcK, Dst: 0, Imm: 31},
			isa.Instruction{Op: isa.ClassALU64 | isa.OpXor | isa.SrcX, Dst: 0, Src: r})
	}
	for i := range 8 {
		add(isa.Instruction{Op: isa.ClassLDX | isa.ModeMEM | isa.SizeDW, Dst: 1, Src: 10, Off: int16(-8 * (i + 1))},
			isa.Instruction{Op: isa.ClassALU64 | isa.OpMul | isa.SrcK, Dst: 0, Imm: 31},
			isa.Instruction{Op: isa.ClassALU64 | isa.OpXor | isa.SrcX, Dst: 0, Src: 1})
	}
	add(isa.Instruction{Op: isa.MovX, Dst: 1},
		isa.Instruction{Op: isa.ClassALU64 | isa.OpRsh, Dst: 1, Imm: 32},
		isa.Instruction{Op: isa.ClassALU64 | isa.OpXor | isa.SrcX, Dst: 0, Src: 1},
		isa.Instruction{Op: isa.Exit})
	return p
}

func interesting(rt *rapid.T) uint64 {
	return rapid.OneOf(
		rapid.Uint64(),
		rapid.SampledFrom([]uint64{0, 1, 2, 1<<64 - 1, 1 << 63, 1<<63 - 1, 1 << 31, 1<<31 - 1, 1<<32 - 1, 1 << 32, 0xffffffff80000000}),
	).Draw(rt, "value")
}

func randomInstruction(rt *rapid.T, left int) isa.Instruction {
	reg := func(name string) uint8 { return uint8(rapid.IntRange(0, 9).Draw(rt, name)) }
	dst, src := reg("dst"), reg("src")
	imm := int32(interesting(rt))
	x := rapid.Bool().Draw(rt, "register")
	srcBit := uint8(isa.SrcK)
	if x {
		srcBit, imm = isa.SrcX, 0
	} else {
		src = 0
	}
	class := rapid.SampledFrom([]uint8{isa.ClassALU, isa.ClassALU64}).Draw(rt, "class")
	switch rapid.IntRange(0, 11).Draw(rt, "kind") {
	case 0, 1:
		if left == 0 {
			return isa.Instruction{Op: isa.MovK, Dst: dst, Imm: 1}
		}
		op := rapid.SampledFrom([]uint8{isa.OpJEQ, isa.OpJGT, isa.OpJGE, isa.OpJSET, isa.OpJNE, isa.OpJSGT, isa.OpJSGE, isa.OpJLT, isa.OpJLE, isa.OpJSLT, isa.OpJSLE}).Draw(rt, "jump")
		jclass := rapid.SampledFrom([]uint8{isa.ClassJMP, isa.ClassJMP32}).Draw(rt, "jclass")
		return isa.Instruction{Op: jclass | op | srcBit, Dst: dst, Src: src, Imm: imm, Off: int16(rapid.IntRange(0, min(left-1, 5)).Draw(rt, "far"))}
	case 2:
		op := rapid.SampledFrom([]uint8{isa.Bswap, isa.ToBE, isa.ToLE}).Draw(rt, "swap")
		return isa.Instruction{Op: op, Dst: dst, Imm: rapid.SampledFrom([]int32{16, 32, 64}).Draw(rt, "width")}
	case 3:
		widths := []int16{8, 16}
		if class == isa.ClassALU64 {
			widths = append(widths, 32)
		}
		return isa.Instruction{Op: class | isa.OpMov | isa.SrcX, Dst: dst, Src: reg("from"), Off: rapid.SampledFrom(widths).Draw(rt, "sx")}
	case 4:
		return isa.Instruction{Op: class | isa.OpNeg, Dst: dst}
	case 5:
		size := rapid.SampledFrom([]uint8{isa.SizeW, isa.SizeDW}).Draw(rt, "asize")
		kind := rapid.SampledFrom([]int32{
			isa.AtomicAdd, isa.AtomicOr, isa.AtomicAnd, isa.AtomicXor, isa.AtomicAdd | isa.AtomicFetch, isa.AtomicOr | isa.AtomicFetch,
			isa.AtomicAnd | isa.AtomicFetch, isa.AtomicXor | isa.AtomicFetch, isa.AtomicXchg, isa.AtomicCmpXchg,
		}).Draw(rt, "atomic")
		return isa.Instruction{Op: isa.ClassSTX | isa.ModeATOMIC | size, Dst: 10, Src: dst, Imm: kind, Off: int16(-8 * rapid.IntRange(1, 8).Draw(rt, "at"))}
	case 6:
		size := rapid.SampledFrom([]uint8{isa.SizeB, isa.SizeH, isa.SizeW, isa.SizeDW}).Draw(rt, "size")
		return isa.Instruction{Op: isa.ClassSTX | isa.ModeMEM | size, Dst: 10, Src: dst, Off: int16(-8 * rapid.IntRange(1, 8).Draw(rt, "at"))}
	case 7:
		size := rapid.SampledFrom([]uint8{isa.ModeMEM | isa.SizeB, isa.ModeMEM | isa.SizeH, isa.ModeMEM | isa.SizeW, isa.ModeMEM | isa.SizeDW, isa.ModeMEMSX | isa.SizeB, isa.ModeMEMSX | isa.SizeH, isa.ModeMEMSX | isa.SizeW}).Draw(rt, "size")
		return isa.Instruction{Op: isa.ClassLDX | size, Dst: dst, Src: 10, Off: int16(-8 * rapid.IntRange(1, 8).Draw(rt, "at"))}
	}
	op := rapid.SampledFrom([]uint8{
		isa.OpAdd, isa.OpSub, isa.OpMul, isa.OpDiv, isa.OpOr, isa.OpAnd, isa.OpLsh, isa.OpRsh, isa.OpMod, isa.OpXor, isa.OpMov, isa.OpArsh,
	}).Draw(rt, "op")
	in := isa.Instruction{Op: class | op | srcBit, Dst: dst, Src: src, Imm: imm}
	switch op {
	case isa.OpDiv, isa.OpMod:
		in.Off = int16(rapid.IntRange(0, 1).Draw(rt, "signed"))
		if !x && imm == 0 {
			in.Imm = -1
		}
	case isa.OpLsh, isa.OpRsh, isa.OpArsh:
		if !x {
			in.Imm = int32(binary.LittleEndian.Uint32([]byte{byte(imm) & 31, 0, 0, 0}))
		}
	}
	return in
}
