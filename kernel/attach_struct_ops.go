//go:build linux

package kernel

import (
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// attachStructOps registers a struct_ops map with its subsystem through a link
// (Linux 6.4). Maps made without BPF_F_LINK (section .struct_ops instead of
// .struct_ops.link) are registered by loading them and have no link.
func attachStructOps(t engine.StructOps) (engine.Link, error) {
	m, err := asMap(t.Map)
	if err != nil {
		return nil, fmt.Errorf("attach struct_ops: %w", err)
	}
	if m.info.Type != ebpf.StructOpsMap {
		return nil, fmt.Errorf("attach %s: it is a map of type %s: %w", t, m.info.Type, unix.EINVAL)
	}
	if m.info.Flags&flagLink == 0 {
		return nil, notSupported("link to "+t.String(), "the map was made without BPF_F_LINK and is registered since it was loaded",
			"put it into section .struct_ops.link", nil)
	}
	attr := linkPlain{linkHead: linkHead{attachType: uint32(ebpf.AttachStructOps)}}
	var fd int
	err = m.withFD("attach", func(mapFD int) (err error) {
		attr.program = uint32(mapFD)
		fd, err = bpfCall(cmdLinkCreate, &attr)
		return err
	})
	switch {
	case err == nil:
		return newLink(t, fd, true), nil
	case isPermission(err):
		return nil, permission("attach "+t.String(), err, capBPF, capPerfmon)
	}
	return nil, fmt.Errorf("attach %s: %w", t, err)
}
