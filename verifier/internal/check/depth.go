package check

import "github.com/skepdev/skep/abi"

// checkStackDepth adds up the frames along every chain of calls
// (check_max_stack_depth).
func (c *Checker) checkStackDepth() error {
	c.insn, c.cur = -1, nil
	own := c.ownStacks()
	for k := len(c.subs) - 1; k >= 0; k-- {
		if k != 0 && !c.subs[k].isAsync {
			continue
		}
		d := depthWalk{c: c, own: own && k == 0}
		if err := d.from(k); err != nil {
			return err
		}
	}
	return nil
}

const (
	// tailCallStack is what frames above a tail call may take.
	tailCallStack = 256
	// Frames are rounded up as the kernel's compiler does, before Linux 6.9 to
	// what its interpreter wants (round_up_stack_depth).
	stackGrain, oldStackGrain = 16, 32
	// ownStackMin: functions with smaller frames stay on the kernel's stack.
	ownStackMin = 64
)

// ownStacks reports programs whose functions get stacks of their own, so that
// frames need not add up (bpf_enable_priv_stack, Linux 6.13 on amd64 and 6.18
// on arm64).
func (c *Checker) ownStacks() bool {
	for k := range c.subs {
		if c.subs[k].hasTail {
			return false
		}
	}
	if !c.opts.since(6, 13) || c.opts.Arch != "amd64" {
		return false
	}
	switch c.prog.Type {
	case abi.ProgKprobe, abi.ProgTracepoint, abi.ProgPerfEvent, abi.ProgRawTracepoint:
		return true
	case abi.ProgTracing:
		return c.prog.AttachType != abi.AttachTraceIter
	case abi.ProgLSM:
		return c.prog.AttachType == abi.AttachLSMMAC
	}
	return false
}

// depthWalk follows calls in the order of the code.
type depthWalk struct {
	c     *Checker
	own   bool
	path  []depthFrame
	depth int
}

type depthFrame struct{ sub, next, depth int }

func (d *depthWalk) from(k int) error {
	i := d.c.subs[k].start
	if err := d.enter(k); err != nil {
		return err
	}
	for {
		at, callee, err := d.nextCall(k, i)
		switch {
		case err != nil:
			return err
		case callee >= 0:
			d.path = append(d.path, depthFrame{sub: k, next: at + d.c.insns[at].Width(), depth: d.depth})
			if len(d.path) >= maxFrames {
				d.c.insn = at
				return d.c.reject(RuleCallDepth, E2BIG, "the call stack of %d frames is too deep !", len(d.path))
			}
			k, i = callee, d.c.subs[callee].start
			if err := d.enter(k); err != nil {
				return err
			}
		case len(d.path) == 0:
			return nil
		default:
			top := d.path[len(d.path)-1]
			d.path = d.path[:len(d.path)-1]
			k, i, d.depth = top.sub, top.next, top.depth
		}
	}
}

// enter adds a function's frame.
func (d *depthWalk) enter(k int) error {
	c, s := d.c, &d.c.subs[k]
	c.insn = s.start
	if s.hasLdAbs {
		inCallback := s.isCallback
		for _, f := range d.path {
			inCallback = inCallback || c.subs[f.sub].isCallback
		}
		if inCallback {
			return c.reject(RuleLegacyLoad, EINVAL, "cannot use BPF_LD_[ABS|IND] within callback")
		}
	}
	if k > 0 && s.hasTail && d.depth >= tailCallStack {
		return c.reject(RuleStackDepth, EACCES, "tail_calls are not allowed when call stack of previous frames is %d bytes. Too large", d.depth)
	}
	size := (s.stack + stackGrain - 1) / stackGrain * stackGrain
	if !d.c.opts.since(6, 9) {
		size = (max(s.stack, 1) + oldStackGrain - 1) / oldStackGrain * oldStackGrain
	}
	c.totalStack = max(c.totalStack, d.depth+size)
	if d.own && size >= ownStackMin {
		if size > maxStack {
			return c.reject(RuleStackDepth, EACCES, "stack size of subprog %d is %d. Too large", k, size)
		}
		return nil
	}
	if d.depth += size; d.depth > maxStack {
		return c.reject(RuleStackDepth, EACCES, "combined stack size of %d calls is %d. Too large", len(d.path)+1, d.depth)
	}
	return nil
}

// nextCall is the next call, or mention of a callback, from i on; -1 if there is
// none.
func (d *depthWalk) nextCall(k, i int) (at, callee int, err error) {
	c := d.c
	for ; i < c.subs[k].end; i += c.insns[i].Width() {
		ins := c.insns[i]
		if c.isThrow(ins) {
			if err := d.throws(k, i); err != nil {
				return i, -1, err
			}
		}
		if !ins.IsSubprogCall() && !isFuncPointer(ins) {
			continue
		}
		callee := c.subprogStarting(i + 1 + int(ins.Imm))
		s := &c.subs[callee]
		if s.isAsync && !ins.IsSubprogCall() {
			continue // runs on an empty stack
		}
		if s.isExcept && ins.IsSubprogCall() {
			c.insn = i
			return i, -1, c.reject(RuleException, EINVAL, "insn %d cannot call exception cb directly", i)
		}
		return i, callee, nil
	}
	return i, -1, nil
}

// throws refuses exceptions out of callbacks.
func (d *depthWalk) throws(k, i int) error {
	bad := d.c.subs[k].isCallback
	for _, f := range d.path {
		bad = bad || d.c.subs[f.sub].isCallback
	}
	if !bad {
		return nil
	}
	d.c.insn = i
	return d.c.reject(RuleException, EINVAL, "bpf_throw kfunc (insn %d) cannot be called from callback subprog %d", i, k)
}
