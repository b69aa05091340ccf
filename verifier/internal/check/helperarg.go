package check

import (
	"bytes"

	"github.com/skepdev/skep/abi"
)

// regClass is a kind of pointer with its flags.
type regClass struct {
	kind  Kind
	flags Flags
}

// fits are the registers that each kind of argument takes
// (compatible_reg_types).
var fits = map[abi.ArgKind][]regClass{
	abi.ArgMapKey: memClasses, abi.ArgMapValue: memClasses, abi.ArgMem: memClasses, abi.ArgFixedMem: memClasses,
	abi.ArgConstSize: {{Scalar, 0}}, abi.ArgConstSizeOrZero: {{Scalar, 0}}, abi.ArgConstAllocSizeOrZero: {{Scalar, 0}},
	abi.ArgConstMapPtr: {{ConstMap, 0}}, abi.ArgCtx: {{Ctx, 0}},
	abi.ArgSockCommon:    {{SockCommon, 0}, {Socket, 0}, {TCPSock, 0}, {XDPSock, 0}},
	abi.ArgBTFSockCommon: {{SockCommon, 0}, {Socket, 0}, {TCPSock, 0}, {XDPSock, 0}, {BTFPtr, 0}, {BTFPtr, Trusted}},
	abi.ArgSocket:        {{Socket, 0}},
	abi.ArgBTFPtr:        {{BTFPtr, 0}, {BTFPtr, Trusted}, {BTFPtr, RCU}},
	abi.ArgPerCPUBTFPtr:  {{BTFPtr, PerCPU}, {BTFPtr, PerCPU | RCU}, {BTFPtr, PerCPU | Trusted}},
	abi.ArgSpinLock:      {{MapValue, 0}, {BTFPtr, Alloc}},
	abi.ArgRingBufMem:    {{Mem, RingBuf}},
	abi.ArgFunc:          {{FuncPtr, 0}},
	abi.ArgStack:         {{Stack, 0}},
	abi.ArgConstStr:      {{MapValue, 0}},
	abi.ArgTimer:         {{MapValue, 0}},
	abi.ArgKptr:          {{MapValue, 0}, {BTFPtr, Alloc}},
	abi.ArgDynptr:        {{Stack, 0}, {ConstDynptr, 0}},
}

var memClasses = []regClass{
	{Stack, 0}, {Packet, 0}, {PacketMeta, 0}, {MapKey, 0}, {MapValue, 0}, {Mem, 0}, {Mem, RingBuf}, {Buf, 0}, {BTFPtr, Trusted},
}

// helperArg checks argument i (check_func_arg).
func (c *Checker) helperArg(h *helperCall, i int) error {
	a, reg := h.args[i], i+1
	r := &c.cur.regs()[reg]
	if a.Kind == abi.ArgNone {
		return nil
	}
	if err := c.readReg(uint8(reg)); err != nil {
		return err
	}
	if a.Kind == abi.ArgAnything {
		if c.leaks(r) {
			return c.rejectReg(reg, RulePointerLeak, EACCES, "R%d leaks addr into helper function", reg)
		}
		return nil
	}
	if r.Kind.isPacket() && !c.helperReadsPacket(h) {
		return c.rejectReg(reg, RulePacketBounds, EACCES, "helper access to the packet is not allowed")
	}
	sockmap := a.Kind == abi.ArgMapValue && h.m != nil && (h.m.Type == mapSock || h.m.Type == mapSockHash)
	if sockmap {
		a.Kind = abi.ArgBTFSockCommon
	}
	if a.Kind == abi.ArgMapValue && h.m != nil && h.m.Type == abi.MapBloomFilter && h.id == abi.FnMapPeekElem {
		a = abi.Arg{Kind: abi.ArgMapValue}
	}
	if r.isNull() && a.Has(abi.ArgMaybeNull) {
		// That it is NULL matters: what follows rests on it.
		if err := c.markPrecise(reg); err != nil {
			return err
		}
	} else {
		if err := c.argFits(h, a, r, reg); err != nil {
			return err
		}
		if err := c.argOffset(r, reg, a.Has(abi.ArgReleased), a.Kind == abi.ArgDynptr); err != nil {
			return err
		}
	}
	if a.Has(abi.ArgReleased) {
		if err := c.argReleases(h, a, r, reg); err != nil {
			return err
		}
	}
	if r.Ref != 0 && a.Kind != abi.ArgKptr {
		if h.ref != 0 {
			return c.rejectReg(reg, RuleReleased, EACCES, "more than one arg with ref_obj_id R%d %d %d", reg, r.Ref, h.ref)
		}
		h.ref = r.Ref
	}
	return c.argMeans(h, a, i, r)
}

