package check

import (
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/verifier/internal/scalar"
)

// accessSource says whether an instruction or a called function accesses
// memory.
type accessSource uint8

const (
	accessDirect accessSource = iota
	accessHelper
)

func (c *Checker) accessStack(r *Reg, a access) error {
	if err := c.stackBounds(int(a.reg), r, a.off, a.size, accessDirect, a.write); err != nil {
		return err
	}
	f := c.cur.Frames[r.Frame]
	if r.IsConst() {
		off := a.off + int(int64(r.Value()))
		if a.write {
			return c.writeStack(f, off, a.size, a.value)
		}
		return c.readStack(f, off, a.size, a.value)
	}
	if a.write {
		return c.writeStackVar(f, r, a)
	}
	if a.value < 0 {
		return c.rejectReg(int(a.reg), RuleStackRead, EACCES, "variable offset stack pointer cannot be passed into helper function; var_off=%s off=%d size=%d", tnumText(r.Bits), a.off, a.size)
	}
	if err := c.stackReadable(int(a.reg), r, a.off, a.size, stackUse{}); err != nil {
		return err
	}
	c.fillMixed(f, int(r.SMin)+a.off, int(r.SMax)+a.off+a.size, a.value)
	return nil
}

// stackBounds holds an access against the frame, and makes the frame reach that
// deep (check_stack_access_within_bounds).
func (c *Checker) stackBounds(reg int, r *Reg, off, size int, src accessSource, write bool) error {
	extra := " write to"
	switch {
	case src == accessHelper && !c.opts.since(6, 14):
		extra = " indirect access to"
	case !write:
		extra = " read from"
	}
	var lo, hi int64
	if r.IsConst() {
		lo = int64(r.Value()) + int64(off)
		hi = lo + int64(size)
	} else {
		if r.SMax >= maxVarOff || r.SMin <= -maxVarOff {
			return c.rejectReg(reg, RuleStackBounds, EACCES, "invalid unbounded variable-offset%s stack R%d", extra, reg)
		}
		lo, hi = r.SMin+int64(off), r.SMax+int64(off)+int64(size)
	}
	f := c.cur.Frames[r.Frame]
	depth := int64(maxStack)
	if !write && !c.opts.allowUninitStack() {
		depth = int64(len(f.Slots) * slotBytes)
	}
	if lo < -depth || lo > -1 || hi > 0 || size < 0 {
		if r.IsConst() {
			return c.rejectReg(reg, RuleStackBounds, EACCES, "invalid%s stack R%d off=%d size=%d", extra, reg, int64(r.Value())+int64(off), size)
		}
		return c.rejectReg(reg, RuleStackBounds, EACCES, "invalid variable-offset%s stack R%d var_off=%s off=%d size=%d", extra, reg, tnumText(r.Bits), off, size)
	}
	f.grow(int(-lo))
	s := &c.subs[f.Subprog]
	s.stack = max(s.stack, len(f.Slots)*slotBytes)
	return nil
}

// spill puts a register of size bytes into a slot.
func (s *Slot) spill(r *Reg, size int) {
	s.Reg = *r
	for i := range s.Types {
		if i >= slotBytes-size {
			s.Types[i] = SlotSpill
		} else {
			miscByte(&s.Types[i])
		}
	}
}

// miscByte makes a byte some data, unless it may as well stay what it is
// (mark_stack_slot_misc).
func miscByte(t *SlotType) {
	if *t != SlotZero && *t != SlotInvalid {
		*t = SlotMisc
	}
}

// scrub drops what a slot stood for as a whole.
func (s *Slot) scrub() {
	special := s.special()
	s.Reg = Reg{}
	if !special {
		return
	}
	for i := range s.Types {
		if s.Types[i] != SlotInvalid {
			s.Types[i] = SlotMisc
		}
	}
}

