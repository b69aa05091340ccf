package lb_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/skepdev/skep/bpf"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/engine/enginetest"
	"github.com/skepdev/skep/net/lb"
	"github.com/skepdev/skep/net/service"
)

func packet(t testing.TB, format string, args ...any) []byte {
	t.Helper()
	p, err := enginetest.Packet(fmt.Sprintf(format, args...))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func send(t testing.TB, prog engine.Program, in []byte) engine.RunResult {
	t.Helper()
	res, err := prog.Run(&engine.RunInput{Data: in})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// outer is the destination of a tunnelled packet.
func outer(t testing.TB, res engine.RunResult) netip.Addr {
	t.Helper()
	if res.Return != 3 {
		t.Fatalf("verdict %d, want XDP_TX", res.Return)
	}
	if binary.BigEndian.Uint16(res.Data[12:]) == 0x86dd {
		return netip.AddrFrom16([16]byte(res.Data[38:54]))
	}
	return netip.AddrFrom4([4]byte(res.Data[30:34]))
}

var smallConfig = func() lb.Config {
	c := benchConfig
	c.Size = bpf.LBSize{Connections: 1 << 14}
	return c
}()

// Go says before each packet what the program then does: the arithmetic of
// explain.go is that of the program.
func TestExplanationsComeTrue(t *testing.T) {
	onEngines(t, func(t *testing.T, eng engine.Engine) {
		d := open(t, eng, smallConfig)
		if _, err := d.Apply("a", []*service.Pool{bare(0, 20), bare6(0, 20)}); err != nil {
			t.Fatal(err)
		}
		prog, _ := d.Program()
		seen := map[netip.Addr]bool{}
		for i := range 300 {
			client, target := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, byte(i >> 4), byte(i)}), uint16(1000+i)), netip.MustParseAddrPort("10.100.0.1:80")
			ip := "ip4"
			if i%2 == 1 {
				client, target, ip = netip.AddrPortFrom(netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i)), uint16(1000+i)), netip.MustParseAddrPort("[fd00:0::1]:80"), "ip6"
			}
			said, err := d.Explain(lb.Packet{Protocol: service.TCP, Client: client, Target: target})
			if err != nil {
				t.Fatal(err)
			}
			in := packet(t, "eth / %s %v > %v / tcp %d > 80", ip, client.Addr(), target.Addr(), client.Port())
			got := outer(t, send(t, prog, in))
			if got != said.Backend.Addr() {
				t.Fatalf("%v went to %v; said was %q", client, got, said.Steps)
			}
			seen[got] = true
			again, _ := d.Explain(lb.Packet{Protocol: service.TCP, Client: client, Target: target})
			if again.Backend != said.Backend || again.Steps[1] == said.Steps[1] {
				t.Fatalf("the connection is not remembered: %q", again.Steps)
			}
		}
		if len(seen) < 30 {
			t.Errorf("%d backends of 40 were used", len(seen))
		}
	})
}

// Every packet of a flow goes to one backend, whatever changes elsewhere, as
// long as that backend stays; and new flows never go to one that drains.
func TestFlowsStay(t *testing.T) {
	onEngines(t, func(t *testing.T, eng engine.Engine) {
		d := open(t, eng, smallConfig)
		prog, _ := d.Program()
		rng := rand.New(rand.NewPCG(7, 7))
		pool := bare(0, 30)
		pool.Draining = 1 << 40
		if _, err := d.Apply("a", []*service.Pool{pool}); err != nil {
			t.Fatal(err)
		}
		home := map[int]netip.Addr{}
		flow := func(i int, flags int) netip.Addr {
			return outer(t, send(t, prog, packet(t, "eth / ip4 198.51.%d.%d > 10.100.0.1 / tcp %d > 80 flags=%d", i>>8, i&255, 1024+i, flags)))
		}
		for i := range 200 {
			home[i] = flow(i, 2)
			flow(i, 16)
		}
		draining := map[netip.Addr]bool{}
		for round := range 20 {
			next := bare(0, 30+round%3)
			next.Draining = 1 << 40
			for i := range next.Backends {
				b := &next.Backends[i]
				switch rng.IntN(4) {
				case 0:
					b.Weight = uint8(rng.IntN(5))
				case 1:
					b.State = service.State(rng.IntN(4))
				}
			}
			next.Backends = slices.Delete(next.Backends, round%5, round%5+2) // leave with a draining time
			clear(draining)
			for i := range next.Backends {
				draining[next.Backends[i].Addr.Addr()] = !next.Backends[i].Picked()
			}
			if _, err := d.Apply("a", []*service.Pool{next}); err != nil {
				t.Fatal(err)
			}
			if _, err := d.Apply("b", []*service.Pool{bare(1, round)}); err != nil {
				t.Fatal(err)
			}
			for i := range 200 {
				if got := flow(i, 16); got != home[i] {
					t.Fatalf("round %d: flow %d went to %v, was with %v", round, i, got, home[i])
				}
			}
			for i := range 50 {
				got := flow(10000+round*50+i, 2)
				if drains, listed := draining[got]; drains || !listed {
					t.Fatalf("round %d: a new flow went to %v, which takes none", round, got)
				}
			}
		}
	})
}

