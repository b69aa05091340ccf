package lab

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/link/loopback"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/raw"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// embeddedStack is a host of the embedded world: a TCP/IP stack in this
// process.
type embeddedStack struct {
	name   string
	router bool
	stack  *stack.Stack
	view   atomic.Pointer[view]

	parkMu sync.Mutex
	parked map[nearKey]*parking

	mu   sync.Mutex
	nics map[string]*nic
	// addrs are the host's addresses; every device answers for all of them,
	// as in Linux, but is the source only for its own.
	addrs []netip.Addr
}

// nic is a device of a stack.
type nic struct {
	id     tcpip.NICID
	device *device // nil for lo
	// borrowed are the addresses of other devices that this one answers for.
	borrowed map[netip.Addr]bool
}

const loopbackNIC = 1

func newEmbeddedStack(name string, router bool) (*embeddedStack, error) {
	s := &embeddedStack{name: name, router: router, nics: map[string]*nic{"lo": {id: loopbackNIC}}}
	s.stack = stack.New(stack.Options{
		NetworkProtocols: []stack.NetworkProtocolFactory{
			ipv4.NewProtocol,
			// Addresses are unique by construction and needed at once: no
			// duplicate address detection. No router advertises itself.
			ipv6.NewProtocolWithOptions(ipv6.Options{}),
			arp.NewProtocol,
		},
		TransportProtocols: []stack.TransportProtocolFactory{
			tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6,
		},
		HandleLocal: true,
		RawFactory:  raw.EndpointFactory{},
	})
	// Echo replies count against the limit; a lab's flood of pings is meant.
	s.stack.SetICMPLimit(1e9)
	s.stack.SetICMPBurst(1 << 20)
	sack := tcpip.TCPSACKEnabled(true)
	moderate := tcpip.TCPModerateReceiveBufferOption(true)
	for _, o := range []tcpip.SettableTransportProtocolOption{&sack, &moderate} {
		if err := s.stack.SetTransportProtocolOption(tcp.ProtocolNumber, o); err != nil {
			s.close()
			return nil, fmt.Errorf("set up TCP: %w", stackError(err))
		}
	}
	if router {
		for _, p := range []tcpip.NetworkProtocolNumber{ipv4.ProtocolNumber, ipv6.ProtocolNumber} {
			if err := s.stack.SetForwardingDefaultAndAllNICs(p, true); err != nil {
				s.close()
				return nil, fmt.Errorf("enable forwarding: %w", stackError(err))
			}
		}
	}
	if err := s.stack.CreateNICWithOptions(loopbackNIC, loopback.New(), stack.NICOptions{Name: "lo"}); err != nil {
		s.close()
		return nil, fmt.Errorf("make lo: %w", stackError(err))
	}
	for _, p := range []string{"127.0.0.1/8", "::1/128"} {
		if err := s.own(s.nics["lo"], netip.MustParsePrefix(p), stack.CanBePrimaryEndpoint); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, s.setRoutes(nil, nil)
}

func (s *embeddedStack) netns() string { return s.name }

// plug adds a device to the stack and returns where its frames go up.
func (s *embeddedStack) plug(p plug, d *device) (func(frame []byte), error) {
	ep := newLinkEndpoint(p, s, d)
	s.mu.Lock()
	defer s.mu.Unlock()
	n := &nic{id: tcpip.NICID(len(s.nics) + 1), device: d, borrowed: map[netip.Addr]bool{}}
	if err := s.stack.CreateNICWithOptions(n.id, ep, stack.NICOptions{Name: p.dev}); err != nil {
		return nil, fmt.Errorf("make device %s in %s: %w", p.dev, s.name, stackError(err))
	}
	for _, a := range s.addrs {
		if err := s.borrow(n, a); err != nil {
			return nil, fmt.Errorf("make device %s in %s: %w", p.dev, s.name, err)
		}
	}
	s.nics[p.dev] = n
	d.nic = n.id
	return ep.inject, nil
}

func (s *embeddedStack) addAddr(dev string, p netip.Prefix) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.nics[dev]
	if !ok {
		return fmt.Errorf("no device %s", dev)
	}
	if n.borrowed[p.Addr()] {
		if err := s.stack.RemoveAddress(n.id, stackAddr(p.Addr())); err != nil {
			return stackError(err)
		}
		delete(n.borrowed, p.Addr())
	}
	if err := s.own(n, p, stack.CanBePrimaryEndpoint); err != nil {
		return err
	}
	if p.Addr().IsLinkLocalUnicast() || slices.Contains(s.addrs, p.Addr()) {
		return nil
	}
	s.addrs = append(s.addrs, p.Addr())
	for name, other := range s.nics {
		if other == n || name == "lo" {
			continue
		}
		if err := s.borrow(other, p.Addr()); err != nil {
			return err
		}
	}
	return nil
}

