package agent

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"
)

func TestEndSockets(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to end sockets")
	}
	for _, at := range []string{"127.0.0.1:0", "[::1]:0"} {
		var peers [2]netip.AddrPort
		var conns [2]net.Conn
		for i := range peers {
			ln, err := net.Listen("tcp", at)
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			peers[i] = ln.Addr().(*net.TCPAddr).AddrPort()
			if conns[i], err = net.Dial("tcp", ln.Addr().String()); err != nil {
				t.Fatal(err)
			}
			defer conns[i].Close()
			server, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
		}
		n, err := endSockets(peers[0])
		if err != nil || n != 1 {
			t.Fatalf("%s: ended %d, %v", at, n, err)
		}
		conns[0].SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := conns[0].Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the ended socket reads %v", at, err)
		} else if !errors.Is(err, syscall.ECONNABORTED) {
			t.Errorf("%s: %v, want ECONNABORTED", at, err)
		}
		conns[1].SetDeadline(time.Now().Add(20 * time.Millisecond))
		if _, err := conns[1].Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the other socket reads %v", at, err)
		}
	}
}
