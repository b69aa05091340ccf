package lb_test

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"testing"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/net/lb"
	"github.com/skepdev/skep/net/service"
)

// FuzzPacket runs any bytes through the program, with a service for each way of
// forwarding. A read out of bounds is a fault of the embedded engine, and ends
// the test; what is sent must be well formed.
func FuzzPacket(f *testing.F) {
	for _, p := range []string{
		"eth / ip4 192.0.2.1 > 10.100.0.1 / tcp 40000 > 80", "eth / ip4 192.0.2.1 > 10.100.1.1 / udp 40000 > 80 / \"x\"",
		"eth / vlan 3 / ip4 192.0.2.1 > 10.100.2.1 / tcp 40000 > 80 flags=2", "eth / ip6 2001:db8::1 > fd00:4::1 / hopopts 8 / tcp 40000 > 80",
		"eth / ip6 2001:db8::1 > fd00:4::1 / frag6 0 / udp 40000 > 80", "eth / ip4 192.0.2.1 > 10.100.0.1 / icmp echo id=1 seq=2",
		"eth / ip4 203.0.113.5 > 10.100.0.1 / icmp 3 code=4 seq=1400 / ip4 10.100.0.1 > 192.0.2.1 / tcp 80 > 40000",
		"eth / ip6 2001:db8::99 > fd00:4::1 / icmp6 2 seq=1400 / ip6 fd00:4::1 > 2001:db8::1 / tcp 80 > 40000",
		"eth / ip4 192.0.2.1 > 10.100.3.1 / udp 40000 > 80 / hex:c3000000010801020304050607080000", "eth / ip4 192.0.2.1 > 10.100.0.1 / udp 1 > 80 / zero:1400",
		"eth / ip4 192.0.2.1 > 10.100.5.1 / udp 40000 > 80 sum=0 / \"x\"", "eth / ip6 2001:db8::1 > fd00:5::1 / hopopts 8 / tcp 40000 > 80",
		"eth / ip4 192.0.2.1 > 10.100.5.1 id=9 frag=0x2000 / udp 40000 > 80 / \"01234567\"", "eth / ip4 192.0.2.1 > 10.100.5.1 id=9 frag=2 proto=17 / \"01234567\"",
		"eth / ip4 192.0.2.1 > 10.100.5.1 proto=132 / hex:9c400050010203040505050500000000", "eth / vlan 3 / ip6 2001:db8::1 > fd00:2::1 / frag6 0 / udp 40000 > 80",
		"eth / ip4 10.10.5.1 > 10.0.0.9 / tcp 80 > 2000", "eth / ip4 192.0.2.9 > 10.0.0.9 / icmp 3 code=4 seq=1300 / ip4 10.0.0.9 > 10.10.5.1 / tcp 2000 > 80",
	} {
		f.Add(packet(f, "%s", p))
	}
	var mu sync.Mutex
	eng := embeddedEngine(f)
	cfg := smallConfig
	cfg.MTU = 1400
	d := open(f, eng, cfg)
	ways := []service.Forward{service.ForwardIPIP, service.ForwardGUE, service.ForwardNAT, service.ForwardGeneve, service.ForwardDSR}
	for i, w := range ways {
		var pools []*service.Pool
		for _, proto := range []service.Protocol{service.TCP, service.UDP} {
			for _, p := range []*service.Pool{bare(i, 3), bare6(i, 3)} {
				p.Protocol, p.Forward = proto, w
				p.QUIC = map[netip.Addr]uint16{p.Backends[0].Addr.Addr(): 1}
				pools = append(pools, p)
			}
		}
		if _, err := d.Apply(string(w), pools); err != nil {
			f.Fatal(err)
		}
	}
	var crossed []*service.Pool // backends of the other family, over all protocols
	for _, proto := range []service.Protocol{service.TCP, service.UDP, service.SCTP} {
		p4, p6 := bare(5, 0), bare6(5, 0)
		p4.Backends, p6.Backends = bare6(5, 3).Backends, bare(5, 3).Backends
		for _, p := range []*service.Pool{p4, p6} {
			p.Protocol, p.Forward = proto, service.ForwardNAT
			crossed = append(crossed, p)
		}
	}
	if _, err := d.Apply("crossed", crossed); err != nil {
		f.Fatal(err)
	}
	prog, err := d.Program()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 14 || len(data) > 3000 {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		res, err := prog.Run(&engine.RunInput{Data: data})
		if err != nil {
			t.Fatal(err)
		}
		switch res.Return {
		case 0, 1, 2:
		case 3:
			wellFormed(t, res.Data)
			if in, sure := sumsHold(data); in && sure && !holds(res.Data) {
				t.Fatalf("checksums were right and are not any more\nin  %x\nout %x", data, res.Data)
			}
		default:
			t.Fatalf("verdict %d", res.Return)
		}
	})
}

