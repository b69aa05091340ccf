package check

import (
	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

// checkFlow walks the control flow graph: every instruction must be reachable,
// and without CAP_BPF there may be no loop. It marks where paths fork and meet,
// and orders each function's instructions (check_cfg).
func (c *Checker) checkFlow() error {
	color := make([]uint8, len(c.insns)) // 0 new, 1 on the path, 2 done
	for again := true; again; {
		again = false
		for k := range c.subs {
			s := &c.subs[k]
			if s.walked || k > 0 && !s.referenced && !s.isExcept {
				continue
			}
			s.walked, again = true, true
			if err := c.walkFlow(k, color); err != nil {
				return err
			}
		}
	}
	for i := 0; i < len(c.insns); i += c.insns[i].Width() {
		if color[i] == 0 {
			c.insn = i
			return c.reject(RuleStructure, EINVAL, "unreachable insn %d", i)
		}
	}
	c.insn = -1
	c.spreadEffects()
	return nil
}

type walkFrame struct {
	insn int
	succ [2]int
	n    int
	next int
}

// walkFlow is a depth-first search of one function.
func (c *Checker) walkFlow(k int, color []uint8) error {
	s := &c.subs[k]
	var path []walkFrame
	enter := func(i int) {
		color[i] = 1
		f := walkFrame{insn: i}
		succ := c.successors(i, f.succ[:0])
		f.n = len(succ)
		c.markPoints(i)
		path = append(path, f)
	}
	enter(s.start)
	for len(path) > 0 {
		f := &path[len(path)-1]
		if f.next == f.n {
			color[f.insn] = 2
			s.postorder = append(s.postorder, f.insn)
			path = path[:len(path)-1]
			continue
		}
		// The branch is followed before the fall-through.
		to := f.succ[f.n-1-f.next]
		f.next++
		switch color[to] {
		case 0:
			enter(to)
		case 1:
			if !c.opts.bpfCapable() {
				c.insn = f.insn
				return c.reject(RuleLoop, EINVAL, "back-edge from insn %d to %d", f.insn, to)
			}
		}
	}
	return nil
}

// markPoints says where states are compared and what the history keeps
// (visit_insn, visit_func_call_insn).
func (c *Checker) markPoints(i int) {
	ins := c.insns[i]
	switch {
	case isFuncPointer(ins):
		c.markCallee(i)
		c.meet(i+ins.Width(), true)
	case ins.IsCall():
		c.markCall(i)
	case ins.Op == isa.JA, ins.Op == isa.JA32:
		c.meet(i+1+ins.Displacement(), true)
	case ins.IsJump():
		c.meet(i, false)
		c.aux[i].force = ins.Op == isa.MayGoto
		c.meet(i+1+ins.Displacement(), true)
	}
}

// meet marks a place where paths meet, and one that is jumped to or from.
func (c *Checker) meet(i int, jump bool) {
	if i >= len(c.aux) {
		return
	}
	c.aux[i].prune = true
	if jump {
		c.aux[i].jump = true
	}
}

func (c *Checker) markCallee(i int) {
	to := i + 1 + int(c.insns[i].Imm)
	c.subs[c.subprogStarting(to)].referenced = true
	c.meet(i, false)
	c.meet(to, true)
}

func (c *Checker) markCall(i int) {
	ins := c.insns[i]
	a := &c.aux[i]
	switch call := c.callAt(i); {
	case call.async:
		// The callback runs some time later, from a state of its own.
		c.meet(i, false)
	case call.sync:
		a.callback, a.force = true, true
		c.meet(i, true)
	case call.iterNext:
		a.iterNext, a.force = true, true
		c.meet(i, false)
	}
	if ins.IsSubprogCall() {
		c.markCallee(i)
	}
	c.meet(i+1, true)
	c.noteEffects(i)
}

// noteEffects notes what calling the function that i is in may do.
func (c *Checker) noteEffects(i int) {
	s := &c.subs[c.subprogAt(i)]
	ins := c.insns[i]
	switch {
	case ins.IsHelperCall():
		if h := abi.HelperByID(abi.HelperID(ins.Imm)); h != nil {
			s.changesPacket = s.changesPacket || h.Flags&abi.HelperMovesPacket != 0
			s.mightSleep = s.mightSleep || h.Flags&abi.HelperSleeps != 0
		}
	case ins.IsKfuncCall():
		k := c.kfuncEffects(ins)
		s.changesPacket = s.changesPacket || k.changesPacket
		s.mightSleep = s.mightSleep || k.mightSleep
	}
}

// callEffects is what calling a function may do besides returning.
type callEffects struct{ changesPacket, mightSleep bool }

// spreadEffects makes callers do what their callees may (merge_callee_effects).
func (c *Checker) spreadEffects() {
	for changed := true; changed; {
		changed = false
		for i := 0; i < len(c.insns); i += c.insns[i].Width() {
			if ins := c.insns[i]; ins.IsSubprogCall() || isFuncPointer(ins) {
				from, to := &c.subs[c.subprogStarting(i+1+int(ins.Imm))], &c.subs[c.subprogAt(i)]
				if from.changesPacket && !to.changesPacket || from.mightSleep && !to.mightSleep {
					to.changesPacket = to.changesPacket || from.changesPacket
					to.mightSleep = to.mightSleep || from.mightSleep
					changed = true
				}
			}
		}
	}
}
