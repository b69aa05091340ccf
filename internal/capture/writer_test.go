package capture

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gopacket/gopacket/pcapgo"
	"pgregory.net/rapid"
)

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		f := rapid.SampledFrom([]Format{Pcap, Pcapng}).Draw(r, "format")
		ifs := []Interface{{Name: "eth0", LinkType: LinkEthernet}}
		if f == Pcapng {
			ifs = append(ifs, Interface{Name: "tun0", Description: "a tunnel", LinkType: LinkRaw, SnapLength: 40})
		}
		var buf bytes.Buffer
		w, err := NewWriter(&buf, f, ifs...)
		if err != nil {
			r.Fatal(err)
		}
		var want []Packet
		for range rapid.IntRange(0, 5).Draw(r, "n") {
			p := Packet{
				Data:      rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(r, "data"),
				Time:      rapid.Int64Range(0, 4e18).Draw(r, "time"),
				Interface: rapid.IntRange(0, len(ifs)-1).Draw(r, "interface"),
			}
			p.Length = len(p.Data) + rapid.IntRange(0, 9).Draw(r, "more")
			if f == Pcapng {
				p.Direction = Direction(rapid.IntRange(0, 2).Draw(r, "direction"))
				p.Comment = []byte(rapid.String().Draw(r, "comment"))
			}
			if err := w.Write(&p); err != nil {
				r.Fatal(err)
			}
			if s := ifs[p.Interface].SnapLength; s > 0 {
				p.Data = p.Data[:min(len(p.Data), int(s))]
			}
			if p.Length == 0 {
				p.Length = len(p.Data)
			}
			p.LinkType = ifs[p.Interface].LinkType
			want = append(want, p)
		}
		got, gotIfs, err := readAll(&buf)
		if err != nil || len(got) != len(want) {
			r.Fatalf("%d packets of %d, %v", len(got), len(want), err)
		}
		for i, g := range got {
			p := want[i]
			if !bytes.Equal(g.Data, p.Data) || g.Time != p.Time || g.Length != p.Length || g.Interface != p.Interface ||
				g.LinkType != p.LinkType || g.Direction != p.Direction || !bytes.Equal(g.Comment, p.Comment) {
				r.Fatalf("packet %d: %+v\nwritten %+v", i, g, p)
			}
		}
		for i, g := range gotIfs {
			if f == Pcapng && (g.Name != ifs[i].Name || g.Description != ifs[i].Description || g.SnapLength != ifs[i].SnapLength) {
				r.Fatalf("interface %+v, written %+v", g, ifs[i])
			}
		}
	})
}

// write makes a capture of three packets.
func write(t *testing.T, f Format) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := NewWriter(&buf, f, Interface{Name: "veth7", LinkType: LinkEthernet})
	if err != nil {
		t.Fatal(err)
	}
	frame, err := os.ReadFile(filepath.Join("testdata", "ethernet-micro.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := w.Write(&Packet{Data: frame[40:], Time: 1700000000_123456789 + int64(i)}); err != nil {
			t.Fatal(err)
		}
	}
	return buf.Bytes()
}

// TestOthersRead has an independent reader, and tcpdump if it is there, read
// what was written.
func TestOthersRead(t *testing.T) {
	for _, f := range []Format{Pcap, Pcapng} {
		file := write(t, f)
		var next func() ([]byte, int64, error)
		if f == Pcap {
			r, err := pcapgo.NewReader(bytes.NewReader(file))
			if err != nil {
				t.Fatal(err)
			}
			next = func() ([]byte, int64, error) {
				d, ci, err := r.ReadPacketData()
				return d, ci.Timestamp.UnixNano(), err
			}
		} else {
			r, err := pcapgo.NewNgReader(bytes.NewReader(file), pcapgo.DefaultNgReaderOptions)
			if err != nil {
				t.Fatal(err)
			}
			next = func() ([]byte, int64, error) {
				d, ci, err := r.ReadPacketData()
				if i, err := r.Interface(0); err != nil || i.Name != "veth7" {
					t.Errorf("interface %+v, %v", i, err)
				}
				return d, ci.Timestamp.UnixNano(), err
			}
		}
		for i := range 3 {
			d, at, err := next()
			if err != nil || len(d) != 42 || at != 1700000000_123456789+int64(i) {
				t.Errorf("%s packet %d: %d bytes at %d, %v", f, i, len(d), at, err)
			}
		}
		if _, _, err := next(); err != io.EOF {
			t.Errorf("%s: after the last packet: %v", f, err)
		}
		tcpdump, err := exec.LookPath("tcpdump")
		if err != nil {
			t.Log("without tcpdump: not installed")
			continue
		}
		cmd := exec.Command(tcpdump, "-n", "-r", "-")
		cmd.Stdin = bytes.NewReader(file)
		out, err := cmd.Output()
		if n := strings.Count(string(out), "who-has 192.0.2.9 tell 192.0.2.1"); err != nil || n != 3 {
			t.Errorf("%s: tcpdump: %v\n%s", f, err, out)
		}
	}
}

// oneWrite fails when a packet comes in pieces.
type oneWrite struct{ calls, bytes int }

func (w *oneWrite) Write(b []byte) (int, error) {
	w.calls++
	w.bytes += len(b)
	return len(b), nil
}

func TestWriteDoesNotAllocate(t *testing.T) {
	for _, f := range []Format{Pcap, Pcapng} {
		var out oneWrite
		w, err := NewWriter(&out, f, Interface{LinkType: LinkEthernet})
		if err != nil {
			t.Fatal(err)
		}
		p := Packet{Data: make([]byte, 1514), Direction: Inbound, Comment: []byte("comment")}
		before := out.calls
		n := testing.AllocsPerRun(100, func() {
			if err := w.Write(&p); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 || out.calls-before != 101 {
			t.Errorf("%s: %v allocations a packet, %d writes for 101", f, n, out.calls-before)
		}
	}
}

type failing struct{ after int }

var errFull = errors.New("disk full")

func (w *failing) Write(b []byte) (int, error) {
	if w.after--; w.after < 0 {
		return len(b) / 2, errFull
	}
	return len(b), nil
}

func TestWriterErrors(t *testing.T) {
	if _, err := NewWriter(io.Discard, Pcap); err == nil {
		t.Error("a pcap without an interface was begun")
	}
	if _, err := NewWriter(io.Discard, 9); err == nil {
		t.Error("an unknown format was begun")
	}
	w, err := NewWriter(&failing{after: 1}, Pcap, Interface{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.AddInterface(Interface{}); err == nil {
		t.Error("a second interface went into a pcap")
	}
	for name, p := range map[string]Packet{
		"interface": {Interface: 1},
		"negative":  {Interface: -1},
		"length":    {Length: math.MaxInt},
		"time":      {Time: -1},
		"late":      {Time: math.MaxInt64},
		"large":     {Data: make([]byte, MaxPacket+1)},
		"comment":   {Comment: make([]byte, math.MaxUint16+1)},
	} {
		if err := w.Write(&p); err == nil || errors.Is(err, errFull) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for range 2 {
		if err := w.Write(&Packet{}); !errors.Is(err, errFull) {
			t.Errorf("after a failed write: %v", err)
		}
	}
}
