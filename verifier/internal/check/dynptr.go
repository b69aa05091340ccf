package check

import "github.com/skepdev/skep/abi"

// Types of dynptr (enum bpf_dynptr_type), in Reg.Obj.
const (
	dynptrInvalid = iota
	dynptrLocal
	dynptrRingBuf
	dynptrSkb
	dynptrXDP
	dynptrSkbMeta
	dynptrFile
)

var dynptrNames = [...]string{"<invalid>", "local", "ringbuf", "skb", "xdp", "skb_meta", "file"}

// A dynptr takes two slots.
const dynptrBytes = 16

// dynptrInfo is what is known of a dynptr.
type dynptrInfo struct {
	kind    uint32
	id, ref uint32
}

// dynptrUse says what a call does with a dynptr.
type dynptrUse struct {
	uninit   bool // it makes one
	readOnly bool // it changes neither the dynptr nor where it points
	kind     uint32
	parent   uint32 // reference of what it is a clone of
	helper   *helperCall
}

// dynptrReaders leave the dynptr as it is (MEM_RDONLY in their prototypes).
var dynptrReaders = idSet(abi.FnDynptrRead, abi.FnDynptrWrite, abi.FnDynptrData)

// dynptrKinds are what helpers make, or insist on.
var dynptrKinds = map[abi.HelperID]uint32{
	abi.FnDynptrFromMem: dynptrLocal, abi.FnRingbufReserveDynptr: dynptrRingBuf,
	abi.FnRingbufSubmitDynptr: dynptrRingBuf, abi.FnRingbufDiscardDynptr: dynptrRingBuf,
}

// constDynptr is a dynptr that somebody else owns.
func (c *Checker) constDynptr(kind uint32) Reg {
	r := pointerReg(ConstDynptr, 0)
	r.Obj, r.State, r.ID = kind, 1, c.newID()
	return r
}

var objectRules = map[string]Rule{"dynptr": RuleDynptr, "iter": RuleIterator, "irq_flag": RuleLock}

// objectSlot is the slot at which an object of n slots begins (its highest
// address), for a pointer to its lowest. in is false beyond the part of the
// frame that exists (stack_slot_obj_get_spi).
func (c *Checker) objectSlot(r *Reg, what string, n int) (slot int, in bool, err error) {
	rule, ok := objectRules[what]
	if !ok {
		rule = RuleDynptr
	}
	if !r.IsConst() {
		return 0, false, c.reject(rule, EINVAL, "%s has to be at a constant offset", what)
	}
	off := int(r.Off) + int(int64(r.Value()))
	slot = slotOf(off)
	if off%slotBytes != 0 || slot+1 < n || off >= 0 {
		return 0, false, c.reject(rule, EINVAL, "cannot pass in %s at an offset=%d", what, off)
	}
	return slot, slot < len(c.cur.Frames[r.Frame].Slots), nil
}

// dynptrArg checks a dynptr argument, and makes one where the call does
// (process_dynptr_func).
func (c *Checker) dynptrArg(reg int, use dynptrUse) error {
	r := &c.cur.regs()[reg]
	if use.helper != nil && use.kind == 0 {
		use.kind = dynptrKinds[use.helper.id]
	}
	if r.Kind != Stack && r.Kind != ConstDynptr {
		return c.rejectReg(reg, RuleDynptr, EINVAL, "arg#%d expected pointer to stack or const struct bpf_dynptr", reg-1)
	}
	if use.uninit {
		return c.makeDynptr(reg, r, use)
	}
	if r.Kind == ConstDynptr && !use.readOnly {
		return c.rejectReg(reg, RuleDynptr, EINVAL, "cannot pass pointer to const bpf_dynptr, the helper mutates it")
	}
	if r.Kind == Stack {
		if _, _, err := c.objectSlot(r, "dynptr", 2); err != nil {
			return c.also(err, c.textf("Expected an initialized dynptr as arg #%d", reg-1))
		}
	}
	info, ok := c.dynptrAt(r)
	if !ok {
		return c.rejectReg(reg, RuleDynptr, EINVAL, "Expected an initialized dynptr as arg #%d", reg-1)
	}
	if use.kind != 0 && info.kind != use.kind {
		return c.rejectReg(reg, RuleDynptr, EINVAL, "Expected a dynptr of type %s as arg #%d", dynptrNames[use.kind], reg-1)
	}
	if r.Kind == Stack {
		if slot, _, err := c.objectSlot(r, "dynptr", 2); err == nil {
			c.live.noteRead(c, int(r.Frame), slot)
			c.live.noteRead(c, int(r.Frame), slot-1)
		}
	}
	return nil
}

// dynptrAt is the dynptr a register points to; false if there is none.
func (c *Checker) dynptrAt(r *Reg) (dynptrInfo, bool) {
	if r.Kind == ConstDynptr {
		return dynptrInfo{r.Obj, r.ID, r.Ref}, true
	}
	was := c.log.mute()
	slot, in, err := c.objectSlot(r, "dynptr", 2)
	c.log.unmute(was)
	if err != nil || !in {
		return dynptrInfo{}, false
	}
	f := c.cur.Frames[r.Frame]
	a, b := &f.Slots[slot], &f.Slots[slot-1]
	if a.Types[0] != SlotDyn || b.Types[0] != SlotDyn || a.State == 0 {
		return dynptrInfo{}, false
	}
	return dynptrInfo{a.Obj, a.ID, a.Ref}, true
}

