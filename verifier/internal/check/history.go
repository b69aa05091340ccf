package check

// histEntry is a step of a path: instruction insn was reached from prev. It
// also keeps what going back over insn needs to know.
type histEntry struct {
	insn, prev int32
	flags      uint8
	frame      uint8 // of the slot
	slot       uint8 // stack slot accessed, with histStack
	linked     linkedRegs
}

const (
	histStack    = 1 << iota // a register was spilled or filled
	histDstStack             // the destination of a comparison was a stack pointer
	histSrcStack
)

// pushHist adds to the history, or to the entry of the current instruction.
// frame and slot count with histStack (push_insn_history).
func (c *Checker) pushHist(flags, frame, slot uint8, links linkedRegs) {
	h := c.cur.hist
	if c.histCurrent {
		e := &h[len(h)-1]
		e.flags |= flags
		if flags&histStack != 0 {
			e.frame, e.slot = frame, slot
		}
		if links.n > 0 {
			e.linked = links
		}
		return
	}
	c.cur.hist = append(h, histEntry{
		insn: int32(c.insn), prev: int32(c.cur.Last), flags: flags, frame: frame, slot: slot, linked: links,
	})
	c.histCurrent = true
}

// histAt is the entry of insn if it is the newest of h, else nil.
func histAt(h []histEntry, insn int) *histEntry {
	if n := len(h); n > 0 && int(h[n-1].insn) == insn {
		return &h[n-1]
	}
	return nil
}

// before is the instruction that ran before i in the history of s; false at its
// start. h shrinks as its entries are passed (get_prev_insn_idx).
func before(s *State, i int, h *[]histEntry) (int, bool) {
	n := len(*h)
	if i == s.First && (n == 0 || n == 1 && int((*h)[0].insn) == i) {
		return 0, false
	}
	if n > 0 && int((*h)[n-1].insn) == i {
		prev := int((*h)[n-1].prev)
		*h = (*h)[:n-1]
		return prev, true
	}
	return i - 1, true
}
