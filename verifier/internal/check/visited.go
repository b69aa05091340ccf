package check

import "slices"

// checkpointList holds the states that were kept at one instruction, newest
// last.
type checkpointList struct {
	points []*checkpoint
}

type checkpoint struct {
	*State
	hits, misses int
}

// visited asks whether a state that covers the current one was followed from
// here before; if not it may keep the current one for others (is_state_visited).
func (c *Checker) visited() (bool, error) {
	insn, cur := c.insn, c.cur
	a := &c.aux[insn]
	cur.Insn = insn
	forced := c.prog.Flags&flagTestStateFreq != 0 || a.force || len(cur.hist) > histBeforeNewState
	add := forced || c.jumps-c.prevJumps >= checkpointAfterJmps && c.stats.Processed-c.prevInsns >= checkpointAfterInsn

	list := &c.points[insn]
	c.cleanStates(list, cur)
	count := 0
	for i := len(list.points) - 1; i >= 0; i-- {
		p := list.points[i]
		if p.frame().Callsite != cur.frame().Callsite {
			continue // of another call: neither a match nor a loop
		}
		count++
		verdict, err := c.compare(p, cur, a)
		if err != nil {
			return false, err
		}
		if verdict == stateEqual || verdict == stateConverged {
			return true, c.hit(p, verdict == stateConverged)
		}
		if verdict == stateLooping && !forced &&
			c.jumps-c.prevJumps < infiniteLoopJumps && c.stats.Processed-c.prevInsns < infiniteLoopInsns {
			add = false
		}
		if add {
			p.misses++
		}
		// A checkpoint that loops come back to is kept longer: they converge there.
		limit := 3
		if a.force && p.Branches > 0 {
			limit = 64
		}
		if p.misses > p.hits*limit+limit {
			list.points = slices.Delete(list.points, i, i+1)
			c.drop(p)
		}
	}
	c.stats.MaxPerInsn = max(c.stats.MaxPerInsn, count)
	if !c.opts.bpfCapable() && count > maxUnprivStates || !add {
		return false, nil
	}
	return false, c.keep(list)
}

// drop forgets a checkpoint that never helped. Others may still have it as
// their parent.
func (c *Checker) drop(p *checkpoint) {
	c.stats.PeakStates--
	if p.Branches == 0 && !c.loopOpen(p.State) {
		c.pool.free(p.State)
	}
}

// keep makes the current state a checkpoint.
func (c *Checker) keep(list *checkpointList) error {
	cur := c.cur
	c.stats.TotalStates++
	c.stats.PeakStates++
	c.prevJumps, c.prevInsns = c.jumps, c.stats.Processed
	if c.opts.bpfCapable() {
		cur.forgetPrecision()
	}
	s := c.pool.newState()
	c.pool.copyState(s, cur)
	s.Branches = 1
	c.enterLoop(s)
	cur.Parent, cur.First, cur.hist, c.histCurrent = s, c.insn, cur.hist[:0], false
	cur.depth = s.depth + 1
	list.points = append(list.points, &checkpoint{State: s})
	return nil
}

type stateVerdict uint8

const (
	stateDiffers stateVerdict = iota
	stateEqual
	stateConverged // equal within a loop that is not done
	stateLooping   // an ancestor: not yet proved
)

// compare decides whether the current state is covered by a checkpoint.
func (c *Checker) compare(p *checkpoint, cur *State, a *insnAux) (stateVerdict, error) {
	if p.Branches == 0 {
		// Inside a loop that is not done, what the checkpoint needs is not
		// fully known yet: compare as if all of it were.
		level := notExact
		loop := c.loopOpen(p.State)
		if loop {
			level = rangeWithin
		}
		if c.equal(p.State, cur, level) {
			if loop {
				return stateConverged, nil
			}
			return stateEqual, nil
		}
		return stateDiffers, nil
	}
	f := p.frame()
	if f.InAsync && f.AsyncEntry != cur.frame().AsyncEntry {
		return stateLooping, nil
	}
	switch {
	case a.iterNext:
		if c.equal(p.State, cur, rangeWithin) && c.iterIsActive(cur) {
			return stateConverged, nil
		}
		return stateLooping, nil
	case a.force && c.insns[p.Insn].Op == opMayGoto:
		if p.MayGotoDepth != cur.MayGotoDepth && c.equal(p.State, cur, rangeWithin) {
			return stateConverged, nil
		}
	case a.callback && p.frame().CallbacksPast == cur.frame().CallbacksPast:
		// The callback came back. A loop around the call is one like any other,
		// although Linux takes it for the callback's.
		if c.equal(p.State, cur, rangeWithin) {
			return stateConverged, nil
		}
		return stateLooping, nil
	}
	if maybeLooping(p.State, cur) && c.equal(p.State, cur, exact) && !iterDepthsDiffer(p.State, cur) &&
		p.MayGotoDepth == cur.MayGotoDepth && p.CallbackUnroll == cur.CallbackUnroll {
		return stateLooping, c.reject(RuleLoop, EINVAL, "infinite loop detected at insn %d", c.insn)
	}
	return stateLooping, nil
}

