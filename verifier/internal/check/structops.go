package check

import (
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/abi"
)

// attachStructOps takes the prototype of the operation that the program
// implements (check_struct_ops_btf_id).
func (c *Checker) attachStructOps() error {
	if !gplCompatible(c.prog.License) {
		return c.reject(RuleAttach, EINVAL, "struct ops programs must have a GPL compatible license")
	}
	ops, member, ok := strings.Cut(c.prog.AttachTo, ":")
	switch {
	case !ok:
		return c.reject(RuleAttach, ENOTSUPP, "the program is no member of an operations struct: put it into a variable in SEC(\".struct_ops.link\")")
	case c.types.kernel == nil:
		return nil // nothing is known of its arguments
	}
	ops = flavorless(ops)
	if c.types.kernelStruct("bpf_struct_ops_"+ops) == 0 {
		return c.reject(RuleNotSupported, ENOTSUPP, "the kernel has no operations struct %s for programs to implement", ops)
	}
	mem, _, _ := members(c.types.at(c.types.kernelStruct(ops)).t)
	for i := range mem {
		if mem[i].Name != member {
			continue
		}
		p, ok := plain(mem[i].Type).(*btf.Pointer)
		var proto *btf.FuncProto
		if ok {
			proto, ok = plain(p.Target).(*btf.FuncProto)
		}
		switch {
		case !ok:
			return c.reject(RuleAttach, EINVAL, "attach to invalid member %s(@idx %d) of struct %s", member, i, ops)
		case c.unsupportedMember(ops, member):
			return c.reject(RuleAttach, ENOTSUPP, "attach to unsupported member %s of struct %s", member, ops)
		}
		c.kind.proto = proto
		c.structOpsArgs(ops, member, proto)
		return nil
	}
	return c.reject(RuleAttach, EINVAL, "struct %s has no member %s to attach to", ops, member)
}

// unsupportedMember reports operations that the kernel does not call programs
// for, or not these (cfi_stubs and check_member of each structure).
func (c *Checker) unsupportedMember(ops, member string) bool {
	sleeps := c.prog.Flags&flagSleepable != 0
	switch ops {
	case "tcp_congestion_ops":
		return member == "get_info"
	case "bpf_dummy_ops":
		return sleeps && member != "test_sleepable"
	}
	return false
}

// structOpsArgs finds arguments that may be NULL: the stub function of an
// operation names them so (prepare_arg_info).
func (c *Checker) structOpsArgs(ops, member string, proto *btf.FuncProto) {
	c.kind.special = make(map[int]Reg)
	var stub *btf.FuncProto
	if fn := c.types.kernelFunc(ops + "__" + member); fn != nil {
		stub, _ = fn.Type.(*btf.FuncProto)
	}
	for i := range proto.Params {
		p, ok := plain(proto.Params[i].Type).(*btf.Pointer)
		if !ok || !isStruct(plain(p.Target)) {
			continue
		}
		r := pointerReg(BTFPtr, Trusted)
		r.Obj = c.types.handle(plain(p.Target), true)
		if ops == "tcp_congestion_ops" && plain(p.Target).TypeName() == "sock" {
			// Congestion control only sees TCP's.
			r.Obj = c.types.kernelStruct("tcp_sock")
		}
		if stub != nil && i < len(stub.Params) && hasSuffix(stub.Params[i].Name, "__nullable") {
			r.Flags |= MaybeNull
		}
		c.kind.special[i] = r
	}
}

// structOpsReturn checks operations that return a pointer: NULL, or a referenced
// object of the right type as it was given. done is false for others.
func (c *Checker) structOpsReturn() (done bool, err error) {
	if c.kind.proto == nil || c.cur.Frames[0].InException {
		return false, nil
	}
	p, ok := plain(c.kind.proto.Return).(*btf.Pointer)
	if !ok {
		return false, nil
	}
	if err := c.readReg(0); err != nil {
		return true, err
	}
	r := &c.cur.regs()[0]
	if r.Kind == BTFPtr && r.Ref != 0 && r.Obj == c.types.handle(plain(p.Target), true) {
		return true, c.ptrOffset(r, 0, false)
	}
	return true, c.enforceReturn(0, r, retRange{0, 0}, "At program exit", false)
}

// returnsObject reports a reference that the program hands to the kernel as its
// result.
func (c *Checker) returnsObject(ref uint32) bool {
	return c.prog.Type == abi.ProgStructOps && c.cur.regs()[0].Ref == ref
}
