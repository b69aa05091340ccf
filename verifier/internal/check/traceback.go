package check

import (
	"github.com/skepdev/skep/isa"
)

// traceOver goes back over one instruction: what is traced after it is replaced
// by what that came from. next is the instruction that ran after it
// (backtrack_insn).
func (c *Checker) traceOver(i, next int, h *histEntry) error {
	ins := c.insns[i]
	if ins.Op == 0 {
		return nil // second half of a 64-bit load
	}
	c.log.traceOver(c, i)
	c.traceLinked(h)
	b := &c.bt
	switch ins.Class() {
	case isa.ClassALU, isa.ClassALU64:
		c.traceALU(ins)
		c.traceLinked(h)
		return nil
	case isa.ClassLDX:
		return c.traceLoad(ins.Dst, h)
	case isa.ClassSTX, isa.ClassST:
		if reg, ok := fetches(ins); ok {
			return c.traceLoad(reg, h)
		}
		return c.traceStore(ins, h)
	case isa.ClassLD:
		if !isLegacyLoad(ins) {
			b.clear(ins.Dst)
			return nil
		}
		if b.has(0) {
			return errOpaque
		}
		if next != i+1 {
			return b.enter() // it left the function
		}
		return nil
	}
	err := c.traceJump(i, next, ins, h)
	if err == nil && !ins.IsCall() && ins.Op != isa.Exit {
		c.traceLinked(h)
	}
	return err
}

// fetches is the register that an atomic operation loads.
func fetches(ins isa.Instruction) (uint8, bool) {
	if ins.Mode() != isa.ModeATOMIC {
		return 0, false
	}
	switch {
	case ins.Imm == isa.AtomicLoadAcq:
		return ins.Dst, true
	case ins.Imm == isa.AtomicStoreRel:
		return 0, false
	case ins.Imm == isa.AtomicCmpXchg:
		return 0, true
	case ins.Imm&isa.AtomicFetch != 0:
		return ins.Src, true
	}
	return 0, false
}

func (c *Checker) traceALU(ins isa.Instruction) {
	b := &c.bt
	if !b.has(ins.Dst) {
		return
	}
	switch op := ins.ALUOp(); {
	case op == isa.OpEnd, op == isa.OpNeg:
	case op == isa.OpMov:
		b.clear(ins.Dst)
		if ins.Source() == isa.SrcX {
			b.set(ins.Src)
		}
	case ins.Source() == isa.SrcX:
		b.set(ins.Src)
	}
}

// traceLoad: a fill from the stack goes on in the slot; what other memory holds
// is not followed.
func (c *Checker) traceLoad(reg uint8, h *histEntry) error {
	if !c.bt.has(reg) {
		return nil
	}
	c.bt.clear(reg)
	if h != nil && h.flags&histStack != 0 {
		c.bt.slots[h.frame] |= 1 << h.slot
	}
	return nil
}

func (c *Checker) traceStore(ins isa.Instruction, h *histEntry) error {
	b := &c.bt
	if b.has(ins.Dst) {
		return errOpaque // a pointer is wanted as a number: it was subtracted
	}
	if h == nil || h.flags&histStack == 0 || !b.hasSlot(h.frame, h.slot) {
		return nil
	}
	b.slots[h.frame] &^= 1 << h.slot
	if ins.Class() == isa.ClassSTX {
		b.set(ins.Src)
	}
	return nil
}

func (c *Checker) traceJump(i, next int, ins isa.Instruction, h *histEntry) error {
	b := &c.bt
	switch {
	case ins.IsSubprogCall():
		return c.traceCall(i, next, ins)
	case ins.IsCall() && c.aux[i].callback && next != i+1:
		// The entry of a callback: its arguments are not the call's.
		if b.regs[b.frame]&^argRegs != 0 || b.slots[b.frame] != 0 {
			return errBacktrack
		}
		b.regs[b.frame] &^= argRegs
		return b.leave()
	case ins.IsHelperCall() && ins.Imm == helperTailCall && next != i+1:
		b.clear(0)
		return b.enter() // the function was left by it
	case ins.IsCall():
		b.clear(0)
		if b.regs[b.frame]&argRegs != 0 {
			return errBacktrack
		}
		return nil
	case ins.Op == isa.Exit:
		return c.traceExit(next)
	case ins.Op == isa.JA, ins.Op == isa.JA32, ins.Op == isa.MayGoto:
		return nil
	case ins.Source() == isa.SrcX:
		if !b.has(ins.Dst) && !b.has(ins.Src) {
			return nil
		}
		if h == nil || h.flags&histSrcStack == 0 {
			b.set(ins.Src)
		}
		if h == nil || h.flags&histDstStack == 0 {
			b.set(ins.Dst)
		}
	}
	return nil
}

// traceCall is a call seen from behind: from the callee's entry to the caller's
// arguments, or over a global function that was verified apart.
func (c *Checker) traceCall(i, next int, ins isa.Instruction) error {
	b := &c.bt
	k := c.subprogStarting(i + 1 + int(ins.Imm))
	if k < 0 {
		return errBacktrack
	}
	if c.subs[k].global {
		if next != i+1 || b.regs[b.frame]&argRegs != 0 {
			return errBacktrack
		}
		b.clear(0)
		return nil
	}
	if b.regs[b.frame]&^argRegs != 0 || b.slots[b.frame] != 0 || b.frame == 0 {
		return errBacktrack
	}
	b.regs[b.frame-1] |= b.regs[b.frame]
	b.regs[b.frame] = 0
	return b.leave()
}

// traceExit goes from behind a call into the callee's end.
func (c *Checker) traceExit(next int) error {
	b := &c.bt
	fromCall := next > 0 && c.insns[next-1].IsSubprogCall()
	r0 := fromCall && b.has(0)
	if fromCall && b.regs[b.frame]&argRegs != 0 {
		return errBacktrack
	}
	b.clear(0)
	if err := b.enter(); err != nil {
		return err
	}
	if r0 {
		b.set(0)
	}
	return nil
}

// traceLinked traces all of a set of linked numbers if it traces one.
func (c *Checker) traceLinked(h *histEntry) {
	if h == nil || h.linked.n == 0 {
		return
	}
	b := &c.bt
	any := false
	for _, p := range h.linked.place[:h.linked.n] {
		if p.slot && b.hasSlot(p.frame, p.no) || !p.slot && b.regs[p.frame]&bit(p.no) != 0 {
			any = true
		}
	}
	if !any {
		return
	}
	for _, p := range h.linked.place[:h.linked.n] {
		if p.slot {
			b.slots[p.frame] |= 1 << p.no
		} else {
			b.regs[p.frame] |= bit(p.no)
		}
	}
}