// argFits holds a register's kind against the argument's (check_reg_type).
func (c *Checker) argFits(h *helperCall, a abi.Arg, r *Reg, reg int) error {
	classes := fits[a.Kind]
	flags := r.Flags
	mem := a.Kind == abi.ArgMem || a.Kind == abi.ArgFixedMem
	readOnlyArg := (mem || a.Kind == abi.ArgMapKey || a.Kind == abi.ArgMapValue) && a.Flags&abi.ArgWritten == 0
	if readOnlyArg {
		flags &^= RdOnly
	}
	if a.Has(abi.ArgMaybeNull) {
		flags &^= MaybeNull
	}
	if mem {
		flags &^= fromPacket
	}
	if h.id == abi.FnKptrXchg && reg == 2 && flags&Alloc != 0 {
		flags &^= Alloc | PerCPU
	}
	if a.Kind == abi.ArgBTFSockCommon && (c.prog.Type == abi.ProgTracing || c.prog.Type == abi.ProgLSM) {
		classes = fits[abi.ArgBTFPtr] // their prototypes name the structure
	}
	found := false
	for _, k := range classes {
		if r.Kind == k.kind && flags == k.flags {
			found = true
			break
		}
	}
	if !found {
		return c.wrongKind(r, reg, classes)
	}
	if r.Kind != BTFPtr {
		return nil
	}
	if mem || a.Kind == abi.ArgMapKey || a.Kind == abi.ArgMapValue {
		if !readOnlyArg {
			return c.rejectReg(reg, RuleReadOnly, EACCES, "%s() may write into memory pointed by R%d type=%s", h.name, reg, r.name(c))
		}
		return nil
	}
	return c.btfFits(h, a, r, reg)
}

// wrongKind names what would have been right.
func (c *Checker) wrongKind(r *Reg, reg int, classes []regClass) error {
	var b bytes.Buffer
	for i, k := range classes {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(typeName(k.kind, k.flags))
	}
	rule := RuleArgument
	if r.maybeNull() {
		rule = RuleNullPointer
	}
	return c.rejectReg(reg, rule, EACCES, "R%d type=%s expected=%s", reg, c.plainName(r), b.String())
}

// plainName is a register's kind without the structure's name.
func (c *Checker) plainName(r *Reg) string { return typeName(r.Kind, r.Flags) }

func (c *Checker) btfFits(h *helperCall, a abi.Arg, r *Reg, reg int) error {
	if r.Flags&(Alloc|PerCPU) != 0 {
		if h.id == abi.FnKptrXchg && reg == 2 {
			return c.kptrFits(reg, h.field)
		}
		return nil
	}
	if r.maybeNull() && (!a.Has(abi.ArgMaybeNull) || a.Has(abi.ArgReleased)) {
		return c.rejectReg(reg, RuleNullPointer, EACCES, "Possibly NULL pointer passed to helper arg%d", reg)
	}
	if h.id == abi.FnKptrXchg {
		return c.kptrFits(reg, h.field)
	}
	name := a.Type
	if a.Kind == abi.ArgBTFSockCommon {
		name = "sock_common"
	}
	need := c.types.kernelStruct(name)
	if need == 0 {
		return c.rejectReg(reg, RuleTypes, EACCES, "the kernel's types are needed to pass R%d: struct %s is not among them", reg, name)
	}
	return c.btfMatches(r, reg, need, a.Has(abi.ArgReleased) && h.id != abi.FnSkRelease)
}

func (c *Checker) btfMatches(r *Reg, reg int, need uint32, strict bool) error {
	if c.sameType(r.Obj, int(r.Off), need, strict, r.Flags&Alloc == 0) {
		return nil
	}
	return c.rejectReg(reg, RuleArgument, EACCES, "R%d is of type %s but %s is expected", reg, c.types.nameOf(r.Obj), c.types.nameOf(need))
}

