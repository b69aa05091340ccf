package lab

import (
	"context"
	"net"
	"net/netip"
)

// A socket belongs to the namespace of the thread that makes it, for life.
// With a literal address Go makes it on the calling goroutine.

func (s *kernelStack) dial(ctx context.Context, network string, to netip.AddrPort) (c net.Conn, err error) {
	err = s.ns.do(func() error {
		c, err = new(net.Dialer).DialContext(ctx, network, to.String())
		return err
	})
	return c, err
}

func (s *kernelStack) listen(ctx context.Context, network string, at netip.AddrPort) (l net.Listener, err error) {
	err = s.ns.do(func() error {
		l, err = new(net.ListenConfig).Listen(ctx, network, listenAddr(at))
		return err
	})
	return l, err
}

func (s *kernelStack) listenPacket(ctx context.Context, network string, at netip.AddrPort) (c net.PacketConn, err error) {
	err = s.ns.do(func() error {
		c, err = new(net.ListenConfig).ListenPacket(ctx, network, listenAddr(at))
		return err
	})
	return c, err
}

func listenAddr(at netip.AddrPort) string {
	if at.Addr().IsValid() {
		return at.String()
	}
	return netip.AddrPortFrom(netip.IPv6Unspecified(), at.Port()).String()[len("[::]"):]
}

// kernelICMP is a raw ICMP socket.
type kernelICMP struct{ c *net.IPConn }

func (s *kernelStack) icmp(v6 bool) (icmpConn, error) {
	network, any := "ip4:1", netip.IPv4Unspecified()
	if v6 {
		network, any = "ip6:58", netip.IPv6Unspecified()
	}
	var c *net.IPConn
	err := s.ns.do(func() (err error) {
		c, err = net.ListenIP(network, &net.IPAddr{IP: any.AsSlice()})
		return err
	})
	if err != nil {
		return nil, err
	}
	return kernelICMP{c}, nil
}

func (k kernelICMP) read(b []byte) (int, netip.Addr, error) {
	n, from, err := k.c.ReadFromIP(b)
	if err != nil {
		return 0, netip.Addr{}, err
	}
	a, _ := netip.AddrFromSlice(from.IP)
	return n, a.Unmap().WithZone(from.Zone), nil
}

func (k kernelICMP) write(b []byte, to netip.Addr) error {
	_, err := k.c.WriteToIP(b, &net.IPAddr{IP: to.AsSlice(), Zone: to.Zone()})
	return err
}

func (k kernelICMP) close() error { return k.c.Close() }
