package check

import (
	"github.com/skepdev/skep/verifier/internal/scalar"
)

// access is a load or store through a register.
type access struct {
	reg    uint8
	off    int // from the instruction, in bytes
	size   int
	write  bool
	value  int  // register loaded or stored; -1 if none
	strict bool // aligned, whatever the machine can do
	signed bool // the load extends the sign
}

// memAccess checks an access and, for a load, says what the register holds
// afterwards (check_mem_access).
func (c *Checker) memAccess(a access) error {
	r := &c.cur.regs()[a.reg]
	if err := c.aligned(r, a); err != nil {
		return err
	}
	insnOff := a.off
	a.off += int(r.Off)
	check := c.accessOf(r)
	if check == nil {
		rule := RuleNotPointer
		if r.maybeNull() {
			rule = RuleNullPointer
		}
		return c.rejectReg(int(a.reg), rule, EACCES, "R%d invalid mem access '%s'", a.reg, r.name(c))
	}
	c.noteFact(r, a, insnOff)
	if err := check(c, r, a); err != nil {
		return err
	}
	if a.write || a.value < 0 || a.size == slotBytes {
		return nil
	}
	if v := &c.cur.regs()[a.value]; v.Kind == Scalar {
		if a.signed {
			v.Range.SignExtend(a.size)
		} else {
			c.era.Truncate(&v.Range, a.size)
		}
	}
	return nil
}

// accessOf is the rule for what a register points to, or nil.
func (c *Checker) accessOf(r *Reg) func(*Checker, *Reg, access) error {
	if r.maybeNull() && r.Kind != Mem {
		return nil
	}
	switch r.Kind {
	case MapKey:
		return (*Checker).accessMapKey
	case MapValue:
		return (*Checker).accessMapValue
	case Mem:
		return (*Checker).accessMem
	case Ctx:
		return (*Checker).accessContext
	case Stack:
		return (*Checker).accessStack
	case Packet, PacketMeta:
		return (*Checker).accessPacket
	case FlowKeys:
		return (*Checker).accessFlowKeys
	case Socket, SockCommon, TCPSock, XDPSock:
		return (*Checker).accessSocket
	case TPBuffer:
		return (*Checker).accessTPBuffer
	case BTFPtr:
		return (*Checker).accessBTF
	case ConstMap:
		return (*Checker).accessMapStruct
	case Buf:
		return (*Checker).accessBuf
	case Arena:
		return (*Checker).accessArena
	}
	return nil
}

// loaded makes the loaded register an unknown number.
func (c *Checker) loaded(a access) {
	if a.value >= 0 && !a.write {
		c.setUnknown(&c.cur.regs()[a.value])
	}
}

// leaksInto refuses to store a pointer where the user may see it.
func (c *Checker) leaksInto(a access, where string) error {
	if a.write && a.value >= 0 && c.isPointer(uint8(a.value)) {
		return c.rejectReg(a.value, RulePointerLeak, EACCES, "R%d leaks addr into %s", a.value, where)
	}
	return nil
}

func (c *Checker) readOnly(r *Reg, reg int) error {
	return c.rejectReg(reg, RuleReadOnly, EACCES, "R%d cannot write into %s", reg, r.name(c))
}

func (c *Checker) accessMapKey(r *Reg, a access) error {
	if a.write {
		return c.rejectReg(int(a.reg), RuleReadOnly, EACCES, "write to change key R%d not allowed", a.reg)
	}
	if err := c.regionAccess(int(a.reg), r, a.off, a.size, c.mapOf(r).KeySize, false); err != nil {
		return err
	}
	c.loaded(a)
	return nil
}

func (c *Checker) accessMem(r *Reg, a access) error {
	if r.maybeNull() {
		return c.rejectReg(int(a.reg), RuleNullPointer, EACCES, "R%d invalid mem access '%s'", a.reg, r.name(c))
	}
	if a.write && r.Flags&RdOnly != 0 {
		return c.readOnly(r, int(a.reg))
	}
	if err := c.leaksInto(a, "mem"); err != nil {
		return err
	}
	// Untrusted memory is read fault by fault: its bounds do not matter.
	if r.Flags&(RdOnly|Untrusted) != RdOnly|Untrusted {
		if err := c.regionAccess(int(a.reg), r, a.off, a.size, uint32(r.Aux), false); err != nil {
			return err
		}
	}
	c.loaded(a)
	return nil
}

