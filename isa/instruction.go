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

// Class is the instruction class, ClassLD to ClassALU64.
func (ins Instruction) Class() uint8 { return ins.Op & ClassMask }

// ALUOp is the operation of an arithmetic instruction, OpAdd to OpEnd.
func (ins Instruction) ALUOp() uint8 { return ins.Op & OpMask }

// JumpOp is the operation of a jump, OpJA to OpJCond.
func (ins Instruction) JumpOp() uint8 { return ins.Op & OpMask }

// Source is SrcK or SrcX of arithmetic and jumps.
func (ins Instruction) Source() uint8 { return ins.Op & SrcMask }

// Size is the size field of loads and stores, SizeW to SizeDW.
func (ins Instruction) Size() uint8 { return ins.Op & SizeMask }

// Mode is the mode field of loads and stores, ModeIMM to ModeATOMIC.
func (ins Instruction) Mode() uint8 { return ins.Op & ModeMask }

// Bytes is how many bytes a load or store moves.
func (ins Instruction) Bytes() int { return sizeBytes(ins.Size()) }

func sizeBytes(size uint8) int {
	switch size {
	case SizeB:
		return 1
	case SizeH:
		return 2
	case SizeW:
		return 4
	}
	return 8
}

// Width is the number of slots the instruction takes: 2 for a 64-bit immediate
// load, else 1.
func (ins Instruction) Width() int {
	if ins.Op == LdImm64 {
		return 2
	}
	return 1
}

// IsJump reports whether the instruction may continue elsewhere than at the
// next one: conditional and unconditional jumps, not calls and not exit.
func (ins Instruction) IsJump() bool {
	if c := ins.Class(); c != ClassJMP && c != ClassJMP32 {
		return false
	}
	op := ins.JumpOp()
	return op != OpCall && op != OpExit && op <= OpJCond
}

// IsConditional reports whether a jump may also fall through.
func (ins Instruction) IsConditional() bool { return ins.IsJump() && ins.JumpOp() != OpJA }

// Displacement is how far a jump goes, in slots counted from the next one.
func (ins Instruction) Displacement() int {
	if ins.Op == JA32 {
		return int(ins.Imm)
	}
	return int(ins.Off)
}

// IsCall reports whether the instruction calls anything.
func (ins Instruction) IsCall() bool { return ins.Op == Call || ins.Op == CallX }

// IsHelperCall reports a call of a helper by number.
func (ins Instruction) IsHelperCall() bool { return ins.Op == Call && ins.Src == PseudoHelper }

// IsSubprogCall reports a call of another function of the same program.
func (ins Instruction) IsSubprogCall() bool { return ins.Op == Call && ins.Src == PseudoCall }

// IsKfuncCall reports a call of a kernel function.
func (ins Instruction) IsKfuncCall() bool { return ins.Op == Call && ins.Src == PseudoKfuncCall }

// Imm64 joins the two halves of a 64-bit immediate load.
func Imm64(lo, hi Instruction) uint64 {
	return uint64(uint32(hi.Imm))<<32 | uint64(uint32(lo.Imm))
}
