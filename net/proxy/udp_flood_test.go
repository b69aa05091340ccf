package proxy

import (
	"errors"
	"net"
	"net/netip"
	"testing"
)

// A flood of clients that have no answer ends no session that had one, and is
// bounded itself.
func TestFloodEndsNoAnswered(t *testing.T) {
	d := &datagrams{sessions: map[netip.AddrPort]*session{}}
	client := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, byte(i >> 16), byte(i >> 8)}), uint16(i&255)+1)
	}
	add := func(i int, answered bool) error {
		a, b := net.Pipe()
		b.Close()
		s := &session{client: client(i), backend: a}
		s.last.Store(int64(i))
		s.answered.Store(answered)
		return d.add(s)
	}
	for i := range 100 {
		if err := add(i, true); err != nil {
			t.Fatal(err)
		}
	}
	for i := range maxSessions + 200 {
		if err := add(1000+i, false); err != nil {
			t.Fatal(err)
		}
	}
	if len(d.sessions) != maxSessions {
		t.Errorf("%d sessions, want %d", len(d.sessions), maxSessions)
	}
	for i := range 100 {
		if d.sessions[client(i)] == nil {
			t.Fatalf("client %d was pushed out", i)
		}
	}
	if d.sessions[client(1000)] != nil || d.sessions[client(1000+maxSessions+199)] == nil {
		t.Error("not the oldest went first")
	}
	for _, s := range d.sessions {
		s.answered.Store(true)
	}
	if err := add(100000, false); !errors.Is(err, errSessions) {
		t.Errorf("one more among those that work: %v", err)
	}
}
