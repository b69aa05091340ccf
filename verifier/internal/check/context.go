package check

import (
	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/abi"
)

// programKind is what the program's type and attach point say of its context.
type programKind struct {
	layout *abi.Struct // plain structure
	// proto of the function that tracing, lsm and struct_ops programs see.
	proto *btf.FuncProto
	// first counts the parameters of proto that the program does not see.
	first int
	// retval: the result stands behind the arguments.
	retval bool
	// special arguments, by index: iterators and struct_ops know more of some.
	special map[int]Reg
	retMin  int32
	retMax  int32
	hasRet  bool
}

// accessContext is an access to what R1 points to at the start.
func (c *Checker) accessContext(r *Reg, a access) error {
	if err := c.leaksInto(a, "ctx"); err != nil {
		return err
	}
	if !c.contextMoves() {
		if err := c.plainContext(r, int(a.reg)); err != nil {
			return err
		}
	} else if !r.IsConst() || r.Value() != 0 {
		return c.variableContext(r, a)
	}
	held, ok, err := c.contextField(a)
	if err != nil {
		return err
	}
	if !ok {
		return c.rejectReg(int(a.reg), RuleContext, EACCES, "invalid bpf_context access off=%d size=%d", a.off, a.size)
	}
	if a.write || a.value < 0 {
		return nil
	}
	dst := &c.cur.regs()[a.value]
	*dst = held
	if held.Kind == Scalar {
		dst.Precise = !c.opts.bpfCapable()
	}
	if dst.maybeNull() {
		dst.ID = c.newID()
	}
	return nil
}

// contextMoves reports contexts that are passed through unchanged, so that
// offsets are fine (syscall programs; no convert_ctx_access).
func (c *Checker) contextMoves() bool { return c.prog.Type == abi.ProgSyscall }

func (c *Checker) variableContext(r *Reg, a access) error {
	const maxContext = 0xffff // U16_MAX
	if !c.opts.since(6, 19) {
		return c.ptrOffset(r, int(a.reg), true)
	}
	if err := c.regionAccess(int(a.reg), r, a.off, a.size, maxContext, false); err != nil {
		return err
	}
	c.loaded(a)
	return nil
}

// contextField is what a field of the context holds; false if the program may
// not access it.
func (c *Checker) contextField(a access) (Reg, bool, error) {
	switch c.prog.Type {
	case abi.ProgTracepoint:
		const maxRecord = 8192 // PERF_MAX_TRACE_SIZE
		ok := !a.write && a.off >= 8 && a.off < maxRecord && a.off%a.size == 0
		return unknownReg(), ok, nil
	case abi.ProgSyscall:
		return unknownReg(), a.off >= 0 && a.off < 0xffff, nil
	case abi.ProgTracing, abi.ProgLSM, abi.ProgStructOps:
		if a.off < 0 || a.off >= 8*abi.MaxTracepointArgs || a.write || a.off%a.size != 0 {
			return Reg{}, false, nil
		}
		return c.tracedArg(a)
	case abi.ProgRawTracepoint:
		ok := !a.write && a.off >= 0 && a.off < 8*abi.MaxTracepointArgs && a.off%a.size == 0
		return unknownReg(), ok, nil
	}
	if c.kind.layout == nil || a.off < 0 || a.off%a.size != 0 {
		return Reg{}, false, nil
	}
	f := c.fieldAt(c.kind.layout, a)
	if f == nil || !c.fieldPrivileged(f, a) {
		return Reg{}, false, nil
	}
	return c.fieldHolds(f), true, nil
}

// fieldAt is the field that an access may reach, or nil.
func (c *Checker) fieldAt(s *abi.Struct, a access) *abi.Field {
	for i := range s.Fields {
		f := &s.Fields[i]
		lo, hi := int(f.Offset), int(f.Offset+f.Size)
		if a.off == lo && a.size == 4 && widePorts[f.Name] && f.Size == 2 && !a.write {
			return f // ports were 32 bits wide once
		}
		if a.off < lo || a.off+a.size > hi {
			continue
		}
		w := f.Load
		if a.write {
			w = f.Store
		}
		if w.Has(a.size) && !(a.signed && f.Kind != abi.FieldScalar) {
			return f
		}
	}
	return nil
}

