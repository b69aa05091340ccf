package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/skepdev/skep/engine"
)

func checkAddr(a netip.Prefix) error {
	switch ip := a.Addr(); {
	case !a.IsValid():
		return errors.New("address: not valid")
	case ip.Is4In6(), ip.Zone() != "":
		return fmt.Errorf("address %s: want plain IPv4 or IPv6", a)
	case ip.IsUnspecified(), ip.IsMulticast(), ip.IsLoopback(), ip.IsLinkLocalUnicast():
		return fmt.Errorf("address %s: not a unicast address for a host", a)
	}
	return nil
}

// assign gives the ends their addresses. addrs are meant for end 0.
func (l *Lab) assign(k *Link, addrs []netip.Prefix) error {
	if k.ends[0].isEndpoint() && k.ends[1].isEndpoint() {
		n, err := l.nextNetwork()
		if err != nil {
			return err
		}
		k.net = n
	}
	for end, p := range k.ends {
		if p.host == nil {
			continue
		}
		p.linkLocal = linkLocal(p.mac)
		chosen := addrs
		if end != 0 {
			chosen = nil
		}
		if err := p.assign(chosen); err != nil {
			return err
		}
	}
	for end, p := range k.ends {
		for _, a := range p.addrs {
			if h := l.owner(a.Addr(), p.host); h != nil || end == 1 && k.ends[0].has(a.Addr()) {
				return fmt.Errorf("address %s: %w", a.Addr(), engine.ErrExist)
			}
		}
	}
	return nil
}

func (p *port) isEndpoint() bool { return p.host != nil && !p.host.router }

func (p *port) has(a netip.Addr) bool { return slices.Contains(bare(p.addrs), a) }

// assign chooses the addresses of a host's port.
func (p *port) assign(chosen []netip.Prefix) (err error) {
	q := p.peer()
	routed := q.host != nil && (p.host.router || q.host.router)
	switch {
	case len(chosen) > 0:
		p.addrs = slices.Clone(chosen)
	case p.host.router && q.host != nil:
		p.addrs = p.host.own.host(1)
	case q.host == nil:
		p.addrs, err = q.sw.net.take(p.host.router)
	case q.host.router:
		p.addrs, err = q.host.own.take(false)
	default:
		p.addrs, err = p.link.net.take(false)
	}
	if routed {
		for i, a := range p.addrs {
			p.addrs[i] = hostPrefix(a.Addr())
		}
	}
	// IPv4 first, and otherwise as given.
	slices.SortStableFunc(p.addrs, func(a, b netip.Prefix) int { return a.Addr().BitLen() - b.Addr().BitLen() })
	return err
}

// owner finds the host other than self that has an address.
func (l *Lab) owner(a netip.Addr, self *Host) *Host {
	for _, h := range l.hosts {
		if h != self && slices.Contains(h.addrs(), a) {
			return h
		}
	}
	return nil
}

// addrs lists a host's addresses, IPv4 first. Called with mu held.
func (h *Host) addrs() []netip.Addr {
	var out []netip.Addr
	if h.router {
		out = bare(h.own.host(1))
	}
	for _, p := range h.ports {
		for _, a := range p.addrs {
			if !slices.Contains(out, a.Addr()) {
				out = append(out, a.Addr())
			}
		}
	}
	slices.SortStableFunc(out, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() })
	return out
}
