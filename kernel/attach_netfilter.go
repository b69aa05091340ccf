//go:build linux

package kernel

import (
	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/engine"
)

// attachNetfilter attaches to a netfilter hook (Linux 6.4). Two programs cannot
// share a hook and priority.
func attachNetfilter(p *Program, t engine.Netfilter) (engine.Link, error) {
	if err := wantType(p, t, ebpf.Netfilter); err != nil {
		return nil, err
	}
	attr := linkNetfilter{
		linkHead: linkHead{attachType: uint32(ebpf.AttachNetfilter)},
		protocol: t.Protocol, hook: t.Hook, priority: t.Priority,
	}
	if t.Defrag {
		attr.hookFlags = flagNetfilterIPDefrag
	}
	var fd int
	err := inNetNS(t.NetNS, func() (err error) {
		fd, err = createLink(p, &attr, &attr.linkHead)
		return err
	})
	if err != nil {
		return nil, attachError(p, t, err, "netfilter programs need Linux 6.4 with CONFIG_NETFILTER_BPF_LINK; protocol 2 or 10, hook 0 to 4, a priority between the reserved ends, defragmentation built in and running before it", capNetAdmin)
	}
	return newLink(t, fd, true), nil
}
