//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// clsactLink is a bpf filter on a device's clsact qdisc: what tc programs are
// attached by before Linux 6.6, and what existing tools see. It has no
// bpf_link, so it does not end by itself with the process.
type clsactLink struct {
	e      *Engine
	target engine.TCX
	nl     *netlink.Handle // a socket in the device's network namespace
	place  qdiscPlace

	mu      sync.Mutex
	filter  netlink.BpfFilter
	program uint32 // the id of the program we put there
	closed  bool
}

var _ engine.Link = (*clsactLink)(nil)

// firstPriority is where the search for a free filter priority begins.
const firstPriority = 1

func (e *Engine) attachClsact(p *Program, t engine.TCX) (engine.Link, error) {
	if t.Anchor != (engine.Anchor{}) {
		return nil, notSupported("ordering at "+t.String(), "clsact filters have priorities instead", "use tcx links (Linux 6.6)", nil)
	}
	var l *clsactLink
	err := onDevice(t.Device, func(index int, name string) error {
		t.Device.Name = name
		ns, err := netNSInode()
		if err != nil {
			return err
		}
		nl, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		l = &clsactLink{e: e, target: t, nl: nl, place: qdiscPlace{ns, index}}
		if err := l.add(p); err != nil {
			nl.Close()
			return err
		}
		return nil
	})
	if err != nil {
		return nil, attachError(p, t, err, "clsact needs Linux 4.5 with CONFIG_NET_CLS_ACT and CONFIG_NET_CLS_BPF", capNetAdmin)
	}
	return l, nil
}

func clsactQdisc(index int) *netlink.Clsact {
	return &netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT,
	}}
}

func (l *clsactLink) parent() uint32 {
	if l.target.Egress {
		return netlink.HANDLE_MIN_EGRESS
	}
	return netlink.HANDLE_MIN_INGRESS
}

// add makes the qdisc if there is none and the filter at a free priority.
func (l *clsactLink) add(p *Program) error {
	if err := l.e.qdiscs.hold(l.place, func() error { return l.nl.QdiscAdd(clsactQdisc(l.place.index)) }); err != nil {
		return fmt.Errorf("add clsact qdisc: %w", err)
	}
	err := p.withFD(func(fd int) error {
		l.filter = netlink.BpfFilter{
			FilterAttrs: netlink.FilterAttrs{
				LinkIndex: l.place.index, Parent: l.parent(), Handle: 1, Protocol: unix.ETH_P_ALL, Priority: firstPriority,
			},
			Fd: fd, Name: p.info.Name, DirectAction: true,
		}
		return l.addFilter()
	})
	if err != nil {
		l.release()
		return fmt.Errorf("add bpf filter: %w", err)
	}
	l.program = p.info.ID
	return nil
}

// addFilter takes the first priority that no other filter has. Others may take
// one meanwhile: then the kernel refuses and the next is tried.
func (l *clsactLink) addFilter() error {
	for {
		there, err := l.nl.FilterList(deviceAt(l.place.index), l.parent())
		if err != nil {
			return err
		}
		used := map[uint16]bool{}
		for _, f := range there {
			used[f.Attrs().Priority] = true
		}
		for used[l.filter.Priority] && l.filter.Priority != 0 {
			l.filter.Priority++
		}
		if l.filter.Priority == 0 {
			return fmt.Errorf("all priorities are taken: %w", unix.EEXIST)
		}
		err = l.nl.FilterAdd(&l.filter)
		if !errors.Is(err, unix.EEXIST) {
			return err
		}
		l.filter.Priority++
	}
}

// current is the filter as it stands in the kernel, or nil if it is gone or
// somebody else's.
func (l *clsactLink) current() (*netlink.BpfFilter, error) {
	there, err := l.nl.FilterList(deviceAt(l.place.index), l.parent())
	if err != nil {
		if isGone(err) {
			return nil, nil
		}
		return nil, err
	}
	for _, f := range there {
		b, ok := f.(*netlink.BpfFilter)
		if ok && b.Priority == l.filter.Priority && b.Handle == l.filter.Handle && uint32(b.Id) == l.program {
			return b, nil
		}
	}
	return nil, nil
}

// isGone: the device, its qdisc or its namespace went away, filter and all.
func isGone(err error) bool {
	return errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENXIO)
}

// Info describes the link; its ID is 0.
func (l *clsactLink) Info() engine.LinkInfo {
	l.mu.Lock()
	defer l.mu.Unlock()
	return engine.LinkInfo{Kind: engine.KindTCX, ProgramID: l.program, Target: l.target.String() + " (clsact)"}
}

// Update replaces the filter's program; the kernel exchanges it atomically.
func (l *clsactLink) Update(p engine.Program) error {
	own, err := asProgram(p)
	if err != nil {
		return fmt.Errorf("update %s: %w", l.target, err)
	}
	if err := wantType(own, l.target, ebpf.SchedCLS); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return fmt.Errorf("update %s: %w", l.target, engine.ErrClosed)
	}
	now, err := l.current()
	if err != nil {
		return fmt.Errorf("update %s: %w", l.target, err)
	}
	if now == nil {
		return fmt.Errorf("update %s: the filter is gone: %w", l.target, unix.ENOLINK)
	}
	err = own.withFD(func(fd int) error {
		f := l.filter
		f.Fd, f.Name = fd, own.info.Name
		return l.nl.FilterReplace(&f)
	})
	if err != nil {
		return fmt.Errorf("update %s: %w", l.target, err)
	}
	l.program = own.info.ID
	return nil
}

// Pin is not supported: a filter stays by itself until it is detached.
func (l *clsactLink) Pin(string) error { return noLink("a clsact filter") }

// Unpin is not supported.
func (l *clsactLink) Unpin() error { return noLink("a clsact filter") }

// Detach removes our filter, and the qdisc if this engine made it and no
// filter is left on it.
func (l *clsactLink) Detach() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.detach()
}

func (l *clsactLink) detach() error {
	if l.closed {
		return nil
	}
	l.closed = true
	defer l.nl.Close()
	now, err := l.current()
	if err == nil && now != nil {
		err = l.nl.FilterDel(&l.filter)
		if err != nil && isGone(err) {
			err = nil
		}
	}
	l.release()
	if err != nil {
		return fmt.Errorf("detach %s: %w", l.target, err)
	}
	return nil
}

// release gives the qdisc up.
func (l *clsactLink) release() {
	l.e.qdiscs.release(l.place, func() {
		for _, parent := range []uint32{netlink.HANDLE_MIN_INGRESS, netlink.HANDLE_MIN_EGRESS} {
			left, err := l.nl.FilterList(deviceAt(l.place.index), parent)
			if err != nil || len(left) > 0 {
				return
			}
		}
		_ = l.nl.QdiscDel(clsactQdisc(l.place.index)) // gone with its device otherwise
	})
}

// Close detaches.
func (l *clsactLink) Close() error {
	if l == nil {
		return nil
	}
	return l.Detach()
}

// deviceAt names a device by index only, which is all that netlink needs.
func deviceAt(index int) netlink.Link {
	return &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: index}}
}
