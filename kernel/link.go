//go:build linux

package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// bpfLink is a bpf_link of the kernel, whatever its kind.
type bpfLink struct {
	kind   engine.AttachKind
	target string
	// fixed: Linux cannot replace this kind's program.
	fixed bool
	// companions are descriptors that live as long as the link (perf events).
	companions []int

	mu     sync.Mutex
	fd     int
	closed bool
	pin    string
}

var _ engine.Link = (*bpfLink)(nil)

// fdLink is a link that other links may be ordered by.
type fdLink interface {
	withFD(op string, f func(fd int) error) error
}

func (l *bpfLink) withFD(op string, f func(fd int) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return l.closedError(op)
	}
	return f(l.fd)
}

func (l *bpfLink) closedError(op string) error {
	return fmt.Errorf("%s link to %s: %w", op, l.target, engine.ErrClosed)
}

// Info describes the link. A closed link has neither ID nor program.
func (l *bpfLink) Info() engine.LinkInfo {
	info := engine.LinkInfo{Kind: l.kind, Target: l.target}
	_ = l.withFD("describe", func(fd int) error {
		raw, err := readLinkInfo(fd)
		info.ID, info.ProgramID = raw.id, raw.program
		return err
	})
	return info
}

// Update replaces the program atomically, where Linux can.
func (l *bpfLink) Update(p engine.Program) error {
	own, err := asProgram(p)
	if err != nil {
		return fmt.Errorf("update %s: %w", l.target, err)
	}
	return l.withFD("update", func(fd int) error {
		if l.fixed {
			return noUpdate(l.kind)
		}
		err := own.withFD(func(prog int) error {
			_, err := bpfCall(cmdLinkUpdate, &linkUpdateAttr{link: uint32(fd), program: uint32(prog)})
			return err
		})
		switch {
		case err == nil:
			return nil
		case isPermission(err):
			return permission("update "+l.target, err, capNetAdmin, capBPF)
		case isUnsupported(err):
			return noUpdate(l.kind)
		case errors.Is(err, unix.ENOLINK), errors.Is(err, unix.ENODEV):
			return fmt.Errorf("update %s: the target is gone: %w", l.target, err)
		case isInvalid(err):
			return fmt.Errorf("update %s: program %s (%s) does not fit there: %w", l.target, own.info.Name, own.info.Type, err)
		}
		return fmt.Errorf("update %s: %w", l.target, err)
	})
}

// Pin keeps the link attached at path, a file to be made in a bpffs. A link
// that is pinned already moves.
func (l *bpfLink) Pin(path string) error {
	return l.withFD("pin", func(fd int) error {
		var err error
		if l.pin == path {
			return nil
		}
		if l.pin != "" {
			err = os.Rename(l.pin, path)
		} else {
			var p pointer
			if p, err = stringPtr(path); err == nil {
				_, err = bpfCall(cmdObjPin, &objAttr{path: p, fd: uint32(fd)})
			}
		}
		if err == nil {
			l.pin = path
		}
		return pinError("link to "+l.target, path, err)
	})
}

// Unpin removes the pin; without one it does nothing.
func (l *bpfLink) Unpin() error {
	return l.withFD("unpin", func(int) error {
		if l.pin == "" {
			return nil
		}
		if err := os.Remove(l.pin); err != nil {
			return fmt.Errorf("unpin link to %s: %w", l.target, err)
		}
		l.pin = ""
		return nil
	})
}

// Detach cuts the link from its target even if it is pinned. Kinds without
// that operation (tracing, perf events) end when nothing refers to them: an
// unpinned one is closed, a pinned one is not supported.
func (l *bpfLink) Detach() error {
	err := l.withFD("detach", func(fd int) error {
		_, err := bpfCall(cmdLinkDetach, &fdAttr{fd: uint32(fd)})
		return err
	})
	switch {
	case err == nil, errors.Is(err, engine.ErrClosed):
		return err
	case isUnsupported(err):
		l.mu.Lock()
		pinned := l.pin != ""
		l.mu.Unlock()
		if pinned {
			return notSupported("detach of a pinned "+string(l.kind)+" link", "Linux cannot force it", "unpin and close it", err)
		}
		return l.Close()
	}
	return fmt.Errorf("detach %s: %w", l.target, err)
}

// Close gives the link up.
func (l *bpfLink) Close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	err := unix.Close(l.fd)
	for _, fd := range l.companions {
		err = errors.Join(err, unix.Close(fd))
	}
	return err
}

// linkInfo is the common part of struct bpf_link_info.
type linkInfo struct{ typ, id, program uint32 }

func readLinkInfo(fd int) (linkInfo, error) {
	// Kinds with strings and arrays in the rest leave them out when no room is
	// offered, so the rest stays zero.
	var b [64]byte
	if _, err := objectInfo(fd, b[:]); err != nil {
		return linkInfo{}, err
	}
	ne := binary.NativeEndian
	return linkInfo{ne.Uint32(b[0:]), ne.Uint32(b[4:]), ne.Uint32(b[8:])}, nil
}

// Kinds of enum bpf_link_type by number, for links that were opened from pins.
func linkKind(typ uint32) (kind engine.AttachKind, fixed bool) {
	switch typ {
	case 1:
		return engine.KindRawTracepoint, true
	case 2:
		return engine.KindTracing, true
	case 3:
		return engine.KindCgroup, false
	case 4:
		return engine.KindIterator, false
	case 5:
		return engine.KindSkLookup, false
	case 6:
		return engine.KindXDP, false
	case 7:
		return engine.KindPerfEvent, true
	case 8:
		return engine.KindKprobeMulti, true
	case 9:
		return engine.KindStructOps, true
	case 10:
		return engine.KindNetfilter, true
	case 11:
		return engine.KindTCX, false
	case 12:
		return engine.KindUprobeMulti, true
	case 13:
		return engine.KindNetkit, false
	case 14:
		return engine.KindSockMap, false
	}
	return engine.AttachKind(fmt.Sprintf("link type %d", typ)), false
}

// OpenLink opens the link pinned at path.
func (e *Engine) OpenLink(path string) (engine.Link, error) {
	p, err := stringPtr(path)
	if err != nil {
		return nil, openError("link", path, err)
	}
	fd, err := bpfCall(cmdObjGet, &objAttr{path: p})
	if err != nil {
		return nil, openError("link", path, err)
	}
	if what := fdKind(fd); what != "" && what != "bpf-link" && what != "bpf_link" && what != "bpf_iter" {
		unix.Close(fd)
		return nil, fmt.Errorf("open link %s: it is not a link but a %s: %w", path, what, unix.EINVAL)
	}
	raw, err := readLinkInfo(fd)
	if err != nil {
		unix.Close(fd)
		return nil, openError("link", path, err)
	}
	kind, fixed := linkKind(raw.typ)
	l := &bpfLink{kind: kind, target: string(kind) + " pinned at " + path, fixed: fixed, fd: fd, pin: path}
	if kind == engine.KindIterator {
		return &iterLink{l}, nil
	}
	return l, nil
}

// fdKind is the name of an anonymous inode: "bpf-map", "bpf-prog", "bpf_link".
func fdKind(fd int) string {
	s, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return ""
	}
	var kind string
	if _, err := fmt.Sscanf(s, "anon_inode:%s", &kind); err != nil {
		return ""
	}
	return trimBrackets(kind)
}

func trimBrackets(s string) string {
	if len(s) > 1 && s[0] == '[' && s[len(s)-1] == ']' {
		return s[1 : len(s)-1]
	}
	return s
}
