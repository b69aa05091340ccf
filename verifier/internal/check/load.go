package check

import (
	"github.com/skepdev/skep/isa"
)

// load simulates a load from memory into a register.
func (c *Checker) load(ins isa.Instruction) error {
	if err := c.readReg(ins.Src); err != nil {
		return err
	}
	if err := c.writeReg(ins.Dst); err != nil {
		return err
	}
	src := c.cur.regs()[ins.Src]
	if err := c.memAccess(access{
		reg: ins.Src, off: int(ins.Off), size: ins.Bytes(), value: int(ins.Dst), signed: ins.Mode() == isa.ModeMEMSX,
	}); err != nil {
		return err
	}
	return c.notePointer(src.Kind, src.Flags, true)
}

// store simulates a store of a register or constant, plain or atomic.
func (c *Checker) store(ins isa.Instruction) error {
	if ins.Mode() == isa.ModeATOMIC {
		return c.atomic(ins)
	}
	value := -1
	if ins.Class() == isa.ClassSTX {
		if err := c.readReg(ins.Src); err != nil {
			return err
		}
		value = int(ins.Src)
	}
	if err := c.readReg(ins.Dst); err != nil {
		return err
	}
	dst := c.cur.regs()[ins.Dst]
	if err := c.memAccess(access{reg: ins.Dst, off: int(ins.Off), size: ins.Bytes(), write: true, value: value}); err != nil {
		return err
	}
	return c.notePointer(dst.Kind, dst.Flags, false)
}

// atomic simulates read-modify-write, load-acquire and store-release.
func (c *Checker) atomic(ins isa.Instruction) error {
	switch ins.Imm {
	case isa.AtomicLoadAcq, isa.AtomicStoreRel:
		return c.ordered(ins)
	}
	if err := c.readReg(ins.Src); err != nil {
		return err
	}
	if err := c.readReg(ins.Dst); err != nil {
		return err
	}
	if ins.Imm == isa.AtomicCmpXchg {
		if err := c.readReg(0); err != nil {
			return err
		}
		if c.isPointer(0) {
			return c.rejectReg(0, RulePointerLeak, EACCES, "R0 leaks addr into mem")
		}
	}
	if c.isPointer(ins.Src) {
		return c.rejectReg(int(ins.Src), RulePointerLeak, EACCES, "R%d leaks addr into mem", ins.Src)
	}
	dst := &c.cur.regs()[ins.Dst]
	if !c.atomicAllowed(dst) {
		return c.rejectReg(int(ins.Dst), RuleAtomic, EACCES, "BPF_ATOMIC stores into R%d %s is not allowed", ins.Dst, dst.name(c))
	}
	loaded, loads := fetches(ins)
	if loads {
		if err := c.clobberReg(loaded); err != nil {
			return err
		}
	}
	a := access{reg: ins.Dst, off: int(ins.Off), size: ins.Bytes(), value: -1, strict: true}
	if err := c.memAccess(a); err != nil {
		return err
	}
	if loads {
		a.value = int(loaded)
		if err := c.memAccess(a); err != nil {
			return err
		}
	}
	if err := c.notePointer(c.cur.regs()[ins.Dst].Kind, c.cur.regs()[ins.Dst].Flags, false); err != nil {
		return err
	}
	a.value, a.write = -1, true
	return c.memAccess(a)
}

func (c *Checker) atomicAllowed(r *Reg) bool {
	switch r.Kind {
	case Ctx, Packet, PacketMeta, PacketEnd, FlowKeys, Socket, SockCommon, TCPSock, XDPSock:
		return false
	case Arena:
		return c.opts.since(6, 10)
	}
	return true
}

// ordered is a load-acquire or store-release, which Linux 6.15 learnt.
func (c *Checker) ordered(ins isa.Instruction) error {
	if !c.opts.since(6, 15) {
		return c.reject(RuleEncoding, EINVAL, "BPF_ATOMIC uses invalid atomic opcode %02x", uint32(ins.Imm))
	}
	if ins.Imm == isa.AtomicLoadAcq {
		if err := c.readReg(ins.Src); err != nil {
			return err
		}
		if src := &c.cur.regs()[ins.Src]; !c.atomicAllowed(src) {
			return c.rejectReg(int(ins.Src), RuleAtomic, EACCES, "BPF_ATOMIC loads from R%d %s is not allowed", ins.Src, src.name(c))
		}
		if err := c.writeReg(ins.Dst); err != nil {
			return err
		}
		src := c.cur.regs()[ins.Src]
		if err := c.memAccess(access{reg: ins.Src, off: int(ins.Off), size: ins.Bytes(), value: int(ins.Dst), strict: true}); err != nil {
			return err
		}
		return c.notePointer(src.Kind, src.Flags, false)
	}
	if err := c.readReg(ins.Src); err != nil {
		return err
	}
	if err := c.readReg(ins.Dst); err != nil {
		return err
	}
	dst := c.cur.regs()[ins.Dst]
	if !c.atomicAllowed(&dst) {
		return c.rejectReg(int(ins.Dst), RuleAtomic, EACCES, "BPF_ATOMIC stores into R%d %s is not allowed", ins.Dst, dst.name(c))
	}
	if err := c.memAccess(access{reg: ins.Dst, off: int(ins.Off), size: ins.Bytes(), write: true, value: int(ins.Src), strict: true}); err != nil {
		return err
	}
	return c.notePointer(dst.Kind, dst.Flags, false)
}

