package check

// Operand is what is known of a register, for explanations.
type Operand struct {
	Number    bool
	Kind      string // the kernel's word for what it holds
	Map       string // name of the map that it points into, or ""
	Structure string // name of the kernel's structure that it points into, or ""
	// Bounds of a number, or of the variable part of a pointer's offset.
	SMin, SMax int64
	UMin, UMax uint64
	// Offset is the constant part of a pointer's offset; Variable says whether
	// there is another.
	Offset   int32
	Variable bool
	// Range is how many bytes of the packet were compared with its end, Size how
	// large the map's value or the memory is.
	Range, Size int64
	MaybeNull   bool
}

// describe tells of a register of the current state.
func (c *Checker) describe(reg int) *Operand {
	if reg < 0 || c.cur == nil {
		return nil
	}
	r := &c.cur.regs()[reg]
	if r.Kind == NotInit {
		return nil
	}
	o := &Operand{
		Number: r.Kind == Scalar, Kind: typeName(r.Kind, r.Flags), SMin: r.SMin, SMax: r.SMax, UMin: r.UMin, UMax: r.UMax,
		Offset: r.Off, Variable: !r.IsConst(), MaybeNull: r.maybeNull(),
	}
	switch r.Kind {
	case MapValue, MapKey, ConstMap:
		if m := c.mapOf(r); m != nil {
			o.Map, o.Size = m.Name, int64(m.ValueSize)
		}
	case Packet, PacketMeta:
		o.Range = int64(r.Aux)
	case Mem:
		o.Size = int64(uint32(r.Aux))
	case BTFPtr:
		o.Structure = c.types.nameOf(r.Obj)
	}
	return o
}
