package lb_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net/netip"
	"slices"
	"testing"

	"github.com/skepdev/skep/embedded"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/net/lb"
	"github.com/skepdev/skep/net/service"
)

// crossing is a service of one family whose backends are of another, or of the
// same, in all four ways.
func crossing(t *testing.T, eng engine.Engine, proto service.Protocol, edit func(*lb.Config)) (*lb.Dataplane, engine.Program) {
	t.Helper()
	cfg := smallConfig
	cfg.Forward = service.ForwardNAT
	if edit != nil {
		edit(&cfg)
	}
	d := open(t, eng, cfg)
	p44, p66, p46, p64 := bare(0, 5), bare6(0, 5), bare(1, 0), bare6(1, 0)
	p46.Backends, p64.Backends = bare6(1, 5).Backends, bare(1, 5).Backends
	pools := []*service.Pool{p44, p66, p46, p64}
	for _, p := range pools {
		p.Protocol = proto
	}
	if _, err := d.Apply("a", pools); err != nil {
		t.Fatal(err)
	}
	prog, err := d.Program()
	if err != nil {
		t.Fatal(err)
	}
	return d, prog
}

// way is one of the four: where a client sends to, and the families on both
// sides.
type way struct {
	client, vip string
	from, to    int
}

var ways = []way{
	{"198.51.100.7", "10.100.0.1", 4, 4},
	{"2001:db8::7", "fd00:0::1", 6, 6},
	{"198.51.100.7", "10.100.1.1", 4, 6},
	{"2001:db8::7", "fd00:1::1", 6, 4},
}

func (w way) String() string { return fmt.Sprintf("%d to %d", w.from, w.to) }

// ipOf writes an IP layer; hops is the TTL or the hop limit.
func ipOf(family int, from, to any, hops int) string {
	if family == 4 {
		return fmt.Sprintf("ip4 %v > %v ttl=%d", from, to, hops)
	}
	return fmt.Sprintf("ip6 %v > %v hop=%d", from, to, hops)
}

// ends are the addresses and ports of a plain frame.
func ends(frame []byte) (src, dst netip.Addr, sport, dport uint16) {
	if binary.BigEndian.Uint16(frame[12:]) == 0x86dd {
		return netip.AddrFrom16([16]byte(frame[22:38])), netip.AddrFrom16([16]byte(frame[38:54])), binary.BigEndian.Uint16(frame[54:]), binary.BigEndian.Uint16(frame[56:])
	}
	return netip.AddrFrom4([4]byte(frame[26:30])), netip.AddrFrom4([4]byte(frame[30:34])), binary.BigEndian.Uint16(frame[34:]), binary.BigEndian.Uint16(frame[36:])
}

// unnumbered is an IPv4 frame without its id and flags, whose header's checksum
// must have been right; of other frames it is the frame.
func unnumbered(t *testing.T, frame []byte) []byte {
	t.Helper()
	f := slices.Clone(frame)
	if binary.BigEndian.Uint16(f[12:]) != 0x0800 {
		return f
	}
	if sum := internetSum(f[14:34]); sum != 0xffff {
		t.Fatalf("header checksum of %x", f)
	}
	clear(f[18:22])
	clear(f[24:26])
	return f
}

func internetSum(b []byte) uint32 {
	var sum uint32
	for i, v := range b {
		sum += uint32(v) << (8 * (1 - i%2))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return sum
}

// segment is a transport header with its payload; the SCTP checksum is there.
func segment(proto service.Protocol, from, to uint16, payload string) string {
	switch proto {
	case service.TCP:
		return fmt.Sprintf("tcp %d > %d / %q", from, to, payload)
	case service.UDP:
		return fmt.Sprintf("udp %d > %d / %q", from, to, payload)
	}
	b := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, from), to)
	b = append(append(b, 1, 2, 3, 4, 0, 0, 0, 0), payload...)
	binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	return fmt.Sprintf("hex:%x", b)
}

