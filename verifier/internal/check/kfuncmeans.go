package check

import (
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/abi"
)

// kfuncMeans checks what an argument stands for.
func (c *Checker) kfuncMeans(k *kfuncCall, i int, p *btf.FuncParam, t *btf.Pointer, r *Reg, class kfuncArgClass) error {
	reg := i + 1
	switch class {
	case kargContext:
		return c.kfuncContext(k, reg, r)
	case kargAllocated:
		return c.kfuncAllocated(k, reg, r)
	case kargRefcounted:
		return c.kfuncRefcounted(k, reg, r)
	case kargDynptr:
		return c.kfuncDynptr(k, p, reg, r)
	case kargIter:
		return c.kfuncIter(k, t, reg, r)
	case kargListHead, kargTreeRoot:
		return c.graphRoot(k, reg, r, class)
	case kargListNode, kargTreeNode:
		return c.graphNode(k, reg, r, class)
	case kargString:
		if r.Kind != MapValue {
			return c.rejectReg(reg, RuleConstantString, EINVAL, "arg#%d doesn't point to a const string", i)
		}
		return c.argConstString(reg, r)
	case kargWorkqueue:
		return c.kfuncField(k, reg, r, fieldWorkqueue)
	case kargTaskWork:
		return c.kfuncField(k, reg, r, fieldTaskWork)
	case kargIRQFlag:
		return c.irqFlag(k, reg, r)
	case kargResLock:
		return c.resLock(k, reg, r)
	case kargMap:
		return c.kfuncBTF(k, i, r, c.types.kernelStruct("bpf_map"), "bpf_map", "STRUCT")
	case kargBTF:
		target := plain(t.Target)
		return c.kfuncBTF(k, i, r, c.types.handle(target, true), target.TypeName(), kindName(target))
	case kargCallback:
		if r.Kind != FuncPtr {
			return c.rejectReg(reg, RuleCallback, EINVAL, "arg%d expected pointer to func", i)
		}
		k.subprog = int(r.Obj)
		return nil
	case kargMem:
		size, ok := sizeOf(plain(t.Target))
		if !ok {
			return c.rejectReg(reg, RuleTypes, EINVAL, "arg#%d reference type('%s %s') size cannot be determined: -22", i, kindName(plain(t.Target)), nameOf(plain(t.Target)))
		}
		return c.memArg(r, reg, int(size))
	case kargSizedMem:
		return c.kfuncSizedMem(k, i, p, r)
	}
	return c.bug("kernel function argument of class %d", class)
}

func (c *Checker) kfuncContext(k *kfuncCall, reg int, r *Reg) error {
	if r.Kind != Ctx {
		return c.rejectReg(reg, RuleArgument, EINVAL, "arg#%d expected pointer to ctx, but got %s", reg-1, c.plainName(r))
	}
	if !k.is(kfKernCtx) {
		return nil
	}
	name := kernelContexts[c.prog.Type]
	if name == "" {
		return c.rejectReg(reg, RuleKfunc, EINVAL, "programs of this type have no context in the kernel that is a structure")
	}
	if k.context = c.types.kernelStruct(name); k.context == 0 {
		return c.rejectReg(reg, RuleTypes, EINVAL, "the kernel's types have no struct %s", name)
	}
	return nil
}

// kernelContexts are the kernel's structures behind contexts
// (include/linux/bpf_types.h).
var kernelContexts = map[abi.ProgramType]string{
	abi.ProgSocketFilter: "sk_buff", abi.ProgSchedCLS: "sk_buff", abi.ProgSchedACT: "sk_buff", abi.ProgXDP: "xdp_buff",
	abi.ProgCgroupSKB: "sk_buff", abi.ProgCgroupSock: "sock", abi.ProgCgroupSockAddr: "bpf_sock_addr_kern",
	abi.ProgLWTIn: "sk_buff", abi.ProgLWTOut: "sk_buff", abi.ProgLWTXmit: "sk_buff", abi.ProgLWTSeg6local: "sk_buff",
	abi.ProgSockOps: "bpf_sock_ops_kern", abi.ProgSkSKB: "sk_buff", abi.ProgSkMsg: "sk_msg",
	abi.ProgFlowDissector: "bpf_flow_dissector", abi.ProgKprobe: "pt_regs", abi.ProgPerfEvent: "bpf_perf_event_data_kern",
	abi.ProgCgroupDevice: "bpf_cgroup_dev_ctx", abi.ProgCgroupSysctl: "bpf_sysctl_kern",
	abi.ProgCgroupSockopt: "bpf_sockopt_kern", abi.ProgSkReuseport: "sk_reuseport_kern",
	abi.ProgSkLookup: "bpf_sk_lookup_kern", abi.ProgNetfilter: "bpf_nf_ctx",
}

