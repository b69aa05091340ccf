package check

import (
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/verifier/internal/scalar"
)

// argInfo is what a global function's prototype says of an argument (struct
// bpf_subprog_arg_info).
type argInfo struct {
	kind  argClass
	size  uint32 // argMem: bytes
	typ   uint32 // argBTF: handle
	flags Flags
}

type argClass uint8

const (
	argNumber argClass = iota
	argContext
	argMem
	argDynptr
	argBTF
	argArena
)

// checkFuncTypes names functions and tells global ones from static ones
// (check_btf_func).
func (c *Checker) checkFuncTypes() error {
	for k := range c.subs {
		s := &c.subs[k]
		for _, f := range c.prog.Funcs {
			if f.Slot != s.start {
				continue
			}
			s.name, s.fn = f.Name, f.Type
			if f.Type != nil {
				s.global = f.Type.Linkage == btf.GlobalFunc
			}
		}
		if s.fn != nil && k > 0 && (s.hasTail || s.hasLdAbs) {
			if p, ok := s.fn.Type.(*btf.FuncProto); ok && !isScalarType(p.Return) {
				what := "tail_call"
				if s.hasLdAbs {
					what = "LD_ABS"
				}
				return c.reject(RuleSubprogram, EINVAL, "%s is only allowed in functions that return 'int'.", what)
			}
		}
	}
	return nil
}

func isScalarType(t btf.Type) bool {
	switch plain(t).(type) {
	case *btf.Int, *btf.Enum:
		return true
	}
	return false
}

// globalArgs reads a function's prototype, once (btf_prepare_func_args).
func (c *Checker) globalArgs(k int) error {
	s := &c.subs[k]
	if s.argsReady {
		return nil
	}
	if s.fn == nil {
		if !s.global {
			return c.reject(RuleTypes, EINVAL, "func#%d has no type information", k)
		}
		return c.reject(RuleTypes, EFAULT, "Global functions need valid BTF")
	}
	proto, ok := s.fn.Type.(*btf.FuncProto)
	if !ok {
		return c.reject(RuleTypes, EFAULT, "Invalid type of function %s()", s.name)
	}
	if n := len(proto.Params); n > 5 {
		return c.reject(RuleSubprogram, EINVAL, "Global function %s() with %d > 5 args. Buggy compiler.", s.name, n)
	}
	if !isScalarType(proto.Return) {
		return c.reject(RuleSubprogram, EINVAL, "Global function %s() doesn't return scalar. Only those are supported.", s.name)
	}
	s.args = s.args[:0]
	for i := range proto.Params {
		a, err := c.globalArg(s, i, proto.Params[i].Type)
		if err != nil {
			return err
		}
		s.args = append(s.args, a)
	}
	s.argsReady = true
	return nil
}

// argTags are the tags of one argument ("arg:ctx", …).
func (c *Checker) argTags(s *subprog, i int) (map[string]bool, error) {
	tags := make(map[string]bool)
	if i >= len(s.fn.ParamTags) {
		return tags, nil
	}
	for _, t := range s.fn.ParamTags[i] {
		name, ok := strings.CutPrefix(t, "arg:")
		if !ok {
			continue
		}
		if !s.global {
			return nil, c.reject(RuleTypes, EOPNOTSUPP, "arg#%d type tag is not supported in static functions", i)
		}
		switch name {
		case "ctx", "trusted", "nonnull", "nullable", "arena", "untrusted":
			tags[name] = true
		default:
			return nil, c.reject(RuleTypes, EOPNOTSUPP, "arg#%d has unsupported set of tags", i)
		}
	}
	return tags, nil
}

