package replay_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/replay"
)

func readAll(t *testing.T, r io.Reader) (*replay.Capture, []replay.Packet, error) {
	t.Helper()
	c, err := replay.ReadCapture(r)
	if err != nil {
		t.Fatal(err)
	}
	var out []replay.Packet
	for {
		var p replay.Packet
		err := c.Next(&p)
		if errors.Is(err, io.EOF) {
			return c, out, nil
		}
		if err != nil {
			return c, out, err
		}
		p.Data = bytes.Clone(p.Data)
		out = append(out, p)
	}
}

func TestCaptureRoundTrip(t *testing.T) {
	packets := []replay.Packet{
		{Data: udp("10.0.0.1", "10.0.0.2", 53, 10), Length: 52, Time: time.Unix(1700000000, 123456789)},
		{Data: udp("10.0.0.3", "10.0.0.2", 53, 20), Length: 900, Time: time.Unix(1700000001, 1), Interface: 1},
	}
	for _, ng := range []bool{false, true} {
		var b bytes.Buffer
		w, err := replay.WriteCapture(&b, ng, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range packets {
			if err := w.Write(&packets[i]); err != nil {
				t.Fatal(err)
			}
		}
		_, got, err := readAll(t, &b)
		if err != nil {
			t.Fatal(err)
		}
		want := append([]replay.Packet{}, packets...)
		if !ng {
			want[1].Interface = 0
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("pcapng %v (-want +got):\n%s", ng, diff)
		}
	}
}

// pcap makes a capture of the given link type by hand.
func pcap(link uint32, packets ...[]byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	b = binary.LittleEndian.AppendUint16(b, 2)
	b = binary.LittleEndian.AppendUint16(b, 4)
	for _, n := range []uint32{0, 0, 65535, link} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	for _, p := range packets {
		for _, n := range []uint32{1700000000, 0, uint32(len(p)), uint32(len(p))} {
			b = binary.LittleEndian.AppendUint32(b, n)
		}
		b = append(b, p...)
	}
	return b
}

func TestCaptureLinkTypes(t *testing.T) {
	ip := udp("10.0.0.1", "10.0.0.2", 53, 0)[14:]
	c, got, err := readAll(t, bytes.NewReader(pcap(101, ip, []byte{0x15})))
	if err != nil {
		t.Fatal(err)
	}
	want := append([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0}, ip...)
	if len(got) != 2 || !bytes.Equal(got[0].Data, want) || got[0].Length != len(want) || got[0].Err != nil {
		t.Errorf("raw IP became %+v", got)
	}
	if got[1].Err == nil {
		t.Error("IP of version 1 was taken")
	}
	if len(c.Notes()) != 1 {
		t.Errorf("notes: %q", c.Notes())
	}
	if _, _, err := readAll(t, bytes.NewReader(pcap(127, ip))); !errors.Is(err, engine.ErrNotSupported) {
		t.Errorf("a radio capture gave %v", err)
	}
}

// TestUnfit counts packets that came with an error and goes on.
func TestUnfit(t *testing.T) {
	eng := embeddedEngine(t)
	coll := load(t, eng, open(t, ports))
	src := replay.Packets(replay.Packet{Err: errors.New("broken header")}, replay.Packet{Data: udp("10.0.0.1", "10.0.0.2", 53, 0)})
	report, err := replay.Run(t.Context(), eng, coll, src, replay.Options{Program: "ports_tc"})
	if err != nil {
		t.Fatal(err)
	}
	want := []replay.Failure{{Reason: "broken header", First: 1, Packets: 1}}
	if diff := cmp.Diff(want, report.Failures); diff != "" || report.Packets != 1 {
		t.Errorf("%d packets, failures (-want +got):\n%s", report.Packets, diff)
	}
}
