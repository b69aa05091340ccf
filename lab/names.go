package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/skepdev/skep/engine"
)

// resolve turns "host:port" into an address for network; listening may leave
// the host out. The result's Addr is the zero Addr if the host is left out
// and network does not say the family.
func (l *Lab) resolve(network, addr string, listening bool) (netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("port %q: want a number from 0 to 65535", service)
	}
	fits, err := familyOf(network)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if host == "" {
		if !listening {
			return netip.AddrPort{}, errors.New("no host in the address")
		}
		return netip.AddrPortFrom(netip.Addr{}, uint16(port)), nil
	}
	ip, err := l.resolveHost(host, fits)
	return netip.AddrPortFrom(ip, uint16(port)), err
}

// resolveHost finds the address that host is or, for a host's name, its first
// one that fits.
func (l *Lab) resolveHost(host string, fits func(netip.Addr) bool) (netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		ip = ip.Unmap()
		if !fits(ip) {
			return ip, fmt.Errorf("address %s is of the wrong family", ip)
		}
		return ip, nil
	}
	a, err := l.Lookup(host)
	if err != nil {
		return netip.Addr{}, err
	}
	h, _ := a.attachment()
	if h == nil {
		return netip.Addr{}, fmt.Errorf("%s is a switch: it has no addresses", host)
	}
	ip := firstOf(h.Addrs(), fits)
	if !ip.IsValid() {
		return ip, fmt.Errorf("%s has no address of that family", host)
	}
	return ip, nil
}

// familyOf says which addresses a network name admits.
func familyOf(network string) (func(netip.Addr) bool, error) {
	switch network {
	case "tcp", "udp":
		return netip.Addr.IsValid, nil
	case "tcp4", "udp4":
		return netip.Addr.Is4, nil
	case "tcp6", "udp6":
		return netip.Addr.Is6, nil
	}
	return nil, net.UnknownNetworkError(network)
}

// join returns a context that ends with ctx and with the lab.
func (l *Lab) join(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(l.ctx, func() { cancel(fmt.Errorf("lab: %w", engine.ErrClosed)) })
	return ctx, func() { stop(); cancel(nil) }
}

// cause says that the lab was closed if that is why something failed.
func (l *Lab) cause(err error) error {
	if l.ctx.Err() != nil && !errors.Is(err, engine.ErrClosed) {
		return fmt.Errorf("lab: %w", engine.ErrClosed)
	}
	return err
}
