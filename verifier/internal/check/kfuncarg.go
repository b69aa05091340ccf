package check

import (
	"math"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/abi"
)

// kfuncCall is what is found out about one call of a kernel function while its
// arguments are checked (struct bpf_kfunc_call_arg_meta).
type kfuncCall struct {
	*kfunc
	ref      uint32 // reference that an argument carries
	released int    // argument register, 0 if none
	// constant argument, if there is one.
	constant    uint64
	hasConstant bool
	object      uint32 // type of an allocated object among the arguments
	owning      bool   // that object is owned, not borrowed
	m           *Map
	mapUID      int32
	subprog     int
	head        *field // list head or tree root
	dynptr      dynptrInfo
	iter        iterPlace
	// Size of the memory returned, if an argument says so.
	size         uint64
	sizeReadOnly bool
	context      uint32 // the kernel's structure behind the context
}

// kfuncArgs holds the registers against the prototype (check_kfunc_args).
func (c *Checker) kfuncArgs(k *kfuncCall) error {
	n := len(k.proto.Params)
	if n > 5 {
		return c.reject(RuleKfunc, EINVAL, "Function %s has %d > 5 args", k.name, n)
	}
	for i := 0; i < n; i++ {
		skip, err := c.kfuncArg(k, i)
		if err != nil {
			return err
		}
		if skip {
			i++ // the size of the memory before it
		}
	}
	if k.flags.Has(abi.KfuncRelease) && k.released == 0 {
		return c.reject(RuleReleased, EINVAL, "release kernel function %s expects refcounted PTR_TO_BTF_ID", k.name)
	}
	return nil
}

func (c *Checker) kfuncArg(k *kfuncCall, i int) (skip bool, err error) {
	p := &k.proto.Params[i]
	reg := i + 1
	r := &c.cur.regs()[reg]
	if hasSuffix(p.Name, "__prog") || hasSuffix(p.Name, "__ign") {
		return false, nil // the kernel fills it in, or does not look
	}
	switch t := plain(p.Type).(type) {
	case *btf.Int, *btf.Enum:
		return false, c.kfuncNumber(k, p, reg, r)
	case *btf.Pointer:
		return c.kfuncPointer(k, i, p, t, r)
	default:
		return false, c.rejectReg(reg, RuleKfunc, EINVAL, "Unrecognized arg#%d type %s", i, kindName(t))
	}
}

func (c *Checker) kfuncNumber(k *kfuncCall, p *btf.FuncParam, reg int, r *Reg) error {
	if r.Kind != Scalar {
		return c.rejectReg(reg, RuleArgument, EINVAL, "R%d is not a scalar", reg)
	}
	switch {
	case hasSuffix(p.Name, "__k"):
		if !r.IsConst() {
			return c.rejectReg(reg, RuleArgument, EINVAL, "R%d must be a known constant", reg)
		}
		k.constant, k.hasConstant = r.Value(), true
		return c.markPrecise(reg)
	case p.Name == "rdonly_buf_size", p.Name == "rdwr_buf_size":
		if !r.IsConst() {
			return c.rejectReg(reg, RuleArgument, EINVAL, "R%d is not a const", reg)
		}
		if r.Value() > math.MaxUint32 {
			return c.rejectReg(reg, RuleArgument, EINVAL, "R%d rdonly/rdwr_buf_size exceeds u32 max", reg)
		}
		k.size, k.sizeReadOnly = r.Value(), p.Name == "rdonly_buf_size"
		return c.markPrecise(reg)
	}
	return nil
}

// kfuncArgClass is what a pointer argument is for (enum kfunc_ptr_arg_type).
type kfuncArgClass uint8

const (
	kargContext kfuncArgClass = iota
	kargNull
	kargAllocated
	kargRefcounted
	kargDynptr
	kargIter
	kargListHead
	kargListNode
	kargTreeRoot
	kargTreeNode
	kargString
	kargMap
	kargWorkqueue
	kargTaskWork
	kargIRQFlag
	kargResLock
	kargBTF
	kargCallback
	kargMem
	kargSizedMem
)

