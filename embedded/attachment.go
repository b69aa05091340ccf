package embedded

import (
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/skepdev/skep/engine"
)

// attachment is a program at its hook, shared by the handles ([link]) and pins
// that keep it there.
type attachment struct {
	e      *Engine
	id     uint32
	kind   engine.AttachKind
	target string
	place  place

	// prog is the program that runs, nil once detached. It is held.
	prog atomic.Pointer[programCore]
	refs atomic.Int64

	// mu orders updates and detaching. It is taken after the place's lock.
	mu sync.Mutex
}

// place is a hook that attachments stand at.
type place interface {
	// update makes a run p from now on, which the caller holds, and returns
	// the program before.
	update(a *attachment, p *programCore) (*programCore, error)
	// remove takes a away; it may be gone already.
	remove(a *attachment)
}

// Linux's answers to links whose target is gone, and to hooks that are taken.
var (
	errGone   = fmt.Errorf("the target is gone: %w", syscall.ENOLINK)
	errBusy   = fmt.Errorf("another program is attached there: %w", syscall.EBUSY)
	errTwice  = fmt.Errorf("the program is attached there already: %w", syscall.EEXIST)
	errNobody = fmt.Errorf("what to stand beside is not attached there: %w", syscall.ENOENT)
)

// newAttachment holds p for a hook.
func (e *Engine) newAttachment(p *programCore, t engine.Target, at place) (*attachment, error) {
	if err := p.acquire(); err != nil {
		return nil, err
	}
	a := &attachment{e: e, id: e.linkIDs.Add(1), kind: t.Kind(), target: t.String(), place: at}
	a.prog.Store(p)
	a.refs.Store(1)
	return a, nil
}

// running returns the program to run now, held for the run, or nil. The holder
// of a program that was replaced meanwhile may be too late: then there is
// another one.
func (a *attachment) running() *programCore {
	for {
		p := a.prog.Load()
		if p == nil || p.vm.Acquire() {
			return p
		}
	}
}

// update replaces the program.
func (a *attachment) update(p *programCore) error {
	if err := p.acquire(); err != nil {
		return err
	}
	old, err := a.place.update(a, p)
	if err != nil {
		_ = p.release() // not the last hold: the caller has one
		return err
	}
	return old.release()
}

// swap is the common part of update: it fails once the attachment is detached.
func (a *attachment) swap(p *programCore) (*programCore, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.prog.Load()
	if old == nil {
		return nil, errGone
	}
	a.prog.Store(p)
	return old, nil
}

// detach takes the program from its hook. It is safe twice.
func (a *attachment) detach() error {
	a.place.remove(a)
	a.mu.Lock()
	old := a.prog.Swap(nil)
	a.mu.Unlock()
	if old == nil {
		return nil
	}
	return old.release()
}

// acquire takes the hold of one more handle or pin.
func (a *attachment) acquire() error {
	for {
		n := a.refs.Load()
		if n <= 0 {
			return fmt.Errorf("link to %s: %w", a.target, engine.ErrClosed)
		}
		if a.refs.CompareAndSwap(n, n+1) {
			return nil
		}
	}
}

// release gives a hold back; the last one detaches.
func (a *attachment) release() error {
	if a.refs.Add(-1) > 0 {
		return nil
	}
	return a.detach()
}
