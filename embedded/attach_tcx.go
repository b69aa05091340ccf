package embedded

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/engine"
)

// attachTCX attaches to one side of a device's tc hook, in order among others.
func (e *Engine) attachTCX(p *programCore, t engine.TCX) (*attachment, error) {
	if err := wantType(p, ebpf.SchedCLS); err != nil {
		return nil, err
	}
	if t.Clsact {
		return nil, notSupported("clsact filter", "devices here have tcx hooks", "attach without forcing clsact")
	}
	if t.Anchor.Position == engine.AnchorReplace {
		return nil, notSupported("replacing through an anchor", "a new link cannot take another's place in Linux", "update the link that is there")
	}
	d, err := e.devices.find(t.Device)
	if err != nil {
		return nil, err
	}
	t.Device.Name = d.cfg.Name
	c := &d.ingress
	if t.Egress {
		c = &d.egress
	}
	a, err := e.newAttachment(p, t, c)
	if err != nil {
		return nil, err
	}
	if err := c.insert(a, t.Anchor); err != nil {
		_ = p.release() // not the last hold: the caller has one
		return nil, err
	}
	return a, nil
}

// maxChain is how many programs one hook takes (BPF_MPROG_MAX).
const maxChain = 64

// chain is the programs of one tc hook in order. Runs read it without a lock.
type chain struct {
	entries atomic.Pointer[[]*attachment]

	mu     sync.Mutex // of writers
	closed bool
}

var _ place = (*chain)(nil)

// list is what to run; not to be modified.
func (c *chain) list() []*attachment {
	if p := c.entries.Load(); p != nil {
		return *p
	}
	return nil
}

// insert puts a where the anchor says, by the rules of kernel/bpf/mprog.c.
func (c *chain) insert(a *attachment, at engine.Anchor) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.list()
	switch {
	case c.closed:
		return errGone
	case contains(old, a.prog.Load()):
		return errTwice
	case len(old) >= maxChain:
		return fmt.Errorf("there are %d programs already: %w", len(old), syscall.ERANGE)
	}
	i, err := c.position(old, a.e, at)
	if err != nil {
		return err
	}
	next := slices.Insert(slices.Clone(old), i, a)
	c.entries.Store(&next)
	return nil
}

// position is the index an anchor stands for.
func (c *chain) position(old []*attachment, e *Engine, at engine.Anchor) (int, error) {
	named := at.Link != nil || at.Program != nil
	switch at.Position {
	case engine.AnchorDefault, engine.AnchorTail, engine.AnchorHead:
		if at.Position == engine.AnchorDefault && named {
			return 0, fmt.Errorf("anchor: it names a link or program but no position: %w", syscall.EINVAL)
		}
		if at.Position == engine.AnchorHead {
			return 0, nil
		}
		return len(old), nil
	case engine.AnchorBefore, engine.AnchorAfter:
	default:
		return 0, fmt.Errorf("anchor: position %d is unknown: %w", at.Position, syscall.EINVAL)
	}
	match, err := matcher(e, at)
	if err != nil {
		return 0, err
	}
	i := slices.IndexFunc(old, match)
	if i < 0 {
		return 0, errNobody
	}
	if at.Position == engine.AnchorAfter {
		i++
	}
	return i, nil
}

// matcher recognizes what an anchor stands beside.
func matcher(e *Engine, at engine.Anchor) (func(*attachment) bool, error) {
	switch {
	case at.Link != nil && at.Program != nil:
		return nil, fmt.Errorf("anchor: both a link and a program: %w", syscall.EINVAL)
	case at.Program != nil:
		p, err := e.asProgram(at.Program)
		if err != nil {
			return nil, fmt.Errorf("anchor: %w", err)
		}
		return func(a *attachment) bool { return a.prog.Load() == p.core }, nil
	case at.Link != nil:
		l, ok := at.Link.(*link)
		if !ok || l.a.e != e {
			return nil, fmt.Errorf("anchor: %s: %w", at.Link.Info().Target, engine.ErrWrongEngine)
		}
		return func(a *attachment) bool { return a == l.a }, nil
	}
	return nil, fmt.Errorf("anchor: no link or program to stand beside: %w", syscall.EINVAL)
}

func contains(list []*attachment, p *programCore) bool {
	return slices.ContainsFunc(list, func(a *attachment) bool { return a.prog.Load() == p })
}

func (c *chain) update(a *attachment, p *programCore) (*programCore, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := a.prog.Load(); now != p && contains(c.list(), p) {
		return nil, errTwice
	}
	return a.swap(p)
}

func (c *chain) remove(a *attachment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.list()
	if i := slices.Index(old, a); i >= 0 {
		next := slices.Delete(slices.Clone(old), i, i+1)
		c.entries.Store(&next)
	}
}

// close refuses what comes later and returns what is there.
func (c *chain) close() []*attachment {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	return c.list()
}