// btfArg is an argument that must point to a structure of the kernel.
func (c *Checker) btfArg(r *Reg, reg int, need uint32, flags Flags, strict bool) error {
	have := r.Flags
	if flags&MaybeNull != 0 {
		have &^= MaybeNull
	}
	if r.Kind != BTFPtr || have != 0 && have != Trusted && have != RCU {
		return c.wrongKind(r, reg, fits[abi.ArgBTFPtr])
	}
	return c.btfMatches(r, reg, need, strict)
}

// argOffset says which pointers may be passed at an offset
// (check_func_arg_reg_off).
func (c *Checker) argOffset(r *Reg, reg int, released, dynptr bool) error {
	if released {
		if dynptr && r.Kind == Stack {
			return nil
		}
		if r.Off != 0 {
			return c.rejectReg(reg, RulePointerMath, EINVAL, "R%d must have zero offset when passed to release func or trusted arg to kfunc", reg)
		}
		return c.ptrOffset(r, reg, false)
	}
	switch r.Kind {
	case Stack, Packet, PacketMeta, MapKey, MapValue, Arena, Scalar:
		return nil
	case Mem:
		if r.Flags&^(RdOnly|RingBuf) == 0 {
			return nil
		}
	case Buf:
		if r.Flags&^RdOnly == 0 {
			return nil
		}
	case BTFPtr:
		switch r.Flags {
		case 0, Alloc, Trusted, RCU, Alloc | NonOwn, Alloc | NonOwn | RCU:
			return c.ptrOffset(r, reg, true)
		}
	}
	return c.ptrOffset(r, reg, false)
}

func (c *Checker) argReleases(h *helperCall, a abi.Arg, r *Reg, reg int) error {
	switch {
	case a.Kind == abi.ArgDynptr && r.Kind == Stack:
		if !c.dynptrOwned(r) {
			return c.rejectReg(reg, RuleReleased, EINVAL, "arg %d is an unacquired reference", reg)
		}
	case a.Kind == abi.ArgDynptr:
		return c.rejectReg(reg, RuleReleased, EINVAL, "cannot release unowned const bpf_dynptr")
	case r.Ref == 0 && !r.isNull():
		return c.rejectReg(reg, RuleReleased, EINVAL, "R%d must be referenced when passed to release function", reg)
	}
	h.released = reg
	return nil
}

// argMeans checks what an argument stands for beyond its kind.
func (c *Checker) argMeans(h *helperCall, a abi.Arg, i int, r *Reg) error {
	reg := i + 1
	switch a.Kind {
	case abi.ArgConstMapPtr:
		return c.argMap(h, r, reg)
	case abi.ArgMapKey:
		if err := c.argMem(reg, r, int(h.m.KeySize), false, false, nil); err != nil {
			return err
		}
		return c.constantKey(h, r)
	case abi.ArgMapValue:
		if r.isNull() && a.Has(abi.ArgMaybeNull) {
			return nil
		}
		var raw *rawMem
		if a.Has(abi.ArgUninit) {
			raw = &h.raw
		}
		return c.argMem(reg, r, int(h.m.ValueSize), a.Has(abi.ArgWritten), false, raw)
	case abi.ArgPerCPUBTFPtr:
		h.perCPU = r.Obj
	case abi.ArgSpinLock:
		return c.argSpinLock(reg, r, h.id == abi.FnSpinLock)
	case abi.ArgTimer:
		return c.argTimer(h, reg, r)
	case abi.ArgFunc:
		h.subprog = int(r.Obj)
	case abi.ArgMem:
		h.rawMode = a.Has(abi.ArgUninit)
	case abi.ArgFixedMem:
		var raw *rawMem
		if a.Has(abi.ArgUninit) {
			raw = &h.raw
		}
		if err := c.argMem(reg, r, int(a.Size), a.Has(abi.ArgWritten), false, raw); err != nil {
			return err
		}
		if a.Has(abi.ArgAligned) {
			return c.aligned(r, access{reg: uint8(reg), size: int(a.Size), strict: true})
		}
	case abi.ArgConstSize, abi.ArgConstSizeOrZero:
		return c.argSize(h, i, r)
	case abi.ArgDynptr:
		return c.dynptrArg(reg, dynptrUse{uninit: a.Has(abi.ArgUninit), helper: h, readOnly: dynptrReaders[h.id]})
	case abi.ArgConstAllocSizeOrZero:
		if !r.IsConst() {
			return c.rejectReg(reg, RuleArgumentSize, EACCES, "R%d is not a known constant'", reg)
		}
		h.memSize = r.Value()
		return c.markPrecise(reg)
	case abi.ArgConstStr:
		return c.argConstString(reg, r)
	case abi.ArgKptr:
		return c.argKptr(h, reg, r)
	}
	return nil
}

