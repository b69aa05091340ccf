package capture

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

// readAll returns copies of the packets before the error that ended reading.
func readAll(r io.Reader) (packets []Packet, ifaces []Interface, err error) {
	c, err := NewReader(r)
	if err != nil {
		return nil, nil, err
	}
	for {
		var p Packet
		if err := c.Next(&p); err != nil {
			if err == io.EOF {
				err = nil
			}
			return packets, c.Interfaces(), err
		}
		p.Data, p.Comment = bytes.Clone(p.Data), bytes.Clone(p.Comment)
		packets = append(packets, p)
	}
}

// TestTcpdumpFiles reads what tcpdump wrote.
func TestTcpdumpFiles(t *testing.T) {
	const arp = "ffffffffffff0200000000010806" + "0001080006040001020000000001c0000201000000000000c0000209"
	for _, tc := range []struct {
		file  string
		link  LinkType
		count int
		data  string // of the first packet, its beginning
		nano  bool   // times that are no whole microseconds
	}{
		{"ethernet-micro.pcap", LinkEthernet, 1, arp, false},
		{"ethernet-nano.pcap", LinkEthernet, 2, arp, true},
		{"sll.pcap", LinkLinuxSLL, 2, "000003040006000000000000", false},
		{"sll2.pcap", LinkLinuxSLL2, 2, "0800000000000001030400060000", false},
	} {
		b, err := os.ReadFile(filepath.Join("testdata", tc.file))
		if err != nil {
			t.Fatal(err)
		}
		ps, _, err := readAll(bytes.NewReader(b))
		if err != nil || len(ps) != tc.count {
			t.Errorf("%s: %d packets, %v", tc.file, len(ps), err)
			continue
		}
		p := ps[0]
		if got := hex.EncodeToString(p.Data); !strings.HasPrefix(got, tc.data) || p.LinkType != tc.link {
			t.Errorf("%s: %s %s", tc.file, p.LinkType, got)
		}
		if y := p.Timestamp().UTC().Year(); y < 2025 || y > 2100 || p.Length != len(p.Data) {
			t.Errorf("%s: year %d, length %d of %d", tc.file, y, p.Length, len(p.Data))
		}
		if tc.nano != (ps[0].Time%1000 != 0) {
			t.Errorf("%s: time %d", tc.file, p.Time)
		}
	}
}

// pcapFile builds a pcap by hand.
func pcapFile(o binary.AppendByteOrder, magic uint32, link uint32, records ...[]byte) []byte {
	b := o.AppendUint32(nil, magic)
	b = o.AppendUint16(o.AppendUint16(b, 2), 4)
	b = o.AppendUint64(b, 0)
	b = o.AppendUint32(o.AppendUint32(b, 65535), link)
	for _, r := range records {
		b = o.AppendUint32(o.AppendUint32(b, 100), 7)
		b = o.AppendUint32(o.AppendUint32(b, uint32(len(r))), uint32(len(r)+1))
		b = append(b, r...)
	}
	return b
}

func TestPcapVariants(t *testing.T) {
	for _, o := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		for magic, want := range map[uint32]int64{magicMicro: 100e9 + 7000, magicNano: 100e9 + 7} {
			ps, _, err := readAll(bytes.NewReader(pcapFile(o, magic, 101, []byte("abc"), nil)))
			if err != nil || len(ps) != 2 {
				t.Fatalf("%v %#x: %d packets, %v", o, magic, len(ps), err)
			}
			if p := ps[0]; string(p.Data) != "abc" || p.Time != want || p.Length != 4 || p.LinkType != LinkRaw {
				t.Errorf("%v %#x: %+v, time should be %d", o, magic, p, want)
			}
		}
	}
}

// block builds a pcapng block.
func block(o binary.AppendByteOrder, kind uint32, body []byte) []byte {
	body = pad(bytes.Clone(body))
	b := o.AppendUint32(o.AppendUint32(nil, kind), uint32(len(body)+12))
	return o.AppendUint32(append(b, body...), uint32(len(body)+12))
}

func section(o binary.AppendByteOrder) []byte {
	b := o.AppendUint16(o.AppendUint16(o.AppendUint32(nil, byteOrderMagic), 1), 0)
	return block(o, magicSection, o.AppendUint64(b, ^uint64(0)))
}

func iface(o binary.AppendByteOrder, link uint16, options ...[]byte) []byte {
	b := o.AppendUint32(o.AppendUint16(o.AppendUint16(nil, link), 0), 0)
	return block(o, blockInterface, append(b, bytes.Join(options, nil)...))
}

