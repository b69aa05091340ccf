//go:build linux

package kernel

import (
	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/engine"
)

// attachNetkit attaches to a netkit device (Linux 6.7).
func attachNetkit(p *Program, t engine.Netkit) (engine.Link, error) {
	if err := wantType(p, t, ebpf.SchedCLS); err != nil {
		return nil, err
	}
	if replacesLink(t.Anchor) {
		return nil, errReplace(t)
	}
	attach := ebpf.AttachNetkitPrimary
	if t.Peer {
		attach = ebpf.AttachNetkitPeer
	}
	var l *bpfLink
	err := onDevice(t.Device, func(index int, name string) error {
		fd, err := orderedLink(p, uint32(index), attach, t.Anchor)
		if err == nil {
			t.Device.Name = name
			l = newLink(t, fd, false)
		}
		return err
	})
	if err != nil {
		return nil, attachError(p, t, err, "the device must be the primary one of a netkit pair, which Linux 6.7 brought, and the program loaded with the netkit attach type or none", capNetAdmin)
	}
	return l, nil
}