// proto adds to an IP layer what segment does not say by itself.
func protoOf(p service.Protocol, family int) string {
	if p != service.SCTP {
		return ""
	}
	return map[int]string{4: " proto=132", 6: " next=132"}[family]
}

// Requests and answers are translated between any families, over any protocol:
// the expected packets are built with right lengths and checksums.
func TestTranslationBetweenFamilies(t *testing.T) {
	onEngines(t, func(t *testing.T, eng engine.Engine) {
		for _, proto := range []service.Protocol{service.TCP, service.UDP, service.SCTP} {
			_, prog := crossing(t, eng, proto, nil)
			for i := range 40 {
				w := ways[i%4]
				body := string(bytes.Repeat([]byte("0123456789abcdef"), i*3)) + "tail"[:i%2*3+1]
				if proto == service.SCTP {
					body = body[:len(body)/4*4]
				}
				port := uint16(2000 + i)
				there := send(t, prog, packet(t, "eth / %s%s / %s", ipOf(w.from, w.client, w.vip, 64), protoOf(proto, w.from), segment(proto, port, 80, body)))
				if there.Return != 3 {
					t.Fatalf("%v %v: verdict %d", proto, w, there.Return)
				}
				self, backend, nat, _ := ends(there.Data)
				if want := map[int]string{4: "10.0.0.9", 6: "fd00::9"}[w.to]; self.String() != want {
					t.Fatalf("%v %v: from %v, want %s", proto, w, self, want)
				}
				want := packet(t, "eth 02:00:00:00:00:02 > 02:00:00:00:00:99 / %s%s / %s", ipOf(w.to, self, backend, 63), protoOf(proto, w.to), segment(proto, nat, 80, body))
				if !bytes.Equal(unnumbered(t, there.Data), unnumbered(t, want)) {
					t.Fatalf("%v %v: request %d\nhave %x\nwant %x", proto, w, i, there.Data, want)
				}
				back := send(t, prog, packet(t, "eth / %s%s / %s", ipOf(w.to, backend, self, 64), protoOf(proto, w.to), segment(proto, 80, nat, body)))
				want = packet(t, "eth / %s%s / %s", ipOf(w.from, w.vip, w.client, 63), protoOf(proto, w.from), segment(proto, 80, port, body))
				if len(back.Data) != len(want) || !bytes.Equal(unnumbered(t, back.Data)[12:], unnumbered(t, want)[12:]) {
					t.Fatalf("%v %v: answer %d: verdict %d\nhave %x\nwant %x", proto, w, i, back.Return, back.Data, want)
				}
			}
		}
	})
}

// fragment cuts a plain frame's payload after at bytes (a multiple of 8), and
// numbers both parts.
func fragment(frame []byte, at int, id uint16) [2][]byte {
	var out [2][]byte
	for i := range out {
		if binary.BigEndian.Uint16(frame[12:]) == 0x0800 {
			part := frame[34:][:at]
			field := uint16(0x2000)
			if i == 1 {
				part, field = frame[34:][at:], uint16(at/8)
			}
			f := append(slices.Clone(frame[:34]), part...)
			binary.BigEndian.PutUint16(f[16:], uint16(20+len(part)))
			binary.BigEndian.PutUint16(f[18:], id)
			binary.BigEndian.PutUint16(f[20:], field)
			f[24], f[25] = 0, 0
			binary.BigEndian.PutUint16(f[24:], ^uint16(internetSum(f[14:34])))
			out[i] = f
			continue
		}
		part, field := frame[54:][:at], uint16(1)
		if i == 1 {
			part, field = frame[54:][at:], uint16(at)
		}
		f := append(slices.Clone(frame[:54]), frame[20], 0, byte(field>>8), byte(field), 0, 0, byte(id>>8), byte(id))
		f = append(f, part...)
		binary.BigEndian.PutUint16(f[18:], uint16(8+len(part)))
		f[20] = 44
		out[i] = f
	}
	return out
}

