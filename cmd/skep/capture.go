package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/skepdev/skep/replay"
)

// captureSource reads packets of a capture as Ethernet frames.
type captureSource struct {
	name    string
	file    io.Closer
	next    func() ([]byte, gopacket.CaptureInfo, error)
	link    func(iface int) int
	buf     []byte
	foreign map[int]bool
}

func openCapture(s *streams, path string) (*captureSource, error) {
	var r io.Reader = s.in
	c := &captureSource{name: path}
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		r, c.file = f, f
	}
	b := bufio.NewReader(r)
	magic, _ := b.Peek(4)
	if string(magic) == "\x0a\x0d\x0d\x0a" {
		ng, err := pcapgo.NewNgReader(b, pcapgo.NgReaderOptions{WantMixedLinkType: true})
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		c.next = ng.ReadPacketData
		c.link = func(i int) int { x, _ := ng.Interface(i); return int(x.LinkType) }
		return c, nil
	}
	p, err := pcapgo.NewReader(b)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	c.next = p.ReadPacketData
	c.link = func(int) int { return int(p.LinkType()) }
	return c, nil
}

func (c *captureSource) Next(p *replay.Packet) error {
	data, ci, err := c.next()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return io.EOF
		}
		return fmt.Errorf("read %s: %w", c.name, err)
	}
	frame, err := replay.ToEthernet(c.link(ci.InterfaceIndex), c.buf[:0], data)
	if err != nil {
		return err
	}
	*p = replay.Packet{Data: frame, Length: ci.Length + len(frame) - len(data), Time: ci.Timestamp, Interface: ci.InterfaceIndex}
	return nil
}

func (c *captureSource) notes() []string { return nil }

func (c *captureSource) Close() error {
	if c.file == nil {
		return nil
	}
	return c.file.Close()
}

type captureSink struct {
	f *os.File
	w interface {
		WritePacket(ci gopacket.CaptureInfo, data []byte) error
	}
	flush func() error
}

func createCapture(path string, _ *captureSource) (*captureSink, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(path, ".pcapng") {
		w, err := pcapgo.NewNgWriter(f, layers.LinkTypeEthernet)
		return &captureSink{f, w, w.Flush}, err
	}
	w := pcapgo.NewWriterNanos(f)
	return &captureSink{f, w, func() error { return nil }}, w.WriteFileHeader(262144, layers.LinkTypeEthernet)
}

func (c *captureSink) Write(p *replay.Packet) error {
	return c.w.WritePacket(gopacket.CaptureInfo{Timestamp: p.Time, CaptureLength: len(p.Data), Length: max(p.Length, len(p.Data))}, p.Data)
}

func (c *captureSink) Close() error { return errors.Join(c.flush(), c.f.Close()) }
