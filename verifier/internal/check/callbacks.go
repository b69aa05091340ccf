package check

import "github.com/skepdev/skep/abi"

// What callbacks find in their registers (set_*_callback_state).

var zeroOrOne = retRange{0, 1}

func (c *Checker) mapElemCallback(h *helperCall) calleeSetup {
	return func(caller, callee *Frame) error {
		if !iterable(h.m.Type) {
			return c.reject(RuleCallback, ENOTSUPP, "callback function not allowed for map")
		}
		callee.Regs[1] = caller.Regs[1]
		c.elemRegs(callee, h.mapIndex, h.mapUID)
		callee.Regs[4] = caller.Regs[3]
		callee.Ret = zeroOrOne
		return nil
	}
}

func iterable(t abi.MapType) bool {
	switch t {
	case abi.MapHash, abi.MapArray, abi.MapPerCPUHash, abi.MapPerCPUArray, abi.MapLRUHash, abi.MapLRUPerCPUHash:
		return true
	}
	return false
}

// elemRegs are R2 and R3: an element's key and value.
func (c *Checker) elemRegs(callee *Frame, m uint32, uid int32) {
	k, v := pointerReg(MapKey, 0), pointerReg(MapValue, 0)
	k.Obj, k.Aux = m, uid
	v.Obj, v.Aux = m, uid
	callee.Regs[2], callee.Regs[3] = k, v
}

func (c *Checker) loopCallback(caller, callee *Frame) error {
	callee.Regs[1] = unknownReg()
	callee.Regs[2] = caller.Regs[3]
	callee.Ret = zeroOrOne
	return nil
}

func (c *Checker) timerCallback(caller, callee *Frame) error {
	r := &caller.Regs[1]
	m := pointerReg(ConstMap, 0)
	m.Obj, m.Aux = r.Obj, r.Aux
	callee.Regs[1] = m
	c.elemRegs(callee, r.Obj, r.Aux)
	return nil
}

func (c *Checker) findVMACallback(caller, callee *Frame) error {
	callee.Regs[1] = caller.Regs[1]
	h := c.types.kernelStruct("vm_area_struct")
	if h == 0 {
		return c.reject(RuleTypes, EINVAL, "the kernel's types are needed for helper bpf_find_vma: struct vm_area_struct is not among them")
	}
	callee.Regs[2] = pointerReg(BTFPtr, 0)
	callee.Regs[2].Obj = h
	callee.Regs[3] = caller.Regs[4]
	callee.Ret = zeroOrOne
	return nil
}

func (c *Checker) userRingbufCallback(caller, callee *Frame) error {
	callee.Regs[1] = c.constDynptr(dynptrLocal)
	callee.Regs[2] = caller.Regs[3]
	callee.Ret = zeroOrOne
	return nil
}
