package check

// checkStackDepth adds up the frames along every chain of calls
// (check_max_stack_depth).
func (c *Checker) checkStackDepth() error {
	c.insn = -1
	c.cur = nil
	for k := range c.subs {
		if k == 0 || c.subs[k].isAsync {
			if err := c.depthFrom(k); err != nil {
				return err
			}
		}
	}
	return nil
}

// depthLimits with tail calls: the frames above one must leave room.
const (
	tailCallStack = 256
	stackGrain    = 16 // with a compiler; 32 without
)

func roundStack(bytes int) int {
	bytes = max(bytes, 1)
	return (bytes + stackGrain - 1) / stackGrain * stackGrain
}

type depthFrame struct {
	sub, insn, depth int
	tail             bool
}

func (c *Checker) depthFrom(root int) error {
	var path []depthFrame
	depth, k, i := 0, root, c.subs[root].start
	tail := false
	enter := func() error {
		s := &c.subs[k]
		if len(path) > 0 && s.hasTail && depth >= tailCallStack {
			return c.reject(RuleStackDepth, EACCES, "tail_calls are not allowed when call stack of previous frames is %d bytes. Too large", depth)
		}
		depth += roundStack(s.stack)
		c.totalStack = max(c.totalStack, depth)
		if depth > maxStack {
			return c.reject(RuleStackDepth, EACCES, "combined stack size of %d calls is %d. Too large", len(path)+1, depth)
		}
		return nil
	}
	if err := enter(); err != nil {
		return err
	}
	for {
		s := &c.subs[k]
		descended := false
		for ; i < s.end; i += c.insns[i].Width() {
			ins := c.insns[i]
			if !ins.IsSubprogCall() && !isFuncPointer(ins) {
				continue
			}
			next := c.subprogStarting(i + 1 + int(ins.Imm))
			if next < 0 {
				continue
			}
			if c.subs[next].isAsync {
				if isFuncPointer(ins) {
					continue // runs on a stack of its own
				}
				c.insn = i
				return c.reject(RuleCallback, EFAULT, "insn %d cannot call async callback directly", i)
			}
			if isFuncPointer(ins) && !c.subs[next].isCallback {
				continue
			}
			path = append(path, depthFrame{sub: k, insn: i + ins.Width(), depth: depth, tail: tail})
			if len(path) >= maxFrames {
				c.insn = i
				return c.reject(RuleCallDepth, E2BIG, "the call stack of %d frames is too deep !", len(path)+1)
			}
			tail = tail || c.subs[next].hasTail
			k, i = next, c.subs[next].start
			c.insn = -1
			if err := enter(); err != nil {
				return err
			}
			descended = true
			break
		}
		if descended {
			continue
		}
		if len(path) == 0 {
			return nil
		}
		top := path[len(path)-1]
		path = path[:len(path)-1]
		k, i, depth, tail = top.sub, top.insn, top.depth, top.tail
	}
}
