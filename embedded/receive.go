package embedded

import (
	"time"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm"
)

// Receive takes a frame from the wire: through XDP and tc ingress up to
// Deliver. XDP_TX returns it to Send, a redirect takes it to another device.
// The frame is borrowed during the call and not changed.
func (d *Device) Receive(frame []byte) {
	if !d.enter() {
		return
	}
	defer d.exit()
	d.stats.rxFrames.Add(1)
	d.stats.rxBytes.Add(uint64(len(frame)))
	if len(frame) < minFrame {
		d.drop(DropTooShort)
		return
	}
	if d.xdp.Load() == nil && len(d.ingress.list()) == 0 {
		d.deliver(frame)
		return
	}
	j := d.newJob(frame)
	if j == nil {
		return
	}
	defer j.done()
	if d.runXDP(j) {
		d.runIngress(j)
	}
}

func (d *Device) deliver(frame []byte) {
	if d.cfg.Deliver == nil {
		d.drop(DropNowhere)
		return
	}
	d.stats.delivered.Add(1)
	d.cfg.Deliver(frame)
}

// runXDP tells whether the packet goes on to tc ingress.
func (d *Device) runXDP(j *job) bool {
	a := d.xdp.Load()
	if a == nil {
		return true
	}
	p := a.running()
	if p == nil {
		return true
	}
	// Held until the verdict is carried out: it may refer to the program's maps.
	defer p.vm.Release()
	j.xdp = vm.XDPMeta{IngressIfIndex: uint32(d.cfg.Index)}
	start := time.Now()
	v, err := p.vm.RunXDP(j.pk, &j.xdp)
	p.count(start)
	if err != nil {
		d.fault(p, err)
		return false
	}
	switch v.Return {
	case abi.XDPPass:
		if len(j.pk.Data()) < minFrame {
			d.drop(DropTooShort)
			return false
		}
		return true
	case abi.XDPDrop:
		d.drop(DropXDP)
	case abi.XDPTx:
		d.stats.xdpTx.Add(1)
		d.send(j.pk.Data())
	case abi.XDPRedirect:
		return d.redirectXDP(j, &v.Redirect)
	default:
		d.drop(DropXDPAborted)
	}
	return false
}

// runIngress runs tc ingress on a packet that was received here, and delivers
// it.
func (d *Device) runIngress(j *job) {
	index := uint32(d.cfg.Index)
	j.skb.PktType = d.packetType(j.pk.Data())
	j.skb.IngressIfIndex, j.skb.IfIndex, j.skb.Ingress = index, index, true
	if len(d.ingress.list()) > 0 {
		if !j.skb.VLANPresent {
			// Linux takes the tag out before the hook; without a whole one
			// the packet stays as it is.
			_ = j.pk.PopVLAN(&j.skb)
		}
		if !d.runChain(&d.ingress, j, DropIngress) {
			return
		}
	}
	if !d.pushVLAN(j) {
		return
	}
	d.deliver(j.pk.Data())
}

// pushVLAN puts the tag that travels beside the packet back into it.
func (d *Device) pushVLAN(j *job) bool {
	if err := j.pk.PushVLAN(&j.skb); err != nil {
		d.drop(DropTooLong)
		return false
	}
	return true
}

// runChain runs the programs of a tc hook in order, as tcx_run and its callers
// in net/core/dev.c do, and tells whether the packet goes on.
func (d *Device) runChain(c *chain, j *job, cause Drop) bool {
	for _, a := range c.list() {
		p := a.running()
		if p == nil {
			continue
		}
		next, on := d.runTC(p, j, cause)
		p.vm.Release()
		if !next {
			return on
		}
	}
	return true
}

// runTC runs one program. next: the following program is asked as well; on: the
// packet passed.
func (d *Device) runTC(p *programCore, j *job, cause Drop) (next, on bool) {
	start := time.Now()
	v, err := p.vm.RunSKB(j.pk, &j.skb)
	p.count(start)
	for i := range v.Clones {
		d.sendClone(j, &v.Clones[i])
	}
	if err != nil {
		d.fault(p, err)
		return false, false
	}
	switch int32(v.Return) {
	case abi.TCXNext:
		return true, true
	case abi.TCXDrop:
		d.drop(cause)
		return false, false
	case abi.TCXRedirect:
		d.redirect(j, &v.Redirect)
		return false, false
	}
	// TCX_PASS, and every value that is no verdict of tcx, end the chain and
	// let the packet go on.
	return false, true
}