// joined puts two fragments together again, and fails where they do not belong
// together.
func joined(t *testing.T, a, b []byte) []byte {
	t.Helper()
	if binary.BigEndian.Uint16(a[12:]) == 0x0800 {
		at := len(a) - 34
		if internetSum(a[14:34]) != 0xffff || internetSum(b[14:34]) != 0xffff || !bytes.Equal(a[18:20], b[18:20]) || !bytes.Equal(a[26:34], b[26:34]) ||
			binary.BigEndian.Uint16(a[20:]) != 0x2000 || int(binary.BigEndian.Uint16(b[20:]))*8 != at || int(binary.BigEndian.Uint16(a[16:])) != len(a)-14 || int(binary.BigEndian.Uint16(b[16:])) != len(b)-14 {
			t.Fatalf("fragments\n%x\n%x", a, b)
		}
		f := append(slices.Clone(a), b[34:]...)
		binary.BigEndian.PutUint16(f[16:], uint16(len(f)-14))
		f[20], f[21], f[24], f[25] = 0, 0, 0, 0
		binary.BigEndian.PutUint16(f[24:], ^uint16(internetSum(f[14:34])))
		return f
	}
	at := len(a) - 62
	if a[20] != 44 || b[20] != 44 || !bytes.Equal(a[22:54], b[22:54]) || !bytes.Equal(a[58:62], b[58:62]) || binary.BigEndian.Uint16(a[56:]) != 1 ||
		int(binary.BigEndian.Uint16(b[56:])) != at || int(binary.BigEndian.Uint16(a[18:])) != len(a)-54 || int(binary.BigEndian.Uint16(b[18:])) != len(b)-54 {
		t.Fatalf("fragments\n%x\n%x", a, b)
	}
	f := append(slices.Clone(a[:54]), a[62:]...)
	f = append(f, b[62:]...)
	f[20] = a[54]
	binary.BigEndian.PutUint16(f[18:], uint16(len(f)-54))
	return f
}

// Fragments of translated packets, put together again, are what the whole packet
// becomes; and those of two clients with the same id do not mix.
func TestFragmentsAreTranslated(t *testing.T) {
	onEngines(t, func(t *testing.T, eng engine.Engine) {
		for _, proto := range []service.Protocol{service.TCP, service.UDP} {
			d, prog := crossing(t, eng, proto, nil)
			body := string(bytes.Repeat([]byte("payload of a fragment "), 40))
			check := func(what string, in, whole []byte) {
				t.Helper()
				parts := fragment(in, 64, 77)
				var out [2][]byte
				for i, p := range parts {
					out[i] = bytes.Clone(send(t, prog, p).Data)
				}
				if got := joined(t, out[0], out[1]); len(got) != len(whole) || !bytes.Equal(unnumbered(t, got)[12:], unnumbered(t, whole)[12:]) {
					t.Fatalf("%v %s\nhave %x\nwant %x", proto, what, got, whole)
				}
			}
			for _, w := range ways {
				request := packet(t, "eth / %s / %s", ipOf(w.from, w.client, w.vip, 64), segment(proto, 3000, 80, body))
				there := bytes.Clone(send(t, prog, request).Data)
				check(w.String()+" request", request, there)
				self, backend, nat, _ := ends(there)
				answer := packet(t, "eth / %s / %s", ipOf(w.to, backend, self, 64), segment(proto, 80, nat, body))
				check(w.String()+" answer", answer, bytes.Clone(send(t, prog, answer).Data))
				// A later fragment alone is nobody's: dropped, and counted.
				before := reason(t, d, "fragment-unknown")
				if res := send(t, prog, fragment(request, 64, 999)[1]); res.Return != 1 || reason(t, d, "fragment-unknown") != before+1 {
					t.Errorf("%v: verdict %d on a fragment without its first", w, res.Return)
				}
			}
			// Two clients, one id, one backend's eyes.
			ids := map[string]bool{}
			for i := range 50 {
				in := packet(t, "eth / ip4 198.51.100.%d > 10.100.0.1 / %s", i+1, segment(proto, 3000, 80, body))
				ids[string(send(t, prog, fragment(in, 64, 5)[0]).Data[18:20])] = true
			}
			if len(ids) < 45 {
				t.Errorf("%d ids for the fragments of 50 clients", len(ids))
			}
		}
		// The checksum of SCTP covers what a fragment does not show.
		d, prog := crossing(t, eng, service.SCTP, nil)
		in := packet(t, "eth / ip4 198.51.100.1 > 10.100.0.1 proto=132 / %s", segment(service.SCTP, 3000, 80, "0123456789abcdef0123456789abcdef"))
		if res := send(t, prog, fragment(in, 16, 5)[0]); res.Return != 1 || reason(t, d, "unsupported") != 1 {
			t.Errorf("verdict %d on a fragment of SCTP", res.Return)
		}
	})
}

