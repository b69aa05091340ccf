package isa

import "fmt"

func checkBinary(ins Instruction) string {
	if why := unused(ins); why != "" {
		return why
	}
	if op := ins.ALUOp(); (op == OpDiv || op == OpMod) && ins.Off == 1 {
		return ""
	}
	return reserved(off(ins))
}

func checkMove(ins Instruction) string {
	if isAddrSpaceCast(ins) {
		if ins.Imm != 1 && ins.Imm != 1<<16 {
			return fmt.Sprintf("address space cast between spaces %d and %d: only 0 and 1 exist", uint32(ins.Imm)>>16, uint16(ins.Imm))
		}
		return ""
	}
	if why := reserved(imm(ins)); why != "" {
		return why
	}
	switch {
	case isPerCPUMove(ins):
		return "per-CPU address: only the kernel itself makes this instruction"
	case ins.Off == 0, ins.Off == 8, ins.Off == 16, ins.Off == 32 && ins.Class() == ClassALU64:
		return ""
	}
	return fmt.Sprintf("no move sign-extends from %d bits", ins.Off)
}

func isAddrSpaceCast(ins Instruction) bool { return ins.Op == MovX && ins.Off == OffAddrSpaceCast }

func isPerCPUMove(ins Instruction) bool {
	return ins.Op == MovX && ins.Off == OffAddrPerCPU && ins.Imm == 0 && ins.Dst < Registers && ins.Src < Registers
}

func checkNeg(ins Instruction) string { return reserved(src(ins), off(ins), imm(ins)) }

func checkSwap(ins Instruction) string {
	if ins.Imm != 16 && ins.Imm != 32 && ins.Imm != 64 {
		return fmt.Sprintf("byte order of %d bits: only 16, 32 and 64 exist", ins.Imm)
	}
	return reserved(src(ins), off(ins))
}

func checkBranch(ins Instruction) string { return unused(ins) }
func checkGoto(ins Instruction) string   { return reserved(dst(ins), src(ins), imm(ins)) }
func checkGotol(ins Instruction) string  { return reserved(dst(ins), src(ins), off(ins)) }

func checkMayGoto(ins Instruction) string { return reserved(dst(ins), src(ins), imm(ins)) }

func checkCall(ins Instruction) string {
	switch ins.Src {
	case PseudoHelper, PseudoCall:
		return reserved(dst(ins), off(ins))
	case PseudoKfuncCall:
		if ins.Off < 0 {
			return fmt.Sprintf("BTF object %d of a kernel function is negative", ins.Off)
		}
		return reserved(dst(ins))
	}
	return fmt.Sprintf("call of kind %d does not exist", ins.Src)
}

func checkCallX(Instruction) string { return "call of a register: Linux has no such instruction" }

func checkExit(ins Instruction) string {
	return reserved(dst(ins), src(ins), off(ins), imm(ins))
}

func checkLoad(ins Instruction) string     { return reserved(imm(ins)) }
func checkStore(ins Instruction) string    { return reserved(imm(ins)) }
func checkStoreImm(ins Instruction) string { return reserved(src(ins)) }
func checkLoadAbs(ins Instruction) string  { return reserved(dst(ins), src(ins), off(ins)) }
func checkLoadInd(ins Instruction) string  { return reserved(dst(ins), off(ins)) }

func checkAtomic(ins Instruction) string {
	switch ins.Imm {
	case AtomicLoadAcq, AtomicStoreRel:
		return ""
	case AtomicXchg, AtomicCmpXchg:
	default:
		switch ins.Imm &^ AtomicFetch {
		case AtomicAdd, AtomicOr, AtomicAnd, AtomicXor:
		default:
			return fmt.Sprintf("unknown atomic operation 0x%x", uint32(ins.Imm))
		}
	}
	if n := ins.Bytes(); n < 4 {
		return fmt.Sprintf("atomic operation on %d bytes: only 4 and 8 exist", n)
	}
	return ""
}

func checkImm64(ins Instruction) string {
	if ins.Src > PseudoMapIdxValue {
		return fmt.Sprintf("64-bit load of kind %d does not exist", ins.Src)
	}
	return reserved(off(ins))
}

// invalidHalf checks the second slot of a 64-bit immediate load.
func invalidHalf(lo, hi Instruction) string {
	for _, f := range []field{{"opcode", int32(hi.Op)}, dst(hi), src(hi), off(hi)} {
		if f.value != 0 {
			return fmt.Sprintf("%s of the 64-bit load's second half is %d, must be 0", f.name, f.value)
		}
	}
	switch lo.Src {
	case PseudoMapFD, PseudoMapIdx, PseudoFunc:
		if hi.Imm != 0 {
			return fmt.Sprintf("imm of the 64-bit load's second half is %d, must be 0", hi.Imm)
		}
	}
	return ""
}
