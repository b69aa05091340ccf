//go:build linux

package kernel

import (
	"encoding/binary"
	"io"
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

func closeFD(fd int) { unix.Close(fd) }

func reusePort(_, _ string, c syscall.RawConn) (err error) {
	if cerr := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}); cerr != nil {
		return cerr
	}
	return err
}

// tcpPair is a connection over loopback, whose ends swallow what they get.
func tcpPair(t *testing.T) (client, server *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	go io.Copy(io.Discard, c)
	go io.Copy(io.Discard, s)
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

// putSocket stores a connection at key 0 of a sockmap.
func putSocket(t *testing.T, m engine.Map, c *net.TCPConn) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var up error
	if err := raw.Control(func(fd uintptr) {
		up = m.Update(make([]byte, 4), binary.NativeEndian.AppendUint32(nil, uint32(fd)), 0)
	}); err != nil {
		t.Fatal(err)
	}
	if up != nil {
		t.Fatal(up)
	}
}
