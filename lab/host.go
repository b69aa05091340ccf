package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"

	"github.com/skepdev/skep/engine"
)

// Host is what nodes and endpoints have in common: a TCP/IP stack of their own
// in which ordinary Go code dials and listens.
//
// Addresses are "host:port" with an IP address or the name of a host of the
// lab ("server:80"), and a port number. Connections and listeners are closed
// with the lab at the latest.
type Host struct {
	lab    *Lab
	name   string
	router bool
	stack  netStack
	// own is a node's network; its first address is the node's own.
	own network
	// ports are guarded by lab.mu.
	ports []*port
	ping  [2]pinger // IPv4, IPv6
}

// Name is the host's name in the lab.
func (h *Host) Name() string { return h.name }

// Addrs are the host's addresses: IPv4 first, in the order they were given.
// A node has its own addresses even before it is linked.
func (h *Host) Addrs() []netip.Addr {
	h.lab.mu.Lock()
	defer h.lab.mu.Unlock()
	return h.addrs()
}

// Addr4 is the host's first IPv4 address, or the zero Addr.
func (h *Host) Addr4() netip.Addr { return firstOf(h.Addrs(), netip.Addr.Is4) }

// Addr6 is the host's first IPv6 address, or the zero Addr.
func (h *Host) Addr6() netip.Addr { return firstOf(h.Addrs(), netip.Addr.Is6) }

// Devices are the host's ends of its links, in the order they were connected.
func (h *Host) Devices() []engine.Device {
	h.lab.mu.Lock()
	defer h.lab.mu.Unlock()
	var out []engine.Device
	for _, p := range h.ports {
		out = append(out, p.device())
	}
	return out
}

// NetNS is the host's network namespace as engine targets want it: a path in
// the kernel world, valid while the lab is open; the host's name in the
// embedded world.
func (h *Host) NetNS() string { return h.stack.netns() }

// DialContext connects to addr over network: tcp, tcp4, tcp6, udp, udp4, udp6.
// It has the form that net/http's Transport takes. The connection carries
// deadlines; it is a TCP or UDP connection of the world's stack and not always
// a *net.TCPConn.
func (h *Host) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	to, err := h.lab.resolve(network, addr, false)
	if err != nil {
		return nil, fmt.Errorf("dial %s %s from %s: %w", network, addr, h.name, err)
	}
	ctx, cancel := h.lab.join(ctx)
	defer cancel()
	c, err := h.stack.dial(ctx, network, to)
	if err != nil {
		return nil, fmt.Errorf("dial %s %s from %s: %w", network, addr, h.name, h.lab.cause(err))
	}
	return h.lab.trackConn(c)
}

// Listen listens for TCP connections: tcp, tcp4 or tcp6. An address without
// host (":80") means every address of the host, and with "tcp" both families;
// port 0 picks one.
func (h *Host) Listen(ctx context.Context, network, addr string) (net.Listener, error) {
	at, err := h.lab.resolve(network, addr, true)
	if err != nil {
		return nil, fmt.Errorf("listen on %s %s at %s: %w", network, addr, h.name, err)
	}
	ctx, cancel := h.lab.join(ctx)
	defer cancel()
	ln, err := h.stack.listen(ctx, network, at)
	if err != nil {
		return nil, fmt.Errorf("listen on %s %s at %s: %w", network, addr, h.name, h.lab.cause(err))
	}
	return h.lab.trackListener(ln)
}

// ListenPacket opens an unconnected UDP socket: udp, udp4 or udp6.
func (h *Host) ListenPacket(ctx context.Context, network, addr string) (net.PacketConn, error) {
	at, err := h.lab.resolve(network, addr, true)
	if err != nil {
		return nil, fmt.Errorf("listen on %s %s at %s: %w", network, addr, h.name, err)
	}
	ctx, cancel := h.lab.join(ctx)
	defer cancel()
	c, err := h.stack.listenPacket(ctx, network, at)
	if err != nil {
		return nil, fmt.Errorf("listen on %s %s at %s: %w", network, addr, h.name, h.lab.cause(err))
	}
	return h.lab.trackPacketConn(c)
}

// Exec runs a command inside the host and waits for it, like cmd.Run. It needs
// the kernel world; elsewhere the error is a [engine.NotSupportedError].
//
// The command and what it starts share this process's files and mounts, not
// its network. What still runs when the lab closes is killed; the command
// itself dies with this process too.
func (h *Host) Exec(cmd *exec.Cmd) error {
	if err := h.Start(cmd); err != nil {
		return err
	}
	return cmd.Wait()
}

// Start starts a command inside the host, like cmd.Start; the caller calls
// cmd.Wait. See [Host.Exec].
func (h *Host) Start(cmd *exec.Cmd) error {
	if h.lab.ctx.Err() != nil {
		return errClosed("start "+cmd.Path, "in "+h.name)
	}
	if err := h.stack.start(cmd); err != nil {
		return fmt.Errorf("start %s in %s: %w", cmd.Path, h.name, err)
	}
	return nil
}

// Do runs f on an operating system thread that is inside the host's network
// namespace, and waits. Sockets that f makes belong to the host for as long as
// they live; goroutines that f starts run outside. It needs the kernel world;
// elsewhere the error is a [engine.NotSupportedError]. f must not unlock the
// thread.
func (h *Host) Do(f func() error) error {
	if h.lab.ctx.Err() != nil {
		return errClosed("run a function", "in "+h.name)
	}
	return h.stack.do(f)
}

// Node is a router: a host that forwards between its links. Endpoints linked
// to it reach each other, and other nodes, through it.
type Node struct{ *Host }

// Endpoint is a host on a link to a node or switch.
type Endpoint struct {
	*Host
	link *Link
}

// Device is the inside end of the endpoint's first link.
func (e *Endpoint) Device() engine.Device { return e.link.Device(0) }

// HostDevice is the other end of the endpoint's first link, at its node or
// switch. Programs attached there see every packet of the endpoint: what it
// sends on ingress (XDP and tc), what it receives on egress (tc).
func (e *Endpoint) HostDevice() engine.Device { return e.link.Device(1) }

// Link is the endpoint's first link.
func (e *Endpoint) Link() *Link { return e.link }

// Switch is a learning Ethernet switch. It has no addresses.
type Switch struct {
	lab    *Lab
	name   string
	fabric fabric
	net    network
	// ports are guarded by lab.mu.
	ports []*port
}

// Name is the switch's name in the lab.
func (s *Switch) Name() string { return s.name }

// Attachment is what a link can end at: a *[Node], *[Endpoint] or *[Switch].
type Attachment interface {
	Name() string
	attachment() (*Host, *Switch)
}

func (n *Node) attachment() (*Host, *Switch) {
	if n == nil {
		return nil, nil
	}
	return n.Host, nil
}

func (e *Endpoint) attachment() (*Host, *Switch) {
	if e == nil {
		return nil, nil
	}
	return e.Host, nil
}
func (s *Switch) attachment() (*Host, *Switch) { return nil, s }