// constantKey finds out the key of an array lookup: an element that exists is
// not NULL (get_constant_map_key, Linux 6.14).
func (c *Checker) constantKey(h *helperCall, r *Reg) error {
	array := h.m.Type == abi.MapArray || h.m.Type == abi.MapPerCPUArray
	if !array || h.id != abi.FnMapLookupElem || r.Kind != Stack || !r.IsConst() || !c.opts.since(6, 14) {
		return nil
	}
	f := c.cur.Frames[r.Frame]
	off := int(r.Off) + int(int64(r.Value()))
	at, low, size := slotOf(off), (-off-1)%slotBytes, int(h.m.KeySize)
	s := &f.Slots[at]
	run := func(t SlotType) (n int) {
		for i := low; i >= 0 && s.Types[i] == t; i-- {
			n++
		}
		return n
	}
	if run(SlotZero) >= size {
		h.key, h.keyKnown = 0, true
		return nil
	}
	if !s.spilledScalar() || run(SlotSpill) != size || !s.IsConst() {
		return nil
	}
	h.key, h.keyKnown = s.Value(), true
	return c.markSlotPrecise(int(r.Frame), at)
}

// argMap takes the map; a second one must be the same.
func (c *Checker) argMap(h *helperCall, r *Reg, reg int) error {
	m := c.mapOf(r)
	if h.m != nil && (h.m != m || h.mapUID != r.Aux) {
		return c.rejectReg(reg, RuleMapType, EINVAL, "timer pointer in R1 map_uid=%d doesn't match map pointer in R2 map_uid=%d", h.mapUID, r.Aux)
	}
	h.m, h.mapIndex, h.mapUID = m, r.Obj, r.Aux
	return nil
}

// argMem makes sure that a helper may read or write size bytes
// (check_helper_mem_access).
func (c *Checker) argMem(reg int, r *Reg, size int, write, zeroOK bool, raw *rawMem) error {
	switch r.Kind {
	case Packet, PacketMeta:
		return c.packetAccess(reg, r, int(r.Off), size, zeroOK)
	case MapKey:
		if write {
			return c.readOnly(r, reg)
		}
		return c.regionAccess(reg, r, int(r.Off), size, c.mapOf(r).KeySize, false)
	case MapValue:
		if err := c.mapAccessType(reg, c.mapOf(r), int(r.Off), size, write); err != nil {
			return err
		}
		return c.mapAccess(reg, r, int(r.Off), size, zeroOK, accessHelper)
	case Mem:
		if r.Flags&RdOnly != 0 && write {
			return c.readOnly(r, reg)
		}
		return c.regionAccess(reg, r, int(r.Off), size, uint32(r.Aux), zeroOK)
	case Buf:
		if r.Flags&RdOnly != 0 && write {
			return c.readOnly(r, reg)
		}
		return c.bufAccess(r, uint8(reg), int(r.Off), size)
	case Stack:
		return c.stackReadable(reg, r, int(r.Off), size, stackUse{helper: true, write: write, zeroOK: zeroOK, raw: raw})
	case BTFPtr:
		if r.maybeNull() {
			break
		}
		return c.accessBTF(r, access{reg: uint8(reg), off: int(r.Off), size: size, value: -1})
	case Ctx:
		if c.prog.Type == abi.ProgSyscall {
			if size == 0 {
				if zeroOK {
					return nil
				}
				return c.rejectReg(reg, RuleArgumentSize, EACCES, "R%d invalid zero-sized access to ctx", reg)
			}
			return c.memAccess(access{reg: uint8(reg), off: size - 1, size: 1, write: write, value: -1})
		}
	}
	if zeroOK && size == 0 && r.isNull() {
		return nil
	}
	rule := RuleArgument
	if r.maybeNull() {
		rule = RuleNullPointer
	}
	return c.rejectReg(reg, rule, EACCES, "R%d type=%s expected=fp", reg, c.plainName(r))
}