// dynptrOf is dynptrAt for an argument that was checked.
func (c *Checker) dynptrOf(r *Reg) (dynptrInfo, error) {
	info, ok := c.dynptrAt(r)
	if !ok {
		return info, c.bug("no dynptr where one was checked")
	}
	return info, nil
}

// dynptrOwned reports a dynptr that holds a reference.
func (c *Checker) dynptrOwned(r *Reg) bool {
	info, ok := c.dynptrAt(r)
	return ok && info.ref != 0
}

func (c *Checker) makeDynptr(reg int, r *Reg, use dynptrUse) error {
	if r.Kind == ConstDynptr {
		return c.rejectReg(reg, RuleDynptr, EINVAL, "Dynptr has to be an uninitialized dynptr")
	}
	slot, _, err := c.objectSlot(r, "dynptr", 2)
	if err != nil {
		return c.also(err, "Dynptr has to be an uninitialized dynptr")
	}
	for i := 0; i < dynptrBytes; i += slotBytes {
		if err := c.memAccess(access{reg: uint8(reg), off: i, size: slotBytes, write: true, value: -1}); err != nil {
			return err
		}
	}
	f := c.cur.Frames[r.Frame]
	for _, s := range []int{slot, slot - 1} {
		if err := c.breakDynptr(f, s); err != nil {
			return err
		}
	}
	if use.kind == dynptrInvalid {
		return c.bug("a dynptr of no type")
	}
	id := c.newID()
	ref := uint32(0)
	if use.kind == dynptrRingBuf || use.kind == dynptrFile {
		if ref = use.parent; ref == 0 {
			ref = c.acquire(RefPtr)
		}
	}
	for i, s := range []int{slot, slot - 1} {
		sl := &f.Slots[s]
		sl.Reg = pointerReg(ConstDynptr, 0)
		sl.Kind = SlotDynptr
		sl.Obj, sl.ID, sl.Ref, sl.State = use.kind, id, ref, uint8(1-i)
		for j := range sl.Types {
			sl.Types[j] = SlotDyn
		}
		c.log.scratchSlot(f, s)
	}
	return nil
}

// breakDynptr: a write over half of a dynptr ends it, and what was sliced from
// it; not if it holds a reference (destroy_if_dynptr_stack_slot).
func (c *Checker) breakDynptr(f *Frame, slot int) error {
	if slot >= len(f.Slots) || f.Slots[slot].Types[0] != SlotDyn {
		return nil
	}
	if f.Slots[slot].State == 0 {
		slot++
	}
	s := &f.Slots[slot]
	if s.Ref != 0 && (s.Obj == dynptrRingBuf || s.Obj == dynptrFile) && !c.clonedElsewhere(f, slot) {
		return c.reject(RuleDynptr, EINVAL, "cannot overwrite referenced dynptr")
	}
	id := s.ID
	c.log.scratchSlot(f, slot)
	c.log.scratchSlot(f, slot-1)
	f.Slots[slot], f.Slots[slot-1] = Slot{}, Slot{}
	c.dropSlices(id)
	return nil
}

// dropSlices invalidates what points into a dynptr's memory.
func (c *Checker) dropSlices(id uint32) {
	c.cur.eachReg(func(r *Reg) {
		if r.Kind == Mem && r.Flags&^(MaybeNull|RdOnly|fromPacket) == 0 && r.Obj == id && id != 0 {
			c.invalidate(r)
		}
	})
}

// clonedElsewhere reports that another dynptr holds the same reference, so that
// this one may go (Linux 6.19).
func (c *Checker) clonedElsewhere(*Frame, int) bool { return false }

// destroyDynptr releases a dynptr that holds a reference, its clones and slices
// (unmark_stack_slots_dynptr).
func (c *Checker) destroyDynptr(r *Reg) error {
	slot, in, err := c.objectSlot(r, "dynptr", 2)
	if err != nil {
		return err
	}
	if !in {
		return c.bug("dynptr outside of the frame")
	}
	f := c.cur.Frames[r.Frame]
	ref := f.Slots[slot].Ref
	if ref == 0 {
		f.Slots[slot], f.Slots[slot-1] = Slot{}, Slot{}
		return nil
	}
	if !c.release(ref) {
		return c.bug("dynptr holds a reference that does not exist")
	}
	for fr := 0; fr <= c.cur.Cur; fr++ {
		f := c.cur.Frames[fr]
		for i := 1; i < len(f.Slots); i++ {
			if s := &f.Slots[i]; s.Types[0] == SlotDyn && s.State == 1 && s.Ref == ref {
				// Slices of packets carry no reference; these might not either.
				c.dropSlices(s.ID)
				f.Slots[i], f.Slots[i-1] = Slot{}, Slot{}
			}
		}
	}
	return nil
}
