//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// socketLink is a program that hangs on a socket by a socket option, until the
// socket goes.
type socketLink struct {
	t         engine.Target
	set, drop int // SO_ATTACH_… and SO_DETACH_…
	types     []ebpf.ProgramType

	mu      sync.Mutex
	raw     syscall.RawConn
	program uint32
	closed  bool
}

var _ engine.Link = (*socketLink)(nil)

// attachSocketFilter filters what a socket receives.
func attachSocketFilter(p *Program, t engine.SocketFilter) (engine.Link, error) {
	return attachSocket(p, t.Conn, &socketLink{
		t: t, set: unix.SO_ATTACH_BPF, drop: unix.SO_DETACH_BPF, types: []ebpf.ProgramType{ebpf.SocketFilter},
	})
}

// attachSkReuseport picks among the sockets of the group that the socket is in.
func attachSkReuseport(p *Program, t engine.SkReuseport) (engine.Link, error) {
	return attachSocket(p, t.Conn, &socketLink{
		t: t, set: unix.SO_ATTACH_REUSEPORT_EBPF, drop: unix.SO_DETACH_REUSEPORT_BPF,
		types: []ebpf.ProgramType{ebpf.SkReuseport, ebpf.SocketFilter},
	})
}

func attachSocket(p *Program, conn syscall.Conn, l *socketLink) (engine.Link, error) {
	if err := wantType(p, l.t, l.types...); err != nil {
		return nil, err
	}
	if conn == nil {
		return nil, fmt.Errorf("attach program %s to %s: no socket given: %w", p.info.Name, l.t, unix.EINVAL)
	}
	raw, err := conn.SyscallConn()
	if err == nil {
		l.raw = raw
		err = l.put(p)
	}
	if err != nil {
		return nil, attachError(p, l.t, err, "")
	}
	return l, nil
}

// put sets the program; the kernel exchanges it atomically.
func (l *socketLink) put(p *Program) error {
	return p.withFD(func(fd int) error {
		var opt error
		err := l.raw.Control(func(s uintptr) {
			opt = unix.SetsockoptInt(int(s), unix.SOL_SOCKET, l.set, fd)
		})
		if err == nil {
			err = opt
		}
		if err == nil {
			l.program = p.info.ID
		}
		return err
	})
}

// Info describes the attachment; its ID is 0.
func (l *socketLink) Info() engine.LinkInfo {
	l.mu.Lock()
	defer l.mu.Unlock()
	return engine.LinkInfo{Kind: l.t.Kind(), ProgramID: l.program, Target: l.t.String()}
}

// Update replaces the program.
func (l *socketLink) Update(p engine.Program) error {
	own, err := asProgram(p)
	if err != nil {
		return fmt.Errorf("update %s: %w", l.t, err)
	}
	if err := wantType(own, l.t, l.types...); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return fmt.Errorf("update %s: %w", l.t, engine.ErrClosed)
	}
	if err := l.put(own); err != nil {
		return fmt.Errorf("update %s: %w", l.t, err)
	}
	return nil
}

// Pin is not supported: there is no bpf_link.
func (l *socketLink) Pin(string) error { return noLink("a program on a socket") }

// Unpin is not supported.
func (l *socketLink) Unpin() error { return noLink("a program on a socket") }

// Detach takes the program off the socket. A socket that is closed took it
// along.
func (l *socketLink) Detach() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	var opt error
	err := l.raw.Control(func(s uintptr) {
		opt = unix.SetsockoptInt(int(s), unix.SOL_SOCKET, l.drop, 0)
	})
	if err != nil || errors.Is(opt, unix.ENOENT) {
		return nil // the socket or the program is gone
	}
	if opt != nil {
		return fmt.Errorf("detach %s: %w", l.t, os.NewSyscallError("setsockopt", opt))
	}
	return nil
}

// Close detaches.
func (l *socketLink) Close() error {
	if l == nil {
		return nil
	}
	return l.Detach()
}