// argSize bounds the memory in the register before it (check_mem_size_reg).
func (c *Checker) argSize(h *helperCall, i int, r *Reg) error {
	a, mem, reg := h.args[i], h.args[i-1], i+1
	zeroOK := a.Kind == abi.ArgConstSizeOrZero
	h.sizeMax = r.UMax
	if p := &c.cur.regs()[i]; p.maybeNull() && r.UMax > 0 {
		// Linux takes this where NULL is allowed at all, and helpers such as
		// bpf_csum_diff then read at NULL.
		return c.rejectReg(i, RuleNullPointer, EACCES, "R%d type=%s expected=fp: may be NULL while R%d may be up to %d", i, c.plainName(p), reg, r.UMax)
	}
	var raw *rawMem
	if h.rawMode && r.IsConst() {
		raw = &h.raw
	}
	return c.sizedMem(i, r, reg, mem.Has(abi.ArgWritten), zeroOK, raw)
}

func (c *Checker) sizedMem(memReg int, r *Reg, reg int, write, zeroOK bool, raw *rawMem) error {
	switch {
	case r.SMin < 0:
		return c.rejectReg(reg, RuleArgumentSize, EACCES, "R%d min value is negative, either use unsigned or 'var &= const'", reg)
	case r.UMin == 0 && !zeroOK:
		return c.rejectReg(reg, RuleArgumentSize, EACCES, "R%d invalid zero-sized read: u64=[%d,%d]", reg, int64(r.UMin), int64(r.UMax))
	case r.UMax >= maxVarSize:
		return c.rejectReg(reg, RuleArgumentSize, EACCES, "R%d unbounded memory access, use 'var &= const' or 'if (var < const)'", reg)
	}
	if err := c.argMem(memReg, &c.cur.regs()[memReg], int(r.UMax), write, zeroOK, raw); err != nil {
		return err
	}
	return c.markPrecise(reg)
}

// memArg is memory of a known size that is read and written, or NULL
// (check_mem_reg).
func (c *Checker) memArg(r *Reg, reg, size int) error {
	if r.isNull() {
		return nil
	}
	saved := *r
	if r.maybeNull() {
		c.clearNull(r)
	}
	err := c.argMem(reg, r, size, false, true, nil)
	if err == nil {
		err = c.argMem(reg, r, size, true, true, nil)
	}
	if saved.maybeNull() {
		*r = saved
	}
	return err
}

// argConstString wants a zero-terminated string that nobody can change
// (check_reg_const_str).
func (c *Checker) argConstString(reg int, r *Reg) error {
	m := c.mapOf(r)
	switch {
	case m.Flags&abi.FlagRdonlyProg == 0 || !m.Frozen:
		return c.rejectReg(reg, RuleConstantString, EACCES, "R%d does not point to a readonly map'", reg)
	case !r.IsConst():
		return c.rejectReg(reg, RuleConstantString, EACCES, "R%d is not a constant address'", reg)
	case m.Type != abi.MapArray:
		return c.rejectReg(reg, RuleConstantString, EACCES, "no direct value access support for this map type")
	}
	if err := c.mapAccess(reg, r, int(r.Off), int(m.ValueSize)-int(r.Off), false, accessHelper); err != nil {
		return err
	}
	if s, ok := constString(m, r); !ok {
		return c.rejectReg(reg, RuleConstantString, EINVAL, "string is not zero-terminated")
	} else if s == "" {
		return nil
	}
	return nil
}

func constString(m *Map, r *Reg) (string, bool) {
	at := int64(r.Off) + int64(r.Value())
	if at < 0 || at > int64(len(m.Contents)) {
		return "", false
	}
	s := m.Contents[at:]
	i := bytes.IndexByte(s, 0)
	if i < 0 {
		return "", false
	}
	return string(s[:i]), true
}

