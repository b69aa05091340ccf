package lab

import (
	"net/netip"
	"testing"
	"time"
)

// Whatever arrives at a ping socket answers only the ping it belongs to.
func FuzzPingDispatch(f *testing.F) {
	for _, v6 := range []bool{false, true} {
		p := &pinger{}
		p.init(nil, v6)
		e := &echo{to: netip.MustParseAddr("10.1.0.3"), seq: 7, payload: []byte("payload")}
		request := p.message(9, e)
		reply := append([]byte{p.reply}, request[1:]...)
		f.Add(v6, reply)
		f.Add(v6, request)
		f.Add(v6, reply[:7])
		header := make([]byte, 20)
		header[0], header[9] = 0x45, 1
		if v6 {
			header = make([]byte, 40)
			header[0], header[6] = 0x60, 58
		}
		f.Add(v6, append(append([]byte{p.unreachable, 1, 0, 0, 0, 0, 0, 0}, header...), request...))
		f.Add(v6, append([]byte{p.exceeded, 0, 0, 0, 0, 0, 0, 0}, header...))
	}
	f.Fuzz(func(t *testing.T, v6 bool, b []byte) {
		p := &pinger{}
		p.init(nil, v6)
		e := &echo{to: netip.MustParseAddr("10.1.0.3"), seq: 7, payload: []byte("payload"), answer: make(chan answer, 1)}
		p.waiting = map[uint16]*echo{9: e}
		p.dispatch(b, e.to, time.Now())
		select {
		case a := <-e.answer:
			if a.err == nil && (b[0] != p.reply || string(b[8:]) != "payload") {
				t.Errorf("%x was taken for the reply", b)
			}
		default:
		}
	})
}

func TestPingDispatch(t *testing.T) {
	p := &pinger{}
	p.init(nil, false)
	to := netip.MustParseAddr("10.1.0.3")
	e := &echo{to: to, seq: 7, payload: []byte("payload"), answer: make(chan answer, 1)}
	p.waiting = map[uint16]*echo{9: e}
	request := p.message(9, e)
	if sum := checksum(request); sum != 0 {
		t.Errorf("the request's checksum is off by %#x", sum)
	}
	reply := append([]byte{0}, request[1:]...)
	flip := func(i int) []byte {
		b := append([]byte{}, reply...)
		b[i] ^= 1
		return b
	}
	header := make([]byte, 20)
	header[0], header[9] = 0x45, 1
	lost := append(append([]byte{3, 1, 0, 0, 0, 0, 0, 0}, header...), request[:8]...)
	for _, c := range []struct {
		name  string
		data  []byte
		from  netip.Addr
		taken bool
	}{
		{"reply", reply, to, true},
		{"from another", reply, netip.MustParseAddr("10.1.0.4"), false},
		{"other identifier", flip(5), to, false},
		{"other sequence number", flip(7), to, false},
		{"other payload", flip(12), to, false},
		{"request", request, to, false},
		{"short", reply[:6], to, false},
		{"unreachable", lost, netip.MustParseAddr("10.1.0.1"), true},
		{"unreachable, cut", lost[:30], netip.MustParseAddr("10.1.0.1"), false},
	} {
		p.dispatch(c.data, c.from, time.Now())
		select {
		case <-e.answer:
			if !c.taken {
				t.Errorf("%s: taken", c.name)
			}
		default:
			if c.taken {
				t.Errorf("%s: not taken", c.name)
			}
		}
	}
}

func FuzzWithoutIPv4Header(f *testing.F) {
	f.Add([]byte{})
	f.Add(append([]byte{0x46}, make([]byte, 30)...))
	f.Add(append([]byte{0x4f}, make([]byte, 30)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if rest := withoutIPv4Header(b); len(rest) > len(b)-20 && len(rest) > 0 {
			t.Errorf("%d of %d bytes are left", len(rest), len(b))
		}
	})
}

func FuzzCheckName(f *testing.F) {
	for _, s := range []string{"a", "", "node-1", "lo", "1.2.3.4", "sixteen-letters-", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if checkName(s) == nil && (len(s) == 0 || len(s) > 15 || s == "lo") {
			t.Errorf("%q is taken for a name", s)
		}
	})
}
