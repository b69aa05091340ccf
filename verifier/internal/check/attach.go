package check

import (
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/abi"
)

// checkAttach finds out what the program's context is (check_attach_btf_id,
// bpf_check_attach_target).
func (c *Checker) checkAttach() error {
	c.insn = -1
	k := &c.kind
	k.layout = abi.ContextOf(c.prog.Type, c.prog.AttachType, c.opts.Arch)
	if c.prog.Hook != nil {
		k.layout = c.prog.Hook.Context
	}
	if c.prog.Flags&flagSleepable != 0 && !c.canSleep() {
		return c.reject(RuleAttach, EINVAL, "Only fentry/fexit/fmod_ret, lsm, iter, uprobe, and struct_ops programs can be sleepable")
	}
	switch c.prog.Type {
	case abi.ProgTracing:
		return c.attachTracing()
	case abi.ProgLSM:
		return c.attachLSM()
	case abi.ProgStructOps:
		return c.attachStructOps()
	}
	return nil
}

// canSleep reports programs that may be sleepable (can_be_sleepable).
func (c *Checker) canSleep() bool {
	switch c.prog.Type {
	case abi.ProgTracing:
		switch c.prog.AttachType {
		case abi.AttachTraceFentry, abi.AttachTraceFexit, abi.AttachModifyReturn, abi.AttachTraceIter:
			return true
		}
		return false
	case abi.ProgLSM, abi.ProgKprobe, abi.ProgStructOps, abi.ProgSyscall:
		return true
	}
	return false
}

// attachTracing takes the prototype of a traced function, raw tracepoint or
// iterator. Without the kernel's types, arguments are numbers.
func (c *Checker) attachTracing() error {
	k := &c.kind
	if c.types.kernel == nil || c.prog.AttachTo == "" {
		return nil
	}
	switch c.prog.AttachType {
	case abi.AttachTraceRawTP:
		var td *btf.Typedef
		if err := c.types.kernel.TypeByName("btf_trace_"+c.prog.AttachTo, &td); err != nil {
			return c.reject(RuleAttach, ENOENT, "the kernel has no raw tracepoint %s with types", c.prog.AttachTo)
		}
		if p, ok := plain(td).(*btf.Pointer); ok {
			k.proto, _ = plain(p.Target).(*btf.FuncProto)
			k.first = 1
			c.tracepointNames(k.proto)
		}
	case abi.AttachTraceIter:
		fn := c.types.kernelFunc("bpf_iter_" + c.prog.AttachTo)
		if fn == nil {
			return c.reject(RuleAttach, ENOENT, "the kernel has no iterator %s", c.prog.AttachTo)
		}
		k.proto, _ = fn.Type.(*btf.FuncProto)
		c.iteratorArgs(c.prog.AttachTo)
	default:
		fn := c.types.kernelFunc(c.prog.AttachTo)
		if fn == nil {
			return c.reject(RuleAttach, ENOENT, "the kernel has no function %s", c.prog.AttachTo)
		}
		k.proto, _ = fn.Type.(*btf.FuncProto)
		k.retval = c.prog.AttachType == abi.AttachTraceFexit || c.prog.AttachType == abi.AttachModifyReturn
	}
	return nil
}

// tracepointNames takes the arguments' names, and with them what they say of
// NULL, from the function that probes have (Linux 6.13: __nullable).
func (c *Checker) tracepointNames(p *btf.FuncProto) {
	fn := c.types.kernelFunc("__bpf_trace_" + c.prog.AttachTo)
	if fn == nil || p == nil {
		return
	}
	q, ok := fn.Type.(*btf.FuncProto)
	if ok && len(q.Params) == len(p.Params) {
		c.kind.proto = q
	}
}

func (c *Checker) attachLSM() error {
	k := &c.kind
	name := c.prog.AttachTo
	if c.types.kernel == nil || name == "" {
		return nil
	}
	if !strings.HasPrefix(name, "bpf_lsm_") {
		name = "bpf_lsm_" + name
	}
	switch {
	case !gplCompatible(c.prog.License):
		return c.reject(RuleAttach, EINVAL, "LSM programs must have a GPL compatible license")
	case disabledHooks[name]:
		return c.reject(RuleAttach, EINVAL, "attach_btf_id points to disabled hook %s", name)
	}
	fn := c.types.kernelFunc(name)
	if fn == nil {
		return c.reject(RuleAttach, ENOENT, "the kernel has no hook %s", name)
	}
	if c.prog.Flags&flagSleepable != 0 && !sleepableHooks[name] {
		return c.reject(RuleAttach, EINVAL, "%s is not sleepable", name)
	}
	k.proto, _ = fn.Type.(*btf.FuncProto)
	k.retval = true
	if c.prog.AttachType == abi.AttachLSMMAC && k.proto != nil && isScalarType(k.proto.Return) {
		k.hasRet = true
		k.retMin, k.retMax = -4095, 0
		if boolHooks[name] {
			k.retMin, k.retMax = 0, 1
		}
	}
	return nil
}

// disabledHooks may not be attached to: their results are more than an error
// number (bpf_lsm_disabled_hooks).
var disabledHooks = map[string]bool{
	"bpf_lsm_vm_enough_memory": true, "bpf_lsm_inode_need_killpriv": true, "bpf_lsm_inode_getsecurity": true,
	"bpf_lsm_inode_listsecurity": true, "bpf_lsm_inode_copy_up_xattr": true, "bpf_lsm_getselfattr": true,
	"bpf_lsm_getprocattr": true, "bpf_lsm_setprocattr": true, "bpf_lsm_key_getsecurity": true,
	"bpf_lsm_audit_rule_match": true, "bpf_lsm_xfrm_decode_session": true, "bpf_lsm_ismaclabel": true,
}

// boolHooks return 0 or 1 (bool_lsm_hooks).
var boolHooks = map[string]bool{
	"bpf_lsm_xfrm_state_pol_flow_match": true, "bpf_lsm_audit_rule_known": true, "bpf_lsm_inode_xattr_skipcap": true,
}

// voidHook reports a hook or operation that returns nothing.
func (c *Checker) voidHook() bool {
	if c.kind.proto == nil {
		return false
	}
	_, ok := plain(c.kind.proto.Return).(*btf.Void)
	return ok || c.kind.proto.Return == nil
}
