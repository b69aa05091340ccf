package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/skepdev/skep/bpf"
	"github.com/skepdev/skep/embedded"
	"github.com/skepdev/skep/net/lb"
	"github.com/skepdev/skep/net/proxy"
	"github.com/skepdev/skep/net/service"
)

// backend answers with its name and what it got up to the end.
func backend(t *testing.T, name string) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				text, _ := io.ReadAll(conn)
				fmt.Fprintf(conn, "%s got %q", name, text)
			}()
		}
	}()
	return ln.Addr().(*net.TCPAddr).AddrPort()
}

type setup struct {
	plane *lb.Dataplane
	proxy *proxy.Proxy
	vip   netip.AddrPort
	at    string // where the proxy really listens
}

func newSetup(t *testing.T, pool *service.Pool, head int) *setup {
	t.Helper()
	eng, err := embedded.New(embedded.Config{CPUs: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { eng.Close() })
	s := &setup{vip: netip.MustParseAddrPort("10.96.0.1:80")}
	if s.plane, err = lb.Open(t.Context(), eng, lb.Config{Size: bpf.LBSize{Connections: 1 << 12}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.plane.Close() })
	pool.Frontends = []service.Frontend{{Addr: s.vip}}
	if _, err := s.plane.Apply("s", []*service.Pool{pool}); err != nil {
		t.Fatal(err)
	}
	// The service's address is not one of this machine: the proxy listens on a
	// port of the loopback instead, and takes it for the service's.
	s.proxy = proxy.New(s.plane, proxy.Options{Log: slog.New(slog.DiscardHandler), Listen: func(context.Context, string, string) (net.Listener, error) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err == nil {
			s.at = ln.Addr().String()
		}
		return ln, err
	}})
	t.Cleanup(func() { s.proxy.Close() })
	if errs := s.proxy.Set([]proxy.Frontend{{Addr: s.vip, Header: head}}); len(errs) > 0 {
		t.Fatal(errs)
	}
	return s
}

func (s *setup) ask(t *testing.T, text string) (answer string, client net.Addr) {
	t.Helper()
	conn, err := net.Dial("tcp", s.at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(conn, text)
	conn.(*net.TCPConn).CloseWrite()
	b, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), conn.LocalAddr()
}

func poolOf(backends ...netip.AddrPort) *service.Pool {
	p := &service.Pool{Service: "default/s", Port: "80", Protocol: service.TCP, Family: 4, Scope: "cluster", Algorithm: service.Maglev, Draining: -1}
	for _, b := range backends {
		p.Backends = append(p.Backends, service.Backend{Addr: b, Weight: 1})
	}
	return p
}

func TestProxy(t *testing.T) {
	a, b := backend(t, "a"), backend(t, "b")
	s := newSetup(t, poolOf(a, b), 0)
	seen := map[string]int{}
	for range 40 {
		got, _ := s.ask(t, "hello")
		name, rest, _ := strings.Cut(got, " ")
		if rest != `got "hello"` {
			t.Fatalf("answer %q", got)
		}
		seen[name]++
	}
	if seen["a"] < 5 || seen["b"] < 5 {
		t.Errorf("answers: %v", seen)
	}
	stats, err := s.plane.Stats()
	if err != nil || stats[0].Total.Connections != 40 {
		t.Errorf("stats %+v, %v", stats, err)
	}
	// One drains: the other has all that is new.
	drained := poolOf(a, b)
	drained.Frontends, drained.Backends[0].State = []service.Frontend{{Addr: s.vip}}, service.Draining
	if _, err := s.plane.Apply("s", []*service.Pool{drained}); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if got, _ := s.ask(t, "x"); !strings.HasPrefix(got, "b ") {
			t.Errorf("answer %q", got)
		}
	}
	// All connections were told to be over.
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		p, err := s.plane.CountConnections()
		if err == nil && p.Closing == 50 && p.Established+p.HalfOpen == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("pressure %+v, %v", p, err)
		}
	}
	// Without a backend the connection is closed.
	if _, err := s.plane.Apply("s", []*service.Pool{func() *service.Pool { p := poolOf(); p.Frontends = drained.Frontends; return p }()}); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", s.at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("read %d, %v", n, err)
	}
	s.proxy.Set(nil)
	if conn, err := net.Dial("tcp", s.at); err == nil {
		conn.Close()
		t.Error("still listening")
	}
}

func TestProxyHeader(t *testing.T) {
	for _, version := range []int{1, 2} {
		s := newSetup(t, poolOf(backend(t, "a")), version)
		got, client := s.ask(t, "hello")
		c := client.(*net.TCPAddr).AddrPort()
		want := fmt.Sprintf("PROXY TCP4 127.0.0.1 10.96.0.1 %d 80\r\nhello", c.Port())
		if version == 2 {
			want = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x7f\x00\x00\x01\x0a\x60\x00\x01" + string([]byte{byte(c.Port() >> 8), byte(c.Port()), 0, 80}) + "hello"
		}
		if got != fmt.Sprintf("a got %q", want) {
			t.Errorf("version %d: %s\nwant %q", version, got, want)
		}
	}
}

func TestPickWithoutService(t *testing.T) {
	s := newSetup(t, poolOf(), 0)
	p := lb.Packet{Protocol: service.TCP, Client: netip.MustParseAddrPort("192.0.2.1:1000"), Target: s.vip}
	if _, err := s.plane.Pick(p); !errors.Is(err, lb.ErrNoBackend) {
		t.Errorf("no backend: %v", err)
	}
}