// writeStack is a store at a known offset from the frame pointer
// (check_stack_write_fixed_off). value -1 stores the instruction's constant, or
// what a helper writes.
func (c *Checker) writeStack(f *Frame, off, size, value int) error {
	at := slotOf(off)
	s := &f.Slots[at]
	low := (-off - 1) % slotBytes // index in Types of the byte at off
	ins := c.insns[c.insn]
	if !c.opts.allowPtrLeaks() && s.spilled() && !s.spilledScalar() && size != slotBytes {
		return c.reject(RulePointerLeak, EACCES, "attempt to corrupt spilled pointer on stack")
	}
	var r *Reg
	if value >= 0 {
		r = &c.cur.regs()[value]
	}
	c.fenceSpill(s, r, size)
	if err := c.breakDynptr(f, at); err != nil {
		return err
	}
	c.fastcallContract(c.insn, f, off)
	c.log.scratchSlot(f, at)
	if size == slotBytes {
		c.live.noteWrite(int(f.No), at)
	}
	isStore := ins.Class() == isa.ClassST && ins.Mode() == isa.ModeMEM
	switch {
	case r != nil && off%slotBytes == 0 && r.Kind == Scalar && c.keepsNumber(r):
		fits := r.width() <= 8*size
		if fits && c.opts.since(6, 9) {
			c.keepID(r)
		}
		s.spill(r, size)
		if !fits {
			s.ID = 0
		}
	case r == nil && off%slotBytes == 0 && isStore && c.opts.bpfCapable() && (ins.Imm != 0 || c.opts.since(6, 9)):
		k := constReg(uint64(int64(ins.Imm)))
		s.spill(&k, size)
	case r != nil && r.Kind.spillable():
		if size != slotBytes {
			return c.rejectReg(value, RuleStackRead, EACCES, "invalid size of register spill")
		}
		if f != c.cur.frame() && r.Kind == Stack {
			return c.rejectReg(value, RulePointerLeak, EINVAL, "cannot spill pointers to stack into stack frame of the caller")
		}
		s.spill(r, size)
	default:
		s.scrub()
		t := SlotMisc
		if r != nil && r.isNull() || r == nil && isStore && ins.Imm == 0 {
			// The zero came from a register: where it is used, it must have
			// been that.
			if err := c.markPrecise(value); err != nil {
				return err
			}
			t = SlotZero
		}
		for i := 0; i < size; i++ {
			s.Types[(low-i+slotBytes)%slotBytes] = t
		}
		return nil
	}
	c.pushHist(histStack, f.No, uint8(at), linkedRegs{})
	return nil
}

// keepsNumber reports whether a spilled number stays known. Before Linux 6.9 one
// of which nothing is known is some data, and 0 is zeroed memory.
func (c *Checker) keepsNumber(r *Reg) bool {
	return c.opts.bpfCapable() && (c.opts.since(6, 9) || r.Range != scalar.Unknown() && !r.isNull())
}

// writeStackVar is a store somewhere in a range of offsets
// (check_stack_write_var_off).
func (c *Checker) writeStackVar(f *Frame, r *Reg, a access) error {
	lo, hi := int(r.SMin)+a.off, int(r.SMax)+a.off+a.size
	ins := c.insns[c.insn]
	zero := a.value < 0 && ins.Class() == isa.ClassST && ins.Imm == 0 || a.value >= 0 && c.cur.regs()[a.value].isNull()
	for i := lo; i < hi; i++ {
		if err := c.breakDynptr(f, slotOf(i)); err != nil {
			return err
		}
	}
	c.fastcallContract(c.insn, f, lo)
	usedZero := false
	for i := lo; i < hi; i++ {
		s := &f.Slots[slotOf(i)]
		t := &s.Types[(-i-1)%slotBytes]
		c.log.scratchSlot(f, slotOf(i))
		if !c.opts.allowPtrLeaks() && *t != SlotMisc && *t != SlotZero {
			return c.rejectReg(int(a.reg), RulePointerLeak, EINVAL, "spilled ptr in range of var-offset stack write; insn %d, ptr off: %d", c.insn, i)
		}
		if zero && *t == SlotSpill && s.spilledScalar() && s.IsConst() && s.Value() == 0 {
			usedZero = true
			continue
		}
		old := *t
		s.scrub()
		next := SlotMisc
		if zero && old == SlotZero {
			next, usedZero = SlotZero, true
		}
		if old == SlotInvalid && !c.opts.allowUninitStack() {
			return c.rejectReg(int(a.reg), RuleStackRead, EINVAL, "uninit stack in range of var-offset write prohibited for !root; insn %d, off: %d", c.insn, i)
		}
		*t = next
	}
	if usedZero {
		return c.markPrecise(a.value)
	}
	return nil
}

