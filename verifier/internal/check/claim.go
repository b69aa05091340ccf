package check

import "github.com/skepdev/skep/isa"

// Claim is what a state says about the registers and the stack of its running
// frame, as far as it can be held against a run.
type Claim struct {
	regs  [isa.R10]Reg
	frame uint8
	slots []Slot
}

// Claim copies what the state says.
func (s *State) Claim() *Claim {
	f := s.frame()
	c := &Claim{frame: uint8(s.Cur), slots: append([]Slot(nil), f.Slots...)}
	copy(c.regs[:], f.Regs[:isa.R10])
	return c
}

// Holds reports whether registers, and the 8 bytes of stack that read finds below
// the frame pointer, are as claimed. What is claimed of pointers is that they are
// not NULL, and of those to the own frame where they point.
func (c *Claim) Holds(regs []uint64, read func(below int) uint64) bool {
	fp := regs[isa.R10]
	for i := range c.regs {
		if !c.holds(&c.regs[i], regs[i], fp) {
			return false
		}
	}
	for i := range c.slots {
		s := &c.slots[i]
		v := read(8 * (i + 1))
		if s.Types[0] == SlotSpill && !c.holds(&s.Reg, v, fp) {
			return false
		}
		for j, t := range s.Types { // Types[0] is the highest byte
			if t == SlotZero && byte(v>>(8*(7-j))) != 0 {
				return false
			}
		}
	}
	return true
}

func (c *Claim) holds(r *Reg, v, fp uint64) bool {
	switch {
	case r.Kind == NotInit:
		return true
	case r.Kind == Scalar:
		return r.Range.Has(v)
	case r.maybeNull() && v == 0:
		return true
	case r.Kind == Stack && r.Frame == c.frame:
		return r.Range.Has(v - fp - uint64(int64(r.Off)))
	}
	return v != 0
}
