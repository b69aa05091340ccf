package isa_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/skepdev/skep/isa"
)

// disassembly is the text of a whole program, one instruction a line.
func disassembly(insns []isa.Instruction) string {
	var b strings.Builder
	for i := 0; i < len(insns); {
		text, width := isa.Disassemble(insns, i)
		b.WriteString(text + "\n")
		i += width
	}
	return b.String()
}

// anySlot draws the fields of a slot without regard to sense, leaning towards
// values that have one.
func anySlot(t *rapid.T) isa.Instruction {
	return isa.Instruction{
		Op:  rapid.Uint8().Draw(t, "op"),
		Dst: rapid.Uint8Range(0, 15).Draw(t, "dst"),
		Src: rapid.Uint8Range(0, 15).Draw(t, "src"),
		Off: rapid.OneOf(rapid.SampledFrom([]int16{0, 0, 1, 8, 16, 32, -1}), rapid.Int16()).Draw(t, "off"),
		Imm: rapid.OneOf(rapid.SampledFrom([]int32{
			0, 0, 1, 16, 32, 64, -1, 1 << 16, isa.AtomicAnd, isa.AtomicXor | isa.AtomicFetch,
			isa.AtomicXchg, isa.AtomicCmpXchg, isa.AtomicLoadAcq, isa.AtomicStoreRel,
		}), rapid.Int32()).Draw(t, "imm"),
	}
}

// Whatever the slots hold, their text assembles to the same slots.
func TestTextOfAnythingAssemblesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		insns := rapid.SliceOfN(rapid.Custom(anySlot), 1, 8).Draw(t, "slots")
		text := disassembly(insns)
		back, err := isa.Assemble(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(insns, back); diff != "" {
			t.Fatalf("%s\n%s", diff, text)
		}
	})
}

// Every opcode with a form reads as an instruction, not as raw slots, for some
// choice of its fields; and every valid choice reads so and comes back.
func TestEveryValidInstructionHasText(t *testing.T) {
	offs := []int16{0, 1, 8, 16, 32, -1, 0x7fff, -0x8000}
	imms := []int32{
		0, 1, 16, 32, 64, -1, 1 << 16, 0x40, 0x41, 0x50, 0x51, 0xa0, 0xa1,
		0xe1, 0xf1, 0x100, 0x110, 0x7fffffff, -0x80000000,
	}
	valid := map[uint8]int{}
	for op := range 256 {
		for _, dst := range []uint8{0, 1, 10, 11} {
			for src := range uint8(12) {
				for _, off := range offs {
					for _, imm := range imms {
						ins := isa.Instruction{Op: uint8(op), Dst: dst, Src: src, Off: off, Imm: imm}
						if isa.Validate(ins) != nil {
							continue
						}
						valid[ins.Op]++
						checkText(t, ins)
					}
				}
			}
		}
	}
	// ALU 12*2*2 (mov among them) + neg 2 + byte order 3, jumps 11*2*2 + 5,
	// loads and stores of memory 4*3 + 3 + atomics 4, of packets 6, and lddw.
	if want := 48 + 2 + 3 + 44 + 5 + 15 + 4 + 6 + 1; len(valid) != want {
		t.Errorf("%d opcodes are valid, want %d", len(valid), want)
	}
}

func checkText(t *testing.T, ins isa.Instruction) {
	t.Helper()
	insns := []isa.Instruction{ins}
	if ins.Op == isa.LdImm64 {
		insns = append(insns, isa.Instruction{})
	}
	text := disassembly(insns)
	if strings.Contains(text, ".insn") {
		t.Fatalf("%+v reads as %s", ins, text)
	}
	back, err := isa.Assemble(text)
	if err != nil || !slices.Equal(back, insns) {
		t.Fatalf("%s: got %+v, %v, want %+v", text, back, err, insns)
	}
}

func TestEncodeDecode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		insns := rapid.SliceOfN(rapid.Custom(anySlot), 0, 20).Draw(t, "slots")
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian, binary.NativeEndian} {
			code, err := isa.Encode(insns, order)
			if err != nil {
				t.Fatal(err)
			}
			back, err := isa.Decode(code, order)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(insns, back) {
				t.Fatalf("%v: %s", order, cmp.Diff(insns, back))
			}
		}
	})
}

func TestDecodeByteOrder(t *testing.T) {
	want := isa.Instruction{Op: isa.LdImm64, Dst: 1, Src: 2, Off: 0x0304, Imm: 0x05060708}
	little := []byte{0x18, 0x21, 4, 3, 8, 7, 6, 5}
	big := []byte{0x18, 0x12, 3, 4, 5, 6, 7, 8}
	for _, c := range []struct {
		code  []byte
		order binary.ByteOrder
	}{{little, binary.LittleEndian}, {big, binary.BigEndian}} {
		got, err := isa.Decode(c.code, c.order)
		if err != nil || got[0] != want {
			t.Errorf("%v: got %+v, %v", c.order, got, err)
		}
		code, err := isa.Encode(got, c.order)
		if err != nil || !bytes.Equal(code, c.code) {
			t.Errorf("%v: got % x, %v", c.order, code, err)
		}
	}
	if _, err := isa.Decode(make([]byte, 12), binary.LittleEndian); err == nil {
		t.Error("12 bytes decoded")
	}
	if _, err := isa.Encode([]isa.Instruction{{Dst: 16}}, binary.LittleEndian); err == nil {
		t.Error("register 16 encoded")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("\xb7\x00\x00\x00\x00\x00\x00\x00\x95\x00\x00\x00\x00\x00\x00\x00"), true)
	f.Add([]byte("\x18\x21\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x08\x00\x00\x00"), true)
	f.Add([]byte("\x18\x01\x00\x00\x05\x00\x00\x00"), false)
	f.Add([]byte("\xdb\x21\xf8\xff\xf1\x00\x00\x00\x8d\x01\x00\x00\x00\x00\x00\x00"), true)
	f.Fuzz(func(t *testing.T, code []byte, little bool) {
		order := binary.ByteOrder(binary.BigEndian)
		if little {
			order = binary.LittleEndian
		}
		insns, err := isa.Decode(code, order)
		if err != nil {
			return
		}
		_ = isa.ValidateCode(insns)
		back, err := isa.Assemble(disassembly(insns))
		if err != nil {
			t.Fatalf("%v\n%s", err, disassembly(insns))
		}
		again, err := isa.Encode(back, order)
		if err != nil || !bytes.Equal(code, again) {
			t.Fatalf("% x became % x (%v)\n%s", code, again, err, disassembly(insns))
		}
	})
}

func FuzzAssemble(f *testing.F) {
	for _, c := range golden {
		f.Add(c.text)
	}
	f.Add("loop:\n if r1 == 0x0 goto loop ; again\n call loop\n exit")
	f.Add("12: (b7) r1 = 0\n r1 = 5 ll\n r1 = subprog[+1]")
	f.Fuzz(func(t *testing.T, text string) {
		insns, err := isa.Assemble(text)
		if err != nil {
			return
		}
		back, err := isa.Assemble(disassembly(insns))
		if err != nil || !slices.Equal(insns, back) {
			t.Fatalf("%q: %s (%v)", text, cmp.Diff(insns, back), err)
		}
	})
}
