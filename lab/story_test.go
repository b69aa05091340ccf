package lab_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/lab"
)

func TestPingBothFamilies(t *testing.T) {
	inEachWorld(t, lab.Config{}, func(t *testing.T, l *lab.Lab) {
		client, server := pair(t, l)
		for _, to := range []netip.Addr{server.Addr4(), server.Addr6()} {
			for seq := range uint16(5) {
				r, err := client.Ping(patient(t), to, lab.PingOptions{Seq: seq, Payload: bytes.Repeat([]byte{byte(seq)}, int(seq)*100)})
				if err != nil {
					t.Fatal(err)
				}
				if r.From != to || r.Seq != seq || r.Payload != int(seq)*100 || r.RTT <= 0 || r.RTT > time.Second {
					t.Errorf("ping %s seq %d: reply %+v", to, seq, r)
				}
			}
		}
	})
}

// A reply goes to the ping that asked, also when many ask at once with the
// same sequence number.
func TestPingAtOnce(t *testing.T) {
	inEachWorld(t, lab.Config{}, func(t *testing.T, l *lab.Lab) {
		client, server := pair(t, l)
		errs := make(chan error)
		for i := range 50 {
			go func() {
				_, err := client.Ping(patient(t), server.Addrs()[i%2], lab.PingOptions{Seq: 7, Payload: []byte(fmt.Sprint("ping ", i)), Timeout: 5 * time.Second})
				errs <- err
			}()
		}
		for range 50 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestPingNobody(t *testing.T) {
	inEachWorld(t, lab.Config{}, func(t *testing.T, l *lab.Lab) {
		sw := makeSwitch(t, l, "sw")
		a := endpoint(t, l, "a", lab.EndpointConfig{On: sw})
		start := time.Now()
		_, err := a.Ping(patient(t), netip.MustParseAddr("10.1.0.77"), lab.PingOptions{Timeout: 100 * time.Millisecond})
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("error %v, want a deadline", err)
		}
		if d := time.Since(start); d < 100*time.Millisecond || d > 5*time.Second {
			t.Errorf("took %v", d)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := a.Ping(ctx, a.Addr4(), lab.PingOptions{}); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if _, err := a.Ping(ctx, netip.Addr{}, lab.PingOptions{}); err == nil {
			t.Error("ping of no address: no error")
		}
	})
}

// echo answers TCP connections until its listener closes.
func echo(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			_, _ = io.Copy(c, c)
		}()
	}
}

func TestTCPEcho(t *testing.T) {
	inEachWorld(t, lab.Config{}, func(t *testing.T, l *lab.Lab) {
		client, server := pair(t, l)
		ctx := patient(t)
		ln, err := server.Listen(ctx, "tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		go echo(ln)
		data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
		for _, network := range []string{"tcp4", "tcp6"} {
			c, err := client.DialContext(ctx, network, "server:80")
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				_, _ = c.Write(data)
				_ = c.(interface{ CloseWrite() error }).CloseWrite()
			}()
			_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
			got, err := io.ReadAll(c)
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s: echo of %d bytes: %d bytes, error %v", network, len(data), len(got), err)
			}
			c.Close()
		}
	})
}

func TestDialErrors(t *testing.T) {
	inEachWorld(t, lab.Config{}, func(t *testing.T, l *lab.Lab) {
		client, _ := pair(t, l)
		makeSwitch(t, l, "sw")
		ctx := patient(t)
		if _, err := client.DialContext(ctx, "tcp", "server:81"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("closed port: %v", err)
		}
		for _, c := range []struct{ network, addr, want string }{
			{"tcp", "nobody:80", "the lab has client, node, server, sw"},
			{"tcp", "sw:80", "is a switch"},
			{"tcp", "server", "missing port"},
			{"tcp", "server:http", "want a number"},
			{"tcp", "server:65536", "want a number"},
			{"tcp", ":80", "no host"},
			{"tcp6", "10.1.0.2:80", "wrong family"},
			{"unix", "server:80", "unknown network"},
		} {
			if _, err := client.DialContext(ctx, c.network, c.addr); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("dial %s %s: error %v, want %q", c.network, c.addr, err, c.want)
			}
		}
	})
}

