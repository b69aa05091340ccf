package check

import (
	"slices"

	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

// callKinds is what is known of the kernel functions that the program calls.
type callKinds struct {
	kfuncs map[int32]*kfunc // by immediate
}

// kfunc is a function of the kernel that programs may call.
type kfunc struct {
	name  string
	proto *btf.FuncProto
	flags abi.KfuncFlags
	// allowed: this program type may call it.
	allowed bool
	// unknown: nothing is known of it beyond its prototype.
	unknown bool
	// tagged: the kernel's types say that it is for programs.
	tagged bool
	// host, if not nil, is the hook's own function: nothing else is set but name.
	host *abi.HookFunc
}

// is reports one of the names.
func (k *kfunc) is(names ...string) bool { return slices.Contains(names, k.name) }

// Kernel functions that do more than their prototypes say.
const (
	kfThrow       = "bpf_throw"
	kfRBTreeAdd   = "bpf_rbtree_add_impl"
	kfWQCallback  = "bpf_wq_set_callback_impl"
	kfObjNew      = "bpf_obj_new_impl"
	kfObjDrop     = "bpf_obj_drop_impl"
	kfPerCPUNew   = "bpf_percpu_obj_new_impl"
	kfPerCPUDrop  = "bpf_percpu_obj_drop_impl"
	kfRefAcquire  = "bpf_refcount_acquire_impl"
	kfKernCtx     = "bpf_cast_to_kern_ctx"
	kfRdonlyCast  = "bpf_rdonly_cast"
	kfSlice       = "bpf_dynptr_slice"
	kfSliceRdwr   = "bpf_dynptr_slice_rdwr"
	kfClone       = "bpf_dynptr_clone"
	kfTaskSignal  = "bpf_task_work_schedule_signal_impl"
	kfTaskResume  = "bpf_task_work_schedule_resume_impl"
	kfXDPPull     = "bpf_xdp_pull_data"
	kfResLock     = "bpf_res_spin_lock"
	kfResUnlock   = "bpf_res_spin_unlock"
	kfResLockIRQ  = "bpf_res_spin_lock_irqsave"
	kfResUnlckIRQ = "bpf_res_spin_unlock_irqrestore"
)

// resolveCalls finds the prototypes of kernel functions.
func (c *Checker) resolveCalls() error {
	c.calls.kfuncs = make(map[int32]*kfunc)
	for i := 0; i < len(c.insns); i += c.insns[i].Width() {
		ins := c.insns[i]
		if !ins.IsKfuncCall() || c.calls.kfuncs[ins.Imm] != nil {
			continue
		}
		c.insn = i
		k, err := c.resolveKfunc(ins)
		if err != nil {
			return err
		}
		if k != nil {
			c.calls.kfuncs[ins.Imm] = k
		}
	}
	c.insn = -1
	return nil
}

// resolveKfunc is nil for one that may be missing and is.
func (c *Checker) resolveKfunc(ins isa.Instruction) (*kfunc, error) {
	name := c.prog.Kfuncs[ins.Imm]
	if f := c.prog.Hook.Func(name); f != nil {
		return &kfunc{name: name, host: f}, nil
	}
	fn := c.types.kernelFunc(name)
	if fn == nil {
		switch {
		case c.prog.WeakKfuncs[ins.Imm]:
			return nil, nil // refused where it is reached
		case c.prog.Hook != nil:
			return nil, c.reject(RuleKfunc, ENOENT, "hook %s has no function %s", c.prog.Hook.Name, name)
		case c.types.kernel == nil:
			return nil, c.reject(RuleNotSupported, ENOENT, "the kernel's types are needed to call its function %s", name)
		}
		// It may be a module's, whose types nobody gave us.
		return nil, c.reject(RuleNotSupported, ENOENT, "the kernel has no function %s to call", name)
	}
	proto, ok := fn.Type.(*btf.FuncProto)
	if !ok {
		return nil, c.reject(RuleTypes, EINVAL, "kernel function %s has no prototype", name)
	}
	if !gplCompatible(c.prog.License) {
		return nil, c.reject(RuleKfunc, EINVAL, "cannot call kernel function from non-GPL compatible program")
	}
	k := &kfunc{name: name, proto: proto, tagged: slices.Contains(fn.Tags, "bpf_kfunc")}
	if fact := abi.KfuncByName(name); fact != nil {
		k.flags = fact.Flags
		k.allowed = fact.Callable(c.prog.Type, c.prog.AttachType)
	} else {
		k.unknown = k.tagged
	}
	return k, nil
}

// kfuncOf is the function that an instruction calls; nil if it calls none, or
// one that the kernel does not have.
func (c *Checker) kfuncOf(ins isa.Instruction) *kfunc {
	if !ins.IsKfuncCall() {
		return nil
	}
	return c.calls.kfuncs[ins.Imm]
}

// callAt says what kind of call stands at i.
func (c *Checker) callAt(i int) callKind {
	ins := c.insns[i]
	if ins.IsHelperCall() {
		switch abi.HelperID(ins.Imm) {
		case abi.FnForEachMapElem, abi.FnFindVma, abi.FnLoop, abi.FnUserRingbufDrain:
			return callKind{sync: true}
		case abi.FnTimerSetCallback:
			return callKind{async: true}
		}
	}
	if k := c.kfuncOf(ins); k != nil {
		return callKind{
			sync:     k.is(kfRBTreeAdd),
			async:    k.is(kfWQCallback, kfTaskSignal, kfTaskResume),
			iterNext: k.flags.Has(abi.KfuncIterNext),
		}
	}
	return callKind{}
}

// callKind says how a call differs from others in the flow of control.
type callKind struct {
	sync     bool // calls back before it returns
	async    bool // arranges for a callback to run later
	iterNext bool
}

// isThrow reports a call of bpf_throw, which does not return.
func (c *Checker) isThrow(ins isa.Instruction) bool {
	return ins.IsKfuncCall() && c.prog.Kfuncs[ins.Imm] == kfThrow
}

// kfuncUnderLock reports functions that may be called with a lock held
// (kfunc_spin_allowed).
func (c *Checker) kfuncUnderLock(ins isa.Instruction) bool {
	k := c.kfuncOf(ins)
	if k == nil {
		return false
	}
	switch k.name {
	case "bpf_iter_num_new", "bpf_iter_num_next", "bpf_iter_num_destroy",
		kfRefAcquire, kfResLock, kfResUnlock, kfResLockIRQ, kfResUnlckIRQ:
		return true
	case "bpf_arena_alloc_pages", "bpf_arena_free_pages", "bpf_arena_reserve_pages":
		return c.opts.since(6, 18)
	case "bpf_stream_vprintk_impl":
		return true
	}
	return isGraphKfunc(k.name)
}

// callKfunc simulates a call of a kernel function (check_kfunc_call).
func (c *Checker) callKfunc(ins isa.Instruction) error {
	k := c.kfuncOf(ins)
	switch {
	case k == nil:
		return c.reject(RuleKfunc, EINVAL, "invalid kernel function call not eliminated in verifier pass")
	case k.host != nil:
		return c.callHost(k.host)
	case k.unknown:
		return c.reject(RuleNotSupported, ENOTSUPP, "nothing is known here of kernel function %s: which programs may call it, whether it acquires, releases or sleeps", k.name)
	case !k.allowed:
		return c.reject(RuleKfunc, EACCES, "calling kernel function %s is not allowed", k.name)
	case k.is("bpf_xdp_metadata_rx_hash", "bpf_xdp_metadata_rx_timestamp", "bpf_xdp_metadata_rx_vlan_tag") && c.prog.Flags&flagDeviceBound == 0:
		return c.reject(RuleKfunc, EINVAL, "metadata kfuncs require device-bound program")
	case k.flags.Has(abi.KfuncSleepable) && !c.sleepable():
		return c.reject(RuleSleep, EACCES, "program must be sleepable to call sleepable kfunc %s", k.name)
	}
	if k.is(kfResLock, kfResLockIRQ) {
		if err := c.lockFails(); err != nil {
			return err
		}
	}
	call := &kfuncCall{kfunc: k}
	if err := c.kfuncArgs(call); err != nil {
		return err
	}
	for _, step := range []func(*kfuncCall) error{
		c.kfuncCallbacks, c.kfuncSections, c.kfuncReleases, c.kfuncThrows,
	} {
		if err := step(call); err != nil {
			return err
		}
	}
	c.dropCallerSaved(c.cur.regs())
	if err := c.kfuncResult(call); err != nil {
		return err
	}
	if k.is(kfXDPPull) {
		c.forgetPackets()
	}
	if k.flags.Has(abi.KfuncIterNext) {
		return c.iterNext(call)
	}
	return nil
}

// kfuncCallbacks queues the callbacks that a call leads to.
func (c *Checker) kfuncCallbacks(k *kfuncCall) error {
	switch k.name {
	case kfRBTreeAdd:
		return c.pushCallback(k.subprog, c.rbtreeLess)
	case kfWQCallback:
		return c.pushAsync(k.subprog, true, c.timerCallback)
	case kfTaskSignal, kfTaskResume:
		return c.pushAsync(k.subprog, true, c.taskWorkCallback)
	}
	return nil
}

// taskWorkCallback finds the map, key and value of the work.
func (c *Checker) taskWorkCallback(caller, callee *Frame) error {
	r := &caller.Regs[3]
	m := pointerReg(ConstMap, 0)
	m.Obj, m.Aux = r.Obj, r.Aux
	callee.Regs[1] = m
	c.elemRegs(callee, r.Obj, r.Aux)
	callee.Ret = anyInt
	return nil
}

// flagDeviceBound is BPF_F_XDP_DEV_BOUND_ONLY.
const flagDeviceBound = 1 << 6

var anyInt = retRange{-1 << 31, 1<<31 - 1}

// kfuncReleases gives back the reference of an argument, or turns an object that
// was added to a list or tree into a borrowed one.
func (c *Checker) kfuncReleases(k *kfuncCall) error {
	if k.released != 0 {
		if ref := c.cur.regs()[k.released].Ref; ref == 0 || !c.release(ref) {
			return c.reject(RuleReleased, EINVAL, "kfunc %s#%d reference has not been acquired before", k.name, c.insns[c.insn].Imm)
		}
	}
	if k.is("bpf_list_push_front_impl", "bpf_list_push_back_impl", kfRBTreeAdd) {
		return c.lendNode(c.cur.regs()[2].Ref)
	}
	return nil
}

// kfuncEffects is what a call of a kernel function may do.
func (c *Checker) kfuncEffects(ins isa.Instruction) callEffects {
	k := c.kfuncOf(ins)
	if k == nil {
		return callEffects{}
	}
	return callEffects{changesPacket: k.is(kfXDPPull), mightSleep: k.flags.Has(abi.KfuncSleepable)}
}

// kfuncInlined reports functions that the kernel replaces by instructions.
func (c *Checker) kfuncInlined(ins isa.Instruction) bool {
	k := c.kfuncOf(ins)
	return k != nil && k.flags.Has(abi.KfuncFastcall)
}
