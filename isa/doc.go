// Package isa reads, writes and prints eBPF instructions (RFC 9669, and what
// Linux 6.18 has beyond it). It knows encodings, not meanings: what a helper
// does or a program type may do stands in package abi.
//
//	insns, err := isa.Decode(code, binary.LittleEndian)
//	err = isa.ValidateCode(insns)
//	text, width := isa.Disassemble(insns, 0) // "r1 = *(u32 *)(r1 +4)", 1
//	insns, err = isa.Assemble("r0 = 2\nexit")
//
// Text is that of the kernel's verifier log and of bpftool, made lossless: any
// slots at all, valid or not, come back from their text unchanged.
//
// # For maintainers
//
// Every opcode points to a form (form.go) that knows how to check and how to
// print it; the assembler (asm*.go) is a scanner and a recursive-descent parser
// with one small function a construct. A new instruction is a form, its two
// functions, its parse function and a row in the golden table.
package isa
