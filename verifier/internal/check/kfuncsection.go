package check

import "github.com/skepdev/skep/abi"

// kfuncSections opens and closes RCU read sections and sections without
// preemption, and keeps what sleeps out of them.
func (c *Checker) kfuncSections(k *kfuncCall) error {
	sleeps := k.flags.Has(abi.KfuncSleepable)
	if err := c.rcuSection(k, sleeps); err != nil {
		return err
	}
	if err := c.preemptSection(k, sleeps); err != nil {
		return err
	}
	switch {
	case c.cur.IRQ != 0 && sleeps:
		return c.reject(RuleSleep, EACCES, "kernel func %s is sleepable within IRQ-disabled region", k.name)
	case k.flags.Has(abi.KfuncRCUProtected) && c.opts.since(6, 18) && !c.inRCU():
		return c.reject(RuleLock, EACCES, "kernel func %s requires RCU critical section protection", k.name)
	}
	return nil
}

func (c *Checker) rcuSection(k *kfuncCall, sleeps bool) error {
	lock, unlock := k.is("bpf_rcu_read_lock"), k.is("bpf_rcu_read_unlock")
	switch {
	case c.cur.RCU > 0 && c.inTreeCallback() && (lock || unlock):
		return c.reject(RuleLock, EACCES, "Calling bpf_rcu_read_{lock,unlock} in unnecessary rbtree callback")
	case c.cur.RCU > 0 && lock:
		return c.reject(RuleLock, EINVAL, "nested rcu read lock (kernel function %s)", k.name)
	case c.cur.RCU > 0 && unlock:
		c.cur.RCU--
		c.dropRCU()
	case c.cur.RCU > 0 && sleeps:
		return c.reject(RuleSleep, EACCES, "kernel func %s is sleepable within rcu_read_lock region", k.name)
	case lock:
		c.cur.RCU++
	case unlock:
		return c.reject(RuleLock, EINVAL, "unmatched rcu read unlock (kernel function %s)", k.name)
	}
	return nil
}

// dropRCU takes the trust from all that an RCU read section kept alive.
func (c *Checker) dropRCU() {
	distrust := func(r *Reg) {
		if r.Flags&RCU != 0 {
			r.Flags = r.Flags&^(RCU|MaybeNull) | Untrusted
		}
	}
	c.cur.eachReg(distrust)
	for i := 0; i <= c.cur.Cur; i++ {
		f := c.cur.Frames[i]
		for j := range f.Slots {
			if f.Slots[j].Types[7] == SlotIt {
				distrust(&f.Slots[j].Reg)
			}
		}
	}
}

func (c *Checker) preemptSection(k *kfuncCall, sleeps bool) error {
	disable, enable := k.is("bpf_preempt_disable"), k.is("bpf_preempt_enable")
	switch {
	case disable:
		c.cur.Preempt++
	case enable && c.cur.Preempt == 0:
		return c.reject(RuleLock, EINVAL, "unmatched attempt to enable preemption (kernel function %s)", k.name)
	case enable:
		c.cur.Preempt--
	case sleeps && c.cur.Preempt > 0:
		return c.reject(RuleSleep, EACCES, "kernel func %s is sleepable within non-preemptible region", k.name)
	}
	return nil
}

// kfuncThrows: what is thrown is what the program returns, unless it has an
// exception callback of its own.
func (c *Checker) kfuncThrows(k *kfuncCall) error {
	if k.name != kfThrow || c.exceptionCallback != 0 {
		return nil
	}
	return c.checkReturnIn(1)
}

// irqFlag saves interrupt flags on the stack and takes them from there, newest
// first (process_irq_flag).
func (c *Checker) irqFlag(k *kfuncCall, reg int, r *Reg) error {
	if r.Kind != Stack {
		return c.rejectReg(reg, RuleLock, EINVAL, "arg#%d doesn't point to an irq flag on stack", reg-1)
	}
	class := irqNative
	if k.is(kfResLockIRQ, kfResUnlckIRQ) {
		class = irqLock
	}
	if k.is("bpf_local_irq_save", kfResLockIRQ) {
		return c.saveIRQ(reg, r, class)
	}
	return c.restoreIRQ(reg, r, class)
}

// What saved the interrupt flags: they must go back the same way.
const (
	irqNative uint32 = iota
	irqLock
)

func (c *Checker) saveIRQ(reg int, r *Reg, class uint32) error {
	slot, in, err := c.objectSlot(r, "irq_flag", 1)
	if err == nil && in {
		for _, t := range c.cur.Frames[r.Frame].Slots[slot].Types {
			if t == SlotIrq {
				err = errDone
			}
		}
	}
	if err != nil {
		return c.rejectReg(reg, RuleLock, EINVAL, "expected uninitialized irq flag as arg#%d", reg-1)
	}
	if err := c.memAccess(access{reg: uint8(reg), size: slotBytes, write: true, value: -1}); err != nil {
		return err
	}
	id := c.acquire(RefIRQ)
	c.cur.IRQ = id
	f := c.cur.Frames[r.Frame]
	s := &f.Slots[slot]
	s.Reg = pointerReg(SlotIRQ, 0)
	s.Ref, s.Obj = id, class
	for i := range s.Types {
		s.Types[i] = SlotIrq
	}
	c.log.scratchSlot(f, slot)
	return nil
}

func (c *Checker) restoreIRQ(reg int, r *Reg, class uint32) error {
	slot, in, err := c.objectSlot(r, "irq_flag", 1)
	var s *Slot
	if err == nil && in {
		s = &c.cur.Frames[r.Frame].Slots[slot]
	}
	if s == nil || s.Ref == 0 || s.Types != [8]SlotType{SlotIrq, SlotIrq, SlotIrq, SlotIrq, SlotIrq, SlotIrq, SlotIrq, SlotIrq} {
		return c.rejectReg(reg, RuleLock, EINVAL, "expected an initialized irq flag as arg#%d", reg-1)
	}
	c.live.noteRead(c, int(r.Frame), slot)
	if s.Obj != class {
		name := map[uint32]string{irqNative: "native", irqLock: "lock"}
		return c.rejectReg(reg, RuleLock, EINVAL, "irq flag acquired by %s kfuncs cannot be restored with %s kfuncs", name[s.Obj], name[class])
	}
	if s.Ref != c.cur.IRQ {
		at := -1
		for i := range c.cur.Refs {
			if c.cur.Refs[i].ID == c.cur.IRQ {
				at = c.cur.Refs[i].Insn
			}
		}
		return c.rejectReg(reg, RuleLock, EACCES, "cannot restore irq state out of order, expected id=%d acquired at insn_idx=%d", c.cur.IRQ, at)
	}
	c.cur.popIRQ()
	*s = Slot{}
	c.log.scratchSlot(c.cur.Frames[r.Frame], slot)
	return nil
}

// popIRQ drops the newest saved interrupt flags; those before it are the newest
// then.
func (s *State) popIRQ() {
	at, before := -1, uint32(0)
	for i := range s.Refs {
		if s.Refs[i].Kind != RefIRQ {
			continue
		}
		if s.Refs[i].ID == s.IRQ {
			at = i
			break
		}
		before = s.Refs[i].ID
	}
	if at >= 0 {
		s.Refs = append(s.Refs[:at], s.Refs[at+1:]...)
	}
	s.IRQ = before
}
