package check

// exactness says how alike states must be.
type exactness uint8

const (
	notExact    exactness = iota // differences that nothing depends on are fine
	exact                        // identical
	rangeWithin                  // the old one's ranges contain the new one's
)

// idMap pairs IDs of two states while they are compared.
type idMap struct {
	pairs []idPair
	next  uint32 // for numbers without an ID
}

type idPair struct{ old, cur uint32 }

// same reports whether two IDs may stand for the same thing (check_ids).
func (m *idMap) same(old, cur uint32) bool {
	if (old != 0) != (cur != 0) {
		return false
	}
	if old == 0 {
		return true
	}
	for _, p := range m.pairs {
		if p.old == old {
			return p.cur == cur
		}
		if p.cur == cur {
			return false
		}
	}
	m.pairs = append(m.pairs, idPair{old, cur})
	return true
}

// sameNumber is same for numbers: one that was linked to nothing may be linked
// now (check_scalar_ids).
func (m *idMap) sameNumber(old, cur uint32) bool {
	if old == 0 {
		return true
	}
	if cur == 0 {
		m.next++
		cur = m.next
	}
	if !m.same(old, cur) {
		return false
	}
	if old&linked != 0 {
		return m.same(old&^linked, cur&^linked)
	}
	return true
}

// equal reports whether all that is safe from old is safe from cur
// (states_equal).
func (c *Checker) equal(old, cur *State, level exactness) bool {
	if old.Cur != cur.Cur || old.Speculative && !cur.Speculative {
		return false
	}
	if old.RCU != cur.RCU || old.Preempt != cur.Preempt || old.Sleepable != cur.Sleepable || old.Locks != cur.Locks {
		return false
	}
	for i := 0; i <= old.Cur; i++ {
		if old.Frames[i].Callsite != cur.Frames[i].Callsite {
			return false
		}
	}
	c.idmap.pairs = c.idmap.pairs[:0]
	c.idmap.next = c.ids
	if !c.refsEqual(old, cur) {
		return false
	}
	for i := old.Cur; i >= 0; i-- {
		if !c.frameEqual(old.Frames[i], cur.Frames[i], c.liveRegsOf(old, i), level) {
			return false
		}
	}
	return true
}

func (c *Checker) refsEqual(old, cur *State) bool {
	if len(old.Refs) != len(cur.Refs) {
		return false
	}
	if !c.idmap.same(old.IRQ, cur.IRQ) {
		return false
	}
	for i := range old.Refs {
		a, b := &old.Refs[i], &cur.Refs[i]
		if a.Kind != b.Kind || !c.idmap.same(a.ID, b.ID) {
			return false
		}
		if a.Kind&refLocks != 0 && a.Obj != b.Obj {
			return false
		}
	}
	return true
}

func (c *Checker) frameEqual(old, cur *Frame, live uint16, level exactness) bool {
	if old.CallbackDepth > cur.CallbackDepth {
		return false
	}
	for i := range old.Regs[:10] {
		if live>>i&1 != 0 && !c.regSafe(&old.Regs[i], &cur.Regs[i], level) {
			return false
		}
	}
	return c.stackSafe(old, cur, level)
}

// sameHead compares all that says what a register points to.
func sameHead(a, b *Reg) bool {
	return a.Kind == b.Kind && a.Flags == b.Flags && a.Off == b.Off && a.Aux == b.Aux && a.Obj == b.Obj && a.State == b.State
}

func (c *Checker) identical(old, cur *Reg) bool {
	return sameHead(old, cur) && old.Range == cur.Range && c.idmap.same(old.ID, cur.ID) && c.idmap.same(old.Ref, cur.Ref)
}

// regSafe reports whether what is safe with old is safe with cur (regsafe).
func (c *Checker) regSafe(old, cur *Reg, level exactness) bool {
	if level == exact {
		return c.identical(old, cur)
	}
	if old.Kind == NotInit {
		if level == notExact || cur.Kind == NotInit {
			return true
		}
	}
	if old.Kind != cur.Kind || old.Flags != cur.Flags {
		return false
	}
	switch old.Kind {
	case Scalar:
		return c.numberSafe(old, cur, level)
	case MapKey, MapValue, Mem, Buf, TPBuffer:
		return sameHead(old, cur) && old.Range.Contains(cur.Range) && c.idmap.same(old.ID, cur.ID) && c.idmap.same(old.Ref, cur.Ref)
	case Packet, PacketMeta:
		if old.Aux < 0 || cur.Aux < 0 {
			if old.Aux != cur.Aux {
				return false
			}
		} else if old.Aux > cur.Aux {
			return false
		}
		return old.Off == cur.Off && c.idmap.same(old.ID, cur.ID) && old.Range.Contains(cur.Range)
	case Stack:
		return c.identical(old, cur) && old.Frame == cur.Frame
	case Arena:
		return true
	}
	return c.identical(old, cur)
}

