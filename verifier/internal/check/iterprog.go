package check

import (
	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/abi"
)

// iterArg is what an iterator passes to its programs, by the argument's index.
type iterArg struct {
	index int
	kind  Kind
	flags Flags
}

// iterArgs are the arguments of iterators of which more is known than their
// type (ctx_arg_info of kernel/bpf/*_iter.c, net/ and mm/; Linux 6.18). The
// first argument is struct bpf_iter_meta.
var iterArgs = map[string][]iterArg{
	"task":               {{1, BTFPtr, Trusted | MaybeNull}},
	"task_file":          {{1, BTFPtr, MaybeNull}, {3, BTFPtr, MaybeNull}},
	"task_vma":           {{1, BTFPtr, MaybeNull}, {2, BTFPtr, MaybeNull}},
	"bpf_map":            {{1, BTFPtr, Trusted | MaybeNull}},
	"bpf_map_elem":       {{2, Buf, RdOnly | MaybeNull}, {3, Buf, MaybeNull}},
	"bpf_sk_storage_map": {{2, BTFPtr, MaybeNull}, {3, Buf, MaybeNull}},
	"bpf_prog":           {{1, BTFPtr, MaybeNull}},
	"bpf_link":           {{1, BTFPtr, MaybeNull}},
	"cgroup":             {{1, BTFPtr, Trusted | MaybeNull}},
	"netlink":            {{1, BTFPtr, MaybeNull}},
	"tcp":                {{1, BTFPtr, Trusted | MaybeNull}},
	"udp":                {{1, BTFPtr, Trusted | MaybeNull}},
	"unix":               {{1, BTFPtr, MaybeNull}},
	"ipv6_route":         {{1, BTFPtr, MaybeNull}},
	"sockmap":            {{2, Buf, RdOnly | MaybeNull}, {3, BTFPtr, MaybeNull}},
	"ksym":               {{1, BTFPtr, MaybeNull}},
	"kmem_cache":         {{1, BTFPtr, MaybeNull | Untrusted}},
	"dmabuf":             {{1, BTFPtr, MaybeNull}},
}

// iteratorArgs prepares the arguments of an iterator's program.
func (c *Checker) iteratorArgs(name string) {
	k := &c.kind
	k.special = make(map[int]Reg)
	if k.proto == nil {
		return
	}
	for _, a := range iterArgs[name] {
		if a.index >= len(k.proto.Params) {
			continue
		}
		r := pointerReg(a.kind, a.flags)
		if a.kind == BTFPtr {
			p, ok := plain(k.proto.Params[a.index].Type).(*btf.Pointer)
			if !ok || !isStruct(plain(p.Target)) {
				continue
			}
			r.Obj = c.types.handle(plain(p.Target), true)
		}
		k.special[a.index] = r
	}
}

// iterHelper reports helpers that only programs of some iterators have, among
// those of their type (get_func_proto of the iterator): they take a socket as LSM
// programs pass it.
func (c *Checker) iterHelper(id abi.HelperID) bool {
	if c.prog.Type != abi.ProgTracing || c.prog.AttachType != abi.AttachTraceIter {
		return false
	}
	socket := c.prog.AttachTo == "tcp" || c.prog.AttachTo == "unix"
	return socket && (id == abi.FnSetsockopt || id == abi.FnGetsockopt)
}