func (c *Checker) accessPacket(r *Reg, a access) error {
	if a.write && !c.packetWritable() {
		return c.rejectReg(int(a.reg), RuleReadOnly, EACCES, "cannot write into packet")
	}
	if err := c.leaksInto(a, "packet"); err != nil {
		return err
	}
	if err := c.packetAccess(int(a.reg), r, a.off, a.size, false); err != nil {
		return err
	}
	c.loaded(a)
	return nil
}

// packetAccess holds an access against the range that a comparison gave
// (check_packet_access).
func (c *Checker) packetAccess(reg int, r *Reg, off, size int, zeroOK bool) error {
	if r.SMin < 0 {
		return c.rejectReg(reg, RulePacketBounds, EACCES, "R%d min value is negative, either use unsigned index or do a if (index >=0) check.", reg)
	}
	if r.Aux < 0 {
		return c.rejectReg(reg, RulePacketBounds, EINVAL, "R%d offset is outside of the packet", reg)
	}
	if err := c.within(reg, r, off, size, uint32(r.Aux), zeroOK); err != nil {
		c.log.printf("R%d offset is outside of the packet\n", reg)
		return amend(err, "R%d offset is outside of the packet", reg)
	}
	return nil
}

func (c *Checker) accessFlowKeys(_ *Reg, a access) error {
	if err := c.leaksInto(a, "flow keys"); err != nil {
		return err
	}
	const flowKeysSize = 56 // struct bpf_flow_keys
	if a.size < 0 || a.off < 0 || a.off+a.size > flowKeysSize {
		return c.rejectReg(int(a.reg), RuleMemBounds, EACCES, "invalid access to flow keys off=%d size=%d", a.off, a.size)
	}
	c.loaded(a)
	return nil
}

func (c *Checker) accessTPBuffer(r *Reg, a access) error {
	if err := c.fixedBuffer("tracepoint", r, a.reg, a.off, a.size); err != nil {
		return err
	}
	c.loaded(a)
	return nil
}

func (c *Checker) accessBuf(r *Reg, a access) error {
	if a.write && r.Flags&RdOnly != 0 {
		return c.readOnly(r, int(a.reg))
	}
	if err := c.bufAccess(r, a.reg, a.off, a.size); err != nil {
		return err
	}
	c.loaded(a)
	return nil
}

func (c *Checker) bufAccess(r *Reg, reg uint8, off, size int) error {
	what := "rdwr"
	if r.Flags&RdOnly != 0 {
		what = "rdonly"
	}
	return c.fixedBuffer(what, r, reg, off, size)
}

// fixedBuffer wants a constant offset; the size is held against the buffer when
// the program is attached (__check_buffer_access).
func (c *Checker) fixedBuffer(what string, r *Reg, reg uint8, off, size int) error {
	if off < 0 {
		return c.rejectReg(int(reg), RuleMemBounds, EACCES, "R%d invalid %s buffer access: off=%d, size=%d", reg, what, off, size)
	}
	if !r.IsConst() || r.Value() != 0 {
		return c.rejectReg(int(reg), RuleMemBounds, EACCES, "R%d invalid variable buffer offset: off=%d, var_off=%s", reg, off, tnumText(r.Bits))
	}
	return nil
}

func (c *Checker) accessArena(_ *Reg, a access) error {
	c.loaded(a)
	return nil
}