// hit ends a path at a checkpoint that covers it: what the checkpoint's
// continuation needs exactly is needed of this path too. With loop, more of
// that may become known later.
func (c *Checker) hit(p *checkpoint, loop bool) error {
	p.hits++
	if c.aux[c.insn].jump {
		c.pushHist(0, 0, 0, linkedRegs{})
	}
	if _, err := c.propagate(p.State, c.cur); err != nil || !loop {
		return err
	}
	return c.addBackedge(p.State)
}

// propagate marks, above cur, what old needs exactly (propagate_precision).
func (c *Checker) propagate(old, cur *State) (changed bool, err error) {
	if !c.opts.bpfCapable() {
		return false, nil
	}
	c.bt = backtrack{frame: cur.Cur}
	for fr := old.Cur; fr >= 0; fr-- {
		f := old.Frames[fr]
		live := c.liveRegsOf(old, fr)
		for i := range f.Regs[:10] {
			if r := &f.Regs[i]; r.Kind == Scalar && r.Precise && live>>i&1 != 0 {
				c.bt.regs[fr] |= 1 << i
			}
		}
		for i := range f.Slots {
			if s := &f.Slots[i]; s.spilledScalar() && s.Precise {
				c.bt.slots[fr] |= 1 << i
			}
		}
	}
	if c.bt.empty() {
		return false, nil
	}
	return c.trace(cur, cur.Insn)
}

// liveRegsNow are the registers of a frame of the current state that may still
// be read.
func (c *Checker) liveRegsNow(fr int) uint16 {
	if fr == c.cur.Cur {
		return c.aux[c.insn].liveRegs
	}
	return c.aux[c.cur.Frames[fr+1].Callsite].liveRegs
}

// liveRegsOf are the registers of a frame that may still be read.
func (c *Checker) liveRegsOf(s *State, fr int) uint16 {
	if fr == s.Cur {
		return c.aux[s.Insn].liveRegs
	}
	return c.aux[s.Frames[fr+1].Callsite].liveRegs
}

// finish counts a path as done, and those checkpoints whose paths all are.
func (c *Checker) finish(s *State) error {
	for p := s.Parent; p != nil; p = p.Parent {
		p.Branches--
		if p.Branches < 0 {
			return c.bug("checkpoint at %d has %d branches", p.Insn, p.Branches)
		}
		if p.Branches > 0 {
			return nil
		}
		if err := c.leaveLoop(p); err != nil {
			return err
		}
	}
	return nil
}

// cleanStates forgets, in checkpoints that are done, all that nothing reads:
// less to compare, and more that is equal.
func (c *Checker) cleanStates(list *checkpointList, cur *State) {
	for _, p := range list.points {
		if p.Branches > 0 || p.cleaned || !sameCallsites(p.State, cur) || c.loopOpen(p.State) {
			continue
		}
		c.clean(p.State)
	}
}

func sameCallsites(a, b *State) bool {
	if a.Cur != b.Cur {
		return false
	}
	for i := a.Cur; i >= 0; i-- {
		if a.Frames[i].Callsite != b.Frames[i].Callsite {
			return false
		}
	}
	return true
}

func (c *Checker) clean(s *State) {
	s.cleaned = true
	for fr := 0; fr <= s.Cur; fr++ {
		f := s.Frames[fr]
		live := c.liveRegsOf(s, fr)
		for i := range f.Regs[:10] {
			if live>>i&1 == 0 {
				f.Regs[i] = Reg{}
			}
		}
		for i := range f.Slots {
			if !c.live.alive(c, s, fr, i) {
				f.Slots[i] = Slot{}
			}
		}
	}
}
