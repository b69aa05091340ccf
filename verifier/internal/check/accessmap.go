package check

import (
	"encoding/binary"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

const (
	mapStackTrace = abi.MapStackTrace
	mapArena      = abi.MapArena
)

// mapOf is the map that a register points into, or nil.
func (c *Checker) mapOf(r *Reg) *Map {
	if int(r.Obj) < len(c.prog.Maps) {
		return c.prog.Maps[r.Obj]
	}
	return nil
}

func (c *Checker) accessMapValue(r *Reg, a access) error {
	m := c.mapOf(r)
	if err := c.leaksInto(a, "map"); err != nil {
		return err
	}
	if err := c.mapAccessType(int(a.reg), m, a.off, a.size, a.write); err != nil {
		return err
	}
	if err := c.mapAccess(int(a.reg), r, a.off, a.size, false, accessDirect); err != nil {
		return err
	}
	if r.IsConst() {
		at := int64(a.off) + int64(r.Value())
		if f := m.record.at(at); f != nil && f.kind.isKptr() {
			return c.accessKptr(a, f)
		}
		if !a.write && a.value >= 0 {
			if v, ok := constantAt(m, at, a); ok {
				c.setConst(&c.cur.regs()[a.value], v)
				return nil
			}
		}
	}
	c.loaded(a)
	return nil
}

// constantAt is the value of bytes that nobody can change any more.
func constantAt(m *Map, at int64, a access) (uint64, bool) {
	if !m.Frozen || m.Flags&abi.FlagRdonlyProg == 0 || m.Type != abi.MapArray || at < 0 || at+int64(a.size) > int64(len(m.Contents)) {
		return 0, false
	}
	var b [8]byte
	copy(b[:], m.Contents[at:at+int64(a.size)])
	v := binary.LittleEndian.Uint64(b[:])
	if a.signed {
		shift := uint(64 - 8*a.size)
		v = uint64(int64(v<<shift) >> shift)
	}
	return v, true
}

// mapAccessType holds an access against the map's flags for programs.
func (c *Checker) mapAccessType(reg int, m *Map, off, size int, write bool) error {
	switch {
	case write && m.Flags&abi.FlagRdonlyProg != 0:
		return c.rejectReg(reg, RuleReadOnly, EACCES, "write into map forbidden, value_size=%d off=%d size=%d", m.ValueSize, off, size)
	case !write && m.Flags&abi.FlagWronlyProg != 0:
		return c.rejectReg(reg, RuleReadOnly, EACCES, "read from map forbidden, value_size=%d off=%d size=%d", m.ValueSize, off, size)
	}
	return nil
}

// mapAccess holds an access against the value's size, and keeps it off locks,
// timers and the like (check_map_access).
func (c *Checker) mapAccess(reg int, r *Reg, off, size int, zeroOK bool, src accessSource) error {
	m := c.mapOf(r)
	if err := c.regionAccess(reg, r, off, size, m.ValueSize, zeroOK); err != nil {
		return err
	}
	for i := range m.record.fields() {
		f := &m.record.list[i]
		if r.SMin+int64(off) >= int64(f.offset+f.size) || int64(f.offset) >= int64(r.UMax)+int64(off+size) {
			continue
		}
		if !f.kind.isKptr() {
			return c.rejectReg(reg, RuleSpecialField, EACCES, "%s cannot be accessed directly by load/store", f.kind)
		}
		switch at := int64(off) + int64(r.Value()); {
		case src != accessDirect:
			return c.rejectReg(reg, RuleSpecialField, EACCES, "kptr cannot be accessed indirectly by helper")
		case !r.IsConst():
			return c.rejectReg(reg, RuleSpecialField, EACCES, "kptr access cannot have variable offset")
		case at != int64(f.offset):
			return c.rejectReg(reg, RuleSpecialField, EACCES, "kptr access misaligned expected=%d off=%d", f.offset, at)
		case size != slotBytes:
			return c.rejectReg(reg, RuleSpecialField, EACCES, "kptr access size must be BPF_DW")
		}
	}
	return nil
}

// accessKptr loads or stores a kernel pointer kept in a map
// (check_map_kptr_access).
func (c *Checker) accessKptr(a access, f *field) error {
	ins := c.insns[c.insn]
	if ins.Mode() != isa.ModeMEM {
		return c.reject(RuleSpecialField, EACCES, "kptr in map can only be accessed using BPF_MEM instruction mode")
	}
	if ins.Class() != isa.ClassLDX && f.kind != fieldKptrUnref && f.kind != fieldUptr {
		return c.reject(RuleSpecialField, EACCES, "store to referenced kptr disallowed")
	}
	if ins.Class() != isa.ClassLDX && f.kind == fieldUptr {
		return c.reject(RuleSpecialField, EACCES, "store to uptr disallowed")
	}
	switch ins.Class() {
	case isa.ClassLDX:
		if a.value < 0 {
			return nil
		}
		return c.loadKptr(a.value, f)
	case isa.ClassSTX:
		if a.value < 0 {
			return c.reject(RuleSpecialField, EACCES, "kptr in map can only be accessed using BPF_LDX/BPF_STX/BPF_ST")
		}
		if c.cur.regs()[a.value].isNull() {
			return c.markPrecise(a.value)
		}
		return c.kptrFits(a.value, f)
	}
	if ins.Imm != 0 {
		return c.reject(RuleSpecialField, EACCES, "BPF_ST imm must be 0 when storing to kptr at off=%d", f.offset)
	}
	return nil
}

func (c *Checker) loadKptr(reg int, f *field) error {
	dst := &c.cur.regs()[reg]
	if f.kind == fieldUptr {
		size, _ := sizeOf(c.types.at(f.typ).t)
		*dst = pointerReg(Mem, MaybeNull)
		dst.Aux, dst.ID = int32(size), c.newID()
		return nil
	}
	flags := Untrusted | MaybeNull
	if f.rcuSafe(c) && c.inRCU() {
		flags = RCU | MaybeNull
		switch {
		case f.kind == fieldKptrPerCPU:
			flags |= PerCPU
		case !c.types.isKernel(f.typ):
			flags |= Alloc
			if c.types.recordOf(c.types.at(f.typ).t).hasNode() {
				flags |= NonOwn
			}
		}
	}
	*dst = pointerReg(BTFPtr, flags)
	dst.Obj, dst.ID = f.typ, c.newID()
	return nil
}

// kptrFits makes sure that a pointer is of the field's type
// (map_kptr_match_type).
func (c *Checker) kptrFits(reg int, f *field) error {
	r := &c.cur.regs()[reg]
	bad := func() error {
		msg := "invalid kptr access, R%d type=%s expected=ptr_%s"
		args := []any{reg, c.fullName(r), c.types.nameOf(f.typ)}
		if f.kind == fieldKptrUnref {
			msg += " or untrusted_ptr_%s"
			args = append(args, c.types.nameOf(f.typ))
		}
		return c.rejectReg(reg, RuleSpecialField, EACCES, msg, args...)
	}
	if r.Kind != BTFPtr {
		return bad()
	}
	allowed := MaybeNull | Trusted | RCU
	if !c.types.isKernel(r.Obj) {
		allowed = MaybeNull | Alloc
		if f.kind == fieldKptrPerCPU {
			allowed |= PerCPU
		}
	} else if f.kind == fieldKptrUnref {
		allowed |= Untrusted
	}
	if r.Flags&^allowed != 0 || (f.kind == fieldKptrPerCPU) != (r.Flags&PerCPU != 0) {
		return bad()
	}
	if err := c.ptrOffset(r, reg, true); err != nil {
		return err
	}
	if !c.sameType(r.Obj, int(r.Off), f.typ, f.kind != fieldKptrUnref, r.Flags&Alloc == 0) {
		return bad()
	}
	return nil
}

// fullName is a register's kind with the structure it points to.
func (c *Checker) fullName(r *Reg) string {
	if r.Kind == BTFPtr {
		return c.plainName(r) + c.types.nameOf(r.Obj)
	}
	return c.plainName(r)
}

// ptrOffset wants a pointer as it was given, or at a constant offset
// (__check_ptr_off_reg).
func (c *Checker) ptrOffset(r *Reg, reg int, fixedOK bool) error {
	switch {
	case r.Off < 0:
		return c.rejectReg(reg, RulePointerMath, EACCES, "negative offset %s ptr R%d off=%d disallowed", r.name(c), reg, r.Off)
	case !fixedOK && r.Off != 0:
		return c.rejectReg(reg, RulePointerMath, EACCES, "dereference of modified %s ptr R%d off=%d disallowed", r.name(c), reg, r.Off)
	case !r.IsConst() || r.Value() != 0:
		return c.rejectReg(reg, RulePointerMath, EACCES, "variable %s access var_off=%s disallowed", r.name(c), tnumText(r.Bits))
	}
	return nil
}

// plainContext wants an unmodified pointer.
func (c *Checker) plainContext(r *Reg, reg int) error { return c.ptrOffset(r, reg, false) }