func (c *Checker) kfuncAllocated(k *kfuncCall, reg int, r *Reg) error {
	switch {
	case r.Kind == BTFPtr && r.Flags == Alloc:
		if !k.is(kfObjDrop) {
			return c.rejectReg(reg, RuleArgument, EINVAL, "arg#%d expected for bpf_obj_drop_impl()", reg-1)
		}
	case r.Kind == BTFPtr && r.Flags == Alloc|PerCPU:
		if !k.is(kfPerCPUDrop) {
			return c.rejectReg(reg, RuleArgument, EINVAL, "arg#%d expected for bpf_percpu_obj_drop_impl()", reg-1)
		}
	default:
		return c.rejectReg(reg, RuleArgument, EINVAL, "arg#%d expected pointer to allocated object", reg-1)
	}
	if r.Ref == 0 {
		return c.rejectReg(reg, RuleReleased, EINVAL, "allocated object must be referenced")
	}
	k.object = r.Obj
	return nil
}

func (c *Checker) kfuncRefcounted(k *kfuncCall, reg int, r *Reg) error {
	if r.Kind != BTFPtr || r.Flags&Alloc == 0 || r.Flags&PerCPU != 0 {
		return c.rejectReg(reg, RuleArgument, EINVAL, "arg#%d is neither owning or non-owning ref", reg-1)
	}
	k.owning = r.Flags&NonOwn == 0 && r.Ref != 0
	if !c.recordOfReg(r).has(fieldRefcount) {
		return c.rejectReg(reg, RuleSpecialField, EINVAL, "arg#%d doesn't point to a type with bpf_refcount field", reg-1)
	}
	k.object = r.Obj
	return nil
}

// kfuncDynptrs are the dynptrs that functions make.
var kfuncDynptrs = map[string]uint32{
	"bpf_dynptr_from_skb": dynptrSkb, "bpf_dynptr_from_xdp": dynptrXDP, "bpf_dynptr_from_skb_meta": dynptrSkbMeta,
}

func (c *Checker) kfuncDynptr(k *kfuncCall, p *btf.FuncParam, reg int, r *Reg) error {
	use := dynptrUse{readOnly: r.Kind == ConstDynptr, uninit: hasSuffix(p.Name, "__uninit"), kind: kfuncDynptrs[k.name]}
	if k.is(kfClone) && use.uninit {
		use.kind, use.parent = k.dynptr.kind, k.dynptr.ref
	}
	if err := c.dynptrArg(reg, use); err != nil || use.uninit {
		return err
	}
	info, err := c.dynptrOf(&c.cur.regs()[reg])
	k.dynptr = info
	return err
}

// kfuncField wants a workqueue or work in a map's value.
func (c *Checker) kfuncField(k *kfuncCall, reg int, r *Reg, kind fieldKind) error {
	if r.Kind != MapValue {
		return c.rejectReg(reg, RuleArgument, EINVAL, "arg#%d doesn't point to a map value", reg-1)
	}
	m := c.mapOf(r)
	at := int64(r.Off) + int64(r.Value())
	f := m.record.find(kind)
	switch {
	case !r.IsConst():
		return c.rejectReg(reg, RuleSpecialField, EINVAL, "R%d doesn't have constant offset. %s has to be at the constant offset", reg, kind)
	case f == nil:
		return c.rejectReg(reg, RuleSpecialField, EINVAL, "map '%s' has no valid %s", m.Name, kind)
	case at != int64(f.offset):
		return c.rejectReg(reg, RuleSpecialField, EINVAL, "off %d doesn't point to 'struct %s' that is at %d", at, kind, f.offset)
	}
	k.m, k.mapUID = m, r.Aux
	return nil
}

