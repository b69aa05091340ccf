package check

import (
	"math"

	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/abi"
)

// kfuncResult says what R0 holds afterwards.
func (c *Checker) kfuncResult(k *kfuncCall) error {
	r := &c.cur.regs()[0]
	ret := plain(k.proto.Return)
	p, isPtr := ret.(*btf.Pointer)
	if !isPtr {
		if k.flags.Has(abi.KfuncAcquire) {
			return c.reject(RuleKfunc, EINVAL, "acquire kernel function does not return PTR_TO_BTF_ID")
		}
		switch ret.(type) {
		case nil, *btf.Void:
			return nil
		}
		c.setUnknown(r)
		if k.is(kfResLock, kfResLockIRQ) {
			c.setConst(r, 0)
		}
		return nil
	}
	known, err := c.kfuncPointerResult(k, r, p)
	if err != nil || !known {
		return err
	}
	retNull := k.flags.Has(abi.KfuncRetNull) && !(k.is(kfRefAcquire) && k.owning)
	if retNull {
		r.Flags |= MaybeNull
		r.ID = c.newID()
	}
	target := plain(p.Target)
	switch {
	case k.flags.Has(abi.KfuncAcquire):
		id := c.acquire(RefPtr)
		if retNull {
			r.ID = id
		}
		r.Ref = id
	case isNode(target):
		c.lend(r)
	}
	if c.mayHoldLock(r) && r.ID == 0 {
		r.ID = c.newID()
	}
	return nil
}

func isNode(t btf.Type) bool {
	s, ok := t.(*btf.Struct)
	return ok && (s.Name == "bpf_rb_node" || s.Name == "bpf_list_node")
}

// kfuncPointerResult is false where the result is a number after all.
func (c *Checker) kfuncPointerResult(k *kfuncCall, r *Reg, p *btf.Pointer) (bool, error) {
	target := plain(p.Target)
	switch k.name {
	case kfObjNew, kfPerCPUNew:
		return true, c.newObject(k, r)
	case kfRefAcquire:
		*r = pointerReg(BTFPtr, Alloc)
		r.Obj = k.object
		return true, nil
	case kfKernCtx:
		*r = pointerReg(BTFPtr, Trusted)
		r.Obj = k.context
		return true, nil
	case kfRdonlyCast:
		return true, c.rdonlyCast(k, r)
	case kfSlice, kfSliceRdwr:
		return true, c.sliceResult(k, r)
	case "bpf_session_cookie":
		k.size, k.sizeReadOnly = 8, false
	}
	if isNode(target) && k.head != nil {
		*r = graphNodeReg(k.head)
		return true, nil
	}
	switch target.(type) {
	case nil, *btf.Void:
		c.setUnknown(r)
		return false, nil
	}
	if !isStruct(target) {
		return true, c.memResult(k, r, target)
	}
	*r = pointerReg(BTFPtr, 0)
	r.Obj = c.types.handle(target, true)
	switch {
	case k.flags.Has(abi.KfuncIterNext):
		if c.iterAt(c.cur, k.iter).Flags&RCU != 0 {
			r.Flags |= RCU
		} else {
			r.Flags |= Trusted
		}
	case k.is("bpf_get_kmem_cache"):
		r.Flags |= Untrusted
	case k.flags.Has(abi.KfuncRCUProtected):
		r.Flags |= RCU
	}
	return true, nil
}

func (c *Checker) memResult(k *kfuncCall, r *Reg, target btf.Type) error {
	if k.size == 0 {
		size, ok := sizeOf(target)
		if !ok || size == 0 {
			return c.reject(RuleKfunc, EINVAL, "kernel function %s returns pointer type %s %s is not supported", k.name, kindName(target), nameOf(target))
		}
		k.size, k.sizeReadOnly = uint64(size), true
	}
	if k.size > math.MaxInt32 {
		return c.reject(RuleLimit, EINVAL, "kernel function %s returns %d bytes of memory", k.name, k.size)
	}
	*r = pointerReg(Mem, 0)
	r.Aux, r.Ref = int32(k.size), k.ref
	if k.sizeReadOnly {
		r.Flags |= RdOnly
	}
	return nil
}