// notePointer remembers what an instruction accesses memory through. The kernel
// rewrites some accesses by kind, so one instruction cannot do for both
// (save_aux_ptr_type).
func (c *Checker) notePointer(k Kind, f Flags, load bool) error {
	a := &c.aux[c.insn]
	if !a.ptrSet {
		a.ptr, a.ptrFlags, a.ptrSet = k, f, true
		return nil
	}
	if a.ptr == k && a.ptrFlags == f || !rewritten(k, f) && !rewritten(a.ptr, a.ptrFlags) {
		return nil
	}
	if load && k == BTFPtr && a.ptr == BTFPtr {
		// Trusted and untrusted may mix where a fault is caught anyway.
		if f&Untrusted != 0 || a.ptrFlags&Untrusted != 0 {
			a.ptrFlags |= Untrusted
		}
		return nil
	}
	return c.reject(RuleStructure, EINVAL, "same insn cannot be used with different pointers")
}

// rewritten reports kinds whose accesses the kernel replaces by others.
func rewritten(k Kind, f Flags) bool {
	switch k {
	case Ctx, Socket, SockCommon, TCPSock, XDPSock, Arena:
		return true
	case BTFPtr:
		return f&Alloc == 0
	case Mem:
		return f&(RdOnly|Untrusted) == RdOnly|Untrusted
	}
	return false
}

// loadImm simulates a 64-bit immediate load: a number, a map, a map's value, a
// function, a kernel variable (check_ld_imm).
func (c *Checker) loadImm(ins isa.Instruction) error {
	if err := c.writeReg(ins.Dst); err != nil {
		return err
	}
	r := &c.cur.regs()[ins.Dst]
	hi := c.insns[c.insn+1]
	switch ins.Src {
	case 0:
		if k, ok := c.prog.Ksyms[c.insn]; ok {
			return c.loadKsym(r, k)
		}
		c.setConst(r, isa.Imm64(ins, hi))
		return nil
	case isa.PseudoFunc:
		return c.loadFunc(ins, r)
	case isa.PseudoMapIdx, isa.PseudoMapFD:
		*r = pointerReg(ConstMap, 0)
		r.Obj = uint32(ins.Imm)
		return nil
	case isa.PseudoMapIdxValue, isa.PseudoMapValue:
		m := c.prog.Maps[ins.Imm]
		if m.Type == mapArena {
			c.setUnknown(r)
			return nil
		}
		*r = pointerReg(MapValue, 0)
		r.Obj, r.Off = uint32(ins.Imm), hi.Imm
		return nil
	}
	return c.reject(RuleEncoding, EINVAL, "unrecognized bpf_ld_imm64 insn")
}

func (c *Checker) loadFunc(ins isa.Instruction, r *Reg) error {
	k := c.subprogStarting(c.insn + 1 + int(ins.Imm))
	switch {
	case k < 0:
		return c.bug("function pointer to %d", c.insn+1+int(ins.Imm))
	case c.subs[k].fn == nil:
		return c.reject(RuleTypes, EINVAL, "missing btf func_info")
	case c.subs[k].global:
		return c.reject(RuleCallback, EINVAL, "callback function not static")
	case k == 0:
		return c.reject(RuleCallback, EINVAL, "callback function cannot be the main program")
	}
	*r = pointerReg(FuncPtr, 0)
	r.Obj = uint32(k)
	return nil
}

// legacyLoad simulates loads from the packet by offset, which end the program
// with 0 if they are out of bounds (check_ld_abs).
func (c *Checker) legacyLoad(ins isa.Instruction) error {
	if !mayLoadLegacy(c.prog.Type) {
		return c.reject(RuleLegacyLoad, EINVAL, "BPF_LD_[ABS|IND] instructions not allowed for this program type")
	}
	for i := c.cur.Cur; i > 0; i-- {
		if c.cur.Frames[i].InCallback {
			return c.reject(RuleLegacyLoad, EINVAL, "cannot use BPF_LD_[ABS|IND] within callback")
		}
	}
	if err := c.readReg(6); err != nil {
		return err
	}
	if err := c.leakCheck(false, "BPF_LD_[ABS|IND]"); err != nil {
		return err
	}
	regs := c.cur.regs()
	if regs[6].Kind != Ctx {
		return c.rejectReg(6, RuleLegacyLoad, EINVAL, "at the time of BPF_LD_ABS|IND R6 != pointer to skb")
	}
	if ins.Mode() == isa.ModeIND {
		if err := c.readReg(ins.Src); err != nil {
			return err
		}
	}
	if err := c.plainContext(&regs[6], 6); err != nil {
		return err
	}
	c.dropCallerSaved(regs)
	c.setUnknown(&regs[0])
	if c.cur.Cur == 0 {
		return nil
	}
	// Out of bounds leaves the function with r0 = 0.
	if _, err := c.push(c.insn+1, c.insn, false); err != nil {
		return err
	}
	c.setConst(&regs[0], 0)
	if err := c.leaveFrame(); err != nil {
		return err
	}
	c.insn-- // the caller adds one
	return nil
}