func (s *embeddedStack) borrow(n *nic, a netip.Addr) error {
	n.borrowed[a] = true
	return s.own(n, hostPrefix(a), stack.NeverPrimaryEndpoint)
}

func (s *embeddedStack) own(n *nic, p netip.Prefix, as stack.PrimaryEndpointBehavior) error {
	addr := tcpip.ProtocolAddress{
		Protocol:          protocolOf(p.Addr()),
		AddressWithPrefix: tcpip.AddressWithPrefix{Address: stackAddr(p.Addr()), PrefixLen: p.Bits()},
	}
	if err := s.stack.AddProtocolAddress(n.id, addr, stack.AddressProperties{PEB: as}); err != nil {
		return stackError(err)
	}
	return nil
}

// setRoutes replaces the routing table, longest prefix first: the stack takes
// the first line that matches.
func (s *embeddedStack) setRoutes(routes []route, neighbours []neighbour) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []tcpip.Route
	add := func(dst netip.Prefix, via netip.Addr, id tcpip.NICID) error {
		sub, err := tcpip.NewSubnet(stackAddr(dst.Addr()), tcpip.MaskFromBytes(maskOf(dst)))
		if err != nil {
			return fmt.Errorf("route to %s: %w", dst, err)
		}
		r := tcpip.Route{Destination: sub, NIC: id}
		if via.IsValid() {
			r.Gateway = stackAddr(via)
		}
		lines = append(lines, r)
		return nil
	}
	for _, lo := range []string{"127.0.0.0/8", "::1/128"} {
		if err := add(netip.MustParsePrefix(lo), netip.Addr{}, loopbackNIC); err != nil {
			return err
		}
	}
	v := &view{local: slices.Clone(s.addrs), near: map[nearKey][6]byte{}}
	for _, r := range routes {
		n := s.nics[r.dev]
		if n == nil {
			return fmt.Errorf("route to %s: no device %s", r.dst, r.dev)
		}
		if err := add(r.dst, r.via, n.id); err != nil {
			return err
		}
		v.hops = append(v.hops, hop{r.dst, r.via, n.device})
	}
	for _, n := range neighbours {
		if nic := s.nics[n.dev]; nic != nil {
			v.near[nearKey{nic.device, n.addr}] = n.mac
		}
	}
	v.sort()
	s.view.Store(v)
	slices.SortStableFunc(lines, func(a, b tcpip.Route) int {
		return cmp.Compare(b.Destination.Prefix(), a.Destination.Prefix())
	})
	s.stack.SetRouteTable(lines)
	return nil
}

func maskOf(p netip.Prefix) []byte {
	m := make([]byte, p.Addr().BitLen()/8)
	for i := range p.Bits() {
		m[i/8] |= 0x80 >> (i % 8)
	}
	return m
}

// close ends every endpoint and waits for the stack's goroutines.
func (s *embeddedStack) close() { s.stack.Destroy() }

func protocolOf(a netip.Addr) tcpip.NetworkProtocolNumber {
	if a.Is4() {
		return ipv4.ProtocolNumber
	}
	return ipv6.ProtocolNumber
}

// stackAddr is an address as the stack has it; the zero Addr is its zero.
func stackAddr(a netip.Addr) tcpip.Address { return tcpip.AddrFromSlice(a.AsSlice()) }

// pending tells that link address resolution goes on.
func pending(err tcpip.Error) bool {
	_, ok := err.(*tcpip.ErrWouldBlock)
	return ok
}