// fieldPrivileged leaves out what cgroup filters see with CAP_BPF only
// (cg_skb_is_valid_access).
func (c *Checker) fieldPrivileged(f *abi.Field, a access) bool {
	if c.prog.Type != abi.ProgCgroupSKB || !c.opts.Unprivileged {
		return true
	}
	switch f.Name {
	case "data", "data_end":
		return false
	case "tstamp":
		return !a.write
	}
	return true
}

// widePorts may be loaded with the padding behind them.
var widePorts = map[string]bool{"dst_port": true, "remote_port": true}

// fieldHolds is what a register holds after loading a field.
func (c *Checker) fieldHolds(f *abi.Field) Reg {
	switch f.Kind {
	case abi.FieldPacketData:
		return pointerReg(Packet, 0)
	case abi.FieldPacketEnd, abi.FieldOptvalEnd:
		return pointerReg(PacketEnd, 0)
	case abi.FieldPacketMeta:
		return pointerReg(PacketMeta, 0)
	case abi.FieldOptval:
		return pointerReg(Packet, 0)
	case abi.FieldSocket:
		return pointerReg(Socket, 0)
	case abi.FieldSocketOrNull:
		k := SockCommon
		if c.prog.Type == abi.ProgSockOps || c.prog.Type == abi.ProgSkLookup {
			k = Socket
		}
		return pointerReg(k, MaybeNull)
	case abi.FieldFlowKeys:
		return pointerReg(FlowKeys, 0)
	case abi.FieldTracepointBuffer:
		return pointerReg(TPBuffer, 0)
	case abi.FieldBTFPtr:
		name := map[string]string{"state": "nf_hook_state", "skb": "sk_buff"}[f.Name]
		if h := c.types.kernelStruct(name); h != 0 {
			r := pointerReg(BTFPtr, Trusted)
			r.Obj = h
			return r
		}
	}
	return unknownReg()
}

// tracedArg is an argument, or the result, of a traced function
// (btf_ctx_access).
func (c *Checker) tracedArg(a access) (Reg, bool, error) {
	arg := a.off / 8
	k := &c.kind
	name := c.prog.AttachTo
	if a.off%8 != 0 {
		c.log.printf("func '%s' offset %d is not multiple of 8\n", name, a.off)
		return Reg{}, false, nil
	}
	if k.proto == nil {
		return unknownReg(), arg <= 5, nil
	}
	params := k.proto.Params[k.first:]
	if arg > len(params) || arg == len(params) && !k.retval {
		c.log.printf("func '%s' doesn't have %d-th argument\n", name, arg+1)
		return Reg{}, false, nil
	}
	var typ btf.Type
	if arg == len(params) {
		typ = k.proto.Return
		if k.hasRet && isScalarType(typ) {
			r := unknownReg()
			setRange(&r, int64(k.retMin), int64(k.retMax))
			return r, true, nil
		}
	} else {
		typ = params[arg].Type
	}
	t := plain(typ)
	switch v := t.(type) {
	case *btf.Int, *btf.Enum, *btf.Struct, *btf.Union:
		return unknownReg(), true, nil
	case *btf.Pointer:
		if a.size != 8 {
			c.log.printf("func '%s' size %d must be 8\n", name, a.size)
			return Reg{}, false, nil
		}
		return c.tracedPointer(arg, v, params)
	}
	c.log.printf("func '%s' arg%d '%s' has type %s. Only pointer access is allowed\n", name, arg, nameOf(t), kindName(t))
	return Reg{}, false, nil
}

