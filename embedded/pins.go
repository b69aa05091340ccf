package embedded

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/skepdev/skep/engine"
)

// pins is what stands in for a bpffs: names that keep objects alive until they
// are removed or the engine is closed.
type pins struct {
	mu     sync.Mutex
	byPath map[string]pinned
	closed bool
}

// pinned is what can be pinned: *mapCore, *programCore, *attachment. acquire
// takes a hold, release gives it back.
type pinned interface {
	acquire() error
	release() error
}

// errPinExists is Linux's answer to a path that is taken.
var errPinExists = engine.Errno(engine.ErrExist, syscall.EEXIST)

// add pins o at path, or moves its pin there from the path in *at.
func (p *pins) add(o pinned, path string, at *string) error {
	if path == "" {
		return fmt.Errorf("empty path: %w", syscall.EINVAL)
	}
	path = filepath.Clean(path)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return fmt.Errorf("the engine is closed: %w", engine.ErrClosed)
	}
	if *at == path && p.byPath[path] == o {
		return nil
	}
	if _, taken := p.byPath[path]; taken {
		return errPinExists
	}
	if *at != "" && p.byPath[*at] == o {
		delete(p.byPath, *at)
	} else if err := o.acquire(); err != nil {
		return err
	}
	if p.byPath == nil {
		p.byPath = make(map[string]pinned)
	}
	p.byPath[path], *at = o, path
	return nil
}

// remove undoes add; without a pin it does nothing.
func (p *pins) remove(o pinned, at *string) error {
	p.mu.Lock()
	path := *at
	*at = ""
	held := path != "" && p.byPath[path] == o
	if held {
		delete(p.byPath, path)
	}
	p.mu.Unlock()
	if held {
		return o.release()
	}
	return nil
}

// get returns what is pinned at path.
func (p *pins) get(path string) (pinned, string, error) {
	path = filepath.Clean(path)
	p.mu.Lock()
	defer p.mu.Unlock()
	o, ok := p.byPath[path]
	if !ok {
		return nil, path, fmt.Errorf("nothing is pinned there: %w", engine.Errno(engine.ErrNotExist, syscall.ENOENT))
	}
	return o, path, nil
}

// clear removes all pins, for good.
func (p *pins) clear() error {
	p.mu.Lock()
	all := p.byPath
	p.byPath, p.closed = nil, true
	p.mu.Unlock()
	var errs []error
	for _, o := range all {
		errs = append(errs, o.release())
	}
	return errors.Join(errs...)
}

// OpenMap opens the map pinned at path.
func (e *Engine) OpenMap(path string) (engine.Map, error) {
	core, at, err := openPin[*mapCore](e, "map", path)
	if err != nil {
		return nil, err
	}
	m, err := core.another()
	if err != nil {
		return nil, fmt.Errorf("open map %s: %w", path, err)
	}
	m.pin = at
	return m, nil
}

// OpenProgram opens the program pinned at path.
func (e *Engine) OpenProgram(path string) (engine.Program, error) {
	core, at, err := openPin[*programCore](e, "program", path)
	if err != nil {
		return nil, err
	}
	p, err := core.another()
	if err != nil {
		return nil, fmt.Errorf("open program %s: %w", path, err)
	}
	p.pin = at
	return p, nil
}

// OpenLink opens the link pinned at path.
func (e *Engine) OpenLink(path string) (engine.Link, error) {
	a, at, err := openPin[*attachment](e, "link", path)
	if err != nil {
		return nil, err
	}
	if err := a.acquire(); err != nil {
		return nil, fmt.Errorf("open link %s: %w", path, err)
	}
	return &link{a: a, pin: at}, nil
}

func openPin[T pinned](e *Engine, what, path string) (T, string, error) {
	var none T
	o, at, err := e.pins.get(path)
	if err != nil {
		return none, "", fmt.Errorf("open %s %s: %w", what, path, err)
	}
	own, ok := o.(T)
	if !ok {
		return none, "", fmt.Errorf("open %s %s: what is pinned there is no %s: %w", what, path, what, syscall.EINVAL)
	}
	return own, at, nil
}

// Pin keeps the map alive at path. A map that is pinned already moves.
func (m *Map) Pin(path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return m.closedError("pin")
	}
	return pinError("map "+m.core.info.Name, path, m.core.e.pins.add(m.core, path, &m.pin))
}

// Unpin removes the pin; without one it does nothing.
func (m *Map) Unpin() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return m.closedError("unpin")
	}
	return m.core.e.pins.remove(m.core, &m.pin)
}

// Pin keeps the program alive at path. A program that is pinned already moves.
func (p *Program) Pin(path string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return fmt.Errorf("pin program %s: %w", p.core.info.Name, engine.ErrClosed)
	}
	return pinError("program "+p.core.info.Name, path, p.core.e.pins.add(p.core, path, &p.pin))
}

// Unpin removes the pin; without one it does nothing.
func (p *Program) Unpin() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return fmt.Errorf("unpin program %s: %w", p.core.info.Name, engine.ErrClosed)
	}
	return p.core.e.pins.remove(p.core, &p.pin)
}

func pinError(what, path string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("pin %s at %s: %w", what, path, err)
}
