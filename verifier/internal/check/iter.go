package check

import (
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/abi"
)

// iterPlace is where an iterator stands on the stack: its first slot.
type iterPlace struct{ frame, slot int }

// iterAt is an iterator's first slot in a state.
func (c *Checker) iterAt(s *State, p iterPlace) *Slot { return &s.Frames[p.frame].Slots[p.slot] }

// kfuncIter makes, uses or ends an iterator on the stack (process_iter_arg).
func (c *Checker) kfuncIter(k *kfuncCall, t *btf.Pointer, reg int, r *Reg) error {
	if r.Kind != Stack {
		return c.rejectReg(reg, RuleIterator, EINVAL, "arg#%d expected pointer to an iterator on stack", reg-1)
	}
	target, ok := plain(t.Target).(*btf.Struct)
	if !ok || target.Size == 0 || target.Size%slotBytes != 0 || !strings.HasPrefix(target.Name, "bpf_iter_") {
		return c.rejectReg(reg, RuleIterator, EINVAL, "expected valid iter pointer as arg #%d", reg-1)
	}
	n := int(target.Size / slotBytes)
	typ := c.types.handle(target, true)
	name := strings.TrimPrefix(target.Name, "bpf_")
	if k.flags.Has(abi.KfuncIterNew) {
		return c.makeIter(k, reg, r, typ, n, name)
	}
	place, err := c.findIter(k, reg, r, typ, n, name)
	if err != nil {
		return err
	}
	k.iter = place
	s := c.iterAt(c.cur, place)
	k.ref = s.Ref
	f := c.cur.Frames[place.frame]
	for i := range n {
		c.live.noteRead(c, place.frame, place.slot-i)
	}
	if !k.flags.Has(abi.KfuncIterDestroy) {
		return nil
	}
	if !c.release(s.Ref) {
		return c.bug("iterator holds a reference that does not exist")
	}
	for i := range n {
		f.Slots[place.slot-i] = Slot{}
		c.log.scratchSlot(f, place.slot-i)
		c.live.noteWrite(place.frame, place.slot-i)
	}
	return nil
}

func (c *Checker) makeIter(k *kfuncCall, reg int, r *Reg, typ uint32, n int, name string) error {
	if k.is("bpf_iter_css_task_new") && !c.mayIterateTasks() {
		return c.rejectReg(reg, RuleIterator, EINVAL, "css_task_iter is only allowed in bpf_lsm, bpf_iter and sleepable progs")
	}
	bad := func(err error) error {
		if err != nil {
			return c.also(err, c.textf("expected uninitialized %s as arg #%d", name, reg-1))
		}
		return c.rejectReg(reg, RuleIterator, EINVAL, "expected uninitialized %s as arg #%d", name, reg-1)
	}
	slot, _, err := c.objectSlot(r, "iter", n)
	if err != nil {
		return bad(err)
	}
	f := c.cur.Frames[r.Frame]
	for i := range n {
		if slot-i >= len(f.Slots) {
			continue
		}
		for _, t := range f.Slots[slot-i].Types {
			if t == SlotIt {
				return bad(nil)
			}
		}
	}
	for i := range n {
		if err := c.memAccess(access{reg: uint8(reg), off: i * slotBytes, size: slotBytes, write: true, value: -1}); err != nil {
			return err
		}
	}
	id := c.acquire(RefPtr)
	for i := range n {
		s := &f.Slots[slot-i]
		s.Reg = pointerReg(SlotIter, 0)
		s.Obj, s.State = typ, iterActive
		if k.flags.Has(abi.KfuncRCUProtected) {
			s.Flags = Untrusted
			if c.inRCU() {
				s.Flags = RCU
			}
		}
		if i == 0 {
			s.Ref = id
		}
		for j := range s.Types {
			s.Types[j] = SlotIt
		}
		c.log.scratchSlot(f, slot-i)
	}
	return nil
}

// mayIterateTasks keeps css_task iterators away from where css_set_lock may be
// held (check_css_task_iter_allowlist).
func (c *Checker) mayIterateTasks() bool {
	switch {
	case c.prog.Type == abi.ProgLSM:
		return true
	case c.prog.Type == abi.ProgTracing && c.prog.AttachType == abi.AttachTraceIter:
		return true
	}
	return c.sleepable()
}

func (c *Checker) findIter(k *kfuncCall, reg int, r *Reg, typ uint32, n int, name string) (iterPlace, error) {
	bad := func() (iterPlace, error) {
		return iterPlace{}, c.rejectReg(reg, RuleIterator, EINVAL, "expected an initialized %s as arg #%d", name, reg-1)
	}
	slot, in, err := c.objectSlot(r, "iter", n)
	if err != nil {
		return iterPlace{}, c.also(err, c.textf("expected an initialized %s as arg #%d", name, reg-1))
	}
	if !in {
		return bad()
	}
	f := c.cur.Frames[r.Frame]
	for i := range n {
		s := &f.Slots[slot-i]
		if s.Types[7] == SlotIt && s.Flags&Untrusted != 0 {
			return iterPlace{}, c.rejectReg(reg, RuleIterator, EINVAL, "expected an RCU CS when using %s", k.name)
		}
		if (i == 0) != (s.Ref != 0) || s.Obj != typ {
			return bad()
		}
		for _, t := range s.Types {
			if t != SlotIt {
				return bad()
			}
		}
	}
	return iterPlace{int(r.Frame), slot}, nil
}

// iterNext follows both outcomes of an iterator's step: the end here, one more
// element on a queued path (process_iter_next_call).
func (c *Checker) iterNext(k *kfuncCall) error {
	cur := c.iterAt(c.cur, k.iter)
	if cur.State == iterActive {
		if p := c.cur.Parent; p == nil || p.Insn != c.insn || !sameCallsites(p, c.cur) {
			return c.bug("iterator stepped without a checkpoint")
		}
		before := c.findEntry(c.cur.Parent, c.insn)
		queued, err := c.push(c.insn+1, c.insn, false)
		if err != nil {
			return err
		}
		c.iterAt(queued, k.iter).Aux++
		if before != nil {
			c.widen(before, queued)
		}
		c.clearNull(&queued.regs()[0])
		cur = c.iterAt(c.cur, k.iter)
	}
	cur.State = iterDrained
	c.log.scratchSlot(c.cur.Frames[k.iter.frame], k.iter.slot)
	c.setConst(&c.cur.regs()[0], 0)
	return nil
}

// iterIsActive reports that the iterator that the current instruction steps has
// not come to its end.
func (c *Checker) iterIsActive(s *State) bool {
	r := &s.regs()[1]
	if r.Kind != Stack || !r.IsConst() {
		return false
	}
	f := s.Frames[r.Frame]
	slot := slotOf(int(r.Off) + int(int64(r.Value())))
	return slot >= 0 && slot < len(f.Slots) && f.Slots[slot].Types[7] == SlotIt && f.Slots[slot].State == iterActive
}