func (c *Checker) numberSafe(old, cur *Reg, level exactness) bool {
	if c.exploreALU {
		return sameHead(old, cur) && old.Range == cur.Range && c.idmap.sameNumber(old.ID, cur.ID)
	}
	if !old.Precise && level == notExact && !c.opts.Exact {
		return true
	}
	if old.ID&linked != 0 && (cur.ID&linked != old.ID&linked || old.Off != cur.Off) {
		return false
	}
	if old.ID != 0 && old.ID&linked == 0 && cur.ID&linked != 0 {
		return false
	}
	return c.idmap.sameNumber(old.ID, cur.ID) && old.Range.Contains(cur.Range)
}

// stackSafe compares the slots that the old state's continuation used
// (stacksafe).
func (c *Checker) stackSafe(old, cur *Frame, level exactness) bool {
	for i := range old.Slots {
		o := &old.Slots[i]
		var n *Slot
		if i < len(cur.Slots) {
			n = &cur.Slots[i]
		}
		if level == exact && (n == nil || o.Types != n.Types) {
			return false
		}
		if !c.slotSafe(o, n, level) {
			return false
		}
	}
	return true
}

func (c *Checker) slotSafe(old, cur *Slot, level exactness) bool {
	lenient := c.opts.allowUninitStack()
	ignored := func(t SlotType) bool { return t == SlotInvalid || lenient && t == SlotMisc }
	all := true
	for _, t := range old.Types {
		all = all && ignored(t)
	}
	if all {
		return true
	}
	if cur == nil {
		return false
	}
	if o, n := c.asNumber(old), c.asNumber(cur); o != nil && n != nil {
		return c.regSafe(o, n, level)
	}
	for k, t := range old.Types {
		n := cur.Types[k]
		if ignored(t) || t == n || t == SlotMisc && n == SlotZero {
			continue
		}
		return false
	}
	switch old.Types[7] {
	case SlotSpill:
		return c.regSafe(&old.Reg, &cur.Reg, level)
	case SlotDyn:
		return old.Obj == cur.Obj && old.State == cur.State && c.idmap.same(old.Ref, cur.Ref)
	case SlotIt:
		// The depth only serves to tell a loop that goes on from one that hangs.
		return old.Kind == cur.Kind && old.Flags == cur.Flags && old.Obj == cur.Obj && old.State == cur.State && c.idmap.same(old.Ref, cur.Ref)
	case SlotIrq:
		return c.idmap.same(old.Ref, cur.Ref) && old.Obj == cur.Obj
	}
	return true
}

var unboundReg = unknownReg()

// asNumber is what a load of the whole slot would give, or nil.
func (c *Checker) asNumber(s *Slot) *Reg {
	if s.spilledScalar64() {
		return &s.Reg
	}
	for _, t := range s.Types {
		if t != SlotMisc && !(t == SlotInvalid && c.opts.allowUninitStack()) {
			return nil
		}
	}
	return &unboundReg
}

// maybeLooping is a quick test before the exact one (states_maybe_looping).
func maybeLooping(old, cur *State) bool {
	if old.Cur != cur.Cur {
		return false
	}
	a, b := old.regs(), cur.regs()
	for i := range a {
		x, y := &a[i], &b[i]
		if !sameHead(x, y) || x.ID != y.ID || x.Ref != y.Ref || x.Range != y.Range {
			return false
		}
	}
	return true
}

// iterDepthsDiffer reports an iterator that went on between two states.
func iterDepthsDiffer(old, cur *State) bool {
	for fr := old.Cur; fr >= 0; fr-- {
		for i := range old.Frames[fr].Slots {
			o := &old.Frames[fr].Slots[i]
			if o.Types[0] != SlotIt || o.State != iterActive {
				continue
			}
			if i >= len(cur.Frames[fr].Slots) || cur.Frames[fr].Slots[i].Aux != o.Aux {
				return true
			}
		}
	}
	return false
}
