package embedded

import (
	"fmt"
	"strings"
	"syscall"

	"github.com/skepdev/skep/engine"
)

// attachHook attaches to a hook of the host's: one program a hook. Another one
// takes its place through the link.
func (e *Engine) attachHook(p *programCore, t engine.Hook) (*attachment, error) {
	h := e.hooks.find(t.Name)
	switch {
	case h == nil:
		return nil, fmt.Errorf("nobody declared that hook; there is %s: %w", orNone(strings.Join(e.Hooks(), ", ")), engine.ErrNotExist)
	case p.hook != h && p.hook != nil:
		return nil, fmt.Errorf("it is for hook %s: %w", p.hook.name, syscall.EINVAL)
	case p.hook != h:
		return nil, fmt.Errorf("it is of type %s, and not in a section %q: %w", p.info.Type, t.Name, syscall.EINVAL)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.at.Load() != nil {
		return nil, errBusy
	}
	a, err := e.newAttachment(p, t, hookPlace{h})
	if err != nil {
		return nil, err
	}
	h.at.Store(a)
	return a, nil
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// hookPlace is a hook of the host's.
type hookPlace struct{ h *hookCore }

func (x hookPlace) update(a *attachment, p *programCore) (*programCore, error) {
	if p.hook != x.h {
		return nil, errOtherHook
	}
	return a.swap(p)
}

func (x hookPlace) remove(a *attachment) { x.h.at.CompareAndSwap(a, nil) }
