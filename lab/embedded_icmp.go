package lab

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/skepdev/skep/engine"
)

// embeddedICMP is a raw ICMP socket.
type embeddedICMP struct {
	stack     *embeddedStack
	v6        bool
	transport tcpip.TransportProtocolNumber
	network   tcpip.NetworkProtocolNumber
	ep        tcpip.Endpoint
	wq        waiter.Queue
	done      chan struct{}
}

func (s *embeddedStack) icmp(v6 bool) (icmpConn, error) {
	c := &embeddedICMP{
		stack: s, v6: v6, done: make(chan struct{}),
		transport: icmp.ProtocolNumber4, network: ipv4.ProtocolNumber,
	}
	if v6 {
		c.transport, c.network = icmp.ProtocolNumber6, ipv6.ProtocolNumber
	}
	ep, err := s.stack.NewRawEndpoint(c.transport, c.network, &c.wq, true)
	if err != nil {
		return nil, stackError(err)
	}
	c.ep = ep
	ep.SocketOptions().SetReceiveBufferSize(1<<20, true)
	return c, nil
}

func (c *embeddedICMP) read(b []byte) (int, netip.Addr, error) {
	entry, ready := waiter.NewChannelEntry(waiter.ReadableEvents | waiter.EventHUp | waiter.EventErr)
	c.wq.EventRegister(&entry)
	defer c.wq.EventUnregister(&entry)
	for {
		w := tcpip.SliceWriter(b)
		res, err := c.ep.Read(&w, tcpip.ReadOptions{NeedRemoteAddr: true})
		if _, block := err.(*tcpip.ErrWouldBlock); block {
			select {
			case <-ready:
			case <-c.done:
				return 0, netip.Addr{}, net.ErrClosed
			}
			continue
		}
		if err != nil {
			return 0, netip.Addr{}, stackError(err)
		}
		from, _ := netip.AddrFromSlice(res.RemoteAddr.Addr.AsSlice())
		n := res.Count
		if !c.v6 {
			n = copy(b, withoutIPv4Header(b[:n]))
		}
		return n, from, nil
	}
}

// withoutIPv4Header returns what follows the header, nothing if it is broken.
func withoutIPv4Header(b []byte) []byte {
	if len(b) < header.IPv4MinimumSize {
		return nil
	}
	size := int(b[0]&0xf) * 4
	if size < header.IPv4MinimumSize || size > len(b) {
		return nil
	}
	return b[size:]
}

func (c *embeddedICMP) write(b []byte, to netip.Addr) error {
	addr := tcpip.FullAddress{Addr: stackAddr(to)}
	switch _, err := c.ep.Write(bytes.NewReader(b), tcpip.WriteOptions{To: &addr}); err.(type) {
	case nil:
		return nil
	case *tcpip.ErrMessageTooLong:
		return c.writeLarge(b, &addr)
	default:
		return stackError(err)
	}
}

// writeLarge sends an echo request in fragments, which raw endpoints refuse,
// through an endpoint bound to its identifier.
func (c *embeddedICMP) writeLarge(b []byte, to *tcpip.FullAddress) error {
	if c.v6 {
		return &engine.NotSupportedError{
			Feature: "ping in fragments over IPv6",
			Reason:  "the in-process stack gives raw sockets the fragments of a reply, not the whole",
			Remedy:  "a payload that fits the MTU, or a lab in the kernel world",
		}
	}
	var wq waiter.Queue
	ep, err := c.stack.stack.NewEndpoint(c.transport, c.network, &wq)
	if err != nil {
		return stackError(err)
	}
	defer ep.Close()
	if err := ep.Bind(tcpip.FullAddress{Port: binary.BigEndian.Uint16(b[4:])}); err != nil {
		return stackError(err)
	}
	if _, err := ep.Write(bytes.NewReader(b), tcpip.WriteOptions{To: to}); err != nil {
		return stackError(err)
	}
	return nil
}

func (c *embeddedICMP) close() error {
	close(c.done)
	c.ep.Close()
	return nil
}
