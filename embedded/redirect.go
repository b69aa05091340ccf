package embedded

import (
	"encoding/binary"
	"net/netip"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm"
)

// target finds another device for a packet of d and keeps it: the caller calls
// exit. Nil means that the packet was dropped.
func (d *Device) target(j *job, ifindex uint32) *Device {
	to := d.e.devices.at(d.cfg.NetNS, ifindex)
	return d.toward(j, to)
}

func (d *Device) toward(j *job, to *Device) *Device {
	if to == nil || !to.enter() {
		d.drop(DropRedirect)
		return nil
	}
	if j.hops++; j.hops > maxHops {
		to.exit()
		d.drop(DropLoop)
		return nil
	}
	if !to.fits(j.pk.Data()) {
		to.exit()
		d.drop(DropTooLong)
		return nil
	}
	d.stats.redirected.Add(1)
	return to
}

// redirect carries out TCX_REDIRECT (skb_do_redirect in net/core/filter.c).
func (d *Device) redirect(j *job, r *vm.Redirect) {
	switch r.Kind {
	case vm.RedirectDevice:
		d.redirectSKB(j, r.IfIndex, r.Flags)
	case vm.RedirectPeer:
		d.redirectPeer(j, r.IfIndex)
	case vm.RedirectNeigh:
		d.redirectNeigh(j, r)
	default:
		d.drop(DropRedirect)
	}
}

// redirectSKB takes the packet to another device's receive path, past its XDP,
// or to its sending side.
func (d *Device) redirectSKB(j *job, ifindex uint32, flags uint64) {
	to := d.target(j, ifindex)
	if to == nil {
		return
	}
	defer to.exit()
	if flags&abi.FlagIngress != 0 {
		j.pk.ClearTunnel() // skb_scrub_packet
		to.runIngress(j)
		return
	}
	to.runEgress(j)
}

// redirectPeer takes the packet to the other end of a device's wire at once.
// As in Linux it must have been received.
func (d *Device) redirectPeer(j *job, ifindex uint32) {
	via := d.e.devices.at(d.cfg.NetNS, ifindex)
	if via == nil || !j.skb.Ingress {
		d.drop(DropRedirect)
		return
	}
	to := d.toward(j, via.peer.Load())
	if to == nil {
		return
	}
	defer to.exit()
	j.pk.ClearTunnel()
	to.runIngress(j)
}

// redirectNeigh fills in the link-layer header for the next hop and sends.
func (d *Device) redirectNeigh(j *job, r *vm.Redirect) {
	next, ok := nextHop(r, j.pk.Data())
	if !ok || d.e.cfg.Neighbor == nil {
		d.drop(DropRedirect)
		return
	}
	to := d.target(j, r.IfIndex)
	if to == nil {
		return
	}
	defer to.exit()
	mac, ok := d.e.cfg.Neighbor(to, next)
	frame := j.pk.Data()
	if !ok || len(mac) != 6 || len(frame) < minFrame {
		d.drop(DropRedirect)
		return
	}
	copy(frame, mac)
	if len(to.cfg.HardwareAddr) == 6 {
		copy(frame[6:], to.cfg.HardwareAddr)
	}
	j.pk.ClearTunnel() // the route takes its place
	to.runEgress(j)
}

// nextHop is what the program named, or the packet's own destination.
func nextHop(r *vm.Redirect, frame []byte) (netip.Addr, bool) {
	const (
		inet, inet6      = 2, 10
		ip4Dst, ip6Dst   = minFrame + 16, minFrame + 24
		ethIPv4, ethIPv6 = 0x0800, 0x86dd
	)
	switch r.NextHopFamily {
	case inet:
		return netip.AddrFrom4([4]byte(r.NextHop[:4])), true
	case inet6:
		return netip.AddrFrom16(r.NextHop), true
	}
	if len(frame) < minFrame {
		return netip.Addr{}, false
	}
	switch binary.BigEndian.Uint16(frame[12:]) {
	case ethIPv4:
		if len(frame) >= ip4Dst+4 {
			return netip.AddrFrom4([4]byte(frame[ip4Dst : ip4Dst+4])), true
		}
	case ethIPv6:
		if len(frame) >= ip6Dst+16 {
			return netip.AddrFrom16([16]byte(frame[ip6Dst : ip6Dst+16])), true
		}
	}
	return netip.Addr{}, false
}

// sendClone sends what bpf_clone_redirect copied.
func (d *Device) sendClone(j *job, c *vm.Clone) {
	cj := d.e.jobWith(c.Packet)
	defer cj.done()
	if j.first.copies++; j.first.copies > maxCopies {
		d.drop(DropLoop)
		return
	}
	cj.skb, cj.hops, cj.first = j.skb, j.hops, j.first
	d.redirectSKB(cj, c.IfIndex, c.Flags)
}

// redirectXDP carries out XDP_REDIRECT, and tells whether the packet goes on up
// the stack here, on another CPU.
func (d *Device) redirectXDP(j *job, r *vm.Redirect) bool {
	switch {
	case r.Kind == vm.RedirectDevice:
		d.forward(j, r.IfIndex)
	case r.Kind != vm.RedirectMap || r.Map == nil:
		d.drop(DropRedirect)
	case r.Map.Spec().Type == abi.MapCPUMap:
		return true
	case r.Flags&abi.FlagBroadcast != 0:
		d.broadcast(j, r)
	default:
		d.forward(j, uint32(r.Value))
	}
	return false
}

// forward sends a packet through another device, past its tc hook.
func (d *Device) forward(j *job, ifindex uint32) {
	to := d.target(j, ifindex)
	if to == nil {
		return
	}
	defer to.exit()
	to.send(j.pk.Data())
}

// broadcast sends a packet through every device of a map.
func (d *Device) broadcast(j *job, r *vm.Redirect) {
	spec := r.Map.Spec()
	var from []byte
	hops, sent := j.hops, false
	for range spec.MaxEntries {
		if r.Map.NextKey(from, j.value[:4]) != nil {
			break
		}
		copy(j.key[:4], j.value[:4])
		from = j.key[:4]
		if r.Map.Lookup(from, j.value[:spec.ValueSize], 0) != nil {
			continue
		}
		ifindex := binary.NativeEndian.Uint32(j.value[:])
		if ifindex == 0 || r.Flags&abi.FlagExcludeIngress != 0 && ifindex == uint32(d.cfg.Index) {
			continue
		}
		j.hops, sent = hops, true
		d.forward(j, ifindex)
	}
	if !sent {
		d.drop(DropRedirect)
	}
}
