package embedded

import (
	"fmt"
	"sync"
	"syscall"

	"github.com/skepdev/skep/engine"
)

// link is a handle on an attachment.
type link struct {
	a *attachment

	mu     sync.Mutex
	closed bool
	pin    string
}

var _ engine.Link = (*link)(nil)

// with runs f unless the link is closed.
func (l *link) with(op string, f func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return fmt.Errorf("%s link to %s: %w", op, l.a.target, engine.ErrClosed)
	}
	return f()
}

// Info describes the link. A closed link has neither ID nor program.
func (l *link) Info() engine.LinkInfo {
	info := engine.LinkInfo{Kind: l.a.kind, Target: l.a.target}
	_ = l.with("describe", func() error {
		info.ID = l.a.id
		if p := l.a.prog.Load(); p != nil {
			info.ProgramID = p.info.ID
		}
		return nil
	})
	return info
}

// Update replaces the program atomically: each packet meets the old program or
// the new one.
func (l *link) Update(p engine.Program) error {
	own, err := l.a.e.asProgram(p)
	if err != nil {
		return fmt.Errorf("update %s: %w", l.a.target, err)
	}
	return l.with("update", func() error {
		if err := own.open("update with"); err != nil {
			return err
		}
		defer own.mu.RUnlock()
		if now := l.a.prog.Load(); now != nil && now.info.Type != own.core.info.Type {
			return fmt.Errorf("update %s: program %s (%s) does not fit there: %w", l.a.target, own.core.info.Name, own.core.info.Type, syscall.EINVAL)
		}
		if err := l.a.update(own.core); err != nil {
			return fmt.Errorf("update %s: %w", l.a.target, err)
		}
		return nil
	})
}

// Pin keeps the link attached at path. A link that is pinned already moves.
func (l *link) Pin(path string) error {
	return l.with("pin", func() error {
		return pinError("link to "+l.a.target, path, l.a.e.pins.add(l.a, path, &l.pin))
	})
}

// Unpin removes the pin; without one it does nothing.
func (l *link) Unpin() error {
	return l.with("unpin", func() error { return l.a.e.pins.remove(l.a, &l.pin) })
}

// Detach cuts the link from its target even if it is pinned.
func (l *link) Detach() error { return l.with("detach", l.a.detach) }

// Close gives the link up.
func (l *link) Close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	return l.a.release()
}