const maxPerCPUObject = 512 // BPF_GLOBAL_PERCPU_MA_MAX_SIZE

func (c *Checker) newObject(k *kfuncCall, r *Reg) error {
	switch {
	case k.constant > math.MaxUint32:
		return c.reject(RuleKfunc, EINVAL, "local type ID argument must be in range [0, U32_MAX]")
	case c.types.prog == nil:
		return c.reject(RuleTypes, EINVAL, "bpf_obj_new/bpf_percpu_obj_new requires prog BTF")
	}
	t, err := c.types.prog.TypeByID(btf.TypeID(k.constant))
	if err != nil || !isStruct(t) {
		return c.reject(RuleKfunc, EINVAL, "bpf_obj_new/bpf_percpu_obj_new type ID argument must be of a struct")
	}
	if k.is(kfPerCPUNew) {
		size, _ := sizeOf(t)
		switch {
		case size > maxPerCPUObject:
			return c.reject(RuleKfunc, EINVAL, "bpf_percpu_obj_new type size (%d) is greater than %d", size, maxPerCPUObject)
		case !onlyScalars(t, 0):
			return c.reject(RuleKfunc, EINVAL, "bpf_percpu_obj_new type ID argument must be of a struct of scalars")
		case len(c.types.recordOf(t).fields()) > 0:
			return c.reject(RuleKfunc, EINVAL, "bpf_percpu_obj_new type ID argument must not contain special fields")
		}
	}
	*r = pointerReg(BTFPtr, Alloc)
	r.Obj = c.types.handle(t, false)
	if k.is(kfPerCPUNew) {
		r.Flags |= PerCPU
	}
	return nil
}

// rdonlyCast makes a pointer to anything one to a structure of the kernel's that
// is read fault by fault; type 0 is memory without one (Linux 6.17).
func (c *Checker) rdonlyCast(k *kfuncCall, r *Reg) error {
	if k.constant == 0 && c.opts.since(6, 17) {
		*r = pointerReg(Mem, RdOnly|Untrusted)
		return nil
	}
	var t btf.Type
	if k.constant <= math.MaxUint32 {
		t, _ = c.types.kernel.TypeByID(btf.TypeID(k.constant))
	}
	switch {
	case t == nil && c.opts.since(6, 17):
		return c.reject(RuleKfunc, EINVAL, "Unknown type ID %d passed to kfunc bpf_rdonly_cast", k.constant)
	case !isStruct(t) && c.opts.since(6, 17):
		return c.reject(RuleKfunc, EINVAL, "kfunc bpf_rdonly_cast type ID argument must be of a struct or void")
	case !isStruct(t):
		return c.reject(RuleKfunc, EINVAL, "kfunc bpf_rdonly_cast type ID argument must be of a struct")
	}
	*r = pointerReg(BTFPtr, Untrusted)
	r.Obj = c.types.handle(t, true)
	return nil
}

func (c *Checker) sliceResult(k *kfuncCall, r *Reg) error {
	switch {
	case !k.hasConstant:
		return c.bug("a slice without a size")
	case k.constant > math.MaxInt32:
		return c.reject(RuleLimit, EINVAL, "a slice of %d bytes", k.constant)
	case k.is(kfSliceRdwr) && !c.packetWritable():
		return c.reject(RuleReadOnly, EINVAL, "the prog does not allow writes to packet data")
	}
	*r = pointerReg(Mem, 0)
	r.Aux, r.Obj = int32(k.constant), k.dynptr.id
	switch k.dynptr.kind {
	case dynptrSkb, dynptrXDP, dynptrSkbMeta:
		r.Flags |= fromPacket
	case dynptrRingBuf:
		// The record's flag is the dynptr's.
	}
	if k.is(kfSlice) {
		r.Flags |= RdOnly
	}
	return nil
}