func (c *Checker) tracedPointer(arg int, p *btf.Pointer, params []btf.FuncParam) (Reg, bool, error) {
	if r, ok := c.kind.special[arg]; ok {
		return r, true, nil
	}
	target := plain(p.Target)
	switch target.(type) {
	case nil, *btf.Void, *btf.Int, *btf.Enum, *btf.Pointer, *btf.FuncProto:
		if _, ok := target.(*btf.Int); ok || target == nil {
			return unknownReg(), true, nil
		}
		if _, ok := target.(*btf.Void); ok {
			return unknownReg(), true, nil
		}
		if c.opts.since(6, 14) {
			return unknownReg(), true, nil // pointers to anything but structures are numbers
		}
	}
	if !isStruct(target) {
		c.log.printf("func '%s' arg%d type %s is not a struct\n", c.prog.AttachTo, arg, kindName(target))
		return Reg{}, false, nil
	}
	flags := pointerFlags(p) &^ RCU
	if c.argsTrusted() {
		flags |= Trusted
	}
	if arg < len(params) && hasSuffix(params[arg].Name, "__nullable") {
		flags |= MaybeNull
	}
	if c.prog.AttachType == abi.AttachTraceRawTP {
		mayNull, mayErr := nullTracepointArg(c.prog.AttachTo, arg)
		if mayErr {
			return unknownReg(), true, nil
		}
		if mayNull {
			flags |= MaybeNull
		}
	}
	r := pointerReg(BTFPtr, flags)
	r.Obj = c.types.handle(target, true)
	return r, true, nil
}

func hasSuffix(s, suffix string) bool {
	return len(s) >= len(suffix) && s[len(s)-len(suffix):] == suffix
}

// argsTrusted reports that the arguments are valid for as long as the program
// runs (prog_args_trusted).
func (c *Checker) argsTrusted() bool {
	switch c.prog.Type {
	case abi.ProgTracing:
		return c.prog.AttachType == abi.AttachTraceRawTP || c.prog.AttachType == abi.AttachTraceIter
	case abi.ProgLSM:
		return !untrustedHooks[c.prog.AttachTo]
	case abi.ProgStructOps:
		return true
	}
	return false
}

// untrustedHooks are LSM hooks whose arguments are being freed or not yet whole
// (kernel/bpf/bpf_lsm.c).
var untrustedHooks = map[string]bool{
	"bpf_map_free_security": true, "bpf_prog_free_security": true, "bpf_token_free": true,
	"file_alloc_security": true, "file_free_security": true, "sk_alloc_security": true, "sk_free_security": true,
	"task_free":            true,
	"bpf_lsm_bpf_map_free": true, "bpf_lsm_bpf_prog_free": true, "bpf_lsm_bpf_token_free": true,
	"bpf_lsm_file_alloc_security": true, "bpf_lsm_file_free_security": true, "bpf_lsm_sk_alloc_security": true,
	"bpf_lsm_sk_free_security": true, "bpf_lsm_task_free": true,
}

// accessSocket is a load from the UAPI's view of a socket.
func (c *Checker) accessSocket(r *Reg, a access) error {
	if a.write {
		return c.readOnly(r, int(a.reg))
	}
	if r.SMin < 0 {
		return c.rejectReg(int(a.reg), RuleContext, EACCES, "R%d min value is negative, either use unsigned index or do a if (index >=0) check.", a.reg)
	}
	if !c.socketField(r.Kind, a) {
		return c.rejectReg(int(a.reg), RuleContext, EACCES, "R%d invalid %s access off=%d size=%d", a.reg, r.name(c), a.off, a.size)
	}
	c.loaded(a)
	return nil
}

func (c *Checker) socketField(k Kind, a access) bool {
	if a.off < 0 || a.off%a.size != 0 {
		return false
	}
	switch k {
	case SockCommon:
		f := c.fieldAt(abi.StructOf("bpf_sock"), a)
		return f != nil && !fullSockFields[f.Name]
	case Socket:
		return c.fieldAt(abi.StructOf("bpf_sock"), a) != nil
	case TCPSock:
		return c.fieldAt(abi.StructOf("bpf_tcp_sock"), a) != nil
	case XDPSock:
		return a.off == 0 && a.size == 4 // queue_id
	}
	return false
}

// fullSockFields are those that request and time-wait sockets do not have
// (bpf_sock_common_is_valid_access).
var fullSockFields = map[string]bool{"type": true, "protocol": true, "mark": true, "priority": true}
