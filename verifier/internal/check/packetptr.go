package check

import (
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/verifier/internal/scalar"
)

// boundPacket learns how many bytes of the packet may be accessed from a
// comparison with its end, or of metadata from one with its start
// (try_match_pkt_pointers). here is the fall-through, there the jump.
func (c *Checker) boundPacket(ins isa.Instruction, dst, src *Reg, here, there *State) bool {
	if ins.Source() != isa.SrcX || ins.Class() == isa.ClassJMP32 {
		return false
	}
	ptrLeft := comparesEnd(dst, src)
	if !ptrLeft && !comparesEnd(src, dst) {
		return false
	}
	op, ptr, reg := ins.JumpOp(), *dst, ins.Dst
	if !ptrLeft {
		op, ptr, reg = scalar.Flip(op), *src, ins.Src
	}
	switch op {
	case isa.OpJGT: // beyond the end there, within it here
		goodPacket(here, &ptr, false)
		markPacketEnd(there, reg, true)
	case isa.OpJLT:
		goodPacket(there, &ptr, true)
		markPacketEnd(here, reg, false)
	case isa.OpJGE:
		goodPacket(here, &ptr, true)
		markPacketEnd(there, reg, false)
	case isa.OpJLE:
		goodPacket(there, &ptr, false)
		markPacketEnd(here, reg, true)
	default:
		return false
	}
	return true
}

// comparesEnd reports a packet pointer beside the packet's end, or a metadata
// pointer beside the packet's start.
func comparesEnd(ptr, end *Reg) bool {
	return ptr.Kind == Packet && end.Kind == PacketEnd ||
		ptr.Kind == PacketMeta && end.Kind == Packet && end.Off == 0 && end.IsConst() && end.Value() == 0 && end.ID == 0
}

// goodPacket gives every pointer of the same variable offset the range that ptr
// was found to have (find_good_pkt_pointers). open: the byte at ptr counts too.
func goodPacket(s *State, ptr *Reg, open bool) {
	if ptr.Off < 0 || ptr.Off == 0 && open {
		return
	}
	if ptr.UMax > maxPacket || ptr.UMax+uint64(ptr.Off) > maxPacket {
		return
	}
	n := ptr.Off
	if open {
		n++
	}
	s.eachReg(func(r *Reg) {
		if r.Kind == ptr.Kind && r.ID == ptr.ID {
			r.Aux = max(r.Aux, n)
		}
	})
}

// markPacketEnd notes that a pointer is at or beyond the end, for comparisons to
// come.
func markPacketEnd(s *State, reg uint8, beyond bool) {
	r := &s.regs()[reg]
	if r.Kind != Packet {
		return
	}
	if beyond {
		r.Aux = beyondPacketEnd
	} else {
		r.Aux = atPacketEnd
	}
}

// forgetPackets drops all pointers into the packet: it may have moved.
func (c *Checker) forgetPackets() {
	c.cur.eachReg(func(r *Reg) {
		if anyPacket(r) || r.Kind == Mem && r.Flags&fromPacket != 0 {
			c.invalidate(r)
		}
	})
}

// invalidate makes a register a number, which without CAP_PERFMON may not even
// be read.
func (c *Checker) invalidate(r *Reg) {
	if !c.opts.allowPtrLeaks() {
		*r = Reg{}
		return
	}
	c.setUnknown(r)
}
