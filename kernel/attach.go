//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// Attach connects p to a target.
func (e *Engine) Attach(p engine.Program, t engine.Target) (engine.Link, error) {
	if t == nil {
		return nil, fmt.Errorf("attach: the target is nil: %w", unix.EINVAL)
	}
	if h, ok := t.(engine.Hook); ok {
		// Its programs are of no type that Linux has: there is none to look at.
		return nil, notSupported("attach to "+h.String(), "a program in Go declares it, to the embedded engine; the kernel has no such hook", "open the embedded engine", nil)
	}
	if so, ok := t.(engine.StructOps); ok {
		return attachStructOps(so)
	}
	own, err := asProgram(p)
	if err != nil {
		return nil, fmt.Errorf("attach to %s: %w", t, err)
	}
	return e.attach(own, t)
}

// attach is the table of attach kinds: one file each.
func (e *Engine) attach(p *Program, t engine.Target) (engine.Link, error) {
	switch t := t.(type) {
	case engine.XDP:
		return attachXDP(p, t)
	case engine.TCX:
		return e.attachTCX(p, t)
	case engine.Netkit:
		return attachNetkit(p, t)
	case engine.Cgroup:
		return attachCgroup(p, t)
	case engine.SkLookup:
		return attachSkLookup(p, t)
	case engine.FlowDissector:
		return attachFlowDissector(p, t)
	case engine.SockMap:
		return attachSockMap(p, t)
	case engine.SocketFilter:
		return attachSocketFilter(p, t)
	case engine.SkReuseport:
		return attachSkReuseport(p, t)
	case engine.Tracepoint:
		return attachTracepoint(p, t)
	case engine.RawTracepoint:
		return attachRawTracepoint(p, t)
	case engine.Kprobe:
		return attachKprobe(p, t)
	case engine.KprobeMulti:
		return attachKprobeMulti(p, t)
	case engine.Uprobe:
		return attachUprobe(p, t)
	case engine.UprobeMulti:
		return attachUprobeMulti(p, t)
	case engine.USDT:
		return attachUSDT(p, t)
	case engine.Tracing:
		return attachTracing(p, t)
	case engine.LSM:
		return attachLSM(p, t)
	case engine.PerfEvent:
		return attachPerfEvent(p, t)
	case engine.Iterator:
		return attachIter(p, t)
	case engine.Netfilter:
		return attachNetfilter(p, t)
	case engine.Freplace:
		return attachFreplace(p, t)
	case engine.LWT:
		return attachLWT(p, t)
	case engine.Lirc:
		return attachLirc(p, t)
	}
	return nil, notSupported("attach "+string(t.Kind()), "the kernel engine does not know this kind", "", nil)
}

// wantType refuses programs of another type than the kind takes.
func wantType(p *Program, t engine.Target, types ...ebpf.ProgramType) error {
	if slices.Contains(types, p.info.Type) {
		return nil
	}
	names := make([]string, len(types))
	for i, typ := range types {
		names[i] = typ.String()
	}
	return fmt.Errorf("attach program %s to %s: it is of type %s, not %s: %w",
		p.info.Name, t, p.info.Type, strings.Join(names, " or "), unix.EINVAL)
}

// createLink makes a bpf_link: attr must begin with a linkHead that head
// points to.
func createLink[T any](p *Program, attr *T, head *linkHead) (int, error) {
	var fd int
	err := p.withFD(func(prog int) (err error) {
		head.program = uint32(prog)
		fd, err = bpfCall(cmdLinkCreate, attr)
		return err
	})
	return fd, err
}

// newLink wraps what createLink made.
func newLink(t engine.Target, fd int, fixed bool) *bpfLink {
	return &bpfLink{kind: t.Kind(), target: t.String(), fixed: fixed, fd: fd}
}

// attachError words why an attachment failed; needs are the rights it takes,
// since the kernel that brought the kind, for EINVAL on older ones.
func attachError(p *Program, t engine.Target, err error, since string, needs ...capability) error {
	what := "attach program " + p.info.Name + " to " + t.String()
	var already *engine.NotSupportedError
	switch {
	case errors.As(err, &already):
		return err
	case isUnsupported(err):
		return notSupported("attach "+string(t.Kind()), "this kernel, driver or architecture does not offer it", since, err)
	case isPermission(err):
		var explained *permissionError
		if errors.As(err, &explained) {
			return fmt.Errorf("%s: %w", what, err)
		}
		return permission(what, err, needs...)
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EEXIST):
		return fmt.Errorf("%s: another program is attached there: %w", what, err)
	case isInvalid(err) && since != "":
		return fmt.Errorf("%s: the kernel refuses the combination (%s): %w", what, since, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}
