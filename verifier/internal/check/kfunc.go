package check

import (
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
}

// callKind says how a call differs from others in the flow of control.
type callKind struct {
	sync     bool // calls back before it returns
	async    bool // arranges for a callback to run later
	iterNext bool
}

// resolveCalls finds the prototypes of kernel functions.
func (c *Checker) resolveCalls() error {
	c.calls.kfuncs = make(map[int32]*kfunc)
	for i := 0; i < len(c.insns); i += c.insns[i].Width() {
		ins := c.insns[i]
		if !ins.IsKfuncCall() || c.calls.kfuncs[ins.Imm] != nil {
			continue
		}
		c.insn = i
		name := c.prog.Kfuncs[ins.Imm]
		fn := c.types.kernelFunc(name)
		if fn == nil {
			if c.prog.WeakKfuncs[ins.Imm] {
				continue // refused where it is reached
			}
			return c.reject(RuleKfunc, ENOENT, "the kernel has no function %s to call", name)
		}
		proto, ok := fn.Type.(*btf.FuncProto)
		if !ok {
			return c.reject(RuleTypes, EINVAL, "kernel function %s has no prototype", name)
		}
		c.calls.kfuncs[ins.Imm] = &kfunc{name: name, proto: proto}
	}
	c.insn = -1
	return nil
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
	return callKind{}
}

// isThrow reports a call of bpf_throw, which does not return.
func (c *Checker) isThrow(ins isa.Instruction) bool {
	return ins.IsKfuncCall() && c.prog.Kfuncs[ins.Imm] == "bpf_throw"
}

// kfuncEffects is what a call of a kernel function may do.
func (c *Checker) kfuncEffects(isa.Instruction) callEffects { return callEffects{} }

func (c *Checker) isExceptionCallback(Func) bool { return false }

// kfuncInlined reports functions that the kernel replaces by instructions.
func (c *Checker) kfuncInlined(isa.Instruction) bool { return false }

func (c *Checker) kfuncUnderLock(isa.Instruction) bool { return false }

func (c *Checker) callKfunc(ins isa.Instruction) error {
	return c.reject(RuleNotSupported, ENOTSUPP, "calls of kernel functions are not checked yet: %s", c.prog.Kfuncs[ins.Imm])
}

func (c *Checker) iterIsActive(*State) bool { return false }

func (c *Checker) inTreeCallback() bool { return false }
