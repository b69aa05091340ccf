package proxy_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skepdev/skep/bpf"
	"github.com/skepdev/skep/embedded"
	"github.com/skepdev/skep/net/lb"
	"github.com/skepdev/skep/net/proxy"
	"github.com/skepdev/skep/net/service"
)

// answerer answers datagrams with its name.
func answerer(t *testing.T, name string) netip.AddrPort {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	go func() {
		b := make([]byte, 2000)
		for {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			pc.WriteTo(fmt.Appendf(nil, "%s got %q", name, b[:n]), from)
		}
	}()
	return pc.LocalAddr().(*net.UDPAddr).AddrPort()
}

type udpSetup struct {
	*testing.T
	plane *lb.Dataplane
	pool  func(backends ...netip.AddrPort) *service.Pool
	vip   netip.AddrPort
	at    string

	mu      sync.Mutex
	reports map[netip.AddrPort][2]int // good and bad
}

func newUDPSetup(t *testing.T) *udpSetup {
	t.Helper()
	eng, err := embedded.New(embedded.Config{CPUs: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { eng.Close() })
	s := &udpSetup{T: t, vip: netip.MustParseAddrPort("10.96.0.1:53"), reports: map[netip.AddrPort][2]int{}}
	if s.plane, err = lb.Open(t.Context(), eng, lb.Config{Size: bpf.LBSize{Connections: 1 << 12}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.plane.Close() })
	s.pool = func(backends ...netip.AddrPort) *service.Pool {
		p := poolOf(backends...)
		p.Protocol, p.Frontends = service.UDP, []service.Frontend{{Addr: s.vip}}
		return p
	}
	p := proxy.New(s.plane, proxy.Options{
		Log: slog.New(slog.DiscardHandler), Idle: 300 * time.Millisecond,
		ListenPacket: func(context.Context, string, string) (proxy.DatagramConn, error) {
			conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err == nil {
				s.at = conn.LocalAddr().String()
			}
			return conn, err
		},
		Report: func(_ proxy.Frontend, b netip.AddrPort, err error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			r := s.reports[b]
			if err == nil {
				r[0]++
			} else {
				r[1]++
			}
			s.reports[b] = r
		},
	})
	t.Cleanup(func() { p.Close() })
	if errs := p.Set([]proxy.Frontend{{Addr: s.vip, Protocol: service.UDP}}); len(errs) > 0 {
		t.Fatal(errs)
	}
	return s
}

func (s *udpSetup) apply(backends ...netip.AddrPort) {
	s.Helper()
	if _, err := s.plane.Apply("s", []*service.Pool{s.pool(backends...)}); err != nil {
		s.Fatal(err)
	}
}

func (s *udpSetup) dial() net.Conn {
	s.Helper()
	conn, err := net.Dial("udp", s.at)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { conn.Close() })
	return conn
}

func ask(conn net.Conn, text string, timeout time.Duration) (string, error) {
	if _, err := conn.Write([]byte(text)); err != nil {
		return "", err
	}
	conn.SetReadDeadline(time.Now().Add(timeout))
	b := make([]byte, 2000)
	n, err := conn.Read(b)
	return string(b[:n]), err
}

// Datagrams of a client go to one backend and answers find back; clients are
// spread; a session that was idle too long is made again, to the same backend;
// one whose backend has left gets another.
func TestDatagrams(t *testing.T) {
	s := newUDPSetup(t)
	a, b := answerer(t, "a"), answerer(t, "b")
	s.apply(a, b)
	seen := map[string]int{}
	var held net.Conn
	for range 40 {
		conn := s.dial()
		first, err := ask(conn, "hello", 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		name, rest, _ := strings.Cut(first, " ")
		if rest != `got "hello"` {
			t.Fatalf("answer %q", first)
		}
		if again, err := ask(conn, "hello", 5*time.Second); again != first {
			t.Fatalf("then %q, %v; was %q", again, err, first)
		}
		if name == "a" {
			held = conn
		}
		seen[name]++
	}
	if seen["a"] < 5 || seen["b"] < 5 {
		t.Errorf("answers: %v", seen)
	}
	if s.reports[a][0] != seen["a"] || s.reports[a][1] != 0 {
		t.Errorf("reported %v of a's %d sessions", s.reports[a], seen["a"])
	}
	time.Sleep(400 * time.Millisecond) // longer than Idle
	if got, err := ask(held, "x", 5*time.Second); got != `a got "x"` {
		t.Errorf("after a pause %q, %v", got, err)
	}
	s.apply(b)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if got, _ := ask(held, "y", 5*time.Second); got == `b got "y"` {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("datagrams still go to a backend that left")
		}
	}
}

// A backend that refuses is reported.
func TestDatagramsRefused(t *testing.T) {
	s := newUDPSetup(t)
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := pc.LocalAddr().(*net.UDPAddr).AddrPort()
	pc.Close()
	s.apply(dead)
	for deadline := time.Now().Add(10 * time.Second); ; {
		_, _ = ask(s.dial(), "?", 20*time.Millisecond)
		s.mu.Lock()
		bad := s.reports[dead][1]
		s.mu.Unlock()
		if bad > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing was reported")
		}
	}
}
