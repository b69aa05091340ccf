package isa_test

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/skepdev/skep/isa"
)

// golden holds one row for every way an instruction can look: little-endian
// bytes and text.
var golden = []struct{ code, text string }{
	// Arithmetic.
	{"0f21000000000000", "r1 += r2"},
	{"0701000005000000", "r1 += 5"},
	{"0c21000000000000", "w1 += w2"},
	{"04010000fbffffff", "w1 += -5"},
	{"1f21000000000000", "r1 -= r2"},
	{"27010000ffffff7f", "r1 *= 2147483647"},
	{"3f21000000000000", "r1 /= r2"},
	{"3f21010000000000", "r1 s/= r2"},
	{"34010100fdffffff", "w1 s/= -3"},
	{"4f21000000000000", "r1 |= r2"},
	{"54010000ff000000", "w1 &= 255"},
	{"6701000020000000", "r1 <<= 32"},
	{"7701000020000000", "r1 >>= 32"},
	{"8701000000000000", "r1 = -r1"},
	{"8401000000000000", "w1 = -w1"},
	{"9701000007000000", "r1 %= 7"},
	{"9c21010000000000", "w1 s%= w2"},
	{"af11000000000000", "r1 ^= r1"},
	{"c701000020000000", "r1 s>>= 32"},
	{"cc21000000000000", "w1 s>>= w2"},
	// Moves.
	{"bfa6000000000000", "r6 = r10"},
	{"bc21000000000000", "w1 = w2"},
	{"b7010000ffffffff", "r1 = -1"},
	{"b401000000000080", "w1 = -2147483648"},
	{"bf21080000000000", "r1 = (s8)r2"},
	{"bf21100000000000", "r1 = (s16)r2"},
	{"bf21200000000000", "r1 = (s32)r2"},
	{"bc21080000000000", "w1 = (s8)w2"},
	{"bc21100000000000", "w1 = (s16)w2"},
	{"bf21010001000000", "r1 = addr_space_cast(r2, 0, 1)"},
	{"bf21010000000100", "r1 = addr_space_cast(r2, 1, 0)"},
	{"bf21ffff00000000", "r1 = &(void __percpu *)(r2)"},
	// Byte order.
	{"d401000010000000", "r1 = le16 r1"},
	{"d401000040000000", "r1 = le64 r1"},
	{"dc01000020000000", "r1 = be32 r1"},
	{"d701000040000000", "r1 = bswap64 r1"},
	// Jumps.
	{"0500030000000000", "goto pc+3"},
	{"0500feff00000000", "goto pc-2"},
	{"0600000000000100", "gotol pc+65536"},
	{"e500020000000000", "may_goto pc+2"},
	{"1501030005000000", "if r1 == 0x5 goto pc+3"},
	{"1d21030000000000", "if r1 == r2 goto pc+3"},
	{"25010300ffffffff", "if r1 > 0xffffffff goto pc+3"},
	{"3e21fdff00000000", "if w1 >= w2 goto pc-3"},
	{"4501030005000000", "if r1 & 0x5 goto pc+3"},
	{"5601030005000000", "if w1 != 0x5 goto pc+3"},
	{"6501030005000000", "if r1 s> 0x5 goto pc+3"},
	{"7d21030000000000", "if r1 s>= r2 goto pc+3"},
	{"a501030005000000", "if r1 < 0x5 goto pc+3"},
	{"b501030005000000", "if r1 <= 0x5 goto pc+3"},
	{"c601030005000000", "if w1 s< 0x5 goto pc+3"},
	{"de21030000000000", "if w1 s<= w2 goto pc+3"},
	// Calls.
	{"8500000001000000", "call helper#1"},
	{"85100000ffffffff", "call pc-1"},
	{"8520000039300000", "call kfunc#12345"},
	{"8520020039300000", "call kfunc#12345 btf#2"},
	{"8d03000000000000", "callx r3"},
	{"9500000000000000", "exit"},
	// Memory.
	{"6112040000000000", "r2 = *(u32 *)(r1 +4)"},
	{"69a2feff00000000", "r2 = *(u16 *)(r10 -2)"},
	{"7112000000000000", "r2 = *(u8 *)(r1 +0)"},
	{"7912080000000000", "r2 = *(u64 *)(r1 +8)"},
	{"8112040000000000", "r2 = *(s32 *)(r1 +4)"},
	{"8912040000000000", "r2 = *(s16 *)(r1 +4)"},
	{"9112040000000000", "r2 = *(s8 *)(r1 +4)"},
	{"631afcff00000000", "*(u32 *)(r10 -4) = r1"},
	{"7b1af8ff00000000", "*(u64 *)(r10 -8) = r1"},
	{"620afcff07000000", "*(u32 *)(r10 -4) = 7"},
	{"7a0af8ffffffffff", "*(u64 *)(r10 -8) = -1"},
	{"720affff01000000", "*(u8 *)(r10 -1) = 1"},
	// Atomics.
	{"db21080000000000", "lock *(u64 *)(r1 +8) += r2"},
	{"c321080040000000", "lock *(u32 *)(r1 +8) |= r2"},
	{"db21080050000000", "lock *(u64 *)(r1 +8) &= r2"},
	{"db210800a0000000", "lock *(u64 *)(r1 +8) ^= r2"},
	{"db21080001000000", "r2 = atomic64_fetch_add((u64 *)(r1 +8), r2)"},
	{"c321080041000000", "r2 = atomic_fetch_or((u32 *)(r1 +8), r2)"},
	{"c321080051000000", "r2 = atomic_fetch_and((u32 *)(r1 +8), r2)"},
	{"db210800a1000000", "r2 = atomic64_fetch_xor((u64 *)(r1 +8), r2)"},
	{"db210800e1000000", "r2 = atomic64_xchg((u64 *)(r1 +8), r2)"},
	{"c3210800f1000000", "r0 = atomic_cmpxchg((u32 *)(r1 +8), r0, r2)"},
	{"d321080000010000", "r1 = load_acquire((u8 *)(r2 +8))"},
	{"db21080010010000", "store_release((u64 *)(r1 +8), r2)"},
	// Packets.
	{"200000000e000000", "r0 = *(u32 *)skb[14]"},
	{"280000000c000000", "r0 = *(u16 *)skb[12]"},
	{"30000000fffffbff", "r0 = *(u8 *)skb[-262145]"},
	{"4060000004000000", "r0 = *(u32 *)skb[r6 + 4]"},
	{"50600000ffffffff", "r0 = *(u8 *)skb[r6 + -1]"},
	// 64-bit immediates.
	{"18010000efcdab890000000067452301", "r1 = 0x123456789abcdef"},
	{"18010000000000000000000000000000", "r1 = 0x0"},
	{"18110000030000000000000000000000", "r1 = map[fd:3]"},
	{"18210000030000000000000008000000", "r1 = map[fd:3][0]+8"},
	{"18310000030000000000000000000000", "r1 = btf[id:3]"},
	{"18310000030000000000000004000000", "r1 = btf[id:3,fd:4]"},
	{"18410000030000000000000000000000", "r1 = subprog[pc+3]"},
	{"18510000030000000000000000000000", "r1 = map[idx:3]"},
	{"18610000030000000000000000000080", "r1 = map[idx:3][0]+2147483648"},
	// What is no instruction.
	{"0000000000000000", ".insn 0x00, 0, 0, 0, 0"},
	{"0f21010000000000", ".insn 0x0f, 1, 2, 1, 0"},
	{"95000100ffffffff", ".insn 0x95, 0, 0, 1, -1"},
	{"61bf000000000000", ".insn 0x61, 15, 11, 0, 0"},
	{"1801000005000000", ".insn 0x18, 1, 0, 0, 5"},
}