// within holds [off, off+size) against a region's size (__check_mem_access).
func (c *Checker) within(reg int, r *Reg, off, size int, regionSize uint32, zeroOK bool) error {
	if off >= 0 && (size > 0 || size == 0 && zeroOK) && uint64(off)+uint64(size) <= uint64(regionSize) {
		return nil
	}
	switch r.Kind {
	case MapKey:
		return c.rejectReg(reg, RuleMapBounds, EACCES, "invalid access to map key, key_size=%d off=%d size=%d", regionSize, off, size)
	case MapValue:
		return c.rejectReg(reg, RuleMapBounds, EACCES, "invalid access to map value, value_size=%d off=%d size=%d", regionSize, off, size)
	case Packet, PacketMeta, PacketEnd:
		return c.rejectReg(reg, RulePacketBounds, EACCES, "invalid access to packet, off=%d size=%d, R%d(id=%d,off=%d,r=%d)", off, size, reg, r.ID, off, regionSize)
	}
	return c.rejectReg(reg, RuleMemBounds, EACCES, "invalid access to memory, mem_size=%d off=%d size=%d", regionSize, off, size)
}

// regionAccess is within for a pointer with a variable offset: both ends of its
// range must be inside (check_mem_region_access).
func (c *Checker) regionAccess(reg int, r *Reg, off, size int, regionSize uint32, zeroOK bool) error {
	if r.SMin < 0 && (r.SMin == -1<<63 || int64(off)+r.SMin != int64(int32(int64(off)+r.SMin)) || int64(off)+r.SMin < 0) {
		return c.rejectReg(reg, boundsRule(r), EACCES, "R%d min value is negative, either use unsigned index or do a if (index >=0) check.", reg)
	}
	if err := c.within(reg, r, off+int(r.SMin), size, regionSize, zeroOK); err != nil {
		c.log.printf("R%d min value is outside of the allowed memory range\n", reg)
		return amend(err, "R%d min value is outside of the allowed memory range", reg)
	}
	if r.UMax >= maxVarOff {
		return c.rejectReg(reg, boundsRule(r), EACCES, "R%d unbounded memory access, make sure to bounds check any such access", reg)
	}
	if err := c.within(reg, r, off+int(r.UMax), size, regionSize, zeroOK); err != nil {
		c.log.printf("R%d max value is outside of the allowed memory range\n", reg)
		return amend(err, "R%d max value is outside of the allowed memory range", reg)
	}
	return nil
}

func boundsRule(r *Reg) Rule {
	switch r.Kind {
	case MapValue, MapKey:
		return RuleMapBounds
	case Packet, PacketMeta:
		return RulePacketBounds
	}
	return RuleMemBounds
}

// aligned refuses misaligned accesses where the kernel does
// (check_ptr_alignment).
func (c *Checker) aligned(r *Reg, a access) error {
	strict := a.strict || c.prog.Flags&flagStrictAlignment != 0
	name := ""
	switch r.Kind {
	case Packet, PacketMeta:
		// The network header starts 2 bytes off a word on machines that care.
		return c.alignedTo(r, a, strict, 2, "packet ")
	case FlowKeys:
		name = "flow keys "
	case MapKey:
		name = "key "
	case MapValue:
		name = "value "
		if m := c.mapOf(r); m != nil && m.Type == mapStackTrace {
			strict = true
		}
	case Ctx:
		name = "context "
	case Stack:
		name, strict = "stack ", true
	case Socket:
		name = "sock "
	case SockCommon:
		name = "sock_common "
	case TCPSock:
		name = "tcp_sock "
	case XDPSock:
		name = "xdp_sock "
	case Arena:
		return nil
	}
	return c.alignedTo(r, a, strict, 0, name)
}

func (c *Checker) alignedTo(r *Reg, a access, strict bool, ipAlign int, name string) error {
	if !strict || a.size == 1 || a.size == 0 {
		return nil
	}
	t := r.Bits.Add(scalar.TnumConst(uint64(int64(ipAlign) + int64(r.Off) + int64(a.off))))
	if t.Aligned(uint64(a.size)) {
		return nil
	}
	if ipAlign != 0 {
		return c.rejectReg(int(a.reg), RuleAlignment, EACCES, "misaligned packet access off %d+%s+%d+%d size %d", ipAlign, tnumText(r.Bits), r.Off, a.off, a.size)
	}
	return c.rejectReg(int(a.reg), RuleAlignment, EACCES, "misaligned %saccess off %s+%d+%d size %d", name, tnumText(r.Bits), r.Off, a.off, a.size)
}
