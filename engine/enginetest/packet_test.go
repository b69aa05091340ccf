package enginetest

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// Packets are what another library understands, checksums and all.
func TestBuildPacketAgreesWithGopacket(t *testing.T) {
	for text, want := range map[string][]gopacket.LayerType{
		`eth / ip4 10.0.0.1 > 10.0.0.2 / udp 40000 > 40001 / "query"`:              {layers.LayerTypeEthernet, layers.LayerTypeIPv4, layers.LayerTypeUDP},
		`eth / ip4 10.0.0.1 > 10.0.0.2 / tcp 1 > 2 / "odd"`:                        {layers.LayerTypeEthernet, layers.LayerTypeIPv4, layers.LayerTypeTCP},
		`eth / vlan 5 / ip6 2001:db8::1 > 2001:db8::2 / tcp 1 > 2 / hex:00`:        {layers.LayerTypeEthernet, layers.LayerTypeDot1Q, layers.LayerTypeIPv6, layers.LayerTypeTCP},
		`eth / ip6 ::1 > ::2 / hopopts 8 / udp 1 > 2 / zero:3`:                     {layers.LayerTypeEthernet, layers.LayerTypeIPv6, layers.LayerTypeIPv6HopByHop, layers.LayerTypeUDP},
		`eth / ip6 ::1 > ::2 / icmp6 echo id=1 seq=2 / "ping"`:                     {layers.LayerTypeEthernet, layers.LayerTypeIPv6, layers.LayerTypeICMPv6, layers.LayerTypeICMPv6Echo},
		`eth / ip4 1.1.1.1 > 2.2.2.2 / ip4 3.3.3.3 > 4.4.4.4 / icmp reply / "x"`:   {layers.LayerTypeEthernet, layers.LayerTypeIPv4, layers.LayerTypeIPv4, layers.LayerTypeICMPv4},
		`eth / advlan 200 / vlan 100 / ip4 1.1.1.1 > 2.2.2.2 / icmp 3 code=1 / ""`: {layers.LayerTypeEthernet, layers.LayerTypeDot1Q, layers.LayerTypeDot1Q, layers.LayerTypeIPv4, layers.LayerTypeICMPv4},
	} {
		raw, err := buildPacket(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		p := gopacket.NewPacket(raw, layers.LayerTypeEthernet, gopacket.DecodeOptions{})
		if e := p.ErrorLayer(); e != nil {
			t.Errorf("%s: %v", text, e.Error())
		}
		for i, l := range want {
			if i >= len(p.Layers()) || p.Layers()[i].LayerType() != l {
				t.Errorf("%s: layers %v, want %v", text, p.Layers(), want)
				break
			}
		}
		for _, l := range p.Layers() {
			if s, ok := l.(interface {
				SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
			}); ok {
				if err := s.SetNetworkLayerForChecksum(p.NetworkLayer()); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err, bad := p.VerifyChecksums(); err != nil || len(bad) > 0 {
			t.Errorf("%s: checksums %v %+v", text, err, bad)
		}
	}
}

func TestBuildPacketBytes(t *testing.T) {
	raw, err := buildPacket(`eth 02:00:00:00:00:0a > 02:00:00:00:00:0b type=0x1234 / u16:1 / "z"`)
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(raw); got != "02000000000b02000000000a1234"+"0100"+"7a" {
		t.Error(got)
	}
}

func TestBadPacketsAreRefused(t *testing.T) {
	for want, text := range map[string]string{
		"empty layer":    "eth /  / ip4 1.1.1.1 > 2.2.2.2",
		"FROM > TO":      "eth / ip4 1.1.1.1",
		"wrong family":   "eth / ip4 ::1 > ::2",
		"no IP layer":    "eth / udp 1 > 2",
		"want TYPE:ITEM": "eth / gopher",
		"multiple of 8":  "eth / ip6 ::1 > ::2 / hopopts 9",
		"invalid syntax": "eth / ip4 1.1.1.1 > 2.2.2.2 ttl=x",
		"out of range":   "eth / ip4 1.1.1.1 > 2.2.2.2 / udp 1 > 70000",
		"more words":     "eth / vlan",
	} {
		if _, err := buildPacket(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
