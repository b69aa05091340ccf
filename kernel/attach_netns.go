//go:build linux

package kernel

import (
	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/engine"
)

// attachSkLookup attaches to a network namespace's socket lookup (Linux 5.9).
func attachSkLookup(p *Program, t engine.SkLookup) (engine.Link, error) {
	if err := wantType(p, t, ebpf.SkLookup); err != nil {
		return nil, err
	}
	return netNSLink(p, t, t.NetNS, ebpf.AttachSkLookup)
}

// attachFlowDissector attaches to a network namespace's flow dissector, which
// has room for one program (links since Linux 5.7).
func attachFlowDissector(p *Program, t engine.FlowDissector) (engine.Link, error) {
	if err := wantType(p, t, ebpf.FlowDissector); err != nil {
		return nil, err
	}
	return netNSLink(p, t, t.NetNS, ebpf.AttachFlowDissector)
}

func netNSLink(p *Program, t engine.Target, ns string, attach ebpf.AttachType) (engine.Link, error) {
	f, err := openNetNS(ns)
	if err != nil {
		return nil, attachError(p, t, err, "", capSysAdmin)
	}
	defer f.Close()
	attr := linkPlain{linkHead: linkHead{target: uint32(f.Fd()), attachType: uint32(attach)}}
	fd, err := createLink(p, &attr, &attr.linkHead)
	if err != nil {
		return nil, attachError(p, t, err, "links to network namespaces need Linux 5.7, for socket lookup 5.9", capNetAdmin)
	}
	return newLink(t, fd, false), nil
}