// readStack is a load at a known offset (check_stack_read_fixed_off). value -1
// only checks.
func (c *Checker) readStack(f *Frame, off, size, value int) error {
	at := slotOf(off)
	s := &f.Slots[at]
	low := (-off - 1) % slotBytes
	c.log.scratchSlot(f, at)
	c.fastcallContract(c.insn, f, off)
	c.live.noteRead(c, int(f.No), at)
	if !s.spilled() {
		if err := c.readable(s, off, low, size); err != nil {
			return err
		}
		if value >= 0 {
			c.fillMixed(f, off, off+size, value)
		}
		return nil
	}
	whole := 1
	for i := slotBytes - 1; i > 0 && s.Types[i-1] == SlotSpill; i-- {
		whole++
	}
	if size == slotBytes && whole == slotBytes {
		if value >= 0 {
			c.cur.regs()[value] = s.Reg
		} else if c.leaks(&s.Reg) {
			return c.reject(RulePointerLeak, EACCES, "leaking pointer from stack off %d", off)
		}
		c.pushHist(histStack, f.No, uint8(at), linkedRegs{})
		return nil
	}
	if s.Kind != Scalar {
		return c.reject(RuleStackRead, EACCES, "invalid size of register fill")
	}
	if value < 0 {
		return nil
	}
	return c.fillPart(f, at, off, low, size, whole, value)
}

// fillPart loads a part of a spilled number, or bytes beside it.
func (c *Checker) fillPart(f *Frame, at, off, low, size, whole, value int) error {
	s := &f.Slots[at]
	dst := &c.cur.regs()[value]
	narrow := c.opts.since(6, 9) // before, a part of a spilled number is unknown
	if (size == whole || size < whole && narrow) && c.lowPart(off, size, whole) {
		*dst = s.Reg
		if dst.width() > 8*size {
			dst.unlink()
		}
		c.pushHist(histStack, f.No, uint8(at), linkedRegs{})
		return nil
	}
	spills, zeros := 0, 0
	for i := 0; i < size; i++ {
		switch s.Types[(low-i+slotBytes)%slotBytes] {
		case SlotSpill:
			spills++
		case SlotZero:
			zeros++
		}
	}
	if err := c.readable(s, off, low, size); err != nil {
		return err
	}
	switch {
	case !narrow:
		c.setUnknown(dst)
	case spills == size && s.IsConst() && s.Value() == 0:
		c.setConst(dst, 0)
		c.pushHist(histStack, f.No, uint8(at), linkedRegs{})
	case zeros == size:
		c.setConst(dst, 0)
	default:
		c.setUnknown(dst)
	}
	return nil
}

// lowPart reports that size bytes at off are the low ones of a spilled number
// of whole bytes (bpf_stack_narrow_access_ok).
func (c *Checker) lowPart(off, size, whole int) bool {
	if bigEndian(c.opts.Arch) {
		off -= whole - size
	}
	return off%slotBytes == 0
}

func bigEndian(arch string) bool { return arch == "s390x" || arch == "ppc64" }

// readable refuses bytes that were not written.
func (c *Checker) readable(s *Slot, off, low, size int) error {
	for i := 0; i < size; i++ {
		switch t := s.Types[(low-i+slotBytes)%slotBytes]; {
		case t == SlotMisc, t == SlotZero, t == SlotInvalid && c.opts.allowUninitStack():
		case t == SlotSpill && s.spilled():
		default:
			return c.reject(RuleStackRead, EACCES, "invalid read from stack off %d+%d size %d", off, i, size)
		}
	}
	return nil
}

// fillMixed loads bytes of no one register: zero if all are, else anything
// (mark_reg_stack_read).
func (c *Checker) fillMixed(f *Frame, lo, hi, value int) {
	zero := true
	for i := lo; i < hi; i++ {
		c.log.scratchSlot(f, slotOf(i))
		if f.Slots[slotOf(i)].Types[(-i-1)%slotBytes] != SlotZero {
			zero = false
			break
		}
	}
	dst := &c.cur.regs()[value]
	if zero {
		c.setConst(dst, 0)
	} else {
		c.setUnknown(dst)
	}
}
