package lab

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/skepdev/skep/internal/capture"
)

// crossing is a router between x and y, whose link has MTU 1400.
type crossing struct {
	lab  *Lab
	node *Node
	x, y *Endpoint
}

func newCrossing(t testing.TB) crossing {
	t.Helper()
	l, err := New(Config{World: Embedded, MTU: 9000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	c := crossing{lab: l}
	if c.node, err = l.Node("n"); err != nil {
		t.Fatal(err)
	}
	if c.x, err = l.Endpoint("x", EndpointConfig{On: c.node}); err != nil {
		t.Fatal(err)
	}
	if c.y, err = l.Endpoint("y", EndpointConfig{On: c.node, MTU: 1400}); err != nil {
		t.Fatal(err)
	}
	return c
}

// packet is a UDP packet from x to y with a payload of that size.
func (c crossing) packet(t testing.TB, v6 bool, payload int, df bool) []byte {
	t.Helper()
	eth := &layers.Ethernet{SrcMAC: hardwareAddr(1, 0), DstMAC: hardwareAddr(1, 1), EthernetType: layers.EthernetTypeIPv4}
	udp := &layers.UDP{SrcPort: 1, DstPort: 2}
	var ip interface {
		gopacket.SerializableLayer
		gopacket.NetworkLayer
	}
	if v6 {
		eth.EthernetType = layers.EthernetTypeIPv6
		ip = &layers.IPv6{Version: 6, HopLimit: 9, NextHeader: layers.IPProtocolUDP, SrcIP: c.x.Addr6().AsSlice(), DstIP: c.y.Addr6().AsSlice()}
	} else {
		ip4 := &layers.IPv4{Version: 4, TTL: 9, Protocol: layers.IPProtocolUDP, SrcIP: c.x.Addr4().AsSlice(), DstIP: c.y.Addr4().AsSlice()}
		if df {
			ip4.Flags = layers.IPv4DontFragment
		}
		ip = ip4
	}
	if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	buf := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{ComputeChecksums: true, FixLengths: true}, eth, ip, udp, gopacket.Payload(make([]byte, payload)))
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// through sends a frame into the router and returns the IP packets that cross
// a link within a moment.
func (c crossing) through(t testing.TB, frame []byte, k *Link) []gopacket.Packet {
	t.Helper()
	var file bytes.Buffer
	cp, err := c.lab.Capture(k, &file)
	if err != nil {
		t.Fatal(err)
	}
	c.node.stack.(*embeddedStack).forward(frame)
	var out []gopacket.Packet
	for end := time.Now().Add(2 * time.Second); cp.Packets() < 3 && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	if err := cp.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := capture.NewReader(&file)
	if err != nil {
		t.Fatal(err)
	}
	for {
		var p capture.Packet
		err := r.Next(&p)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		pkt := gopacket.NewPacket(bytes.Clone(p.Data), layers.LayerTypeEthernet, gopacket.Default)
		if pkt.Layer(layers.LayerTypeARP) == nil && pkt.Layer(layers.LayerTypeICMPv6NeighborSolicitation) == nil && pkt.Layer(layers.LayerTypeICMPv6NeighborAdvertisement) == nil {
			out = append(out, pkt)
		}
	}
}

// A packet is passed on whole, after neighbour discovery, with its hop limit
// one less and a right checksum.
func TestForward(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		c := newCrossing(t)
		got := c.through(t, c.packet(t, v6, 100, true), c.y.Link())
		if len(got) < 1 {
			t.Fatalf("v6 %v: nothing arrived", v6)
		}
		eth := got[0].LinkLayer().(*layers.Ethernet)
		if !bytes.Equal(eth.SrcMAC, hardwareAddr(2, 1)) || !bytes.Equal(eth.DstMAC, hardwareAddr(2, 0)) {
			t.Errorf("v6 %v: hardware addresses %v", v6, eth.LinkFlow())
		}
		switch ip := got[0].NetworkLayer().(type) {
		case *layers.IPv4:
			if ip.TTL != 8 || checksum(ip.Contents) != 0 || int(ip.Length) != 128 {
				t.Errorf("%+v, checksum off by %#x", ip, checksum(ip.Contents))
			}
		case *layers.IPv6:
			if ip.HopLimit != 8 || ip.Length != 108 {
				t.Errorf("%+v", ip)
			}
		}
	}
}

// A packet that does not fit is answered with the MTU that would.
func TestForwardTooBig(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		c := newCrossing(t)
		frame := c.packet(t, v6, 2000, true)
		got := c.through(t, frame, c.x.Link())
		if len(got) < 1 {
			t.Fatalf("v6 %v: no answer", v6)
		}
		var quoted []byte
		if m, ok := got[0].Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4); ok {
			ip := got[0].NetworkLayer().(*layers.IPv4)
			if m.TypeCode != layers.CreateICMPv4TypeCode(3, 4) || m.Seq != 1400 || ip.Length != 576 {
				t.Errorf("%v, MTU %d, length %d", m.TypeCode, m.Seq, ip.Length)
			}
			if checksum(ip.Contents) != 0 || checksum(ip.Payload) != 0 {
				t.Error("a checksum is wrong")
			}
			quoted = m.Payload
		} else {
			m := got[0].Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6)
			ip := got[0].NetworkLayer().(*layers.IPv6)
			if m.TypeCode != layers.CreateICMPv6TypeCode(2, 0) || binary.BigEndian.Uint32(m.Payload) != 1400 || ip.Length != 1280-40 {
				t.Errorf("%v, MTU %v, length %d", m.TypeCode, m.Payload[:4], ip.Length)
			}
			pseudo := append(append([]byte{}, ip.SrcIP...), ip.DstIP...)
			pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(ip.Length))
			pseudo = binary.BigEndian.AppendUint32(pseudo, protocolICMPv6)
			if checksum(append(pseudo, ip.Payload...)) != 0 {
				t.Error("the checksum is wrong")
			}
			quoted = m.Payload[4:]
		}
		if !bytes.HasPrefix(frame[ethernetHeader:], quoted) || len(quoted) < 500 {
			t.Errorf("%d bytes are quoted, and not the packet's first", len(quoted))
		}
	}
}

