package isa

import "fmt"

func printBinary(_ *Printer, s site) string {
	r, op := s.letter(), aluText[s.ALUOp()>>4]
	if s.Off == 1 {
		op = "s" + op
	}
	if s.Source() == SrcX {
		return fmt.Sprintf("%c%d %s %c%d", r, s.Dst, op, r, s.Src)
	}
	return fmt.Sprintf("%c%d %s %d", r, s.Dst, op, s.Imm)
}

func printMove(_ *Printer, s site) string {
	r := s.letter()
	switch {
	case isAddrSpaceCast(s.Instruction):
		return fmt.Sprintf("r%d = addr_space_cast(r%d, %d, %d)", s.Dst, s.Src, uint32(s.Imm)>>16, uint16(s.Imm))
	case isPerCPUMove(s.Instruction):
		return fmt.Sprintf("r%d = &(void __percpu *)(r%d)", s.Dst, s.Src)
	case s.Off != 0:
		return fmt.Sprintf("%c%d = (s%d)%c%d", r, s.Dst, s.Off, r, s.Src)
	}
	return fmt.Sprintf("%c%d = %c%d", r, s.Dst, r, s.Src)
}

func printNeg(_ *Printer, s site) string {
	r := s.letter()
	return fmt.Sprintf("%c%d = -%c%d", r, s.Dst, r, s.Dst)
}

func printSwap(_ *Printer, s site) string {
	name := "le"
	switch s.Op {
	case ToBE:
		name = "be"
	case Bswap:
		name = "bswap"
	}
	return fmt.Sprintf("r%d = %s%d r%d", s.Dst, name, s.Imm, s.Dst)
}

func printBranch(p *Printer, s site) string {
	r, op, to := s.letter(), jumpText[s.JumpOp()>>4], p.target(s.at, int(s.Off))
	if s.Source() == SrcX {
		return fmt.Sprintf("if %c%d %s %c%d goto %s", r, s.Dst, op, r, s.Src, to)
	}
	return fmt.Sprintf("if %c%d %s 0x%x goto %s", r, s.Dst, op, uint32(s.Imm), to)
}

func printGoto(p *Printer, s site) string    { return "goto " + p.target(s.at, int(s.Off)) }
func printGotol(p *Printer, s site) string   { return "gotol " + p.target(s.at, int(s.Imm)) }
func printMayGoto(p *Printer, s site) string { return "may_goto " + p.target(s.at, int(s.Off)) }

func printCall(p *Printer, s site) string {
	name := ""
	switch s.Src {
	case PseudoCall:
		return "call " + p.target(s.at, int(s.Imm))
	case PseudoKfuncCall:
		if p != nil && p.Kfunc != nil {
			name = p.Kfunc(s.Instruction)
		}
		switch {
		case name != "":
		case s.Off != 0:
			return fmt.Sprintf("call kfunc#%d btf#%d", s.Imm, s.Off)
		default:
			name = "kfunc"
		}
	default:
		if p != nil && p.Helper != nil {
			name = p.Helper(s.Imm)
		}
		if name == "" {
			name = "helper"
		}
	}
	return fmt.Sprintf("call %s#%d", name, s.Imm)
}

// isCallX reports the callx of LLVM 19 and later, which names its register in
// Dst. Linux has no such instruction, yet clang emits it.
func isCallX(ins Instruction) bool {
	return ins.Op == CallX && ins.Dst < Registers && ins.Src == 0 && ins.Off == 0 && ins.Imm == 0
}

func printCallX(_ *Printer, s site) string { return fmt.Sprintf("callx r%d", s.Dst) }
func printExit(*Printer, site) string      { return "exit" }

func printLoad(_ *Printer, s site) string {
	sign := 'u'
	if s.Mode() == ModeMEMSX {
		sign = 's'
	}
	return fmt.Sprintf("r%d = *(%c%d *)(r%d %+d)", s.Dst, sign, s.bits(), s.Src, s.Off)
}

func printStore(_ *Printer, s site) string {
	return fmt.Sprintf("*(u%d *)(r%d %+d) = r%d", s.bits(), s.Dst, s.Off, s.Src)
}

func printStoreImm(_ *Printer, s site) string {
	return fmt.Sprintf("*(u%d *)(r%d %+d) = %d", s.bits(), s.Dst, s.Off, s.Imm)
}

func printLoadAbs(_ *Printer, s site) string {
	return fmt.Sprintf("r0 = *(u%d *)skb[%d]", s.bits(), s.Imm)
}

func printLoadInd(_ *Printer, s site) string {
	return fmt.Sprintf("r0 = *(u%d *)skb[r%d + %d]", s.bits(), s.Src, s.Imm)
}

func printAtomic(_ *Printer, s site) string {
	long := ""
	if s.Size() == SizeDW {
		long = "64"
	}
	place := fmt.Sprintf("(u%d *)(r%d %+d)", s.bits(), s.Dst, s.Off)
	switch s.Imm {
	case AtomicLoadAcq:
		return fmt.Sprintf("r%d = load_acquire((u%d *)(r%d %+d))", s.Dst, s.bits(), s.Src, s.Off)
	case AtomicStoreRel:
		return fmt.Sprintf("store_release(%s, r%d)", place, s.Src)
	case AtomicXchg:
		return fmt.Sprintf("r%d = atomic%s_xchg(%s, r%d)", s.Src, long, place, s.Src)
	case AtomicCmpXchg:
		return fmt.Sprintf("r0 = atomic%s_cmpxchg(%s, r0, r%d)", long, place, s.Src)
	}
	if s.Imm&AtomicFetch != 0 {
		return fmt.Sprintf("r%d = atomic%s_fetch_%s(%s, r%d)", s.Src, long, atomicText[s.Imm>>4], place, s.Src)
	}
	return fmt.Sprintf("lock *%s %s r%d", place, aluText[s.Imm>>4], s.Src)
}

func printImm64(p *Printer, s site) string {
	name := ""
	if p != nil && p.Load != nil {
		name = p.Load(s.at, s.Instruction, s.hi)
	}
	if name == "" {
		name = p.imm64(s)
	}
	return fmt.Sprintf("r%d = %s", s.Dst, name)
}

func (p *Printer) imm64(s site) string {
	switch s.Src {
	case PseudoMapFD:
		return fmt.Sprintf("map[fd:%d]", s.Imm)
	case PseudoMapValue:
		return fmt.Sprintf("map[fd:%d][0]+%d", s.Imm, uint32(s.hi.Imm))
	case PseudoMapIdx:
		return fmt.Sprintf("map[idx:%d]", s.Imm)
	case PseudoMapIdxValue:
		return fmt.Sprintf("map[idx:%d][0]+%d", s.Imm, uint32(s.hi.Imm))
	case PseudoFunc:
		return "subprog[" + p.target(s.at, int(s.Imm)) + "]"
	case PseudoBTFID:
		if s.hi.Imm != 0 {
			return fmt.Sprintf("btf[id:%d,fd:%d]", s.Imm, s.hi.Imm)
		}
		return fmt.Sprintf("btf[id:%d]", s.Imm)
	}
	return fmt.Sprintf("0x%x", Imm64(s.Instruction, s.hi))
}
