package check

// resLock takes or gives back a resilient spin lock (process_spin_lock).
func (c *Checker) resLock(k *kfuncCall, reg int, r *Reg) error {
	if r.Kind != MapValue && (r.Kind != BTFPtr || r.Flags != Alloc) {
		return c.rejectReg(reg, RuleLock, EINVAL, "arg#%d doesn't point to map value or allocated object", reg-1)
	}
	take := k.is(kfResLock, kfResLockIRQ)
	kind := RefResLock
	if k.is(kfResLockIRQ, kfResUnlckIRQ) {
		kind = RefResLockIRQ
	}
	if !r.IsConst() {
		return c.rejectReg(reg, RuleLock, EINVAL, "R%d doesn't have constant offset. bpf_res_spin_lock has to be at the constant offset", reg)
	}
	where, name := "local", "kptr"
	if r.Kind == MapValue {
		m := c.mapOf(r)
		where, name = "map", m.Name
		if m.Value == nil {
			return c.rejectReg(reg, RuleLock, EINVAL, "map '%s' has to have BTF in order to use bpf_res_spin_lock", name)
		}
	}
	f := c.recordOfReg(r).find(fieldResSpinLock)
	if f == nil {
		return c.rejectReg(reg, RuleLock, EINVAL, "%s '%s' has no valid bpf_res_spin_lock", where, name)
	}
	if at := int64(r.Value()) + int64(r.Off); at != int64(f.offset) {
		return c.rejectReg(reg, RuleLock, EINVAL, "off %d doesn't point to 'struct bpf_res_spin_lock' that is at %d", at, f.offset)
	}
	if take {
		return c.takeResLock(kind, reg, r)
	}
	return c.giveResLock(kind, reg, r)
}

func (c *Checker) takeResLock(kind RefKind, reg int, r *Reg) error {
	for i := range c.cur.Refs {
		ref := &c.cur.Refs[i]
		switch {
		case ref.Kind == RefLock:
			return c.rejectReg(reg, RuleLock, EINVAL, "Locking two bpf_spin_locks are not allowed")
		case ref.Kind&refLocks != 0 && ref.ID == r.ID && ref.Obj == lockIdentity(r):
			return c.rejectReg(reg, RuleLock, EINVAL, "Acquiring the same lock again, AA deadlock detected")
		}
	}
	c.lock(kind, r)
	return nil
}

func (c *Checker) giveResLock(kind RefKind, reg int, r *Reg) error {
	var newest *Ref
	for i := range c.cur.Refs {
		if c.cur.Refs[i].Kind&refLocks != 0 {
			newest = &c.cur.Refs[i]
		}
	}
	if newest == nil {
		return c.rejectReg(reg, RuleLock, EINVAL, "bpf_res_spin_unlock without taking a lock")
	}
	mine := func(f *Ref) bool { return f.Kind == kind && f.ID == r.ID && f.Obj == lockIdentity(r) }
	found := false
	for i := range c.cur.Refs {
		found = found || mine(&c.cur.Refs[i])
	}
	switch {
	case !found:
		return c.rejectReg(reg, RuleLock, EINVAL, "bpf_res_spin_unlock of different lock")
	case !mine(newest):
		return c.rejectReg(reg, RuleLock, EINVAL, "bpf_res_spin_unlock cannot be out of order")
	}
	c.unlock(kind, r)
	c.dropBorrowed()
	return nil
}

// lockFails queues the path on which a resilient lock is not taken.
func (c *Checker) lockFails() error {
	failed, err := c.push(c.insn+1, c.insn, false)
	if err != nil {
		return err
	}
	regs := failed.regs()
	c.dropCallerSaved(regs)
	c.setUnknown(&regs[0])
	regs[0].S32Min, regs[0].S32Max = -4095, -1
	regs[0].Sync()
	return nil
}
