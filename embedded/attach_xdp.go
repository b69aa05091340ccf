package embedded

import (
	"fmt"
	"syscall"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/engine"
)

// attachXDP attaches to a device's receive path: one program a device.
func (e *Engine) attachXDP(p *programCore, t engine.XDP) (*attachment, error) {
	if err := wantType(p, ebpf.XDP); err != nil {
		return nil, err
	}
	if t.Mode == engine.XDPOffload {
		return nil, notSupported("xdp offload", "there is no network card", "a card that runs XDP, and the kernel engine")
	}
	if p.info.AttachType == ebpf.AttachXDPDevMap || p.info.AttachType == ebpf.AttachXDPCPUMap {
		return nil, fmt.Errorf("it was loaded for entries of a map (%s): %w", p.info.AttachType, syscall.EINVAL)
	}
	d, err := e.devices.find(t.Device)
	if err != nil {
		return nil, err
	}
	t.Device.Name = d.cfg.Name
	if t.Mode == engine.XDPAuto {
		t.Mode = engine.XDPNative
	}
	a, err := e.newAttachment(p, t, xdpPlace{d})
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		err = errGone
	case d.xdp.Load() != nil:
		err = errBusy
	}
	if err != nil {
		_ = a.prog.Load().release() // not the last hold: the caller has one
		return nil, err
	}
	d.xdp.Store(a)
	return a, nil
}

// xdpPlace is a device's XDP hook.
type xdpPlace struct{ d *Device }

func (x xdpPlace) update(a *attachment, p *programCore) (*programCore, error) { return a.swap(p) }

func (x xdpPlace) remove(a *attachment) { x.d.xdp.CompareAndSwap(a, nil) }
