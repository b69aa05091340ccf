package check

import (
	"math"

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
	// Stable releases of Linux 6.18 take NULL for no argument whose name does not
	// allow it; those before them for memory of any function.
	careful := k.flags&(abi.KfuncTrustedArgs|abi.KfuncRelease|abi.KfuncRCU) != 0 || c.opts.since(6, 18) && !hasSuffix(p.Name, "__opt")
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