// kfuncStructs are the structures whose pointers have a meaning.
var kfuncStructs = map[string]kfuncArgClass{
	"bpf_dynptr": kargDynptr, "bpf_list_head": kargListHead, "bpf_list_node": kargListNode,
	"bpf_rb_root": kargTreeRoot, "bpf_rb_node": kargTreeNode, "bpf_wq": kargWorkqueue, "bpf_task_work": kargTaskWork,
	"bpf_res_spin_lock": kargResLock,
}

// classify finds out what an argument is for from its type and its name
// (get_kfunc_ptr_arg_type).
func (c *Checker) classify(k *kfuncCall, i int, p *btf.Pointer, r *Reg) (kfuncArgClass, error) {
	name := k.proto.Params[i].Name
	target := plain(p.Target)
	iter := k.flags&(abi.KfuncIterNew|abi.KfuncIterNext|abi.KfuncIterDestroy) != 0 && i == 0
	class, isSpecial := kargBTF, false
	if s, ok := target.(*btf.Struct); ok {
		class, isSpecial = kfuncStructs[s.Name]
	}
	switch {
	case k.is(kfKernCtx), c.isContextType(p, i):
		return kargContext, nil
	case hasSuffix(name, "__nullable") && r.isNull():
		return kargNull, nil
	case hasSuffix(name, "__alloc"):
		return kargAllocated, nil
	case hasSuffix(name, "__refcounted_kptr"):
		return kargRefcounted, nil
	case isSpecial && class == kargDynptr:
		return kargDynptr, nil
	case iter, hasSuffix(name, "__iter"):
		return kargIter, nil
	case isSpecial && class < kargString:
		return class, nil
	case hasSuffix(name, "__str"):
		return kargString, nil
	case hasSuffix(name, "__map"):
		return kargMap, nil
	case isSpecial:
		return class, nil
	case hasSuffix(name, "__irq_flag"):
		return kargIRQFlag, nil
	case r.Kind == BTFPtr || kernelKinds[r.Kind] != "":
		if !isStruct(target) {
			return 0, c.reject(RuleArgument, EINVAL, "kernel function %s args#%d pointer type %s %s is not supported", k.name, i, kindName(target), nameOf(target))
		}
		return kargBTF, nil
	}
	if _, isFunc := target.(*btf.FuncProto); isFunc {
		return kargCallback, nil
	}
	sized := i+1 < len(k.proto.Params) && c.sizesMem(&k.proto.Params[i+1], &c.cur.regs()[i+2])
	_, void := target.(*btf.Void)
	if !isScalarType(target) && !onlyScalars(target, 0) && !(sized && (void || target == nil)) {
		also := ""
		if sized {
			also = "void, "
		}
		return 0, c.reject(RuleArgument, EINVAL, "arg#%d pointer type %s %s must point to %sscalar, or struct with scalar", i, kindName(target), nameOf(target), also)
	}
	if sized {
		return kargSizedMem, nil
	}
	return kargMem, nil
}

// sizesMem reports that a parameter is the size of the memory before it.
func (c *Checker) sizesMem(p *btf.FuncParam, r *Reg) bool {
	return isScalarType(p.Type) && r.Kind == Scalar && (hasSuffix(p.Name, "__sz") || hasSuffix(p.Name, "__szk"))
}

// onlyScalars reports a structure of nothing but numbers, four levels deep
// (__btf_type_is_scalar_struct).
func onlyScalars(t btf.Type, depth int) bool {
	mem, _, ok := members(t)
	if !ok || depth > 3 {
		return false
	}
	for i := range mem {
		mt := plain(mem[i].Type)
		if a, ok := mt.(*btf.Array); ok {
			if a.Nelems == 0 || !isScalarType(a.Type) {
				return false
			}
			continue
		}
		if isStruct(mt) {
			if !onlyScalars(mt, depth+1) {
				return false
			}
			continue
		}
		if !isScalarType(mt) {
			return false
		}
	}
	return true
}

