package lb_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/net/service"
)

// An ICMP error about a translated packet reaches the other side as if there
// were no translation, in both directions, with right checksums inside and out
// (the expected packets are built with them).
func TestErrorsAreTranslated(t *testing.T) {
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
		check := func(what string, got engine.RunResult, want []byte, l2 int) {
			t.Helper()
			if len(got.Data) != len(want) || !bytes.Equal(got.Data[l2:], want[l2:]) {
				t.Fatalf("%s: verdict %d\nhave %x\nwant %x", what, got.Return, got.Data, want)
			}
		}
		for i := range 60 {
			kind, ip, client, vip, self, hop := "tcp", "ip4", fmt.Sprintf("198.51.100.%d", i%250), "10.100.0.1", "10.0.0.9", "ttl"
			icmp, router := "icmp 3 code=4 seq=1400", "192.0.2.254"
			if i%3 == 1 {
				ip, client, vip, self, hop = "ip6", fmt.Sprintf("2001:db8::%x", i), "fd00:1::1", "fd00::9", "hop"
				icmp, router = "icmp6 2 seq=1400", "2001:db8:ffff::1"
			} else if i%3 == 2 {
				kind, vip = "udp", "10.100.2.1"
			}
			port := 1024 + i*7
			there := send(t, prog, packet(t, "eth / %s %s > %s / %s %d > 80", ip, client, vip, kind, port))
			if there.Return != 3 {
				t.Fatalf("verdict %d", there.Return)
			}
			l4 := 34
			backend := netip.AddrFrom4([4]byte(there.Data[30:34]))
			if ip == "ip6" {
				l4, backend = 54, netip.AddrFrom16([16]byte(there.Data[38:54]))
			}
			nat := binary.BigEndian.Uint16(there.Data[l4:])
			// From a router on the way to the backend, then from the backend.
			for _, from := range [][2]string{{router, router}, {backend.String(), vip}} {
				in := packet(t, "eth / %s %s > %s / %s / %s %s > %v %s=60 / %s %d > 80", ip, from[0], self, icmp, ip, self, backend, hop, kind, nat)
				want := packet(t, "eth / %s %s > %s %s=63 / %s / %s %s > %s %s=60 / %s %d > 80", ip, from[1], client, hop, icmp, ip, client, vip, hop, kind, port)
				check(fmt.Sprint("about request ", i), send(t, prog, in), want, 14)
			}
			if kind == "tcp" && ip == "ip4" { // as little as RFC 792 asks for: no checksum inside
				in := packet(t, "eth / ip4 %s > %s / icmp 11 / ip4 %s > %v ttl=1 proto=6 len=40 / hex:%04x005001020304", router, self, self, backend, nat)
				want := packet(t, "eth / ip4 %s > %s ttl=63 / icmp 11 / ip4 %s > %s ttl=1 proto=6 len=40 / hex:%04x005001020304", router, client, client, vip, port)
				check(fmt.Sprint("short, about request ", i), send(t, prog, in), want, 14)
			}
			// About the answer, from a router on the way to the client.
			in := packet(t, "eth / %s %s > %s / %s / %s %s > %s %s=60 / %s 80 > %d", ip, router, vip, icmp, ip, vip, client, hop, kind, port)
			want := packet(t, "eth 02:00:00:00:00:02 > 02:00:00:00:00:99 / %s %s > %v %s=63 / %s / %s %v > %s %s=60 / %s 80 > %d", ip, self, backend, hop, icmp, ip, backend, self, hop, kind, nat)
			got := send(t, prog, in)
			check(fmt.Sprint("about answer ", i), got, want, 0)
			if got.Return != 3 {
				t.Fatalf("verdict %d, want XDP_TX", got.Return)
			}
		}
	})
}
