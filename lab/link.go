package lab

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/skepdev/skep/engine"
)

// Link is a cable between two devices: end 0 at the first argument of
// [Lab.Connect], end 1 at the second. An endpoint's first link has the
// endpoint at end 0.
type Link struct {
	lab  *Lab
	wire wire
	ends [2]*port
	net  network // of a link between two endpoints
	mtu  int
}

// Name is "a-b", from the names of what it joins.
func (k *Link) Name() string { return k.ends[0].owner() + "-" + k.ends[1].owner() }

// Device is the device at an end, 0 or 1, as engine targets take it.
func (k *Link) Device(end int) engine.Device { return k.wire.device(end) }

// MTU of the link in bytes, without the Ethernet header.
func (k *Link) MTU() int { return k.mtu }

// Stats are the counters of the device at an end, 0 or 1.
func (k *Link) Stats(end int) (DeviceStats, error) {
	s, err := k.wire.stats(end)
	if err != nil {
		return s, fmt.Errorf("read counters of %s: %w", k.Device(end), err)
	}
	return s, nil
}

// DeviceStats count what one device did since it was made. Bytes include
// Ethernet headers in both worlds.
type DeviceStats struct {
	// Sent frames left the device after its egress programs; Received frames
	// came from the wire, before XDP. In the kernel world a frame that an XDP
	// program drops or redirects may be missing from Received.
	SentPackets, SentBytes         uint64
	ReceivedPackets, ReceivedBytes uint64
	// Dropped frames found a queue full, or were not frames.
	Dropped uint64
}

// port is a link's end at a host or switch.
type port struct {
	host *Host
	sw   *Switch
	link *Link
	end  int
	name string
	mac  net.HardwareAddr
	// addrs of the host on this device, with the network that is directly
	// reachable; linkLocal is its fe80:: address.
	addrs     []netip.Prefix
	linkLocal netip.Addr
}

func (p *port) device() engine.Device { return p.link.Device(p.end) }

func (p *port) peer() *port { return p.link.ends[1-p.end] }

func (p *port) owner() string {
	if p.host != nil {
		return p.host.name
	}
	return p.sw.name
}
