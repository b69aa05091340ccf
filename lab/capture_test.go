package lab_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/cilium/ebpf"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/internal/capture"
	"github.com/skepdev/skep/lab"
)

// transfer sends n bytes over TCP and reads them at the other end.
func transfer(t testing.TB, from, to *lab.Endpoint, n int) {
	t.Helper()
	ctx := patient(t)
	ln, err := to.Listen(ctx, "tcp4", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	got := make(chan int64, 1)
	go func() {
		c, err := ln.Accept()
		if err != nil {
			got <- -1
			return
		}
		defer c.Close()
		n, _ := io.Copy(io.Discard, c)
		got <- n
	}()
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c, err := from.DialContext(ctx, "tcp4", net.JoinHostPort(to.Name(), port))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if m := <-got; m != int64(n) {
		t.Fatalf("%d of %d bytes arrived", m, n)
	}
}

type captured struct {
	gopacket.CaptureInfo
	gopacket.Packet
}

func readCapture(t testing.TB, file []byte) []captured {
	t.Helper()
	r, err := pcapgo.NewNgReader(bytes.NewReader(file), pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	var out []captured
	for {
		data, ci, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, captured{ci, gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.Default)})
	}
}

// A capture holds every ping and reply up to the one before Close, in order,
// each once, with right checksums.
func TestCapture(t *testing.T) {
	inEachWorld(t, lab.Config{}, func(t *testing.T, l *lab.Lab) {
		client, server := pair(t, l)
		mustPing(t, client.Host, server.Host)
		var file bytes.Buffer
		c, err := l.Capture(client.Link(), &file)
		if err != nil {
			t.Fatal(err)
		}
		const pings = 50
		for seq := range uint16(pings) {
			if _, err := client.Ping(patient(t), server.Addr4(), lab.PingOptions{Seq: seq}); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if c.Lost() != 0 {
			t.Errorf("%d frames lost", c.Lost())
		}
		// What comes after Close is not written.
		size := file.Len()
		mustPing(t, client.Host, server.Host)
		if file.Len() != size {
			t.Error("the capture went on after Close")
		}
		var seen []uint16
		var last time.Time
		frames := readCapture(t, file.Bytes())
		for _, f := range frames {
			if f.Timestamp.Before(last) {
				t.Errorf("frame at %v after one at %v", f.Timestamp, last)
			}
			last = f.Timestamp
			if m, ok := f.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4); ok {
				seen = append(seen, m.Seq)
			}
		}
		if len(seen) != 2*pings {
			t.Fatalf("%d of %d ICMP messages", len(seen), 2*pings)
		}
		if diff := cmp.Diff(directions(frames), readDirections(t, file.Bytes())); diff != "" {
			t.Errorf("direction flags (-by address +flags):\n%s", diff)
		}
		for i, seq := range seen {
			if int(seq) != i/2 {
				t.Fatalf("message %d has sequence number %d", i, seq)
			}
		}
		if uint64(len(frames)) != c.Packets() {
			t.Errorf("%d frames in the file, %d counted", len(frames), c.Packets())
		}
	})
}

// directions says of each frame whether the endpoint sent it, by its source.
func directions(frames []captured) []capture.Direction {
	var out []capture.Direction
	for _, f := range frames {
		d := capture.Inbound
		// Hardware addresses of end 0 end in 1.
		if f.LinkLayer().LinkFlow().Src().Raw()[5] == 1 {
			d = capture.Outbound
		}
		out = append(out, d)
	}
	return out
}

func readDirections(t testing.TB, file []byte) []capture.Direction {
	t.Helper()
	r, err := capture.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var out []capture.Direction
	for {
		var p capture.Packet
		err := r.Next(&p)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p.Direction)
	}
}

// A frame that XDP drops at the other end was on the wire: it is captured.
func TestCaptureSeesDropped(t *testing.T) {
	inEachWorld(t, lab.Config{}, func(t *testing.T, l *lab.Lab) {
		client, server := pair(t, l)
		mustPing(t, client.Host, server.Host)
		attach(t, l, load(t, l, verdict(ebpf.XDP, xdpDrop)), engine.XDP{Device: client.HostDevice()})
		var file bytes.Buffer
		c, err := l.Capture(client.Link(), &file)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = client.Ping(patient(t), server.Addr4(), lab.PingOptions{Seq: 77, Timeout: 20 * time.Millisecond})
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, f := range readCapture(t, file.Bytes()) {
			if m, ok := f.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4); ok && m.Seq == 77 {
				found++
			}
		}
		if found != 1 {
			t.Errorf("the dropped request is %d times in the capture", found)
		}
	})
}

// All segments of a transfer are in the capture, none beyond the MTU.
func TestCaptureBulk(t *testing.T) {
	inEachWorld(t, lab.Config{}, func(t *testing.T, l *lab.Lab) {
		client, server := pair(t, l)
		var file bytes.Buffer
		c, err := l.Capture(client.Link(), &file)
		if err != nil {
			t.Fatal(err)
		}
		const size = 1 << 20
		transfer(t, client, server, size)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if c.Lost() != 0 {
			t.Errorf("%d frames lost", c.Lost())
		}
		sum := 0
		for _, f := range readCapture(t, file.Bytes()) {
			if f.Length > 1514 || f.CaptureLength != f.Length {
				t.Fatalf("a frame of %d bytes, %d captured", f.Length, f.CaptureLength)
			}
			if tcp, ok := f.Layer(layers.LayerTypeTCP).(*layers.TCP); ok && tcp.SrcPort != 0 {
				sum += len(tcp.Payload)
			}
		}
		if sum < size {
			t.Errorf("%d of %d bytes are in the capture", sum, size)
		}
	})
}

// failing fails after some bytes.
type failing struct{ left int }

func (f *failing) Write(b []byte) (int, error) {
	if f.left -= len(b); f.left < 0 {
		return 0, io.ErrShortWrite
	}
	return len(b), nil
}

// A writer that fails ends neither traffic nor the lab, and Close says so.
func TestCaptureWriterFails(t *testing.T) {
	inEachWorld(t, lab.Config{}, func(t *testing.T, l *lab.Lab) {
		client, server := pair(t, l)
		c, err := l.Capture(client.Link(), &failing{left: 5000})
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			if _, err := client.Ping(patient(t), server.Addr4(), lab.PingOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Close(); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("close: %v", err)
		}
	})
}
