package check

import "github.com/skepdev/skep/isa"

// readReg makes sure that a register may be read (check_reg_arg, SRC_OP).
func (c *Checker) readReg(reg uint8) error {
	c.log.scratchReg(reg)
	if c.cur.regs()[reg].Kind == NotInit {
		return c.rejectReg(int(reg), RuleUninitialized, EACCES, "R%d !read_ok", reg)
	}
	return nil
}

// writeReg makes sure that a register may be written.
func (c *Checker) writeReg(reg uint8) error {
	if reg == isa.R10 {
		return c.rejectReg(int(reg), RuleFramePointer, EACCES, "frame pointer is read only")
	}
	c.log.scratchReg(reg)
	return nil
}

// clobberReg is writeReg that leaves an unknown number behind.
func (c *Checker) clobberReg(reg uint8) error {
	if err := c.writeReg(reg); err != nil {
		return err
	}
	c.setUnknown(&c.cur.regs()[reg])
	return nil
}

// isPointer reports registers whose value must not be shown to the user.
func (c *Checker) isPointer(reg uint8) bool { return c.leaks(&c.cur.regs()[reg]) }

func (c *Checker) leaks(r *Reg) bool { return !c.opts.allowPtrLeaks() && r.Kind != Scalar }

// keepID gives a number an ID before it is copied, so that what is learnt of
// the copy is learnt of the original (assign_scalar_id_before_mov).
func (c *Checker) keepID(r *Reg) {
	if r.Kind != Scalar {
		return
	}
	if r.ID&linked != 0 {
		r.unlink()
	}
	if r.ID == 0 && !r.IsConst() {
		r.ID = c.newID()
	}
}

// dropCallerSaved forgets r0 to r5 after a call.
func (c *Checker) dropCallerSaved(regs *[11]Reg) {
	for i := 0; i <= 5; i++ {
		regs[i] = Reg{}
		c.log.scratchReg(uint8(i))
	}
}
