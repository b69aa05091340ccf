package capture

import (
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestToEthernet(t *testing.T) {
	const zero = "000000000000"
	for _, tc := range []struct {
		name string
		link LinkType
		in   string
		want string // or, with "!", part of the error
	}{
		{"ethernet", LinkEthernet, "0102030405060708090a0b0c0800ff", "0102030405060708090a0b0c0800ff"},
		{"ethernet short", LinkEthernet, "0102", "!2 bytes where its header has 14"},
		{"raw 4", LinkRaw, "4500", zero + zero + "08004500"},
		{"raw 6", LinkRaw, "6000", zero + zero + "86dd6000"},
		{"raw bsd", LinkRawBSD, "4500", zero + zero + "08004500"},
		{"ipv6", LinkIPv6, "6000", zero + zero + "86dd6000"},
		{"raw 5", LinkRaw, "5000", "!IP version 5"},
		{"raw empty", LinkRaw, "", "!0 bytes"},
		{"null little", LinkNull, "020000004500", zero + zero + "08004500"},
		{"null big", LinkNull, "000000024500", zero + zero + "08004500"},
		{"null mac 6", LinkNull, "1e0000006000", zero + zero + "86dd6000"},
		{"loop", LinkLoop, "0000001c6000", zero + zero + "86dd6000"},
		{"null appletalk", LinkNull, "1000000060", "!address family 16"},
		{"null short", LinkNull, "0200", "!2 bytes"},
		{"sll", LinkLinuxSLL, "0000" + "0001" + "0006" + "0a0b0c0d0e0f0000" + "0800" + "4500", zero + "0a0b0c0d0e0f" + "0800" + "4500"},
		{"sll broadcast", LinkLinuxSLL, "0001" + "0001" + "0006" + "0a0b0c0d0e0f0000" + "0806" + "00", "ffffffffffff" + "0a0b0c0d0e0f" + "0806" + "00"},
		{"sll multicast", LinkLinuxSLL, "0002" + "0001" + "0006" + "0a0b0c0d0e0f0000" + "0806" + "00", "01005e000000" + "0a0b0c0d0e0f" + "0806" + "00"},
		{"sll tunnel", LinkLinuxSLL, "0000" + "fffe" + "0000" + "0000000000000000" + "86dd" + "60", zero + zero + "86dd" + "60"},
		{"sll long address", LinkLinuxSLL, "0000" + "0020" + "ffff" + "0a0b0c0d0e0f0102" + "0800" + "45", zero + zero + "0800" + "45"},
		{"sll 802.2", LinkLinuxSLL, "0000" + "0001" + "0006" + "0a0b0c0d0e0f0000" + "0004" + "424203", zero + "0a0b0c0d0e0f" + "0003" + "424203"},
		{"sll netlink", LinkLinuxSLL, "0000" + "0338" + "0000" + "0000000000000000" + "0000" + "45", "!netlink"},
		{"sll can", LinkLinuxSLL, "0000" + "0118" + "0000" + "0000000000000000" + "000c" + "45", "!no EtherType"},
		{"sll short", LinkLinuxSLL, "0000", "!header has 16"},
		{"sll2", LinkLinuxSLL2, "0800" + "0000" + "00000007" + "0001" + "04" + "06" + "0a0b0c0d0e0f0000" + "4500", zero + "0a0b0c0d0e0f" + "0800" + "4500"},
		{"sll2 short", LinkLinuxSLL2, "0800", "!header has 20"},
		{"wifi", 105, "00", "!linktype 105"},
	} {
		in, err := hex.DecodeString(tc.in)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ToEthernet(tc.link, in, nil)
		if msg, wrong := strings.CutPrefix(tc.want, "!"); wrong {
			if err == nil || !strings.Contains(err.Error(), msg) {
				t.Errorf("%s: %x, %v; want error with %q", tc.name, got, err, msg)
			}
			continue
		}
		if err != nil || hex.EncodeToString(got) != tc.want {
			t.Errorf("%s: %x, %v\nwant %s", tc.name, got, err, tc.want)
		}
	}
}

// TestCookedFiles converts what tcpdump captured on "any".
func TestCookedFiles(t *testing.T) {
	for _, name := range []string{"sll.pcap", "sll2.pcap"} {
		f, err := os.Open(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		ps, _, err := readAll(f)
		if err != nil || len(ps) == 0 {
			t.Fatal(err)
		}
		buf := make([]byte, 0, 2048)
		for _, p := range ps {
			frame, err := ToEthernet(p.LinkType, p.Data, buf)
			// ICMP over IPv4, whole.
			if err != nil || len(frame) < 14+84 || frame[12] != 8 || frame[13] != 0 || frame[14]>>4 != 4 || frame[14+9] != 1 ||
				len(frame)-14 != int(binary.BigEndian.Uint16(frame[14+2:])) {
				t.Errorf("%s: %x, %v", name, frame, err)
			}
		}
		if n := testing.AllocsPerRun(100, func() { _, _ = ToEthernet(ps[0].LinkType, ps[0].Data, buf) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