// A flood of first packets does not push out established connections.
func TestFloodEvictsNoEstablished(t *testing.T) {
	onEngines(t, func(t *testing.T, eng engine.Engine) {
		cfg := smallConfig
		cfg.Size.Connections = 512
		d := open(t, eng, cfg)
		prog, _ := d.Program()
		pool := bare(0, 30)
		pool.Algorithm = service.Random // so that a forgotten flow shows
		if _, err := d.Apply("a", []*service.Pool{pool}); err != nil {
			t.Fatal(err)
		}
		flow := func(i, flags int) netip.Addr {
			return outer(t, send(t, prog, packet(t, "eth / ip4 198.51.%d.%d > 10.100.0.1 / tcp 5000 > 80 flags=%d", i>>8, i&255, flags)))
		}
		home := map[int]netip.Addr{}
		for i := range 100 {
			home[i] = flow(i, 2)
			if got := flow(i, 16); got != home[i] {
				t.Fatalf("flow %d found no place", i)
			}
		}
		for i := range 5000 {
			flow(1000+i, 2)
		}
		for i := range 100 {
			if got := flow(i, 16); got != home[i] {
				t.Fatalf("flow %d was pushed out", i)
			}
		}
		p, err := d.CountConnections()
		if err != nil || p.Established < 100 || p.HalfOpen == 0 || p.Slots != 512 {
			t.Errorf("%+v, %v", p, err)
		}
	})
}

// The answer's translation inverts the request's, for any ends; every packet
// that leaves has right checksums (the expected packets are built with them).
func TestTranslationInverts(t *testing.T) {
	onEngines(t, func(t *testing.T, eng engine.Engine) {
		cfg := smallConfig
		cfg.Forward = service.ForwardNAT
		d := open(t, eng, cfg)
		prog, _ := d.Program()
		udp := bare(2, 5)
		udp.Protocol = service.UDP
		if _, err := d.Apply("a", []*service.Pool{bare(0, 5), bare6(1, 5), udp}); err != nil {
			t.Fatal(err)
		}
		used := map[string]bool{}
		for i := range 200 {
			kind, ip, client, vip, self := "tcp", "ip4", fmt.Sprintf("198.51.100.%d", i%250), "10.100.0.1", "10.0.0.9"
			if i%3 == 1 {
				ip, client, vip, self = "ip6", fmt.Sprintf("2001:db8::%x", i), "fd00:1::1", "fd00::9"
			} else if i%3 == 2 {
				kind, vip = "udp", "10.100.2.1"
			}
			port := 1024 + i*7
			there := send(t, prog, packet(t, "eth / %s %s > %s / %s %d > 80 / \"question %d\"", ip, client, vip, kind, port, i))
			if there.Return != 3 {
				t.Fatalf("verdict %d", there.Return)
			}
			l4, hop := 34, "ttl=63"
			var backend netip.Addr
			if ip == "ip6" {
				l4, hop = 54, "hop=63"
				backend = netip.AddrFrom16([16]byte(there.Data[38:54]))
			} else {
				backend = netip.AddrFrom4([4]byte(there.Data[30:34]))
			}
			nat := binary.BigEndian.Uint16(there.Data[l4:])
			want := packet(t, "eth 02:00:00:00:00:02 > 02:00:00:00:00:99 / %s %s > %v %s / %s %d > 80 / \"question %d\"", ip, self, backend, hop, kind, nat, i)
			if !bytes.Equal(there.Data, want) {
				t.Fatalf("request %d\nhave %x\nwant %x", i, there.Data, want)
			}
			way := fmt.Sprint(kind, backend, nat)
			if used[way] {
				t.Fatalf("port %d towards %v is used twice", nat, backend)
			}
			used[way] = true
			// A route is not known here: what comes back is seen in the packet.
			back := send(t, prog, packet(t, "eth / %s %v > %s / %s 80 > %d / \"answer %d\"", ip, backend, self, kind, nat, i))
			want = packet(t, "eth / %s %s > %s %s / %s 80 > %d / \"answer %d\"", ip, vip, client, hop, kind, port, i)
			if len(back.Data) != len(want) || !bytes.Equal(back.Data[14:], want[14:]) {
				t.Fatalf("answer %d: verdict %d\nhave %x\nwant %x", i, back.Return, back.Data, want)
			}
		}
	})
}
