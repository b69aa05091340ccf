package check

import (
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

// markPoints says where states are compared and what the history keeps.
func (c *Checker) markPoints(i int) {
	ins := c.insns[i]
	a := &c.aux[i]
	point := func(at int) {
		if at < len(c.aux) {
			c.aux[at].prune = true
		}
	}
	jump := func(at int) {
		if at < len(c.aux) {
			c.aux[at].jump = true
		}
	}
	if ins.IsSubprogCall() || isFuncPointer(ins) {
		c.subs[c.subprogStarting(i+1+int(ins.Imm))].referenced = true
	}
	switch {
	case isFuncPointer(ins):
		point(i)
		jump(i)
	case ins.Op == isa.Exit:
	case ins.IsCall():
		c.markCall(i, point, jump)
	case ins.Op == isa.JA, ins.Op == isa.JA32:
		to := i + 1 + ins.Displacement()
		point(to)
		jump(to)
	case ins.Op == isa.MayGoto:
		point(i)
		a.force = true
		point(i + 1 + ins.Displacement())
		jump(i + 1 + ins.Displacement())
		jump(i + 1)
	case ins.IsJump():
		point(i)
		to := i + 1 + ins.Displacement()
		point(to)
		jump(to)
		jump(i + 1)
	case isLegacyLoad(ins):
		jump(i + 1)
	}
}

func (c *Checker) markCall(i int, point, jump func(int)) {
	ins := c.insns[i]
	a := &c.aux[i]
	call := c.callAt(i)
	switch {
	case call.async:
		// The callback runs some time later, from a state of its own.
		point(i)
	case call.sync:
		a.callback = true
		a.force = true
		point(i)
		jump(i)
	case call.iterNext:
		a.iterNext = true
		a.force = true
		point(i)
		point(i + 1)
	case ins.IsSubprogCall():
		point(i)
		jump(i + 1)
		c.aux[i+1+int(ins.Imm)].jump = true
	}
	if call.sync || call.async {
		jump(i + 1)
	}
}
