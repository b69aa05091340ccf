package check

import (
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/verifier/internal/scalar"
)

// linkedRegs are places that hold the same number, up to a constant.
type linkedRegs struct {
	n     uint8
	place [maxLinked]place
}

// maxLinked is how many places a history entry keeps; further ones lose their
// link.
const maxLinked = 6

type place struct {
	frame uint8
	no    uint8 // register or slot
	slot  bool
}

// collectLinked finds all places with the given ID; since Linux 6.18 registers
// that nobody will read are passed over.
func (c *Checker) collectLinked(id uint32, out *linkedRegs) {
	id &^= linked
	add := func(r *Reg, p place) {
		if r.Kind != Scalar || r.ID&^linked != id {
			return
		}
		if out.n == maxLinked {
			r.unlink()
			return
		}
		out.place[out.n] = p
		out.n++
	}
	for i := c.cur.Cur; i >= 0; i-- {
		f := c.cur.Frames[i]
		live := ^uint16(0)
		if c.opts.since(6, 18) {
			live = c.liveRegsNow(i)
		}
		for j := range f.Regs[:isa.R10] {
			if live>>j&1 == 0 {
				continue
			}
			add(&f.Regs[j], place{frame: uint8(i), no: uint8(j)})
		}
		for j := range f.Slots {
			if f.Slots[j].spilled() {
				add(&f.Slots[j].Reg, place{frame: uint8(i), no: uint8(j), slot: true})
			}
		}
	}
}

// at is the register at a place of s, or nil.
func (s *State) at(p place) *Reg {
	f := s.Frames[p.frame]
	if !p.slot {
		return &f.Regs[p.no]
	}
	if int(p.no) < len(f.Slots) {
		return &f.Slots[p.no].Reg
	}
	return nil
}

// syncLinked gives all linked places what is known of one of them
// (sync_linked_regs).
func (c *Checker) syncLinked(s *State, known *Reg, links *linkedRegs) {
	for _, p := range links.place[:links.n] {
		r := s.at(p)
		if r == nil || r == known || r.Kind != Scalar || r.ID&^linked != known.ID&^linked {
			continue
		}
		if (r.ID^known.ID)&linked == linked {
			continue // one sum in 64 bits, the other in 32
		}
		if (r.ID|known.ID)&linked == 0 || r.Off == known.Off {
			*r = *known
			continue
		}
		id, off := r.ID, r.Off
		delta := int64(r.Off) - int64(known.Off)
		*r = *known
		r.ID, r.Off = id, off
		r.Range = scalar.Linked(known.Range, delta, (id|known.ID)&linked32 != 0)
	}
}