func TestUDP(t *testing.T) {
	inEachWorld(t, lab.Config{}, func(t *testing.T, l *lab.Lab) {
		client, server := pair(t, l)
		ctx := patient(t)
		for _, network := range []string{"udp", "udp4", "udp6"} {
			pc, err := server.ListenPacket(ctx, network, ":53")
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				b := make([]byte, 2000)
				for {
					n, from, err := pc.ReadFrom(b)
					if err != nil {
						return
					}
					if _, err := pc.WriteTo(append([]byte("re: "), b[:n]...), from); err != nil {
						t.Error(err)
					}
				}
			}()
			for _, to := range []string{"udp4", "udp6"} {
				if network != "udp" && network != to {
					continue
				}
				c, err := client.DialContext(ctx, to, "server:53")
				if err != nil {
					t.Fatal(err)
				}
				_ = c.SetDeadline(time.Now().Add(5 * time.Second))
				if _, err := c.Write([]byte("hello")); err != nil {
					t.Fatal(err)
				}
				b := make([]byte, 100)
				n, err := c.Read(b)
				if err != nil || string(b[:n]) != "re: hello" {
					t.Errorf("%s to %s: %q, %v", to, network, b[:n], err)
				}
				c.Close()
			}
			pc.Close()
		}
	})
}

// Three nodes in a row, endpoints at the ends, one on a switch behind the
// last: every pair reaches each other, and the route has the right length.
func TestRouted(t *testing.T) {
	inEachWorld(t, lab.Config{}, func(t *testing.T, l *lab.Lab) {
		a, b, c := node(t, l, "a"), node(t, l, "b"), node(t, l, "c")
		sw := makeSwitch(t, l, "sw")
		connect(t, l, a, b)
		connect(t, l, b, c)
		connect(t, l, c, sw)
		x := endpoint(t, l, "x", lab.EndpointConfig{On: a})
		y := endpoint(t, l, "y", lab.EndpointConfig{On: c})
		z := endpoint(t, l, "z", lab.EndpointConfig{On: sw})
		own := endpoint(t, l, "own", lab.EndpointConfig{On: b, Addrs: []netip.Prefix{
			netip.MustParsePrefix("2001:db8::9/64"), netip.MustParsePrefix("192.0.2.9/24"),
		}})
		if diff := cmp.Diff("[192.0.2.9 2001:db8::9]", fmt.Sprint(own.Addrs())); diff != "" {
			t.Error(diff)
		}
		all := []*lab.Host{x.Host, y.Host, z.Host, own.Host, a.Host, b.Host, c.Host}
		for _, from := range all {
			for _, to := range all {
				if from != to {
					mustPing(t, from, to)
				}
			}
		}
	})
}

// A way that opens later and is shorter is taken, and a node reachable two
// ways is reached.
func TestShortestWay(t *testing.T) {
	inEachWorld(t, lab.Config{}, func(t *testing.T, l *lab.Lab) {
		a, b, c := node(t, l, "a"), node(t, l, "b"), node(t, l, "c")
		connect(t, l, a, b)
		detour := connect(t, l, b, c)
		x := endpoint(t, l, "x", lab.EndpointConfig{On: a})
		y := endpoint(t, l, "y", lab.EndpointConfig{On: c})
		mustPing(t, x.Host, y.Host)
		before := sent(t, detour)
		if before == 0 {
			t.Error("nothing took the only way")
		}
		connect(t, l, c, a)
		for range 10 {
			mustPing(t, x.Host, y.Host)
		}
		if after := sent(t, detour); after > before+8 {
			t.Errorf("detour carried %d frames after a shorter way opened", after-before)
		}
	})
}

// sent is the number of frames that both ends of a link sent.
func sent(t testing.TB, k *lab.Link) uint64 {
	t.Helper()
	var n uint64
	for end := range 2 {
		s, err := k.Stats(end)
		if err != nil {
			t.Fatal(err)
		}
		n += s.SentPackets
	}
	return n
}