func (c *Checker) argSpinLock(reg int, r *Reg, take bool) error {
	if !r.IsConst() {
		return c.rejectReg(reg, RuleLock, EINVAL, "R%d doesn't have constant offset. bpf_spin_lock has to be at the constant offset", reg)
	}
	if c.inTreeCallback() {
		return c.rejectReg(reg, RuleLock, EACCES, "can't spin_{lock,unlock} in rbtree cb")
	}
	where, name := "local", "kptr"
	if r.Kind == MapValue {
		m := c.mapOf(r)
		where, name = "map", m.Name
		if m.Value == nil {
			return c.rejectReg(reg, RuleLock, EINVAL, "map '%s' has to have BTF in order to use bpf_spin_lock", name)
		}
	}
	f := c.recordOfReg(r).find(fieldSpinLock)
	if f == nil {
		return c.rejectReg(reg, RuleLock, EINVAL, "%s '%s' has no valid bpf_spin_lock", where, name)
	}
	if at := int64(r.Value()) + int64(r.Off); at != int64(f.offset) {
		return c.rejectReg(reg, RuleLock, EINVAL, "off %d doesn't point to 'struct bpf_spin_lock' that is at %d", at, f.offset)
	}
	if take {
		if c.cur.Locks > 0 {
			return c.rejectReg(reg, RuleLock, EINVAL, "Locking two bpf_spin_locks are not allowed")
		}
		c.lock(RefLock, r)
		return nil
	}
	if c.cur.Locks == 0 {
		return c.rejectReg(reg, RuleLock, EINVAL, "bpf_spin_unlock without taking a lock")
	}
	if !c.unlock(RefLock, r) {
		return c.rejectReg(reg, RuleLock, EINVAL, "bpf_spin_unlock of different lock")
	}
	c.dropBorrowed()
	return nil
}

func (c *Checker) argTimer(h *helperCall, reg int, r *Reg) error {
	return c.argField(h, reg, r, fieldTimer)
}

// argField wants the address of a timer or the like in a map's value.
func (c *Checker) argField(h *helperCall, reg int, r *Reg, kind fieldKind) error {
	m := c.mapOf(r)
	switch {
	case !r.IsConst():
		return c.rejectReg(reg, RuleSpecialField, EINVAL, "R%d doesn't have constant offset. %s has to be at the constant offset", reg, kind)
	case m.Value == nil:
		return c.rejectReg(reg, RuleSpecialField, EINVAL, "map '%s' has to have BTF in order to use %s", m.Name, kind)
	}
	f := m.record.find(kind)
	if f == nil {
		return c.rejectReg(reg, RuleSpecialField, EINVAL, "map '%s' has no valid %s", m.Name, kind)
	}
	if at := int64(r.Value()) + int64(r.Off); at != int64(f.offset) {
		return c.rejectReg(reg, RuleSpecialField, EINVAL, "off %d doesn't point to 'struct %s' that is at %d", at, kind, f.offset)
	}
	h.m, h.mapIndex, h.mapUID = m, r.Obj, r.Aux
	return nil
}

// argKptr is the place of a kernel pointer (process_kptr_func).
func (c *Checker) argKptr(h *helperCall, reg int, r *Reg) error {
	rec := c.recordOfReg(r)
	if r.Kind == MapValue {
		m := c.mapOf(r)
		if m.Value == nil {
			return c.rejectReg(reg, RuleSpecialField, EINVAL, "map '%s' has to have BTF in order to use bpf_kptr_xchg", m.Name)
		}
		h.m, h.mapIndex = m, r.Obj
	}
	if !r.IsConst() {
		return c.rejectReg(reg, RuleSpecialField, EINVAL, "R%d doesn't have constant offset. kptr has to be at the constant offset", reg)
	}
	if !rec.has(fieldKptrRef) && !rec.has(fieldKptrUnref) && !rec.has(fieldKptrPerCPU) {
		return c.rejectReg(reg, RuleSpecialField, EINVAL, "R%d has no valid kptr", reg)
	}
	at := int64(r.Off) + int64(r.Value())
	f := rec.at(at)
	if f == nil || !f.kind.isKptr() {
		return c.rejectReg(reg, RuleSpecialField, EACCES, "off=%d doesn't point to kptr", at)
	}
	if f.kind != fieldKptrRef && f.kind != fieldKptrPerCPU {
		return c.rejectReg(reg, RuleSpecialField, EACCES, "off=%d kptr isn't referenced kptr", at)
	}
	h.field = f
	return nil
}
