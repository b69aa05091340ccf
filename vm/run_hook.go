package vm

import (
	"fmt"
	"runtime"
	"syscall"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/packet"
)

// isHook says whether a type's context is a structure of the UAPI, maybe with
// bytes beside it.
func isHook(t abi.ProgramType) bool {
	switch t {
	case abi.ProgCgroupSockAddr, abi.ProgCgroupSock, abi.ProgSockOps, abi.ProgCgroupSockopt, abi.ProgCgroupSysctl,
		abi.ProgCgroupDevice, abi.ProgSkLookup, abi.ProgSkMsg, abi.ProgSkReuseport, abi.ProgFlowDissector:
		return true
	}
	return false
}

// RunHook runs a program at a socket or cgroup: of type cgroup_sock_addr,
// cgroup_sock, cgroup_sockopt, cgroup_sysctl, cgroup_device, sock_ops, sk_lookup,
// sk_msg or sk_reuseport. ctx is the context of its type and attach type as user
// space sees it (struct bpf_sock_addr, …), in host byte order; pointers in it are
// not looked at. data is what it points to, if that is bytes: the message, the
// packet, the option's value. Both are changed in place. Contexts have no
// sockets: programs find NULL where the kernel would give one.
func (p *Program) RunHook(ctx, data []byte) (Verdict, error) {
	layout := abi.ContextOf(p.spec.Type, p.spec.AttachType, runtime.GOARCH)
	switch {
	case !isHook(p.spec.Type) || layout == nil || p.spec.Type == abi.ProgFlowDissector:
		return Verdict{}, fmt.Errorf("run program %s: a %s program does not run at a socket or cgroup", p.spec.Name, p.spec.Type)
	case len(ctx) != int(layout.Size):
		return Verdict{}, fmt.Errorf("run program %s: context of %d bytes; struct %s has %d: %w", p.spec.Name, len(ctx), layout.Name, layout.Size, syscall.EINVAL)
	}
	pk, err := p.m.NewPacket(data)
	if err != nil {
		return Verdict{}, err
	}
	defer pk.Release()
	c, err := p.begin()
	if err != nil {
		return Verdict{}, err
	}
	defer c.release()
	c.hook = packet.Structure{Layout: layout, Mem: ctx, Data: pk.b.DataPtr(), End: pk.b.EndPtr()}
	c.t.SetPacket(pk.b, &c.hook)
	if p.spec.Type == abi.ProgSkLookup {
		c.t.SetPacket(pk.b, (*skLookup)(&c.hook))
	}
	c.t.Retval = 0
	v, err := c.verdict(p)
	c.hook = packet.Structure{}
	if err != nil {
		return Verdict{}, err
	}
	v.Retval = c.t.Retval
	copy(data, pk.b.Bytes())
	return v, nil
}
