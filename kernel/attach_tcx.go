//go:build linux

package kernel

import (
	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// attachTCX attaches to a device's tc hook: a tcx link where the kernel has
// them (6.6), a clsact filter elsewhere or where the target asks for it.
func (e *Engine) attachTCX(p *Program, t engine.TCX) (engine.Link, error) {
	if err := wantType(p, t, ebpf.SchedCLS); err != nil {
		return nil, err
	}
	if t.Clsact {
		return e.attachClsact(p, t)
	}
	if replacesLink(t.Anchor) {
		return nil, errReplace(t)
	}
	attach := ebpf.AttachTCXIngress
	if t.Egress {
		attach = ebpf.AttachTCXEgress
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
	if err == nil {
		return l, nil
	}
	if isInvalid(err) && !hasTCX() {
		if t.Anchor != (engine.Anchor{}) {
			return nil, notSupported("ordering at "+t.String(), "this kernel has no tcx links", "Linux 6.6 brought them", err)
		}
		return e.attachClsact(p, t)
	}
	return nil, attachError(p, t, err, "", capNetAdmin)
}

// orderedLink makes a link at a hook that keeps its programs in order.
func orderedLink(p *Program, target uint32, attach ebpf.AttachType, a engine.Anchor) (fd int, err error) {
	err = withAnchor(a, func(flags, relative uint32) error {
		attr := linkOrdered{
			linkHead: linkHead{target: target, attachType: uint32(attach), flags: flags},
			relative: relative,
		}
		var err error
		fd, err = createLink(p, &attr, &attr.linkHead)
		return err
	})
	return fd, err
}

// hasTCX asks for the programs of a device that does not exist: kernels with
// tcx look for the device, others do not know the attach type.
func hasTCX() bool {
	attr := progQueryAttr{target: ^uint32(0) >> 1, attachType: uint32(ebpf.AttachTCXIngress)}
	_, err := bpfCall(cmdProgQuery, &attr)
	return err != unix.EINVAL
}