func option(o binary.AppendByteOrder, code uint16, v []byte) []byte {
	b := o.AppendUint16(o.AppendUint16(nil, code), uint16(len(v)))
	return pad(append(b, v...))
}

func enhanced(o binary.AppendByteOrder, id uint32, units uint64, data string, options ...[]byte) []byte {
	b := o.AppendUint32(o.AppendUint32(o.AppendUint32(nil, id), uint32(units>>32)), uint32(units))
	b = o.AppendUint32(o.AppendUint32(b, uint32(len(data))), 1500)
	b = pad(append(b, data...))
	return block(o, blockEnhanced, append(b, bytes.Join(options, nil)...))
}

func TestPcapngSections(t *testing.T) {
	le, be := binary.LittleEndian, binary.BigEndian
	file := bytes.Join([][]byte{
		section(le),
		iface(le, 1, option(le, optIfName, []byte("eth0"))),
		iface(le, 101, option(le, optIfResolution, []byte{9}), option(le, optIfOffset, le.AppendUint64(nil, 5)), option(le, optEnd, nil)),
		block(le, 0x0bad, []byte("something unknown")),
		enhanced(le, 1, 123, "raw"),
		enhanced(le, 0, 1<<32, "frame", option(le, optComment, []byte("why")), option(le, optPacketFlags, le.AppendUint32(nil, 2))),
		block(le, blockSimple, append(le.AppendUint32(nil, 4), "spkt"...)),
		section(be),
		iface(be, 276, option(be, optIfResolution, []byte{0x80 | 10})),
		enhanced(be, 0, 2048, "cooked"),
		iface(be, 1, option(be, optIfResolution, []byte{12})),
		enhanced(be, 1, 5000, "pico"),
		block(be, blockPacketOld, append([]byte{0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 3, 0, 0, 0, 3}, "old"...)),
	}, nil)
	ps, ifs, err := readAll(iotest.OneByteReader(bytes.NewReader(file)))
	if err != nil {
		t.Fatal(err)
	}
	want := []Packet{
		{Data: []byte("raw"), Time: 5e9 + 123, Length: 1500, Interface: 1, LinkType: LinkRaw},
		{Data: []byte("frame"), Time: 1 << 32 * 1000, Length: 1500, LinkType: LinkEthernet, Direction: Outbound, Comment: []byte("why")},
		{Data: []byte("spkt"), Length: 4, LinkType: LinkEthernet},
		{Data: []byte("cooked"), Time: 2e9, Length: 1500, Interface: 2, LinkType: LinkLinuxSLL2},
		{Data: []byte("pico"), Time: 5, Length: 1500, Interface: 3, LinkType: LinkEthernet},
		{Data: []byte("old"), Time: 65, Length: 3, Interface: 3, LinkType: LinkEthernet},
	}
	if len(ps) != len(want) {
		t.Fatalf("%d packets, want %d", len(ps), len(want))
	}
	for i, p := range ps {
		w := want[i]
		if string(p.Data) != string(w.Data) || p.Time != w.Time || p.Length != w.Length || p.Interface != w.Interface ||
			p.LinkType != w.LinkType || p.Direction != w.Direction || string(p.Comment) != string(w.Comment) {
			t.Errorf("packet %d: %+v\nwant %+v", i, p, w)
		}
	}
	if len(ifs) != 4 || ifs[0].Name != "eth0" {
		t.Errorf("interfaces: %+v", ifs)
	}
}