// Once a switch has learned, a third endpoint does not see the others' frames.
func TestSwitchLearns(t *testing.T) {
	inEachWorld(t, lab.Config{}, func(t *testing.T, l *lab.Lab) {
		one, two := makeSwitch(t, l, "one"), makeSwitch(t, l, "two")
		connect(t, l, one, two)
		a := endpoint(t, l, "a", lab.EndpointConfig{On: one})
		b := endpoint(t, l, "b", lab.EndpointConfig{On: two})
		idle := endpoint(t, l, "idle", lab.EndpointConfig{On: two})
		mustPing(t, a.Host, b.Host)
		seen := func() uint64 {
			s, err := idle.Link().Stats(1)
			if err != nil {
				t.Fatal(err)
			}
			return s.SentPackets
		}
		eventually(t, "the first, unknown frames are flooded", func() bool { return seen() > 0 })
		before := seen()
		for range 50 {
			if _, err := a.Ping(patient(t), b.Addr4(), lab.PingOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		if n := seen() - before; n > 10 {
			t.Errorf("50 pings between others: %d frames reached the third", n)
		}
		if _, err := l.Connect(two, one, lab.LinkConfig{}); err == nil || !strings.Contains(err.Error(), "circle") {
			t.Errorf("second link between switches: error %v", err)
		}
	})
}

// Packets up to the MTU cross whole, larger ones in fragments, and a smaller
// MTU further on is discovered.
func TestMTU(t *testing.T) {
	inEachWorld(t, lab.Config{MTU: 9000}, func(t *testing.T, l *lab.Lab) {
		a, b := node(t, l, "a"), node(t, l, "b")
		if _, err := l.Connect(a, b, lab.LinkConfig{MTU: 1400}); err != nil {
			t.Fatal(err)
		}
		x := endpoint(t, l, "x", lab.EndpointConfig{On: a})
		y := endpoint(t, l, "y", lab.EndpointConfig{On: b})
		near := endpoint(t, l, "near", lab.EndpointConfig{On: a})
		for _, c := range []struct {
			to      netip.Addr
			payload int
		}{
			{near.Addr4(), 9000 - 28}, {near.Addr6(), 9000 - 48}, {near.Addr4(), 20000}, {near.Addr6(), 20000}, {y.Addr4(), 1400 - 28}, {y.Addr6(), 1400 - 48},
		} {
			_, err := x.Ping(patient(t), c.to, lab.PingOptions{Payload: make([]byte, c.payload)})
			if l.World() == lab.Embedded && c.payload > 9000 && c.to.Is6() {
				if !errors.Is(err, engine.ErrNotSupported) {
					t.Errorf("payload %d: error %v, want not supported", c.payload, err)
				}
			} else if err != nil {
				t.Errorf("payload %d: %v", c.payload, err)
			}
		}
		ln, err := y.Listen(patient(t), "tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		go echo(ln)
		for _, network := range []string{"tcp4", "tcp6"} {
			c, err := x.DialContext(patient(t), network, "y:80")
			if err != nil {
				t.Fatal(err)
			}
			data := make([]byte, 20000)
			go func() { _, _ = c.Write(data) }()
			_ = c.SetReadDeadline(time.Now().Add(15 * time.Second))
			if _, err := io.ReadFull(c, make([]byte, len(data))); err != nil {
				t.Errorf("%s over a smaller MTU: %v", network, err)
			}
			c.Close()
		}
	})
}

func TestBadTopology(t *testing.T) {
	inEachWorld(t, lab.Config{}, func(t *testing.T, l *lab.Lab) {
		n := node(t, l, "n")
		e := endpoint(t, l, "e", lab.EndpointConfig{On: n})
		other := newLab(t, lab.Config{World: l.World()})
		foreign := node(t, other, "foreign")
		try := func(what string, err error, want string) {
			t.Helper()
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want %q", what, err, want)
			}
		}
		for name, want := range map[string]string{
			"": "want 1 to 15", "sixteen-letters-": "want 1 to 15", "a/b": "want 1 to 15", "..": "want 1 to 15",
			"lo": "reserved", "eth0": "reserved", "all": "reserved", "n": "exist", "e": "exist",
		} {
			_, err := l.Node(name)
			try("node "+name, err, want)
			_, err = l.Switch(name)
			try("switch "+name, err, want)
			_, err = l.Endpoint(name, lab.EndpointConfig{})
			try("endpoint "+name, err, want)
		}
		prefix := func(s string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(s)} }
		for what, c := range map[string]struct {
			cfg  lab.EndpointConfig
			want string
		}{
			"multicast":   {lab.EndpointConfig{Addrs: prefix("224.0.0.1/32")}, "unicast"},
			"invalid":     {lab.EndpointConfig{Addrs: make([]netip.Prefix, 1)}, "not valid"},
			"taken":       {lab.EndpointConfig{Addrs: prefix("10.1.0.2/32")}, "exist"},
			"node's":      {lab.EndpointConfig{Addrs: prefix("10.1.0.1/32")}, "exist"},
			"small MTU":   {lab.EndpointConfig{MTU: 100}, "MTU 100"},
			"foreign":     {lab.EndpointConfig{On: foreign}, "not of this lab"},
			"nil node":    {lab.EndpointConfig{On: (*lab.Node)(nil)}, "not of this lab"},
			"on endpoint": {lab.EndpointConfig{On: e}, "to a node or switch"},
		} {
			_, err := l.Endpoint("new", c.cfg)
			try("endpoint "+what, err, c.want)
		}
		_, err := l.Connect(n, n, lab.LinkConfig{})
		try("link to itself", err, "the same")
		_, err = l.Connect(n, foreign, lab.LinkConfig{})
		try("link to another lab", err, "not of this lab")
		_, err = l.Connect(n, nil, lab.LinkConfig{})
		try("link to nil", err, "nothing")
		// Nothing of what failed is in the way.
		x := endpoint(t, l, "new", lab.EndpointConfig{On: n})
		mustPing(t, x.Host, e.Host)
	})
}

// Two links between the same nodes, and endpoints linked to each other.
func TestParallelAndDirectLinks(t *testing.T) {
	inEachWorld(t, lab.Config{}, func(t *testing.T, l *lab.Lab) {
		a, b := node(t, l, "a"), node(t, l, "b-with-15-chars")
		connect(t, l, a, b)
		connect(t, l, a, b)
		var names []string
		for _, d := range a.Devices() {
			names = append(names, d.Name)
		}
		if diff := cmp.Diff([]string{"b-with-15-chars", "b-with-15-cha.2"}, names); diff != "" {
			t.Error(diff)
		}
		x := endpoint(t, l, "x", lab.EndpointConfig{On: a})
		y := endpoint(t, l, "y", lab.EndpointConfig{On: b})
		k := connect(t, l, x, y)
		mustPing(t, x.Host, y.Host)
		if k.Device(0).Name != "eth1" || sent(t, k) == 0 {
			t.Errorf("direct link %s carried %d frames", k.Device(0), sent(t, k))
		}
	})
}

func TestUseAfterClose(t *testing.T) {
	inEachWorld(t, lab.Config{}, func(t *testing.T, l *lab.Lab) {
		client, server := pair(t, l)
		ctx := patient(t)
		ln, err := server.Listen(ctx, "tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		accepted := make(chan net.Conn, 1)
		ended := make(chan error, 8)
		go func() {
			c, err := ln.Accept()
			if err != nil {
				t.Error(err)
			}
			accepted <- c
			_, err = ln.Accept()
			ended <- err
		}()
		c, err := client.DialContext(ctx, "tcp", "server:80")
		if err != nil {
			t.Fatal(err)
		}
		server80 := <-accepted
		pc, err := client.ListenPacket(ctx, "udp", ":9")
		if err != nil {
			t.Fatal(err)
		}
		for _, read := range []func([]byte) (int, error){
			c.Read, server80.Read,
			func(b []byte) (int, error) { n, _, err := pc.ReadFrom(b); return n, err },
		} {
			go func() { _, err := read(make([]byte, 10)); ended <- err }()
		}
		go func() { // nobody answers
			_, err := client.DialContext(context.Background(), "tcp", "192.0.2.1:80")
			ended <- err
		}()
		go func() {
			_, err := client.Ping(context.Background(), netip.MustParseAddr("192.0.2.1"), lab.PingOptions{Timeout: time.Minute})
			ended <- err
		}()
		time.Sleep(50 * time.Millisecond)
		for range 2 {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
		for range 6 {
			select {
			case err := <-ended:
				if err == nil {
					t.Error("something blocked ended without an error")
				}
			case <-time.After(5 * time.Second):
				t.Fatal("something still blocks after Close")
			}
		}
		_, err = l.Node("late")
		if !errors.Is(err, engine.ErrClosed) {
			t.Errorf("node after Close: %v", err)
		}
		if _, err = client.Ping(context.Background(), server.Addr4(), lab.PingOptions{}); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("ping after Close: %v", err)
		}
		if _, err = client.DialContext(context.Background(), "tcp", "server:80"); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("dial after Close: %v", err)
		}
		if _, err = client.Listen(context.Background(), "tcp", ":80"); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("listen after Close: %v", err)
		}
		if _, err := l.Capture(client.Link(), io.Discard); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("capture after Close: %v", err)
		}
	})
}