func (c *Checker) globalArg(s *subprog, i int, typ btf.Type) (argInfo, error) {
	tags, err := c.argTags(s, i)
	if err != nil {
		return argInfo{}, err
	}
	only := func(names ...string) bool {
		n := 0
		for _, name := range names {
			if tags[name] {
				n++
			}
		}
		return n == len(tags)
	}
	bad := func() error {
		return c.reject(RuleTypes, EINVAL, "arg#%d has invalid combination of tags", i)
	}
	p, isPtr := plain(typ).(*btf.Pointer)
	if !isPtr {
		switch {
		case len(tags) > 0:
			return argInfo{}, c.reject(RuleTypes, EINVAL, "arg#%d has pointer tag, but is not a pointer type", i)
		case isScalarType(typ):
			return argInfo{kind: argNumber}, nil
		}
		return argInfo{}, c.reject(RuleSubprogram, EINVAL, "Arg#%d type %s in %s() is not supported yet.", i, kindName(plain(typ)), s.name)
	}
	target := plain(p.Target)
	switch {
	case tags["ctx"] || c.isContextType(p, i):
		if !only("ctx") {
			return argInfo{}, bad()
		}
		return argInfo{kind: argContext}, nil
	case target != nil && isStruct(target) && target.TypeName() == "bpf_dynptr":
		if len(tags) > 0 {
			return argInfo{}, bad()
		}
		return argInfo{kind: argDynptr}, nil
	case tags["trusted"]:
		if tags["nonnull"] {
			return argInfo{}, bad()
		}
		h := uint32(0)
		if isStruct(target) {
			h = c.types.kernelStruct(flavorless(target.TypeName()))
		}
		if h == 0 {
			return argInfo{}, c.reject(RuleTypes, ENOENT, "arg#%d points to type %s, which the kernel does not have", i, target.TypeName())
		}
		a := argInfo{kind: argBTF, typ: h, flags: Trusted}
		if tags["nullable"] {
			a.flags |= MaybeNull
		}
		return a, nil
	case tags["untrusted"]:
		return c.untrustedArg(i, target)
	case tags["arena"]:
		if !only("arena") {
			return argInfo{}, c.reject(RuleTypes, EINVAL, "arg#%d arena cannot be combined with any other tags", i)
		}
		return argInfo{kind: argArena}, nil
	case !s.global:
		return argInfo{}, c.reject(RuleSubprogram, EINVAL, "arg#%d of %s() is a pointer that nothing is known of", i, s.name)
	case tags["nullable"]:
		return argInfo{}, bad()
	}
	size, ok := sizeOf(target)
	if _, void := target.(*btf.Void); void || !ok || target == nil {
		return argInfo{}, c.reject(RuleSubprogram, EINVAL, "arg#%d reference type('%s %s') size cannot be determined: -22", i, kindName(target), nameOf(target))
	}
	a := argInfo{kind: argMem, size: size, flags: MaybeNull}
	if tags["nonnull"] {
		a.flags = 0
	}
	return a, nil
}

func (c *Checker) untrustedArg(i int, target btf.Type) (argInfo, error) {
	if isStruct(target) {
		h := c.types.kernelStruct(flavorless(target.TypeName()))
		if h == 0 {
			return argInfo{}, c.reject(RuleTypes, ENOENT, "arg#%d points to type %s, which the kernel does not have", i, target.TypeName())
		}
		return argInfo{kind: argBTF, typ: h, flags: Untrusted}, nil
	}
	size, _ := sizeOf(target)
	return argInfo{kind: argMem, size: size, flags: Untrusted | RdOnly}, nil
}

func nameOf(t btf.Type) string {
	if t == nil {
		return ""
	}
	return t.TypeName()
}

// flavorless is a type's name without a CO-RE flavor ("task_struct___old").
func flavorless(name string) string {
	if i := strings.Index(name, "___"); i > 0 {
		return name[:i]
	}
	return name
}

// kindName is the kernel's name of a kind of type.
func kindName(t btf.Type) string {
	switch t.(type) {
	case *btf.Int:
		return "INT"
	case *btf.Pointer:
		return "PTR"
	case *btf.Array:
		return "ARRAY"
	case *btf.Struct:
		return "STRUCT"
	case *btf.Union:
		return "UNION"
	case *btf.Enum:
		return "ENUM"
	case *btf.Fwd:
		return "FWD"
	case *btf.FuncProto:
		return "FUNC_PROTO"
	case *btf.Float:
		return "FLOAT"
	}
	return "UNKNOWN"
}

// contextNames are the structures that stand for the context in prototypes.
var contextNames = map[abi.ProgramType]string{
	abi.ProgSocketFilter: "__sk_buff", abi.ProgSchedCLS: "__sk_buff", abi.ProgSchedACT: "__sk_buff",
	abi.ProgXDP: "xdp_md", abi.ProgCgroupSKB: "__sk_buff", abi.ProgCgroupSock: "bpf_sock",
	abi.ProgCgroupSockAddr: "bpf_sock_addr", abi.ProgLWTIn: "__sk_buff", abi.ProgLWTOut: "__sk_buff",
	abi.ProgLWTXmit: "__sk_buff", abi.ProgLWTSeg6local: "__sk_buff", abi.ProgSockOps: "bpf_sock_ops",
	abi.ProgSkSKB: "__sk_buff", abi.ProgSkMsg: "sk_msg_md", abi.ProgFlowDissector: "__sk_buff",
	abi.ProgKprobe: "bpf_user_pt_regs_t", abi.ProgPerfEvent: "bpf_perf_event_data",
	abi.ProgCgroupDevice: "bpf_cgroup_dev_ctx", abi.ProgCgroupSysctl: "bpf_sysctl", abi.ProgCgroupSockopt: "bpf_sockopt",
	abi.ProgSkReuseport: "sk_reuseport_md", abi.ProgSkLookup: "bpf_sk_lookup",
	abi.ProgRawTracepoint: "bpf_raw_tracepoint_args", abi.ProgRawTracepointWritable: "bpf_raw_tracepoint_args",
	abi.ProgNetfilter: "bpf_nf_ctx",
}

