package check

// Fact is what holds at an instruction on every path. A compiler may leave out
// comparisons that it makes needless.
type Fact struct {
	// Reached is false for code that no path comes to.
	Reached bool
	// Access is what a load or store, or an atomic operation, goes through.
	Access AccessKind
	// Mixed: different paths access different things.
	Mixed bool
	// Map is, for accesses to a map's value and for calls with a map, its index
	// plus one; -1 if paths differ.
	Map int32
	// Frame is how many frames up a stack access goes, and Offset the constant
	// offset from what Access names, if OffsetKnown.
	Frame       uint8
	Offset      int32
	OffsetKnown bool
	// Taken and NotTaken say which way a conditional jump was followed because
	// the other was impossible at that time; Both that either was possible once.
	// The comparison is needless if just one of the three is set.
	Taken, NotTaken, Both bool
}

// AccessKind names memory.
type AccessKind uint8

const (
	AccessNone AccessKind = iota
	AccessStack
	AccessContext
	AccessPacket
	AccessMapValue
	AccessMapKey
	AccessMem
	AccessSocket
	AccessKernel
	AccessOther
)

var accessKinds = map[Kind]AccessKind{
	Stack: AccessStack, Ctx: AccessContext, Packet: AccessPacket, PacketMeta: AccessPacket, MapValue: AccessMapValue,
	MapKey: AccessMapKey, Mem: AccessMem, Socket: AccessSocket, SockCommon: AccessSocket, TCPSock: AccessSocket,
	XDPSock: AccessSocket, BTFPtr: AccessKernel, ConstMap: AccessKernel,
}

// noteFact records what the current instruction accesses. insnOff is the
// instruction's own offset.
func (c *Checker) noteFact(r *Reg, a access, _ int) {
	ins := c.insns[c.insn]
	if ins.IsCall() {
		return // a helper's access is not the instruction's
	}
	f := &c.aux[c.insn].fact
	kind, ok := accessKinds[r.Kind]
	if !ok {
		kind = AccessOther
	}
	known := r.IsConst()
	off := int32(0)
	if known {
		off = int32(a.off) + int32(int64(r.Value()))
	}
	m := int32(0)
	if r.Kind == MapValue || r.Kind == MapKey {
		m = int32(r.Obj) + 1
	}
	frame := uint8(0)
	if r.Kind == Stack {
		frame = uint8(c.cur.Cur) - r.Frame
	}
	if f.Access == AccessNone {
		f.Access, f.Map, f.Frame, f.Offset, f.OffsetKnown = kind, m, frame, off, known
		return
	}
	if f.Access != kind || f.Frame != frame {
		f.Mixed = true
	}
	if f.Map != m {
		f.Map = -1
	}
	if f.OffsetKnown && (!known || f.Offset != off) {
		f.OffsetKnown, f.Offset = false, 0
	}
}
