package lab

import (
	"context"
	"net"
	"net/netip"
	"os/exec"
	"time"

	"github.com/skepdev/skep/engine"
)

// A world makes hosts, switches and wires real. The topology above it calls
// one method at a time; close may come at any time and is called once.
type world interface {
	engine() engine.Engine
	newStack(name string, router bool) (netStack, error)
	newSwitch(name string) (fabric, error)
	connect(a, b plug) (wire, error)
	close() error
}

// plug is one end of a wire to be: the device dev, made at a netStack or a
// fabric.
type plug struct {
	stack netStack // one of the two
	sw    fabric
	dev   string
	mac   net.HardwareAddr
	mtu   int
}

// A fabric is a switch.
type fabric interface {
	// netns is what engine.Device.NetNS says for the switch's devices.
	netns() string
}

// A netStack is a host's TCP/IP.
type netStack interface {
	netns() string
	// addAddr gives the device an address. IPv6 addresses are ready at once.
	addAddr(dev string, p netip.Prefix) error
	// setRoutes replaces the routes of an earlier call. The neighbours are
	// known addresses of others; a stack finds them by itself too.
	setRoutes(routes []route, neighbours []neighbour) error

	dial(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error)
	listen(ctx context.Context, network string, at netip.AddrPort) (net.Listener, error)
	listenPacket(ctx context.Context, network string, at netip.AddrPort) (net.PacketConn, error)
	// icmp opens a raw socket for ICMP (ICMPv6 if v6).
	icmp(v6 bool) (icmpConn, error)

	// do runs f on a thread inside; start starts cmd inside.
	do(f func() error) error
	start(cmd *exec.Cmd) error
}

// icmpConn carries ICMP messages without their IP headers.
type icmpConn interface {
	// read returns a message and its sender. It fails after close.
	read(b []byte) (int, netip.Addr, error)
	// write sends a message; ICMPv6 checksums are filled in below.
	write(b []byte, to netip.Addr) error
	close() error
}

// A wire joins two devices. End 0 is the first plug's, 1 the second's.
type wire interface {
	device(end int) engine.Device
	stats(end int) (DeviceStats, error)
	// tap calls deliver, from one goroutine at a time, for each frame that
	// leaves an end (after its egress programs, before the other end's XDP),
	// in order of time. stop delivers what was sent before it was called,
	// then ends the tap and returns the number of frames it had to leave out.
	tap(deliver func(f tapped)) (stop func() (lost uint64, err error), err error)
	// close removes both devices. Worlds close the wires that are left.
	close() error
}

// tapped is a frame on a wire. data is borrowed.
type tapped struct {
	from int
	at   time.Time
	data []byte
	// size on the wire, if data was cut.
	size int
}
