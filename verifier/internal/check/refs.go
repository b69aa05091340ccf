package check

// acquire makes a new reference, which must be released before the program
// ends (acquire_reference).
func (c *Checker) acquire(kind RefKind) uint32 {
	id := c.newID()
	c.cur.Refs = append(c.cur.Refs, Ref{Kind: kind, ID: id, Insn: c.insn})
	return id
}

// dropRef forgets a reference itself; false if there is none.
func (s *State) dropRef(id uint32) bool {
	for i := range s.Refs {
		if s.Refs[i].Kind == RefPtr && s.Refs[i].ID == id {
			s.Refs = append(s.Refs[:i], s.Refs[i+1:]...)
			return true
		}
	}
	return false
}

// release gives a reference back: all pointers that stem from it are invalid
// from now on (release_reference).
func (c *Checker) release(id uint32) bool {
	if !c.cur.dropRef(id) {
		return false
	}
	c.cur.eachReg(func(r *Reg) {
		if r.Ref == id {
			c.invalidate(r)
		}
	})
	return true
}

// lockIdentity names what a lock is in: a map or an allocated object's type.
func lockIdentity(r *Reg) uint64 {
	const inMap = 1 << 40
	if r.Kind == MapValue {
		return inMap | uint64(r.Obj)
	}
	return uint64(r.Obj)
}

func (c *Checker) lock(kind RefKind, r *Reg) {
	c.cur.Refs = append(c.cur.Refs, Ref{Kind: kind, ID: r.ID, Insn: c.insn, Obj: lockIdentity(r)})
	c.cur.Locks++
}

// unlock is false if that lock is not held.
func (c *Checker) unlock(kind RefKind, r *Reg) bool {
	for i := len(c.cur.Refs) - 1; i >= 0; i-- {
		if f := &c.cur.Refs[i]; f.Kind == kind && f.ID == r.ID && f.Obj == lockIdentity(r) {
			c.cur.Refs = append(c.cur.Refs[:i], c.cur.Refs[i+1:]...)
			c.cur.Locks--
			return true
		}
	}
	return false
}

// dropBorrowed invalidates what was borrowed from lists and trees under a lock
// that is given back (invalidate_non_owning_refs).
func (c *Checker) dropBorrowed() {
	c.cur.eachReg(func(r *Reg) {
		if r.Flags&NonOwn != 0 {
			c.invalidate(r)
		}
	})
}

// inRCU reports that RCU-protected objects stay: in a read section, under a
// lock, or in a program that cannot sleep.
func (c *Checker) inRCU() bool {
	return c.cur.RCU > 0 || c.cur.Locks > 0 || !c.sleepable()
}

func (c *Checker) sleepable() bool {
	return c.prog.Flags&flagSleepable != 0 || c.cur.Sleepable
}

// atomicRegion reports that nothing may sleep here.
func (c *Checker) atomicRegion() bool {
	return c.cur.RCU > 0 || c.cur.Locks > 0 || c.cur.Preempt > 0 || c.cur.IRQ != 0
}

// leakCheck refuses to leave, by the way named, with something held
// (check_reference_leak and check_resource_leak).
func (c *Checker) leakCheck(exception bool, way string) error {
	f := c.cur.frame()
	if exception || f.No == 0 || f.InCallback {
		for i := range c.cur.Refs {
			r := &c.cur.Refs[i]
			if r.Kind != RefPtr || !exception && f.InCallback && !c.acquiredIn(r) {
				continue
			}
			if !exception && f.No == 0 && way == "exit" && c.returnsObject(r.ID) {
				continue
			}
			err := c.reject(RuleReference, EINVAL, "Unreleased reference id=%d alloc_insn=%d", r.ID, r.Insn)
			if way != "exit" {
				err = c.also(err, way+" would lead to reference leak")
			}
			return err
		}
	}
	outer := exception || f.No == 0 || way != "exit"
	switch {
	case !outer:
		return nil
	case c.cur.Locks > 0 && way == "exit":
		return c.reject(RuleLock, EINVAL, "bpf_spin_unlock is missing")
	case c.cur.Locks > 0:
		return c.reject(RuleLock, EINVAL, "%s cannot be used inside bpf_spin_lock-ed region", way)
	case c.cur.IRQ != 0:
		return c.reject(RuleLock, EINVAL, "%s cannot be used inside bpf_local_irq_save-ed region", wayName(way))
	case c.cur.RCU > 0:
		return c.reject(RuleLock, EINVAL, "%s cannot be used inside bpf_rcu_read_lock-ed region", wayName(way))
	case c.cur.Preempt > 0:
		return c.reject(RuleLock, EINVAL, "%s cannot be used inside bpf_preempt_disable-ed region", wayName(way))
	}
	return nil
}

func wayName(way string) string {
	if way == "exit" {
		return "BPF_EXIT instruction in main prog"
	}
	return way
}

func (c *Checker) also(err error, line string) error {
	c.log.printf("%s\n", line)
	return amend(err, "%s", line)
}

// acquiredIn reports a reference that the running callback acquired itself.
func (c *Checker) acquiredIn(r *Ref) bool {
	s := &c.subs[c.cur.frame().Subprog]
	return r.Insn >= s.start && r.Insn < s.end
}

// settleNull turns a pointer that may be NULL, and its copies, into what a
// comparison found (mark_ptr_or_null_regs).
func (c *Checker) settleNull(s *State, reg uint8, isNull bool) {
	r := s.regs()[reg]
	if r.Ref != 0 && r.Ref == r.ID && isNull {
		s.dropRef(r.ID)
	}
	id := r.ID
	s.eachReg(func(r *Reg) {
		if !r.maybeNull() || r.ID != id {
			return
		}
		if isNull {
			precise := !c.opts.bpfCapable()
			*r = constReg(0)
			r.Precise = precise
			return
		}
		c.clearNull(r)
		if !c.mayHoldLock(r) {
			r.ID = 0
		}
	})
}

// clearNull makes a pointer one that is not NULL (mark_ptr_not_null_reg).
func (c *Checker) clearNull(r *Reg) {
	r.Flags &^= MaybeNull
	if r.Kind != MapValue {
		return
	}
	m := c.mapOf(r)
	switch {
	case m.Inner != nil:
		r.Kind = ConstMap
		r.Obj = c.innerIndex(r.Obj)
		if m.Inner.record.has(fieldTimer) || m.Inner.record.has(fieldWorkqueue) {
			r.Aux = int32(r.ID)
		}
	case m.Type == mapXSK:
		r.Kind = XDPSock
	case m.Type == mapSock, m.Type == mapSockHash:
		r.Kind = Socket
	}
}

func (c *Checker) mayHoldLock(r *Reg) bool {
	rec := c.recordOfReg(r)
	return rec.has(fieldSpinLock) || rec.has(fieldResSpinLock)
}
