package check

import (
	"errors"
	"math/bits"

	"github.com/skepdev/skep/isa"
)

// backtrack is the set of registers and stack slots whose exact value is being
// traced back to where it came from (struct backtrack_state).
type backtrack struct {
	frame int
	regs  [maxFrames]uint16
	slots [maxFrames]uint64
}

func (b *backtrack) empty() bool {
	for i := 0; i <= b.frame; i++ {
		if b.regs[i] != 0 || b.slots[i] != 0 {
			return false
		}
	}
	return true
}

func (b *backtrack) has(reg uint8) bool { return b.regs[b.frame]&bit(reg) != 0 }

func (b *backtrack) set(reg uint8) {
	if reg != isa.R10 {
		b.regs[b.frame] |= bit(reg)
	}
}

func (b *backtrack) clear(reg uint8) { b.regs[b.frame] &^= bit(reg) }

func (b *backtrack) hasSlot(frame, slot uint8) bool { return b.slots[frame]>>slot&1 != 0 }

func (b *backtrack) enter() error {
	if b.frame == maxFrames-1 {
		return errBacktrack
	}
	b.frame++
	return nil
}

func (b *backtrack) leave() error {
	if b.frame == 0 {
		return errBacktrack
	}
	b.frame--
	return nil
}

var (
	// errOpaque: the value came from something that is not followed.
	errOpaque = errors.New("cannot be traced")
	// errBacktrack: history and program do not fit together.
	errBacktrack = errors.New("BUG: tracing back left the path")
)

// markPrecise notes that safety rests on the exact value of a register, in all
// checkpoints that the value passed through (mark_chain_precision).
func (c *Checker) markPrecise(reg int) error {
	if !c.opts.bpfCapable() || reg < 0 {
		return nil
	}
	if c.cur.regs()[reg].Kind != Scalar {
		return c.bug("precision of r%d, which is no number", reg)
	}
	c.bt = backtrack{frame: c.cur.Cur}
	c.bt.set(uint8(reg))
	_, err := c.trace(c.cur, c.insn)
	return err
}

// markSlotPrecise is markPrecise for a spilled number.
func (c *Checker) markSlotPrecise(frame, slot int) error {
	if !c.opts.bpfCapable() {
		return nil
	}
	c.bt = backtrack{frame: c.cur.Cur}
	c.bt.slots[frame] = 1 << slot
	_, err := c.trace(c.cur, c.insn)
	return err
}

// trace follows c.bt back from before insn in state st. It reports whether
// anything was marked that was not.
func (c *Checker) trace(st *State, insn int) (changed bool, err error) {
	start := st
	first, last, next := st.First, insn, -1
	skip := true
	for {
		if last < 0 {
			return changed, c.traceToEntry(st, &changed)
		}
		h := st.hist
		c.log.traceFrom(c, last, first, next)
		for i := last; ; {
			if !skip {
				err = c.traceOver(i, next, histAt(h, i))
			}
			skip = false
			switch {
			case errors.Is(err, errOpaque):
				c.forceAllPrecise(start, &changed)
				return changed, nil
			case err != nil:
				return changed, c.bug("%v at %d", err, i)
			case c.bt.empty():
				return changed, nil
			}
			next = i
			var ok bool
			if i, ok = before(st, i, &h); !ok {
				break
			}
			if i < 0 || i >= len(c.insns) {
				return changed, c.bug("traced back to %d", i)
			}
		}
		if st = st.Parent; st == nil {
			break
		}
		if err := c.markCheckpoint(st, &changed); err != nil || c.bt.empty() {
			return changed, err
		}
		next, last, first = first, st.Last, st.First
	}
	if !c.bt.empty() {
		c.forceAllPrecise(start, &changed)
	}
	return changed, nil
}

// traceToEntry ends at a global function's entry, whose arguments nobody
// narrows.
func (c *Checker) traceToEntry(st *State, changed *bool) error {
	f := st.Frames[0]
	if st.Cur != 0 || f.Subprog == 0 || c.bt.slots[0] != 0 || c.bt.regs[0]&^argRegs != 0 {
		return c.bug("traced to the entry: registers %x, slots %x", c.bt.regs[0], c.bt.slots[0])
	}
	for m := c.bt.regs[0]; m != 0; m &= m - 1 {
		markReg(&f.Regs[bits.TrailingZeros16(m)], changed)
	}
	c.bt = backtrack{}
	return nil
}

func markReg(r *Reg, changed *bool) (done bool) {
	if r.Kind != Scalar || r.Precise {
		return true
	}
	r.Precise, *changed = true, true
	return false
}

// markCheckpoint marks what is traced in a checkpoint; what was marked before
// need not be traced further.
func (c *Checker) markCheckpoint(st *State, changed *bool) error {
	for fr := c.bt.frame; fr >= 0; fr-- {
		f := st.Frames[fr]
		if f == nil {
			return c.bug("frame %d is gone", fr)
		}
		for m := c.bt.regs[fr]; m != 0; m &= m - 1 {
			i := bits.TrailingZeros16(m)
			if markReg(&f.Regs[i], changed) {
				c.bt.regs[fr] &^= 1 << i
			}
		}
		for m := c.bt.slots[fr]; m != 0; m &= m - 1 {
			i := bits.TrailingZeros64(m)
			if i >= len(f.Slots) {
				return c.bug("stack slot %d of %d", i, len(f.Slots))
			}
			if !f.Slots[i].spilledScalar() || markReg(&f.Slots[i].Reg, changed) {
				c.bt.slots[fr] &^= 1 << i
			}
		}
	}
	c.log.precision(c, st)
	return nil
}

// forceAllPrecise marks every number of all checkpoints above st.
func (c *Checker) forceAllPrecise(st *State, changed *bool) {
	for st = st.Parent; st != nil; st = st.Parent {
		for i := 0; i <= st.Cur; i++ {
			f := st.Frames[i]
			for j := range f.Regs[:isa.R10] {
				markReg(&f.Regs[j], changed)
			}
			for j := range f.Slots {
				if f.Slots[j].spilled() {
					markReg(&f.Slots[j].Reg, changed)
				}
			}
		}
	}
	c.bt = backtrack{}
}

// forgetPrecision lets numbers be imprecise again: what follows a new
// checkpoint will say what it needs of them.
func (s *State) forgetPrecision() {
	for i := 0; i <= s.Cur; i++ {
		f := s.Frames[i]
		for j := range f.Regs[:isa.R10] {
			f.Regs[j].Precise = false
		}
		for j := range f.Slots {
			f.Slots[j].Precise = false
		}
	}
}
