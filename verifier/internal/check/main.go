package check

import (
	"fmt"

	"github.com/skepdev/skep/isa"
)

func (c *Checker) textf(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// checkMain follows the program's entry.
func (c *Checker) checkMain() error { return c.checkFrom(0) }

// checkGlobals follows, each from its prototype alone, the global functions
// that are called (do_check_subprogs).
func (c *Checker) checkGlobals() error {
	if c.exceptionCallback > 0 {
		c.subs[c.exceptionCallback].called = true
	}
	for again := true; again; {
		again = false
		for k := 1; k < len(c.subs); k++ {
			s := &c.subs[k]
			if !s.global || !s.called || s.verified {
				continue
			}
			if err := c.checkFrom(k); err != nil {
				return err
			}
			c.log.printf("Func#%d ('%s') is safe for any args that match its prototype\n", k, s.name)
			s.verified, again = true, true
		}
	}
	return nil
}

// checkFrom follows one function from its entry (do_check_common).
func (c *Checker) checkFrom(k int) error {
	for i := range c.points {
		c.points[i].points = nil
	}
	clear(c.visits)
	c.live = stackLiveness{}
	s := c.pool.newState()
	f := c.pool.newFrame()
	*f = Frame{Slots: f.Slots[:0], Callsite: -1, Subprog: k}
	f.Regs[isa.R10] = stackPointer(0)
	s.Frames[0], s.Branches = f, 1
	s.First, s.Last = c.subs[k].start, -1
	s.Sleepable = c.prog.Flags&flagSleepable != 0
	c.cur, c.insn, c.prev = s, c.subs[k].start, -1
	c.log.begin(c)
	if k == 0 && c.prog.Type != progExt {
		f.Regs[1] = pointerReg(Ctx, 0)
	} else if err := c.setGlobalArgs(k, f); err != nil {
		return err
	}
	if err := c.simulate(); err != nil {
		return err
	}
	c.cur = nil
	if c.log.level&2 == 0 {
		c.log.truncate(0)
	}
	return nil
}
