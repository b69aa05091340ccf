package check

import "github.com/skepdev/skep/isa"

const opMayGoto = isa.MayGoto

// A loop that is being followed is a visit: a component of the flow graph,
// entered along one chain of calls. While it has back edges, what its
// checkpoints need exactly is not final; when its first checkpoint is done, the
// needs are carried along the back edges until nothing changes (struct
// bpf_scc_visit).
type sccVisit struct {
	entry     *State
	backedges []*State
}

type sccKey struct {
	calls [maxFrames]int32
	scc   int32
}

// maxRounds bounds how often needs are carried around; then all numbers count
// as needed.
const maxRounds = 64

// loopOf finds the outermost loop that a state is in.
func (c *Checker) loopOf(s *State) (k sccKey, ok bool) {
	for i := 0; i <= s.Cur; i++ {
		insn := s.Insn
		if i < s.Cur {
			insn = s.Frames[i+1].Callsite
		}
		if scc := c.aux[insn].scc; scc != 0 {
			k.scc = scc
			return k, true
		}
		k.calls[i] = int32(insn)
	}
	return k, false
}

func (c *Checker) enterLoop(s *State) {
	k, ok := c.loopOf(s)
	if !ok {
		return
	}
	v := c.visits[k]
	if v == nil {
		v = &sccVisit{}
		c.visits[k] = v
	}
	if v.entry == nil {
		v.entry = s
	}
}

// loopOpen reports that what a checkpoint needs may still grow.
func (c *Checker) loopOpen(s *State) bool {
	k, ok := c.loopOf(s)
	if !ok {
		return false
	}
	v := c.visits[k]
	return v != nil && len(v.backedges) > 0
}

// addBackedge keeps the current state, found equal to old inside a loop.
func (c *Checker) addBackedge(old *State) error {
	k, ok := c.loopOf(old)
	if !ok {
		return c.bug("back edge to %d outside of a loop", old.Insn)
	}
	v := c.visits[k]
	if v == nil {
		return c.bug("back edge to %d into a loop nobody entered", old.Insn)
	}
	s := c.pool.newState()
	c.pool.copyState(s, c.cur)
	s.equal, s.Insn = old, c.insn
	v.backedges = append(v.backedges, s)
	return nil
}

// leaveLoop closes the loop that s opened, if it did.
func (c *Checker) leaveLoop(s *State) error {
	k, ok := c.loopOf(s)
	if !ok {
		return nil
	}
	v := c.visits[k]
	if v == nil || v.entry != s {
		return nil
	}
	v.entry = nil
	for round := 0; ; round++ {
		changed := false
		for _, b := range v.backedges {
			if round > maxRounds {
				c.forceAllPrecise(b, &changed)
				continue
			}
			ch, err := c.propagate(b.equal, b)
			if err != nil {
				return err
			}
			changed = changed || ch
		}
		if !changed || round > maxRounds {
			break
		}
	}
	for _, b := range v.backedges {
		c.pool.free(b)
	}
	v.backedges = nil
	return nil
}

// findEntry is the newest checkpoint at insn that the current path passed
// through (find_prev_entry).
func (c *Checker) findEntry(parent *State, insn int) *State {
	if parent == nil {
		return nil
	}
	list := c.points[insn].points
	for i := len(list) - 1; i >= 0; i-- {
		if s := list[i].State; s.Branches > 0 && sameCallsites(s, parent) && s.depth < parent.depth {
			return s
		}
	}
	return nil
}

// widen forgets numbers that changed in a round of a loop and that nothing
// needs exactly, so that the loop converges (widen_imprecise_scalars).
func (c *Checker) widen(old, cur *State) {
	c.idmap.pairs = c.idmap.pairs[:0]
	c.idmap.next = c.ids
	reg := func(o, n *Reg) {
		if o.Kind != Scalar || n.Kind != Scalar || o.Precise || n.Precise || c.identical(o, n) {
			return
		}
		c.setUnknown(n)
	}
	for fr := 0; fr <= old.Cur; fr++ {
		f, g := old.Frames[fr], cur.Frames[fr]
		for i := range f.Regs {
			reg(&f.Regs[i], &g.Regs[i])
		}
		for i := 0; i < len(f.Slots) && i < len(g.Slots); i++ {
			if f.Slots[i].spilled() && g.Slots[i].spilled() {
				reg(&f.Slots[i].Reg, &g.Slots[i].Reg)
			}
		}
	}
}