func reason(t *testing.T, d *lb.Dataplane, name string) uint64 {
	t.Helper()
	rs, err := d.Reasons()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rs {
		if r.Name == name {
			return r.Packets
		}
	}
	t.Fatalf("no reason %s", name)
	return 0
}

// What RFC 7915 says beside: datagrams without a checksum get one, options and
// extension headers are left out, small packets may be fragmented again; and
// RFC 6052's examples of IPv4 addresses in prefixes.
func TestTranslationByTheRFCs(t *testing.T) {
	onEngines(t, func(t *testing.T, eng engine.Engine) {
		_, prog := crossing(t, eng, service.UDP, nil)
		for i, n := range []int{0, 1, 255, 256, 700, 1400} {
			text := bytes.Repeat([]byte("x"), n)
			res := send(t, prog, packet(t, "eth / ip4 198.51.100.7 > 10.100.1.1 / udp %d > 80 sum=0 / %q", 4000+i, text))
			self, backend, nat, _ := ends(res.Data)
			want := packet(t, "eth 02:00:00:00:00:02 > 02:00:00:00:00:99 / ip6 %v > %v hop=63 / udp %d > 80 / %q", self, backend, nat, text)
			if !bytes.Equal(res.Data, want) {
				t.Fatalf("%d bytes without a checksum\nhave %x\nwant %x", n, res.Data, want)
			}
		}
		res := send(t, prog, packet(t, "eth / vlan 7 / ip6 2001:db8::7 > fd00:1::1 hop=64 / hopopts 8 / dstopts 16 / udp 4000 > 80 / \"x\""))
		want := packet(t, "eth 02:00:00:00:00:02 > 02:00:00:00:00:99 / vlan 7 / ip4 1.1.1.1 > 1.1.1.1 / udp 1 > 1 / \"x\"")
		if res.Return != 3 || len(res.Data) != len(want) || !bytes.Equal(res.Data[:20], want[:20]) || binary.BigEndian.Uint16(res.Data[24:]) != 0 {
			t.Errorf("extension headers: verdict %d, %x", res.Return, res.Data)
		}
		big := send(t, prog, packet(t, "eth / ip6 2001:db8::7 > fd00:1::1 / udp 4000 > 80 / zero:1300"))
		if binary.BigEndian.Uint16(big.Data[20:]) != 0x4000 {
			t.Errorf("a packet of 1328 bytes may be fragmented: %x", big.Data[14:34])
		}
		for prefix, want := range map[string]string{
			"2001:db8::/32": "2001:db8:c000:221::", "2001:db8:100::/40": "2001:db8:1c0:2:21::", "2001:db8:122::/48": "2001:db8:122:c000:2:2100::",
			"2001:db8:122:300::/56": "2001:db8:122:3c0:0:221::", "2001:db8:122:344::/64": "2001:db8:122:344:c0:2:2100::",
			"2001:db8:122:344::/96": "2001:db8:122:344::192.0.2.33", "64:ff9b::/96": "64:ff9b::192.0.2.33",
		} {
			if _, ok := eng.(*embedded.Engine); !ok && prefix != "64:ff9b::/96" {
				continue // loading takes a second
			}
			_, prog := crossing(t, eng, service.TCP, func(c *lb.Config) { c.Prefix6 = netip.MustParsePrefix(prefix) })
			there := send(t, prog, packet(t, "eth / ip4 192.0.2.33 > 10.100.1.1 / tcp 4000 > 80"))
			self, backend, nat, _ := ends(there.Data)
			if self != netip.MustParseAddr(want) {
				t.Errorf("%s: 192.0.2.33 appears as %v, want %s", prefix, self, want)
			}
			back := send(t, prog, packet(t, "eth / ip6 %v > %v hop=64 / tcp 80 > %d", backend, self, nat))
			if answer := packet(t, "eth / ip4 10.100.1.1 > 192.0.2.33 ttl=63 / tcp 80 > 4000"); len(back.Data) != len(answer) || !bytes.Equal(unnumbered(t, back.Data)[12:], unnumbered(t, answer)[12:]) {
				t.Errorf("%s: answer %x", prefix, back.Data)
			}
		}
	})
}