func TestGolden(t *testing.T) {
	for _, c := range golden {
		code, err := hex.DecodeString(c.code)
		if err != nil {
			t.Fatal(err)
		}
		insns, err := isa.Decode(code, binary.LittleEndian)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSuffix(disassembly(insns), "\n"); got != c.text {
			t.Errorf("%s: got %q, want %q", c.code, got, c.text)
		}
		back, err := isa.Assemble(c.text)
		if err != nil || !slices.Equal(back, insns) {
			t.Errorf("assemble %q: got %+v, %v, want %+v", c.text, back, err, insns)
		}
	}
}

func TestAssembleProgram(t *testing.T) {
	insns, err := isa.Assemble(`
		; sums the numbers from 10 to 1
		   0: (b7) r0 = 0
		   1: (b7) r1 = 10
		loop:
		   r0 += r1           // comments end lines
		   r1 += -1
		   if r1 != 0 goto loop
		   r2 = 1 ll
		   r3 = subprog[next]
		   call next
		   exit
		next:
		   r0 = *(u64 *)(r10 - 0x8)
		   gotol next`)
	if err != nil {
		t.Fatal(err)
	}
	want := `r0 = 0
r1 = 10
r0 += r1
r1 += -1
if r1 != 0x0 goto pc-3
r2 = 0x1
r3 = subprog[pc+3]
call pc+1
exit
r0 = *(u64 *)(r10 -8)
gotol pc-2
`
	if got := disassembly(insns); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAssembleErrors(t *testing.T) {
	for text, want := range map[string]string{
		"r1 = r11":                                    "line 1: expected a value, found \"r11\"",
		"\n\nr1 == 5":                                 "line 3: expected an assignment, found \"==\"",
		"r1 += w2":                                    "one has 32 bits",
		"r1 = 4294967296":                             "does not fit in 32 bits",
		"r1 = 99999999999999999999":                   "is not a number of at most 64 bits",
		"goto nowhere":                                "label nowhere is not defined",
		"a:\na:":                                      "label a is defined twice",
		"if r1 => 5 goto pc+1":                        "expected a comparison",
		"r1 = *(u32 *)(r2 +40000)":                    "does not fit in 16 bits",
		"goto pc+40000":                               "does not fit in 16 bits",
		"r1 = *(s64 *)(r2 +0)":                        "no load of that type",
		"*(s8 *)(r2 +0) = 1":                          "stores have unsigned types",
		"lock *(u16 *)(r1 +0) += r2":                  "atomic operation on 2 bytes",
		"lock *(u64 *)(r1 +0) *= r2":                  "expected +=, |=, &= or ^=",
		"r3 = atomic64_xchg((u64 *)(r1 +0), r2)":      "gives its result in r2",
		"r2 = atomic_xchg((u64 *)(r1 +0), r2)":        "does not go with that type",
		"r2 = atomic64_fetch_mul((u64 *)(r1 +0), r2)": "unknown atomic operation",
		"r1 = be16 r2":                                "expected r1 again",
		"r1 = (s64)r2":                                "no move converts to that type",
		"w1 = (s32)w2":                                "no move converts to that type",
		"r1 = (u8)r2":                                 "no move converts to that type",
		"r1 = addr_space_cast(r2, 1, 1)":              "only 0 and 1 exist",
		"r1 = map[fd:3][1]+0":                         "expected element 0",
		"exit exit":                                   "unexpected \"exit\" after the instruction",
		"r1 = `":                                      "unexpected character",
		"if":                                          "expected a register, found the end of the line",
		".insn 256, 0, 0, 0, 0":                       "256 is not in 0 to 255",
		"w1 = map[fd:3]":                              "64-bit loads go to 64-bit registers",
	} {
		if insns, err := isa.Assemble(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %+v, %v, want an error with %q", text, insns, err, want)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		ins  isa.Instruction
		want string
	}{
		{isa.Instruction{Op: 0xff}, "unknown opcode"},
		{isa.Instruction{}, "second half of a 64-bit load"},
		{isa.Instruction{Op: isa.MovK, Dst: 11}, "register 11 does not exist"},
		{isa.Instruction{Op: isa.MovX, Src: 12}, "register 12 does not exist"},
		{isa.Instruction{Op: isa.MovX, Imm: 3}, "reserved field imm is 3"},
		{isa.Instruction{Op: isa.MovK, Src: 3}, "reserved field src is 3"},
		{isa.Instruction{Op: isa.MovX, Off: 4}, "no move sign-extends from 4 bits"},
		{isa.Instruction{Op: isa.MovX, Off: -1}, "only the kernel itself"},
		{isa.Instruction{Op: isa.ToBE, Imm: 8}, "byte order of 8 bits"},
		{isa.Instruction{Op: isa.Atomic, Imm: 0x30}, "unknown atomic operation 0x30"},
		{isa.Instruction{Op: isa.Call, Src: 3}, "call of kind 3"},
		{isa.Instruction{Op: isa.Call, Src: 2, Off: -1}, "BTF object -1"},
		{isa.Instruction{Op: isa.CallX}, "call of a register"},
		{isa.Instruction{Op: isa.LdImm64, Src: 7}, "64-bit load of kind 7"},
		{isa.Instruction{Op: isa.Exit, Off: 1}, "reserved field off is 1"},
		{isa.Instruction{Op: isa.ClassJMP32 | isa.OpCall}, "unknown opcode"},
	} {
		err := isa.Validate(c.ins)
		var e *isa.EncodingError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want %q", c.ins, err, c.want)
		}
	}
}

func TestValidateCode(t *testing.T) {
	for text, want := range map[string]string{
		"r0 = 0\nexit":                       "",
		"a:\ngoto a":                         "",
		"":                                   "there are no instructions",
		"r0 = 0":                             "instruction 0 (opcode 0xb7): execution runs over the end",
		"goto pc+1\nexit":                    "jump to 2 leaves the program (0 to 1)",
		"goto pc-2\nexit":                    "jump to -1 leaves the program",
		"goto pc+1\nr1 = 0x5\nexit":          "jump to 2 lands inside a 64-bit load",
		"call pc+9\nexit":                    "call to 10 leaves the program",
		"r1 = subprog[pc+1]\nexit":           "",
		"r1 = subprog[pc+0]\nexit":           "function address to 1 lands inside",
		"r1 = 0x5\n.insn 0xff,0,0,0,0\nexit": "invalid instruction 2 (opcode 0xff): unknown opcode",
		".insn 0x18, 1, 0, 0, 5":             "second half of the 64-bit load is missing",
		".insn 0x18, 1, 0, 0, 5\nexit":       "opcode of the 64-bit load's second half is 149",
		".insn 0x18, 1, 1, 0, 5\n.insn 0,0,0,0,7\nexit": "imm of the 64-bit load's second half is 7",
	} {
		insns, err := isa.Assemble(text)
		if err != nil {
			t.Fatal(err)
		}
		err = isa.ValidateCode(insns)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

func TestPrinterNames(t *testing.T) {
	insns, err := isa.Assemble("call a#1\ncall kfunc#7\ncall pc+1\nif r1 == 0 goto pc-1\nr1 = map[idx:0]\nexit")
	if err != nil {
		t.Fatal(err)
	}
	p := &isa.Printer{
		Helper: func(id int32) string { return map[int32]string{1: "bpf_map_lookup_elem"}[id] },
		Kfunc:  func(ins isa.Instruction) string { return "bpf_dynptr_slice" },
		Target: func(slot int) string { return map[int]string{3: "L3", 4: "sub"}[slot] },
		Load:   func(int, isa.Instruction, isa.Instruction) string { return "counters" },
	}
	want := []string{"call bpf_map_lookup_elem#1", "call bpf_dynptr_slice#7", "call sub", "if r1 == 0x0 goto L3", "r1 = counters", "exit"}
	var got []string
	for i := 0; i < len(insns); {
		text, width := p.Text(insns, i)
		got = append(got, text)
		i += width
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, i := range []int{-1, len(insns)} {
		if text, width := p.Text(insns, i); text != "" || width != 0 {
			t.Errorf("index %d: %q, %d", i, text, width)
		}
	}
}
