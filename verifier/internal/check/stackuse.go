package check

// rawMem is memory that a called function writes without reading it.
type rawMem struct {
	reg  int // -1: none
	size int
}

// stackUse is what a called function, or a load somewhere in a range, does with
// stack memory.
type stackUse struct {
	helper, write, zeroOK bool
	// raw is filled in where memory may be written without having been.
	raw *rawMem
}

// stackReadable makes sure that a called function, or a load somewhere in a
// range, finds initialized bytes; with raw it may write them first
// (check_stack_range_initialized).
func (c *Checker) stackReadable(reg int, r *Reg, off, size int, use stackUse) error {
	raw := use.raw
	if size == 0 && !use.zeroOK {
		return c.rejectReg(reg, RuleArgumentSize, EACCES, "invalid zero-sized read")
	}
	extra, src, clobber, write := "", accessDirect, use.write, use.write
	if use.helper {
		src = accessHelper
		if !c.opts.since(6, 14) {
			extra, clobber, write = " indirect", true, true
		}
	}
	if err := c.stackBounds(reg, r, off, size, src, write); err != nil {
		return err
	}
	f := c.cur.Frames[r.Frame]
	lo := off + int(int64(r.Value()))
	hi := lo
	if !r.IsConst() {
		if !c.opts.bypassSpec() {
			return c.rejectReg(reg, RuleStackRead, EACCES, "R%d%s variable offset stack access prohibited for !root, var_off=%s", reg, extra, tnumText(r.Bits))
		}
		raw = nil
		lo, hi = int(r.SMin)+off, int(r.SMax)+off
	}
	if raw != nil {
		for i := lo; i < hi+size; i++ {
			if s := slotOf(i); s < len(f.Slots) && f.Slots[s].Types[(-i-1)%slotBytes] == SlotDyn {
				return c.rejectReg(reg, RuleDynptr, EACCES, "potential write to dynptr at off=%d disallowed", i)
			}
		}
		raw.reg, raw.size = reg, size
		return nil
	}
	for i := lo; i < hi+size; i++ {
		s := &f.Slots[slotOf(i)]
		t := &s.Types[(-i-1)%slotBytes]
		switch {
		case *t == SlotMisc:
		case *t == SlotZero, *t == SlotInvalid && c.opts.allowUninitStack():
			if clobber {
				*t = SlotMisc
			}
		case s.spilled() && (s.Kind == Scalar || c.opts.allowPtrLeaks()):
			if clobber {
				c.setUnknown(&s.Reg)
				for j := range s.Types {
					if s.Types[j] != SlotInvalid {
						s.Types[j] = SlotMisc
					}
				}
			}
		case r.IsConst():
			return c.rejectReg(reg, RuleStackRead, EACCES, "invalid%s read from stack R%d off %d+%d size %d", extra, reg, lo, i-lo, size)
		default:
			return c.rejectReg(reg, RuleStackRead, EACCES, "invalid%s read from stack R%d var_off %s+%d size %d", extra, reg, tnumText(r.Bits), i-lo, size)
		}
		c.live.noteRead(c, int(f.No), slotOf(i))
	}
	return nil
}
