package main

import (
	"bytes"
	"flag"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

var update = flag.Bool("update", false, "rewrite golden files and the example capture")

// TestExampleCapture keeps docs/examples/web.pcap what is written here: a
// web request with its name lookup, pings, two visitors at the telnet port and
// one from a network for documentation.
func TestExampleCapture(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "examples", "web.pcap")
	got := exampleCapture(t)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what is written here: go test ./cmd/skep -run ExampleCapture -update", path)
	}
}

func exampleCapture(t *testing.T) []byte {
	const client, server, dns, visitor = "10.1.0.2", "10.1.0.80", "10.1.0.53", "192.0.2.7"
	var b bytes.Buffer
	w := pcapgo.NewWriterNanos(&b)
	if err := w.WriteFileHeader(262144, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	send := func(frame []byte) {
		ci := gopacket.CaptureInfo{Timestamp: at, CaptureLength: len(frame), Length: len(frame)}
		if err := w.WritePacket(ci, frame); err != nil {
			t.Fatal(err)
		}
		at = at.Add(1500 * time.Microsecond)
	}
	send(frame(t, client, dns, &layers.UDP{SrcPort: 40001, DstPort: 53}, 33))
	send(frame(t, dns, client, &layers.UDP{SrcPort: 53, DstPort: 40001}, 49))
	tcp := func(from, to string, src, dst layers.TCPPort, n int, set func(*layers.TCP)) {
		h := &layers.TCP{SrcPort: src, DstPort: dst, Window: 64240, Seq: 1, ACK: true}
		if set != nil {
			set(h)
		}
		send(frame(t, from, to, h, n))
	}
	syn := func(h *layers.TCP) { h.SYN, h.ACK = true, false }
	tcp(client, server, 40100, 80, 0, syn)
	tcp(server, client, 80, 40100, 0, func(h *layers.TCP) { h.SYN = true })
	tcp(client, server, 40100, 80, 0, nil)
	tcp(client, server, 40100, 80, 78, func(h *layers.TCP) { h.PSH = true })
	for range 4 {
		tcp(server, client, 80, 40100, 1400, nil)
		tcp(client, server, 40100, 80, 0, nil)
	}
	tcp(server, client, 80, 40100, 320, func(h *layers.TCP) { h.PSH = true })
	tcp(client, server, 40100, 80, 0, func(h *layers.TCP) { h.FIN = true })
	tcp(server, client, 80, 40100, 0, func(h *layers.TCP) { h.FIN = true })
	tcp(visitor, server, 50000, 80, 0, syn)
	tcp(visitor, server, 50001, 23, 0, syn)
	tcp(client, server, 40200, 23, 0, syn)
	send(frame(t, client, server, &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0), Id: 7, Seq: 1}, 56))
	send(frame(t, server, client, &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(0, 0), Id: 7, Seq: 1}, 56))
	send(frame(t, "fd00::2", "fd00::80", &layers.UDP{SrcPort: 40002, DstPort: 443}, 1200))
	return b.Bytes()
}

// frame builds an Ethernet frame with n bytes of payload.
func frame(t *testing.T, from, to string, transport gopacket.SerializableLayer, n int) []byte {
	eth := &layers.Ethernet{SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2}, EthernetType: layers.EthernetTypeIPv4}
	var ip gopacket.SerializableLayer
	var network gopacket.NetworkLayer
	protocol := layers.IPProtocolUDP
	switch transport.(type) {
	case *layers.TCP:
		protocol = layers.IPProtocolTCP
	case *layers.ICMPv4:
		protocol = layers.IPProtocolICMPv4
	}
	if src := net.ParseIP(from).To4(); src != nil {
		v4 := &layers.IPv4{Version: 4, TTL: 64, Protocol: protocol, SrcIP: src, DstIP: net.ParseIP(to).To4()}
		ip, network = v4, v4
	} else {
		v6 := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: protocol, SrcIP: net.ParseIP(from), DstIP: net.ParseIP(to)}
		eth.EthernetType = layers.EthernetTypeIPv6
		ip, network = v6, v6
	}
	if c, ok := transport.(interface {
		SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
	}); ok {
		if err := c.SetNetworkLayerForChecksum(network); err != nil {
			t.Fatal(err)
		}
	}
	payload := make([]byte, n)
	for i := range payload {
		payload[i] = byte(i)
	}
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, opts, eth, ip, transport, gopacket.Payload(payload)); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}