// wellFormed checks the outermost IP header of a frame. A checksum that was right
// stays right, and what the program makes itself has one.
func wellFormed(t *testing.T, frame []byte) {
	at, kind := 14, binary.BigEndian.Uint16(frame[12:])
	for range 2 {
		if kind == 0x8100 || kind == 0x88a8 {
			kind, at = binary.BigEndian.Uint16(frame[at+2:]), at+4
		}
	}
	ip := frame[at:]
	switch kind {
	case 0x0800:
		length, header := int(binary.BigEndian.Uint16(ip[2:])), int(ip[0]&15)*4
		if ip[0]>>4 != 4 || header < 20 || length < header || length > len(ip) {
			t.Fatalf("IPv4 header %x of %d bytes", ip[:20], len(ip))
		}
	case 0x86dd:
		if ip[0]>>4 != 6 || int(binary.BigEndian.Uint16(ip[4:]))+40 > len(ip) {
			t.Fatalf("IPv6 header %x of %d bytes", ip[:40], len(ip))
		}
	default:
		t.Fatalf("sent a frame of type %#x", kind)
	}
}

func FuzzParsePacket(f *testing.F) {
	f.Add("tcp 10.0.0.1:40000 > 10.96.0.1:80")
	f.Add("udp [fd00::1]:5000 > [fd00:96::1]:53 syn")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := lb.ParsePacket(text)
		if err == nil && (!p.Client.IsValid() || p.Client.Addr().Is4() != p.Target.Addr().Is4()) {
			t.Errorf("%q is %+v", text, p)
		}
	})
}

func holds(frame []byte) bool {
	right, _ := sumsHold(frame)
	return right
}

// sumsHold says whether the checksums of the outermost IP header and of TCP or UDP
// right behind it, in a packet that is no fragment, are right; sure, that there was
// TCP or UDP with a checksum.
func sumsHold(frame []byte) (right, sure bool) {
	at, kind := 14, binary.BigEndian.Uint16(frame[12:])
	for range 2 {
		if (kind == 0x8100 || kind == 0x88a8) && len(frame) >= at+4 {
			kind, at = binary.BigEndian.Uint16(frame[at+2:]), at+4
		}
	}
	ip := frame[at:]
	var pseudo, l4 []byte
	var proto byte
	switch {
	case kind == 0x0800 && len(ip) >= 20:
		length, header := int(binary.BigEndian.Uint16(ip[2:])), int(ip[0]&15)*4
		if header < 20 || length < header || length > len(ip) || internetSum(ip[:header]) != 0xffff {
			return false, false
		}
		pseudo, l4, proto = ip[12:20], ip[header:length], ip[9]
		if binary.BigEndian.Uint16(ip[6:])&0x3fff != 0 {
			return true, false
		}
	case kind == 0x86dd && len(ip) >= 40:
		length := int(binary.BigEndian.Uint16(ip[4:]))
		if length > len(ip)-40 {
			return false, false
		}
		pseudo, l4, proto = ip[8:40], ip[40:40+length], ip[6]
	default:
		return false, false
	}
	at = map[byte]int{6: 16, 17: 6}[proto]
	if at == 0 {
		return true, false
	}
	if len(l4) < at+2 {
		return false, false
	}
	if proto == 17 && l4[6]|l4[7] == 0 {
		return true, false
	}
	sum := internetSum(pseudo) + internetSum(l4) + uint32(proto) + uint32(len(l4))
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return sum == 0xffff, true
}