// isContextType reports that argument i points to the program type's context
// (btf_is_prog_ctx_type).
func (c *Checker) isContextType(p *btf.Pointer, i int) bool {
	name := ""
	for t := p.Target; ; {
		switch v := t.(type) {
		case *btf.Typedef:
			if v.Name == "bpf_user_pt_regs_t" {
				name = v.Name
			}
			t = v.Type
			continue
		case *btf.Const:
			t = v.Type
			continue
		case *btf.Volatile:
			t = v.Type
			continue
		case *btf.TypeTag:
			t = v.Type
			continue
		case *btf.Struct:
			if name == "" {
				name = v.Name
			}
		}
		break
	}
	if name == "" {
		return false
	}
	want := contextNames[c.prog.Type]
	if c.prog.Hook != nil {
		want = c.prog.Hook.Context.Name
	}
	switch {
	case name == want:
		return true
	case c.prog.Type == abi.ProgKprobe && name == "pt_regs":
		return true
	case c.prog.Type == abi.ProgPerfEvent && (name == "bpf_user_pt_regs_t" || name == "pt_regs" || name == "user_pt_regs"):
		return true
	}
	return false
}

// setGlobalArgs gives a function's registers what its prototype promises.
func (c *Checker) setGlobalArgs(k int, f *Frame) error {
	s := &c.subs[k]
	c.log.printf("Validating %s() func#%d...\n", s.name, k)
	if err := c.globalArgs(k); err != nil {
		return err
	}
	if k == c.exceptionCallback && k > 0 {
		f.InException = true
		if len(s.args) != 1 || s.args[0].kind != argNumber {
			return c.reject(RuleException, EINVAL, "exception cb only supports single integer argument")
		}
	}
	for i, a := range s.args {
		r := &f.Regs[i+1]
		switch a.kind {
		case argNumber:
			c.setUnknown(r)
		case argContext:
			*r = pointerReg(Ctx, 0)
		case argDynptr:
			*r = c.constDynptr(dynptrLocal)
		case argMem:
			*r = pointerReg(Mem, a.flags)
			r.Aux, r.ID = int32(a.size), c.newID()
		case argBTF:
			*r = pointerReg(BTFPtr, a.flags)
			r.Obj, r.ID = a.typ, c.newID()
		case argArena:
			*r = Reg{Kind: Arena, Range: scalar.Unknown()}
		}
	}
	return nil
}

// checkGlobalArgs holds the caller's registers against a global function's
// prototype (btf_check_func_arg_match).
func (c *Checker) checkGlobalArgs(k int) error {
	if err := c.globalArgs(k); err != nil {
		return err
	}
	for i := range c.subs[k].args {
		if err := c.checkGlobalArg(i, &c.subs[k].args[i]); err != nil {
			return err
		}
	}
	return nil
}

func (c *Checker) checkGlobalArg(i int, a *argInfo) error {
	reg := i + 1
	r := &c.cur.regs()[reg]
	if r.Kind == NotInit {
		return c.readReg(uint8(reg))
	}
	switch a.kind {
	case argNumber:
		if r.Kind != Scalar {
			return c.rejectReg(reg, RuleSubprogram, EINVAL, "R%d is not a scalar", reg)
		}
	case argContext:
		if err := c.argOffset(r, reg, false, false); err != nil {
			return err
		}
		if r.Kind != Ctx {
			return c.rejectReg(reg, RuleSubprogram, EINVAL, "arg#%d expects pointer to ctx", i)
		}
	case argMem:
		if a.flags&Untrusted != 0 {
			return nil
		}
		if err := c.argOffset(r, reg, false, false); err != nil {
			return err
		}
		if err := c.memArg(r, reg, int(a.size)); err != nil {
			return err
		}
		if a.flags&MaybeNull == 0 && (r.maybeNull() || r.isNull()) {
			return c.rejectReg(reg, RuleNullPointer, EINVAL, "arg#%d is expected to be non-NULL", i)
		}
	case argArena:
		if r.Kind != Arena && r.Kind != Scalar {
			return c.rejectReg(reg, RuleSubprogram, EINVAL, "R%d is not a pointer to arena or scalar.", reg)
		}
	case argDynptr:
		if err := c.argOffset(r, reg, false, true); err != nil {
			return err
		}
		return c.dynptrArg(reg, dynptrUse{readOnly: true})
	case argBTF:
		if r.isNull() && a.flags&MaybeNull != 0 || a.flags&Untrusted != 0 {
			return nil
		}
		if err := c.btfArg(r, reg, a.typ, a.flags, false); err != nil {
			return err
		}
		return c.argOffset(r, reg, false, false)
	}
	return nil
}