// kernelKinds are the structures of the kernel behind pointers of other kinds
// (reg2btf_ids).
var kernelKinds = [...]string{
	Socket: "sock", SockCommon: "sock_common", TCPSock: "tcp_sock", ConstMap: "bpf_map", SlotIRQ: "",
}

func (c *Checker) kfuncPointer(k *kfuncCall, i int, p *btf.FuncParam, t *btf.Pointer, r *Reg) (skip bool, err error) {
	reg := i + 1
	careful := k.flags&(abi.KfuncTrustedArgs|abi.KfuncRelease|abi.KfuncRCU) != 0
	if careful && (r.isNull() || r.maybeNull()) && !hasSuffix(p.Name, "__nullable") {
		return false, c.rejectReg(reg, RuleNullPointer, EACCES, "Possibly NULL pointer passed to trusted arg%d", i)
	}
	if r.Ref != 0 {
		if k.flags.Has(abi.KfuncRelease) {
			if k.ref != 0 {
				return false, c.rejectReg(reg, RuleReleased, EFAULT, "more than one arg with ref_obj_id R%d %d %d", reg, r.Ref, k.ref)
			}
			k.released = reg
		}
		k.ref = r.Ref
	}
	class, err := c.classify(k, i, t, r)
	if err != nil || class == kargNull {
		return false, err
	}
	if class == kargMap {
		if err := c.kfuncMap(k, reg, r); err != nil {
			return false, err
		}
	}
	if careful && (class == kargMap || class == kargAllocated || class == kargBTF) && !trustedArg(r) {
		switch {
		case !k.flags.Has(abi.KfuncRCU):
			return false, c.rejectReg(reg, RuleKernelPointer, EINVAL, "R%d must be referenced or trusted", reg)
		case r.Flags&RCU == 0:
			return false, c.rejectReg(reg, RuleKernelPointer, EINVAL, "R%d must be a rcu pointer", reg)
		}
	}
	if err := c.argOffset(r, reg, k.flags.Has(abi.KfuncRelease) && r.Ref != 0, class == kargDynptr); err != nil {
		return false, err
	}
	return class == kargSizedMem, c.kfuncMeans(k, i, p, t, r, class)
}

// trustedArg reports pointers that are valid for as long as a call takes
// (is_trusted_reg).
func trustedArg(r *Reg) bool {
	unsafe := r.Flags &^ (Alloc | Trusted | NonOwn)
	switch {
	case r.Ref != 0:
		return true
	case int(r.Kind) < len(kernelKinds) && kernelKinds[r.Kind] != "" && unsafe == 0:
		return true
	}
	return r.Flags&(Alloc|Trusted|NonOwn) != 0 && unsafe == 0
}

func (c *Checker) kfuncMap(k *kfuncCall, reg int, r *Reg) error {
	if r.Kind == BTFPtr {
		return nil // held against struct bpf_map later
	}
	if r.Kind != ConstMap && r.Kind != MapValue && r.Kind != MapKey {
		return c.rejectReg(reg, RuleArgument, EINVAL, "pointer in R%d isn't map pointer", reg)
	}
	m := c.mapOf(r)
	if k.m != nil && (k.m != m || k.mapUID != r.Aux) {
		switch {
		case m.record.has(fieldWorkqueue):
			return c.rejectReg(reg, RuleMapType, EINVAL, "workqueue pointer in R1 map_uid=%d doesn't match map pointer in R2 map_uid=%d", k.mapUID, r.Aux)
		case m.record.has(fieldTaskWork):
			return c.rejectReg(reg, RuleMapType, EINVAL, "bpf_task_work pointer in R2 map_uid=%d doesn't match map pointer in R3 map_uid=%d", k.mapUID, r.Aux)
		case k.is("bpf_wq_init", kfTaskSignal, kfTaskResume):
			return c.rejectReg(reg, RuleMapType, EINVAL, "the map in R%d is not the one that the object before it is in", reg)
		}
	}
	k.m, k.mapUID = m, r.Aux
	return nil
}

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
