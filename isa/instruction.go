package isa

// Instruction is one 8-byte slot of eBPF bytecode (RFC 9669, section 3.1).
// A 64-bit immediate load takes two slots: the second has Op 0 and carries the
// upper half in Imm.
type Instruction struct {
	Op       uint8
	Dst, Src uint8 // 4 bits each
	Off      int16
	Imm      int32
}
