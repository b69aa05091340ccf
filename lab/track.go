package lab

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"

	"github.com/skepdev/skep/engine"
)

// tracker remembers what is open, so that closing the lab closes it.
type tracker struct {
	mu     sync.Mutex
	closed bool
	open   map[io.Closer]struct{}
}

// add takes c in charge; if the lab is closed already it closes c and reports
// false.
func (t *tracker) add(c io.Closer) bool {
	t.mu.Lock()
	if !t.closed {
		if t.open == nil {
			t.open = map[io.Closer]struct{}{}
		}
		t.open[c] = struct{}{}
		t.mu.Unlock()
		return true
	}
	t.mu.Unlock()
	c.Close()
	return false
}

func (t *tracker) remove(c io.Closer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, c)
}

func (t *tracker) closeAll() error {
	t.mu.Lock()
	t.closed = true
	open := t.open
	t.open = nil
	t.mu.Unlock()
	var errs []error
	for c := range open {
		if err := c.Close(); err != nil && !errors.Is(err, engine.ErrClosed) && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// conn is a connection that the lab closes when it ends.
type conn struct {
	net.Conn
	t *tracker
}

func (l *Lab) trackConn(c net.Conn) (net.Conn, error) {
	k := &conn{c, &l.open}
	if !l.open.add(k) {
		return nil, errClosed("open", "connection")
	}
	return k, nil
}

func (c *conn) Close() error {
	c.t.remove(c)
	return c.Conn.Close()
}

// CloseWrite ends the sending side, as *net.TCPConn does.
func (c *conn) CloseWrite() error {
	if h, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return &engine.NotSupportedError{Feature: "half-close", Reason: "the connection is not TCP"}
}

// SyscallConn gives the socket below, in the kernel world.
func (c *conn) SyscallConn() (syscall.RawConn, error) { return syscallConn(c.Conn) }

func syscallConn(c any) (syscall.RawConn, error) {
	if s, ok := c.(syscall.Conn); ok {
		return s.SyscallConn()
	}
	return nil, &engine.NotSupportedError{
		Feature: "socket descriptor", Reason: "the connection is not a socket of the kernel", Remedy: "use the kernel world",
	}
}

type listener struct {
	net.Listener
	lab *Lab
}

func (l *Lab) trackListener(ln net.Listener) (net.Listener, error) {
	k := &listener{ln, l}
	if !l.open.add(k) {
		return nil, errClosed("open", "listener")
	}
	return k, nil
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.lab.trackConn(c)
}

func (l *listener) Close() error {
	l.lab.open.remove(l)
	return l.Listener.Close()
}

// SyscallConn gives the socket below, in the kernel world.
func (l *listener) SyscallConn() (syscall.RawConn, error) { return syscallConn(l.Listener) }

type packetConn struct {
	net.PacketConn
	t *tracker
}

func (l *Lab) trackPacketConn(c net.PacketConn) (net.PacketConn, error) {
	k := &packetConn{c, &l.open}
	if !l.open.add(k) {
		return nil, errClosed("open", "socket")
	}
	return k, nil
}

func (c *packetConn) Close() error {
	c.t.remove(c)
	return c.PacketConn.Close()
}

// SyscallConn gives the socket below, in the kernel world.
func (c *packetConn) SyscallConn() (syscall.RawConn, error) { return syscallConn(c.PacketConn) }
