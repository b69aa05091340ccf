package check

import (
	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

const (
	allRegs    = 1<<10 - 1
	callerRegs = 1<<6 - 1 // r0 to r5
	argRegs    = callerRegs &^ 1
)

// computeLiveRegs finds, for each instruction, the registers whose values may
// still be read from there on (compute_live_registers).
func (c *Checker) computeLiveRegs() error {
	var buf [2]int
	for k := range c.subs {
		order := c.subs[k].postorder
		for changed := true; changed; {
			changed = false
			for _, i := range order {
				var out uint16
				for _, to := range c.successors(i, buf[:0]) {
					out |= c.aux[to].liveRegs
				}
				use, def := c.usesAndDefs(i)
				in := out&^def | use
				if in != c.aux[i].liveRegs {
					c.aux[i].liveRegs = in
					changed = true
				}
			}
		}
	}
	return nil
}

func bit(reg uint8) uint16 { return 1 << reg }

// usesAndDefs are the registers an instruction reads, and those it overwrites
// whole.
func (c *Checker) usesAndDefs(i int) (use, def uint16) {
	ins := c.insns[i]
	dst, src := bit(ins.Dst), bit(ins.Src)
	switch ins.Class() {
	case isa.ClassALU, isa.ClassALU64:
		switch {
		case ins.ALUOp() == isa.OpEnd:
			use, def = dst, dst
		case ins.ALUOp() == isa.OpMov:
			def = dst
			if ins.Source() == isa.SrcX {
				use = src
			}
		default:
			use, def = dst, dst
			if ins.Source() == isa.SrcX && ins.ALUOp() != isa.OpNeg {
				use |= src
			}
		}
	case isa.ClassLD:
		if isLegacyLoad(ins) {
			use, def = bit(6), callerRegs
			if ins.Mode() == isa.ModeIND {
				use |= src
			}
		} else {
			def = dst
		}
	case isa.ClassLDX:
		use, def = src, dst
	case isa.ClassST:
		use = dst
	case isa.ClassSTX:
		use, def = storeUses(ins, dst, src)
	default:
		use, def = c.jumpUses(i, ins, dst, src)
	}
	const fp = 1 << isa.R10
	return use &^ fp, def &^ fp
}

func storeUses(ins isa.Instruction, dst, src uint16) (use, def uint16) {
	if ins.Mode() != isa.ModeATOMIC {
		return dst | src, 0
	}
	switch ins.Imm {
	case isa.AtomicLoadAcq:
		return src, dst
	case isa.AtomicStoreRel:
		return dst | src, 0
	case isa.AtomicCmpXchg:
		return dst | src | 1, 1
	}
	if ins.Imm&isa.AtomicFetch != 0 {
		return dst | src, src
	}
	return dst | src, 0
}

func (c *Checker) jumpUses(i int, ins isa.Instruction, dst, src uint16) (use, def uint16) {
	switch {
	case ins.Op == isa.Exit:
		return 1, 0
	case ins.IsCall():
		def = callerRegs
		// Without a prototype all arguments count as read.
		use = argRegs
		if n, ok := c.argCount(i); ok {
			use = (1<<(n+1) - 1) &^ 1
		}
		return use, def
	case ins.Op == isa.JA, ins.Op == isa.JA32, ins.Op == isa.MayGoto:
		return 0, 0
	case ins.Source() == isa.SrcX:
		return dst | src, 0
	}
	return dst, 0
}

// argCount is how many arguments the function called at i has.
func (c *Checker) argCount(i int) (int, bool) {
	ins := c.insns[i]
	switch {
	case ins.IsHelperCall():
		h := abi.HelperByID(abi.HelperID(ins.Imm))
		if h == nil {
			return 0, false
		}
		args, _, ok := h.Prototype(c.prog.Type)
		if !ok {
			return 0, false
		}
		return len(args), true
	case ins.IsKfuncCall():
		if k := c.calls.kfuncs[ins.Imm]; k != nil {
			return k.params(), true
		}
	}
	return 0, false
}