// kfuncBTF holds a pointer to a structure of the kernel's against the one that
// is wanted (process_kf_arg_ptr_to_btf_id).
func (c *Checker) kfuncBTF(k *kfuncCall, i int, r *Reg, need uint32, name, kind string) error {
	reg := i + 1
	have := r.Obj
	if r.Kind == BTFPtr {
		if unsafe := r.Flags &^ (Alloc | Trusted | NonOwn); unsafe != 0 && r.Flags&RCU == 0 {
			want := typeName(BTFPtr, r.Flags&(Alloc|Trusted|NonOwn))
			return c.rejectReg(reg, RuleArgument, EINVAL, "arg#%d is %s expected %s or socket", i, c.plainName(r), want)
		}
	} else {
		n := ""
		if int(r.Kind) < len(kernelKinds) {
			n = kernelKinds[r.Kind]
		}
		if n == "" {
			return c.rejectReg(reg, RuleArgument, EINVAL, "arg#%d is %s expected %s or socket", i, c.plainName(r), typeName(r.Kind, r.Flags&(Alloc|Trusted|NonOwn)))
		}
		have = c.types.kernelStruct(n)
	}
	haveName := c.types.nameOf(have)
	strict := k.flags.Has(abi.KfuncRelease) && r.Ref != 0 || noCast(name, haveName)
	if projections[name] == haveName && haveName != "" || c.sameType(have, int(r.Off), need, strict, r.Flags&Alloc == 0) {
		return nil
	}
	return c.rejectReg(reg, RuleArgument, EINVAL, "kernel function %s args#%d expected pointer to %s %s but R%d has a pointer to %s %s",
		k.name, i, kind, name, reg, kindName(c.types.at(have).t), haveName)
}

// projections are the structures that stand in prototypes for the kernel's.
var projections = map[string]string{
	"__sk_buff": "sk_buff", "xdp_md": "xdp_buff", "bpf_sock_ops": "bpf_sock_ops_kern", "bpf_sock_addr": "bpf_sock_addr_kern",
}

// noCast reports names of which one is the other's stricter twin ("nf_conn___init").
func noCast(a, b string) bool {
	const suffix = "___init"
	return strings.TrimSuffix(a, suffix) == strings.TrimSuffix(b, suffix) && a != b
}

// kfuncSizedMem is memory whose size is the next argument.
func (c *Checker) kfuncSizedMem(k *kfuncCall, i int, p *btf.FuncParam, r *Reg) error {
	size := &c.cur.regs()[i+2]
	if !r.isNull() || !hasSuffix(p.Name, "__opt") {
		if err := c.kfuncMem(i+1, r, size); err != nil {
			return c.also(err, c.textf("arg#%d arg#%d memory, len pair leads to invalid memory access", i, i+1))
		}
	}
	if !hasSuffix(k.proto.Params[i+1].Name, "__szk") {
		return nil
	}
	if !size.IsConst() {
		return c.rejectReg(i+2, RuleArgumentSize, EINVAL, "R%d must be a known constant", i+2)
	}
	k.constant, k.hasConstant = size.Value(), true
	return c.markPrecise(i + 2)
}

// kfuncMem makes sure that memory may be read and written
// (check_kfunc_mem_size_reg).
func (c *Checker) kfuncMem(memReg int, r, size *Reg) error {
	saved := *r
	if r.maybeNull() {
		c.clearNull(r)
	}
	err := c.sizedMem(memReg, size, memReg+1, false, true, nil)
	if err == nil {
		err = c.sizedMem(memReg, size, memReg+1, true, true, nil)
	}
	if saved.maybeNull() {
		*r = saved
	}
	return err
}
