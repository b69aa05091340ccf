package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

func (s *embeddedStack) dial(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error) {
	if network[:3] == "udp" {
		family := "udp6"
		if to.Addr().Is4() {
			family = "udp4"
		}
		c, err := s.openUDP(family, netip.AddrPort{})
		if err != nil {
			return nil, err
		}
		if err := c.ep.Connect(fullAddr(to)); err != nil {
			c.Close()
			return nil, stackError(err)
		}
		return c, nil
	}
	var wq waiter.Queue
	ep, err := s.stack.NewEndpoint(tcp.ProtocolNumber, protocolOf(to.Addr()), &wq)
	if err != nil {
		return nil, stackError(err)
	}
	entry, ready := waiter.NewChannelEntry(waiter.WritableEvents | waiter.EventErr | waiter.EventHUp)
	wq.EventRegister(&entry)
	defer wq.EventUnregister(&entry)
	err = ep.Connect(fullAddr(to))
	if _, started := err.(*tcpip.ErrConnectStarted); started {
		select {
		case <-ctx.Done():
			ep.Abort()
			return nil, context.Cause(ctx)
		case <-ready:
		}
		err = ep.LastError()
	}
	if err != nil {
		ep.Close()
		return nil, stackError(err)
	}
	return gonet.NewTCPConn(&wq, ep), nil
}

func (s *embeddedStack) listen(_ context.Context, network string, at netip.AddrPort) (net.Listener, error) {
	var wq waiter.Queue
	ep, err := s.bind(tcp.ProtocolNumber, network, at, &wq)
	if err != nil {
		return nil, err
	}
	if err := ep.Listen(4096); err != nil {
		ep.Close()
		return nil, stackError(err)
	}
	return gonet.NewTCPListener(s.stack, &wq, ep), nil
}

func (s *embeddedStack) listenPacket(_ context.Context, network string, at netip.AddrPort) (net.PacketConn, error) {
	return s.openUDP(network, at)
}

func (s *embeddedStack) openUDP(network string, at netip.AddrPort) (*embeddedUDP, error) {
	var wq waiter.Queue
	ep, err := s.bind(udp.ProtocolNumber, network, at, &wq)
	if err != nil {
		return nil, err
	}
	return &embeddedUDP{gonet.NewUDPConn(&wq, ep), ep}, nil
}

// bind opens an endpoint at an address; without one it serves both families
// unless network says otherwise.
func (s *embeddedStack) bind(transport tcpip.TransportProtocolNumber, network string, at netip.AddrPort, wq *waiter.Queue) (tcpip.Endpoint, error) {
	proto := ipv6.ProtocolNumber
	if network[3:] == "4" || at.Addr().Is4() {
		proto = ipv4.ProtocolNumber
	}
	ep, err := s.stack.NewEndpoint(transport, proto, wq)
	if err != nil {
		return nil, stackError(err)
	}
	if network[3:] == "6" {
		ep.SocketOptions().SetV6Only(true)
	}
	if transport == tcp.ProtocolNumber {
		ep.SocketOptions().SetReuseAddress(true)
	}
	if err := ep.Bind(fullAddr(at)); err != nil {
		ep.Close()
		return nil, stackError(err)
	}
	return ep, nil
}

func fullAddr(a netip.AddrPort) tcpip.FullAddress {
	f := tcpip.FullAddress{Port: a.Port()}
	if a.Addr().IsValid() {
		f.Addr = stackAddr(a.Addr())
	}
	return f
}

// embeddedUDP is a UDP socket that takes IPv4 addresses in any form and any
// net.Addr that says one.
type embeddedUDP struct {
	*gonet.UDPConn
	ep tcpip.Endpoint
}

func (c *embeddedUDP) WriteTo(b []byte, to net.Addr) (int, error) {
	if to == nil {
		return c.UDPConn.WriteTo(b, nil)
	}
	ap, err := netip.ParseAddrPort(to.String())
	if err != nil {
		return 0, &net.OpError{Op: "write", Net: "udp", Source: c.LocalAddr(), Addr: to, Err: err}
	}
	return c.UDPConn.WriteTo(b, net.UDPAddrFromAddrPort(netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())))
}

// stackError gives a stack's error the errno that Linux would answer with.
func stackError(err tcpip.Error) error {
	var no syscall.Errno
	switch err.(type) {
	case *tcpip.ErrConnectionRefused:
		no = syscall.ECONNREFUSED
	case *tcpip.ErrConnectionReset, *tcpip.ErrConnectionAborted:
		no = syscall.ECONNRESET
	case *tcpip.ErrHostUnreachable:
		no = syscall.EHOSTUNREACH
	case *tcpip.ErrNetworkUnreachable:
		no = syscall.ENETUNREACH
	case *tcpip.ErrTimeout:
		no = syscall.ETIMEDOUT
	case *tcpip.ErrPortInUse:
		no = syscall.EADDRINUSE
	case *tcpip.ErrBadLocalAddress:
		no = syscall.EADDRNOTAVAIL
	case *tcpip.ErrMessageTooLong:
		no = syscall.EMSGSIZE
	default:
		return fmt.Errorf("TCP/IP stack: %s", err)
	}
	return no
}
