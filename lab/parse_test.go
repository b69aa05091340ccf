package lab

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// tooBig builds a router's ICMP error about a packet to dst, with MTU 0.
func tooBig(t testing.TB, dst netip.Addr) []byte {
	t.Helper()
	eth := &layers.Ethernet{SrcMAC: hardwareAddr(1, 0), DstMAC: hardwareAddr(1, 1)}
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{ComputeChecksums: true, FixLengths: true}
	var err error
	if dst.Is4() {
		eth.EthernetType = layers.EthernetTypeIPv4
		inner := &layers.IPv4{Version: 4, IHL: 5, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: []byte{10, 1, 0, 2}, DstIP: dst.AsSlice()}
		outer := &layers.IPv4{Version: 4, IHL: 5, TTL: 64, Protocol: layers.IPProtocolICMPv4, SrcIP: []byte{10, 1, 0, 1}, DstIP: []byte{10, 1, 0, 2}}
		icmp := &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, 4)}
		err = gopacket.SerializeLayers(buf, opts, eth, outer, icmp, inner, gopacket.Payload(make([]byte, 8)))
	} else {
		eth.EthernetType = layers.EthernetTypeIPv6
		src := netip.MustParseAddr("fd00:1::2")
		inner := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolTCP, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
		outer := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolICMPv6, SrcIP: netip.MustParseAddr("fd00:1::1").AsSlice(), DstIP: src.AsSlice()}
		icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(2, 0)}
		if err := icmp.SetNetworkLayerForChecksum(outer); err != nil {
			t.Fatal(err)
		}
		err = gopacket.SerializeLayers(buf, opts, eth, outer, icmp, gopacket.Payload(make([]byte, 4)), inner, gopacket.Payload(make([]byte, 8)))
	}
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// narrow is a stack whose way to everything has MTU 1400.
func narrow() *embeddedStack {
	s := &embeddedStack{router: true}
	v := &view{}
	for _, p := range []string{"0.0.0.0/0", "::/0"} {
		v.hops = append(v.hops, hop{dst: netip.MustParsePrefix(p), out: &device{mtu: 1400}})
	}
	s.view.Store(v)
	return s
}

func TestCompleteTooBig(t *testing.T) {
	for _, dst := range []string{"10.2.0.2", "fd00:2::2"} {
		frame := tooBig(t, netip.MustParseAddr(dst))
		narrow().completeTooBig(frame)
		p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
		if m, ok := p.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4); ok {
			if m.Seq != 1400 {
				t.Errorf("%s: MTU %d", dst, m.Seq)
			}
			if sum := checksum(append(m.Contents, m.Payload...)); sum != 0 {
				t.Errorf("%s: checksum off by %#x", dst, sum)
			}
			continue
		}
		m, ok := p.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6)
		if !ok {
			t.Fatalf("%s: %v", dst, p)
		}
		if mtu := binary.BigEndian.Uint32(m.Payload); mtu != 1400 {
			t.Errorf("%s: MTU %d", dst, mtu)
		}
		ip := p.NetworkLayer().(*layers.IPv6)
		pseudo := append(append([]byte{}, ip.SrcIP...), ip.DstIP...)
		pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(ip.Length))
		pseudo = binary.BigEndian.AppendUint32(pseudo, 58)
		if sum := checksum(append(append(pseudo, m.Contents...), m.Payload...)); sum != 0 {
			t.Errorf("%s: checksum off by %#x", dst, sum)
		}
	}
}

// Nothing but a "packet too big" without MTU is touched, and nothing panics.
func FuzzCompleteTooBig(f *testing.F) {
	for _, dst := range []string{"10.2.0.2", "fd00:2::2"} {
		b := tooBig(f, netip.MustParseAddr(dst))
		f.Add(b)
		f.Add(b[:len(b)-20])
		f.Add(b[:20])
	}
	f.Add([]byte{})
	s := narrow()
	f.Fuzz(func(t *testing.T, b []byte) {
		before := append([]byte{}, b...)
		s.completeTooBig(b)
		changed := 0
		for i := range b {
			if b[i] != before[i] {
				changed++
			}
		}
		if changed > 6 {
			t.Errorf("%d bytes changed", changed)
		}
	})
}

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
