package embedded

import (
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/engine"
)

// Attach connects p to a target.
func (e *Engine) Attach(p engine.Program, t engine.Target) (engine.Link, error) {
	if t == nil {
		return nil, fmt.Errorf("attach: the target is nil: %w", syscall.EINVAL)
	}
	attach, ok := e.attach(t)
	if !ok {
		return nil, notSupported("attach to "+t.String(), noHook(t.Kind()), askKernel)
	}
	own, err := e.asProgram(p)
	if err != nil {
		return nil, fmt.Errorf("attach to %s: %w", t, err)
	}
	if err := own.open("attach"); err != nil {
		return nil, err
	}
	defer own.mu.RUnlock()
	a, err := attach(own.core)
	if err != nil {
		return nil, fmt.Errorf("attach program %s to %s: %w", own.core.info.Name, t, err)
	}
	return &link{a: a}, nil
}

// attach is the table of attach kinds: one file each.
func (e *Engine) attach(t engine.Target) (func(*programCore) (*attachment, error), bool) {
	switch t := t.(type) {
	case engine.XDP:
		return func(p *programCore) (*attachment, error) { return e.attachXDP(p, t) }, true
	case engine.TCX:
		return func(p *programCore) (*attachment, error) { return e.attachTCX(p, t) }, true
	case engine.Hook:
		return func(p *programCore) (*attachment, error) { return e.attachHook(p, t) }, true
	}
	return nil, false
}

// noHook says why a kind is missing.
func noHook(kind engine.AttachKind) string {
	switch kind {
	case engine.KindNetkit:
		return "the embedded engine's devices have xdp and tcx hooks only"
	case engine.KindCgroup, engine.KindSocketFilter, engine.KindSkReuseport, engine.KindSockMap, engine.KindSkLookup,
		engine.KindFlowDissector, engine.KindNetfilter, engine.KindLWT:
		return "sockets, cgroups and routes belong to the kernel"
	}
	return "what is to be observed there happens in the kernel"
}

// wantType refuses programs of another type than the kind takes.
func wantType(p *programCore, types ...ebpf.ProgramType) error {
	if slices.Contains(types, p.info.Type) {
		return nil
	}
	names := make([]string, len(types))
	for i, typ := range types {
		names[i] = typ.String()
	}
	return fmt.Errorf("it is of type %s, not %s: %w", p.info.Type, strings.Join(names, " or "), syscall.EINVAL)
}
