package embedded

import "github.com/skepdev/skep/vm"

// Transmit takes a frame from the host's stack: through tc egress to Send. The
// frame is borrowed during the call and not changed.
func (d *Device) Transmit(frame []byte) {
	if !d.enter() {
		return
	}
	defer d.exit()
	d.stats.fromAbove.Add(1)
	if len(frame) < minFrame {
		d.drop(DropTooShort)
		return
	}
	if len(d.egress.list()) == 0 {
		d.send(frame)
		return
	}
	j := d.newJob(frame)
	if j == nil {
		return
	}
	defer j.done()
	d.runEgress(j)
}

// runEgress runs tc egress on a packet that leaves here, and sends it.
func (d *Device) runEgress(j *job) {
	j.skb.IfIndex, j.skb.Ingress = uint32(d.cfg.Index), false
	if !d.runChain(&d.egress, j, DropEgress) || !d.pushVLAN(j) {
		return
	}
	d.send(j.pk.Data())
}

func (d *Device) send(frame []byte) {
	if d.cfg.Send == nil {
		d.drop(DropNowhere)
		return
	}
	d.stats.txFrames.Add(1)
	d.stats.txBytes.Add(uint64(len(frame)))
	d.cfg.Send(frame)
}

// fits says whether a frame may be forwarded through the device: its payload,
// and a VLAN tag besides, must fit the MTU.
func (d *Device) fits(frame []byte) bool {
	const vlanTag = 4
	if d.cfg.MTU == 0 {
		return len(frame) <= vm.MaxPacket
	}
	return len(frame) <= d.cfg.MTU+minFrame+vlanTag
}
