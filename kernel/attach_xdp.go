//go:build linux

package kernel

import (
	"errors"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// xdpFlags are XDP_FLAGS_*_MODE of include/uapi/linux/if_link.h.
func xdpFlags(m engine.XDPMode) uint32 {
	switch m {
	case engine.XDPGeneric:
		return unix.XDP_FLAGS_SKB_MODE
	case engine.XDPNative:
		return unix.XDP_FLAGS_DRV_MODE
	case engine.XDPOffload:
		return unix.XDP_FLAGS_HW_MODE
	}
	return 0
}

// attachXDP attaches to a device's receive path (bpf_link since Linux 5.9).
func attachXDP(p *Program, t engine.XDP) (engine.Link, error) {
	if err := wantType(p, t, ebpf.XDP); err != nil {
		return nil, err
	}
	modes := []engine.XDPMode{t.Mode}
	if t.Mode == engine.XDPAuto {
		modes = []engine.XDPMode{engine.XDPNative, engine.XDPGeneric}
	}
	var l *bpfLink
	err := onDevice(t.Device, func(index int, name string) error {
		var first error
		for _, mode := range modes {
			attr := linkPlain{linkHead: linkHead{
				target: uint32(index), attachType: uint32(ebpf.AttachXDP), flags: xdpFlags(mode),
			}}
			fd, err := createLink(p, &attr, &attr.linkHead)
			if err == nil {
				t.Mode, t.Device.Name = mode, name
				l = newLink(t, fd, false)
				return nil
			}
			if first == nil {
				first = err
			}
			if !driverRefuses(err) {
				return err
			}
		}
		return first
	})
	if err != nil {
		return nil, attachError(p, t, err, "XDP links need Linux 5.9; native mode needs a driver that has it and an MTU that fits a page", capNetAdmin)
	}
	return l, nil
}

// driverRefuses: the driver cannot run XDP as it is set up, so the generic mode
// is worth a try. Anything else (a program there already, a missing right)
// would fail there too, or hide a mistake.
func driverRefuses(err error) bool {
	for _, no := range []error{unix.EBUSY, unix.EEXIST, unix.EPERM, unix.EACCES, unix.ENODEV, unix.EBADF, unix.ENOMEM} {
		if errors.Is(err, no) {
			return false
		}
	}
	return !errors.Is(err, engine.ErrClosed)
}
