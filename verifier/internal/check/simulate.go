package check

import (
	"errors"
	"slices"
	"time"

	"github.com/skepdev/skep/isa"
)

// errDone ends a path that is proved.
var errDone = errors.New("path done")

// simulate follows all paths from the current state (do_check). Registers and
// frames are set up by the caller.
func (c *Checker) simulate() error {
	c.prev = -1
	fresh := false // the state came from elsewhere: the log shows it whole
	for {
		if c.insn < 0 || c.insn >= len(c.insns) {
			return c.bug("instruction %d of %d", c.insn, len(c.insns))
		}
		if err := c.count(); err != nil {
			return err
		}
		err := c.step(&fresh)
		if err == nil {
			continue
		}
		if !errors.Is(err, errDone) {
			return err
		}
		done, err := c.nextPath()
		if err != nil || done {
			return err
		}
		fresh = true
	}
}

// count keeps the limits.
func (c *Checker) count() error {
	c.stats.Processed++
	c.aux[c.insn].processed++
	c.cur.Steps++
	c.stats.LongestPath = max(c.stats.LongestPath, c.cur.Steps)
	if c.stats.Processed > c.opts.MaxInstructions {
		return c.reject(RuleTooComplex, E2BIG, "BPF program is too large. Processed %d insn", c.stats.Processed)
	}
	if c.stats.Processed&0x3ff != 0 {
		return nil
	}
	if err := c.ctx.Err(); err != nil {
		return err
	}
	if !c.deadline.IsZero() && time.Now().After(c.deadline) {
		return c.reject(RuleLimit, EAGAIN, "verification took longer than %v", c.opts.Timeout)
	}
	if m := c.opts.MaxMemory; m != 0 && c.pool.bytes() > m {
		return c.reject(RuleLimit, ENOMEM, "states take more than %d bytes", m)
	}
	return nil
}

// step simulates one instruction and moves to the next; errDone if the path
// ends here.
func (c *Checker) step(fresh *bool) error {
	c.cur.Last, c.histCurrent = c.prev, false
	a := &c.aux[c.insn]
	if a.prune {
		seen, err := c.visited()
		if err != nil {
			return err
		}
		if seen {
			c.log.safe(c, *fresh)
			c.log.scratchAll()
			return errDone
		}
	}
	if a.jump {
		c.pushHist(0, 0, 0, linkedRegs{})
	}
	if c.log.level != 0 {
		c.log.before(c, *fresh)
		*fresh = false
	}
	a.seen, a.fact.Reached = true, true
	if c.opts.Observe != nil {
		c.opts.Observe(c.insn, c.cur, a.liveRegs)
	}
	c.live.begin(c)
	c.prev = c.insn
	at := c.insn
	err := c.execute(c.insns[c.insn], fresh)
	if err != nil && c.barrier(err) {
		c.log.scratchAll()
		return errDone
	}
	c.live.commit(c, at)
	return err
}

// execute dispatches by class. What it calls moves c.insn on.
func (c *Checker) execute(ins isa.Instruction, fresh *bool) error {
	switch ins.Class() {
	case isa.ClassALU, isa.ClassALU64:
		return c.then(c.alu(ins), 1)
	case isa.ClassLDX:
		return c.then(c.load(ins), 1)
	case isa.ClassST, isa.ClassSTX:
		return c.then(c.store(ins), 1)
	case isa.ClassLD:
		if isLegacyLoad(ins) {
			return c.then(c.legacyLoad(ins), 1)
		}
		return c.then(c.loadImm(ins), 2)
	}
	c.jumps++
	switch {
	case ins.Op == isa.JA, ins.Op == isa.JA32:
		c.insn += 1 + ins.Displacement()
		return nil
	case ins.IsCall():
		c.log.scratchReg(0)
		return c.call(ins, fresh)
	case ins.Op == isa.Exit:
		return c.exit(false, fresh)
	case ins.Op == isa.MayGoto:
		return c.then(c.mayGoto(ins), 1)
	}
	return c.then(c.branch(ins), 1)
}

// then moves on by width slots unless err ended the path.
func (c *Checker) then(err error, width int) error {
	if err == nil {
		c.insn += width
	}
	return err
}

// push queues the current state to be followed from insn later.
func (c *Checker) push(insn, prev int, speculative bool) (*State, error) {
	s := c.pool.newState()
	c.pool.copyState(s, c.cur)
	s.Speculative = s.Speculative || speculative
	c.pending = append(c.pending, pendingState{state: s, insn: insn, prev: prev, logPos: c.log.pos()})
	c.stats.LongestQueue = max(c.stats.LongestQueue, len(c.pending))
	if len(c.pending) > maxPending {
		return nil, c.reject(RuleTooComplex, E2BIG, "The sequence of %d jumps is too complex.", len(c.pending))
	}
	if s.Parent != nil {
		s.Parent.Branches++
	}
	return s, nil
}

// nextPath takes up a queued state; done if there is none.
func (c *Checker) nextPath() (done bool, err error) {
	if err := c.finish(c.cur); err != nil {
		return false, err
	}
	if len(c.pending) == 0 {
		return true, nil
	}
	p := c.pending[len(c.pending)-1]
	c.pending = c.pending[:len(c.pending)-1]
	c.pool.free(c.cur)
	c.cur, c.insn, c.prev = p.state, p.insn, p.prev
	if c.log.level&2 == 0 {
		c.log.truncate(p.logPos)
	}
	return false, nil
}

// path is how the current state was reached, oldest step first.
func (c *Checker) path() []Step {
	const maxSteps = 10_000
	var steps []Step
	for s := c.cur; s != nil && len(steps) < maxSteps; s = s.Parent {
		for i := len(s.hist) - 1; i >= 0; i-- {
			if e := &s.hist[i]; e.prev >= 0 {
				steps = append(steps, Step{Insn: int(e.prev), Next: int(e.insn)})
			}
		}
	}
	slices.Reverse(steps)
	return steps
}