// What is not plain forwarding is left to the stack.
func TestForwardLeaves(t *testing.T) {
	c := newCrossing(t)
	s := c.node.stack.(*embeddedStack)
	set := func(v6 bool, at int, b ...byte) []byte {
		frame := c.packet(t, v6, 100, true)
		copy(frame[ethernetHeader+at:], b)
		if !v6 {
			sum := frame[ethernetHeader+ipv4Checksum:]
			sum[0], sum[1] = 0, 0
			binary.BigEndian.PutUint16(sum, checksum(frame[ethernetHeader:][:ipv4Header]))
		}
		return frame
	}
	own4, own6 := c.node.Addr4().As4(), c.node.Addr6().As16()
	all := netip.MustParseAddr("ff02::1").As16()
	for name, frame := range map[string][]byte{
		"options":        set(false, 0, 0x46),
		"expired":        set(false, ipv4TTL, 1),
		"own address":    set(false, ipv4Dst, own4[:]...),
		"own source":     set(false, ipv4Src, own4[:]...),
		"no route":       set(false, ipv4Dst, 192, 0, 2, 1),
		"multicast":      set(false, ipv4Dst, 224, 0, 0, 1),
		"broadcast":      set(false, ipv4Dst, 255, 255, 255, 255),
		"too long":       set(false, ipv4Length, 0xff, 0xff),
		"too short":      set(false, ipv4Length, 0, 19),
		"bad checksum":   append(c.packet(t, false, 100, true)[:ethernetHeader+ipv4Checksum], make([]byte, 100)...),
		"expired 6":      set(true, ipv6HopLimit, 1),
		"own address 6":  set(true, ipv6Dst, own6[:]...),
		"multicast 6":    set(true, ipv6Dst, all[:]...),
		"hop by hop":     set(true, ipv6Next, hopByHop),
		"too long 6":     set(true, ipv6Length, 0xff, 0xff),
		"may fragment":   c.packet(t, false, 2000, false),
		"ARP":            append(make([]byte, 12), 8, 6),
		"header missing": append(make([]byte, 12), 8, 0, 0x45),
	} {
		if s.forward(frame) {
			t.Errorf("%s: settled", name)
		}
	}
}

func FuzzForward(f *testing.F) {
	c := newCrossing(f)
	s := c.node.stack.(*embeddedStack)
	for _, v6 := range []bool{false, true} {
		for _, size := range []int{0, 100, 2000} {
			b := c.packet(f, v6, size, true)
			f.Add(b)
			f.Add(b[:len(b)/2])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < ethernetHeader {
			return
		}
		before := bytes.Clone(b)
		s.forward(b)
		if !bytes.Equal(b, before) {
			t.Error("a borrowed frame was changed")
		}
	})
}