// TestDamaged: packets before the damage come, then an error that names the
// place, and the same error again.
func TestDamaged(t *testing.T) {
	le := binary.LittleEndian
	good := pcapFile(le, magicMicro, 1, []byte("0123456789"))
	huge := append(bytes.Clone(good), 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f, 1, 0, 0, 0)
	ng := bytes.Join([][]byte{section(le), iface(le, 1), enhanced(le, 0, 1, "0123456789")}, nil)
	with := func(more ...byte) []byte { return append(bytes.Clone(ng), more...) }
	claims := func(n uint32) []byte { return le.AppendUint32(le.AppendUint32(bytes.Clone(ng), blockEnhanced), n) }
	for _, tc := range []struct {
		name    string
		file    []byte
		packets int
		offset  int64
		what    string
		cut     bool
	}{
		{"empty", nil, 0, 0, "the file is empty", true},
		{"three bytes", []byte{1, 2, 3}, 0, 0, "only 3 bytes", true},
		{"gzip", []byte{0x1f, 0x8b, 8, 0}, 0, 0, "gunzip", false},
		{"text", []byte("hello"), 0, 0, "no capture begins with", false},
		{"pcap header", good[:20], 0, 0, "the file header is cut off", true},
		{"pcap packet header", append(bytes.Clone(good), 1, 2, 3), 1, int64(len(good)), "a packet header is cut off", true},
		{"pcap packet", append(bytes.Clone(good), good[24:40]...), 1, int64(len(good)), "a packet is cut off", true},
		{"pcap claim", huge, 1, int64(len(good)), "claims 2147483647 captured bytes", false},
		{"ng block", with(6, 0), 1, int64(len(ng)), "a block header is cut off", true},
		{"ng tiny claim", claims(8), 1, int64(len(ng)), "claims 8 bytes", false},
		{"ng odd claim", claims(33), 1, int64(len(ng)), "claims 33 bytes", false},
		{"ng huge claim", claims(0xfffffff0), 1, int64(len(ng)), "more than the limit", false},
		{"ng cut claim", claims(1 << 20), 1, int64(len(ng)), "a block is cut off", true},
		{"ng skip", with(0, 0, 0, 9, 0xf0, 0xff, 0xff, 0xff), 1, int64(len(ng)), "a block is cut off", true},
		{"ng interface", with(enhanced(le, 5, 1, "x")...), 1, int64(len(ng)), "names interface 5", false},
		{"ng captured", with(block(le, blockEnhanced, append(make([]byte, 12), 0xff, 0, 0, 0, 0, 0, 0, 0))...), 1, int64(len(ng)), "claims 255 captured bytes", false},
		{"ng tail", append(bytes.Clone(ng[:len(ng)-4]), 0, 0, 0, 1), 0, int64(len(section(le)) + len(iface(le, 1))), "by its tail", false},
		{"ng option", with(iface(le, 1, []byte{2, 0, 0xff, 0xff})...), 1, int64(len(ng)), "option 2 of a block claims 65535 bytes", false},
		{"ng units", with(iface(le, 1, option(le, optIfResolution, []byte{0xff}))...), 1, int64(len(ng)), "if_tsresol", false},
		{"ng magic", with(block(le, magicSection, make([]byte, 16))...), 1, int64(len(ng)), "byte-order magic", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ps, _, err := readAll(bytes.NewReader(tc.file))
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("error is %v", err)
			}
			if len(ps) != tc.packets || e.Offset != tc.offset || !strings.Contains(e.Error(), tc.what) {
				t.Errorf("%d packets, then at %d: %v", len(ps), e.Offset, e)
			}
			if errors.Is(err, io.ErrUnexpectedEOF) != tc.cut {
				t.Errorf("cut off: %v, want %v", !tc.cut, tc.cut)
			}
			if c, err := NewReader(bytes.NewReader(tc.file)); err == nil {
				var p Packet
				var first error
				for first == nil {
					first = c.Next(&p)
				}
				if again := c.Next(&p); again != first || p.Data != nil {
					t.Errorf("the next call: %v, %v", again, p.Data)
				}
			}
		})
	}
}

// TestClaimsTakeNoMemory: a short file that claims much allocates little.
func TestClaimsTakeNoMemory(t *testing.T) {
	le := binary.LittleEndian
	f := pcapFile(le, magicMicro, 1)
	f = append(f, make([]byte, 8)...)
	f = le.AppendUint32(le.AppendUint32(f, MaxPacket), MaxPacket)
	r := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			if _, _, err := readAll(bytes.NewReader(f)); !errors.Is(err, io.ErrUnexpectedEOF) {
				b.Fatal(err)
			}
		}
	})
	if r.AllocedBytesPerOp() > 512<<10 {
		t.Errorf("%d bytes allocated for a file of %d", r.AllocedBytesPerOp(), len(f))
	}
}

func TestNextDoesNotAllocate(t *testing.T) {
	le := binary.LittleEndian
	for name, rec := range map[string][]byte{
		"pcap":   pcapFile(le, magicNano, 1, make([]byte, 60))[24:],
		"pcapng": enhanced(le, 0, 1, strings.Repeat("x", 60), option(le, optComment, []byte("comment"))),
	} {
		head := pcapFile(le, magicNano, 1)
		if name == "pcapng" {
			head = append(section(le), iface(le, 1)...)
		}
		r, err := NewReader(bytes.NewReader(append(head, bytes.Repeat(rec, 5000)...)))
		if err != nil {
			t.Fatal(err)
		}
		var p Packet
		n := testing.AllocsPerRun(2000, func() {
			if err := r.Next(&p); err != nil || len(p.Data) != 60 {
				t.Fatal(err, p)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations per packet", name, n)
		}
	}
}
