//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// perfDevices is where the kernel says how its event sources are called.
const perfDevices = "/sys/bus/event_source/devices/"

// perfSource reads the type of an event source and the number of the bit of
// config that makes it a return probe.
func perfSource(name string) (typ uint32, returnBit uint64, err error) {
	b, err := os.ReadFile(perfDevices + name + "/type")
	if err != nil {
		return 0, 0, notSupported(name, "this kernel has none", "a kernel with CONFIG_"+strings.ToUpper(name)+"_EVENTS (make test-vm runs such ones)", err)
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 32)
	if err != nil {
		return 0, 0, fmt.Errorf("perf event source %s: %w", name, err)
	}
	b, err = os.ReadFile(perfDevices + name + "/format/retprobe")
	if err != nil {
		return 0, 0, fmt.Errorf("perf event source %s: %w", name, err)
	}
	bit, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimSpace(string(b)), "config:"), 10, 6)
	if err != nil {
		return 0, 0, fmt.Errorf("perf event source %s: %w", name, err)
	}
	return uint32(n), bit, nil
}

// perfLink connects p to an open perf event, which it takes over: through a
// bpf_link (Linux 5.15), or by ioctl on older kernels.
func perfLink(p *Program, t engine.Target, event int, cookie uint64) (engine.Link, error) {
	attr := linkPerf{
		linkHead: linkHead{target: uint32(event), attachType: uint32(ebpf.AttachPerfEvent)},
		cookie:   cookie,
	}
	fd, err := createLink(p, &attr, &attr.linkHead)
	if err == nil {
		l := newLink(t, fd, true)
		l.companions = []int{event}
		return l, nil
	}
	if isInvalid(err) && cookie == 0 && !kernelVersion().atLeast(5, 15) {
		var l engine.Link
		if l, err = perfIoctl(p, t, event); err == nil {
			return l, nil
		}
	}
	unix.Close(event)
	return nil, err
}

// perfIoctl is how programs are attached without links: the program is there
// until the event is closed.
func perfIoctl(p *Program, t engine.Target, event int) (engine.Link, error) {
	err := p.withFD(func(prog int) error {
		return unix.IoctlSetInt(event, unix.PERF_EVENT_IOC_SET_BPF, prog)
	})
	if err == nil {
		err = unix.IoctlSetInt(event, unix.PERF_EVENT_IOC_ENABLE, 0)
	}
	if err != nil {
		return nil, err
	}
	return &eventLink{kind: t.Kind(), target: t.String(), program: p.info.ID, fd: event}, nil
}

// eventLink is a program on a perf event without a bpf_link.
type eventLink struct {
	kind    engine.AttachKind
	target  string
	program uint32

	mu     sync.Mutex
	fd     int
	closed bool
}

var _ engine.Link = (*eventLink)(nil)

// Info describes the attachment; its ID is 0.
func (l *eventLink) Info() engine.LinkInfo {
	return engine.LinkInfo{Kind: l.kind, ProgramID: l.program, Target: l.target}
}

// Update is not supported: a perf event keeps its program.
func (l *eventLink) Update(engine.Program) error { return noUpdate(l.kind) }

// Pin is not supported: there is no bpf_link.
func (l *eventLink) Pin(string) error { return noLink("a perf event") }

// Unpin is not supported.
func (l *eventLink) Unpin() error { return noLink("a perf event") }

// Detach closes the event.
func (l *eventLink) Detach() error { return l.Close() }

// Close closes the event, and with it the attachment.
func (l *eventLink) Close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	return unix.Close(l.fd)
}

// linkGroup is one attachment made of several links: a probe at many places, an
// event on many CPUs.
type linkGroup struct {
	kind   engine.AttachKind
	target string
	links  []engine.Link
}

var _ engine.Link = (*linkGroup)(nil)

// Info describes the group by its first link.
func (g *linkGroup) Info() engine.LinkInfo {
	info := g.links[0].Info()
	info.Kind, info.Target = g.kind, g.target
	return info
}

// Update is not supported: the links of a group cannot change in one step.
func (g *linkGroup) Update(engine.Program) error { return noUpdate(g.kind) }

// Pin is not supported: one file cannot hold several links.
func (g *linkGroup) Pin(string) error {
	return notSupported("pin of "+g.target, "it is made of several links", "", nil)
}

// Unpin is not supported.
func (g *linkGroup) Unpin() error { return g.Pin("") }

// Detach detaches all.
func (g *linkGroup) Detach() error {
	var errs []error
	for _, l := range g.links {
		errs = append(errs, l.Detach())
	}
	return errors.Join(errs...)
}

// Close closes all.
func (g *linkGroup) Close() error {
	if g == nil {
		return nil
	}
	var errs []error
	for _, l := range g.links {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// group makes links one by one with next until it says done; on an error
// nothing stays.
func group(t engine.Target, n int, next func(i int) (engine.Link, error)) (engine.Link, error) {
	g := &linkGroup{kind: t.Kind(), target: t.String()}
	for i := range n {
		l, err := next(i)
		if err != nil {
			g.Close()
			return nil, err
		}
		g.links = append(g.links, l)
	}
	if n == 1 {
		return g.links[0], nil
	}
	return g, nil
}
