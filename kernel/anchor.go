//go:build linux

package kernel

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// withAnchor calls f with the flags and the descriptor that put a program where
// a says, and keeps the descriptor open meanwhile.
func withAnchor(a engine.Anchor, f func(flags, relative uint32) error) error {
	var flags uint32
	switch a.Position {
	case engine.AnchorDefault:
		if a.Link != nil || a.Program != nil {
			return fmt.Errorf("anchor: it names a link or program but no position: %w", unix.EINVAL)
		}
		return f(0, 0)
	case engine.AnchorHead:
		return f(orderBefore, 0)
	case engine.AnchorTail:
		return f(orderAfter, 0)
	case engine.AnchorBefore:
		flags = orderBefore
	case engine.AnchorAfter:
		flags = orderAfter
	case engine.AnchorReplace:
		flags = orderReplace
	default:
		return fmt.Errorf("anchor: position %d is unknown: %w", a.Position, unix.EINVAL)
	}
	switch {
	case a.Link != nil && a.Program != nil:
		return fmt.Errorf("anchor: both a link and a program: %w", unix.EINVAL)
	case a.Program != nil:
		p, err := asProgram(a.Program)
		if err != nil {
			return fmt.Errorf("anchor: %w", err)
		}
		return p.withFD(func(fd int) error { return f(flags, uint32(fd)) })
	case a.Link != nil:
		l, ok := a.Link.(fdLink)
		if !ok {
			return fmt.Errorf("anchor: %s: %w", a.Link.Info().Target, engine.ErrWrongEngine)
		}
		return l.withFD("order by", func(fd int) error { return f(flags|orderLink, uint32(fd)) })
	}
	return fmt.Errorf("anchor: no link or program to stand %w", errors.Join(errors.New("beside"), unix.EINVAL))
}

// replacesLink is the link that an anchor asks to be replaced. Links cannot be
// replaced by links in Linux: what is meant is an update.
func replacesLink(a engine.Anchor) bool {
	return a.Position == engine.AnchorReplace
}

// errReplace explains that.
func errReplace(t engine.Target) error {
	return notSupported("replacing through an anchor at "+t.String(), "a new link cannot take another's place in Linux",
		"update the link that is there", nil)
}
