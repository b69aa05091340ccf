//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// directLink is an attachment made with BPF_PROG_ATTACH, from before the kind
// had a bpf_link: it holds the target and a reference to the program, which
// detaching needs.
type directLink struct {
	kind       engine.AttachKind
	target     string
	attachType uint32
	flags      uint32 // of every attach
	// swap: an update names the program to replace; otherwise attaching again
	// replaces.
	swap bool

	mu      sync.Mutex
	at      int // descriptor of the target, ours
	program int // descriptor of the program, ours
	id      uint32
	closed  bool
}

var _ engine.Link = (*directLink)(nil)

// attachDirect attaches p to the object behind at, which it takes over on
// success.
func attachDirect(p *Program, t engine.Target, at int, attachType, flags uint32, swap bool) (*directLink, error) {
	l := &directLink{
		kind: t.Kind(), target: t.String(), attachType: attachType, flags: flags, swap: swap,
		at: at, program: -1, id: p.info.ID,
	}
	var err error
	if l.program, err = l.attach(p, 0); err != nil {
		return nil, err
	}
	return l, nil
}

// attach attaches p, instead of the program behind old if that is not 0, and
// returns a descriptor of it.
func (l *directLink) attach(p *Program, old int) (fd int, err error) {
	err = p.withFD(func(prog int) error {
		if fd, err = unix.FcntlInt(uintptr(prog), unix.F_DUPFD_CLOEXEC, 0); err != nil {
			return err
		}
		attr := progAttachAttr{target: uint32(l.at), program: uint32(fd), attachType: l.attachType, flags: l.flags}
		if old > 0 && l.swap {
			attr.flags |= orderReplace
			attr.replace = uint32(old)
		}
		if _, err := bpfCall(cmdProgAttach, &attr); err != nil {
			unix.Close(fd)
			return err
		}
		return nil
	})
	return fd, err
}

// Info describes the attachment; its ID is 0.
func (l *directLink) Info() engine.LinkInfo {
	l.mu.Lock()
	defer l.mu.Unlock()
	return engine.LinkInfo{Kind: l.kind, ProgramID: l.id, Target: l.target}
}

// Update replaces the program; the kernel exchanges it atomically.
func (l *directLink) Update(p engine.Program) error {
	own, err := asProgram(p)
	if err != nil {
		return fmt.Errorf("update %s: %w", l.target, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return fmt.Errorf("update %s: %w", l.target, engine.ErrClosed)
	}
	fd, err := l.attach(own, l.program)
	if err != nil {
		return fmt.Errorf("update %s: %w", l.target, err)
	}
	unix.Close(l.program)
	l.program, l.id = fd, own.info.ID
	return nil
}

// Pin is not supported: there is no bpf_link.
func (l *directLink) Pin(string) error { return noLink("an attachment to " + l.target) }

// Unpin is not supported.
func (l *directLink) Unpin() error { return noLink("an attachment to " + l.target) }

// Detach takes our program away; one that somebody put in its place stays.
func (l *directLink) Detach() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	attr := progAttachAttr{target: uint32(l.at), program: uint32(l.program), attachType: l.attachType}
	_, err := bpfCall(cmdProgDetach, &attr)
	unix.Close(l.program)
	unix.Close(l.at)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("detach %s: %w", l.target, err)
	}
	return nil
}

// Close detaches.
func (l *directLink) Close() error {
	if l == nil {
		return nil
	}
	return l.Detach()
}