// ICMP errors cross families with what they quote (RFC 7915, 4.2 to 5.5).
func TestErrorsCrossFamilies(t *testing.T) {
	onEngines(t, func(t *testing.T, eng engine.Engine) {
		for _, proto := range []service.Protocol{service.TCP, service.UDP} {
			_, prog := crossing(t, eng, proto, nil)
			for _, w := range ways[2:] {
				for _, e := range [][2]string{ // ICMP, ICMPv6
					{"icmp 3 code=4 seq=1380", "icmp6 2 seq=1400"}, {"icmp 3 code=3", "icmp6 1 code=4"}, {"icmp 3 code=1", "icmp6 1 code=0"}, {"icmp 11 code=0", "icmp6 3 code=0"},
				} {
					there := send(t, prog, packet(t, "eth / %s / %s", ipOf(w.from, w.client, w.vip, 64), segment(proto, 5000, 80, "question")))
					self, backend, nat, _ := ends(there.Data)
					at := map[int]string{4: e[0], 6: e[1]}
					router := map[int]string{4: "203.0.113.1", 6: "2001:db8:ffff::1"}
					// About the request, from a router behind us.
					back := send(t, prog, packet(t, "eth / %s / %s / %s / %s", ipOf(w.to, router[w.to], self, 64), at[w.to], ipOf(w.to, self, backend, 60), segment(proto, nat, 80, "question")))
					want := packet(t, "eth / %s / %s / %s / %s", ipOf(w.from, w.vip, w.client, 63), at[w.from], ipOf(w.from, w.client, w.vip, 60), segment(proto, 5000, 80, "question"))
					sameError(t, fmt.Sprint(proto, w, e, " back"), back.Data, want)
					// About the answer, from a router in front of us.
					on := send(t, prog, packet(t, "eth / %s / %s / %s / %s", ipOf(w.from, router[w.from], w.vip, 64), at[w.from], ipOf(w.from, w.vip, w.client, 60), segment(proto, 80, 5000, "answer")))
					want = packet(t, "eth / %s / %s / %s / %s", ipOf(w.to, self, backend, 63), at[w.to], ipOf(w.to, backend, self, 60), segment(proto, 80, nat, "answer"))
					sameError(t, fmt.Sprint(proto, w, e, " there"), on.Data, want)
				}
			}
		}
	})
}

// sameError compares frames with an ICMP error; ids and flags of IPv4 headers,
// also of the quoted one, may be any as long as checksums are right.
func sameError(t *testing.T, what string, have, want []byte) {
	t.Helper()
	h, w := unnumbered(t, have), unnumbered(t, want)
	if len(h) != len(w) {
		t.Fatalf("%s: %d bytes, want %d\nhave %x\nwant %x", what, len(h), len(w), have, want)
	}
	if binary.BigEndian.Uint16(have[12:]) == 0x0800 {
		if internetSum(have[34:]) != 0xffff || internetSum(have[42:62]) != 0xffff {
			t.Fatalf("%s: checksums of %x", what, have)
		}
		for _, f := range [][]byte{h, w} {
			clear(f[36:38])
			clear(f[46:50])
			clear(f[52:54])
		}
	}
	if !bytes.Equal(h[12:], w[12:]) {
		t.Fatalf("%s\nhave %x\nwant %x", what, have, want)
	}
}
