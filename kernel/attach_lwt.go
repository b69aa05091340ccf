//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// lwtPoint is one of the places at which a route runs programs.
type lwtPoint struct {
	mode int
	typ  ebpf.ProgramType
}

func lwtPointOf(name string) (lwtPoint, error) {
	switch name {
	case "in":
		return lwtPoint{nl.LWT_BPF_IN, ebpf.LWTIn}, nil
	case "out":
		return lwtPoint{nl.LWT_BPF_OUT, ebpf.LWTOut}, nil
	case "xmit":
		return lwtPoint{nl.LWT_BPF_XMIT, ebpf.LWTXmit}, nil
	}
	return lwtPoint{}, fmt.Errorf("lwt point %q: it is one of in, out, xmit: %w", name, unix.EINVAL)
}

// lwtLink is a route of ours whose light-weight tunnel is a program. It has no
// bpf_link; the route stays until it is detached or its device goes.
type lwtLink struct {
	t     engine.LWT
	point lwtPoint
	nl    *netlink.Handle // a socket in the device's network namespace

	mu      sync.Mutex
	route   netlink.Route
	program uint32
	closed  bool
}

var _ engine.Link = (*lwtLink)(nil)

// attachLWT adds a route with the program (Linux 4.10). A route to the same
// destination that is there already stays untouched and is an error.
func attachLWT(p *Program, t engine.LWT) (engine.Link, error) {
	point, err := lwtPointOf(t.Point)
	if err != nil {
		return nil, fmt.Errorf("attach program %s: %w", p.info.Name, err)
	}
	if err := wantType(p, t, point.typ); err != nil {
		return nil, err
	}
	_, dst, err := net.ParseCIDR(t.Destination)
	if err != nil {
		return nil, fmt.Errorf("attach program %s to %s: %w", p.info.Name, t, err)
	}
	l := &lwtLink{t: t, point: point}
	err = onDevice(t.Device, func(index int, _ string) error {
		if l.nl, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
			return err
		}
		l.route = netlink.Route{LinkIndex: index, Dst: dst, Scope: netlink.SCOPE_LINK}
		if err := l.put(p, l.nl.RouteAdd); err != nil {
			l.nl.Close()
			return err
		}
		return nil
	})
	if err != nil {
		return nil, attachError(p, t, err, "routes with programs need Linux 4.10 with CONFIG_LWTUNNEL_BPF", capNetAdmin)
	}
	return l, nil
}

// put sends the route with p in it.
func (l *lwtLink) put(p *Program, send func(*netlink.Route) error) error {
	return p.withFD(func(fd int) error {
		var encap netlink.BpfEncap
		if err := encap.SetProg(l.point.mode, fd, p.info.Name); err != nil {
			return err
		}
		if err := encap.SetXmitHeadroom(l.t.Headroom); err != nil {
			return err
		}
		r := l.route
		r.Encap = &encap
		if err := send(&r); err != nil {
			return err
		}
		l.program = p.info.ID
		return nil
	})
}

// Info describes the route; its ID is 0.
func (l *lwtLink) Info() engine.LinkInfo {
	l.mu.Lock()
	defer l.mu.Unlock()
	return engine.LinkInfo{Kind: engine.KindLWT, ProgramID: l.program, Target: l.t.String()}
}

// Update replaces the route, which the kernel does in one step.
func (l *lwtLink) Update(p engine.Program) error {
	own, err := asProgram(p)
	if err != nil {
		return fmt.Errorf("update %s: %w", l.t, err)
	}
	if err := wantType(own, l.t, l.point.typ); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return fmt.Errorf("update %s: %w", l.t, engine.ErrClosed)
	}
	if err := l.put(own, l.nl.RouteReplace); err != nil {
		return fmt.Errorf("update %s: %w", l.t, err)
	}
	return nil
}

// Pin is not supported: there is no bpf_link.
func (l *lwtLink) Pin(string) error { return noLink("a route") }

// Unpin is not supported.
func (l *lwtLink) Unpin() error { return noLink("a route") }

// Detach removes the route.
func (l *lwtLink) Detach() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	defer l.nl.Close()
	err := l.nl.RouteDel(&l.route)
	if err != nil && !errors.Is(err, unix.ESRCH) && !isGone(err) {
		return fmt.Errorf("detach %s: %w", l.t, err)
	}
	return nil
}

// Close detaches.
func (l *lwtLink) Close() error {
	if l == nil {
		return nil
	}
	return l.Detach()
}
