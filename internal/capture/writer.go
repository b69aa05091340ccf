package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// Writer writes a capture with time stamps in nanoseconds, in little-endian
// byte order. Each packet is one call of Write on what lies below, so that a
// file that is read meanwhile, or whose writer is killed, ends with a whole
// packet. Not safe for concurrent use.
type Writer struct {
	w      io.Writer
	format Format
	ifaces []Interface
	buf    []byte
	err    error // of the first failed Write: what follows would be misread
}

// NewWriter writes the header of a capture. A pcap has exactly one interface,
// of which it keeps link type and snap length; pcapng may begin without any
// (AddInterface). Packets are written unbuffered: give a bufio.Writer, and
// flush it, where many are written fast.
func NewWriter(w io.Writer, f Format, ifaces ...Interface) (*Writer, error) {
	c := &Writer{w: w, format: f, buf: make([]byte, 0, 2048)}
	switch f {
	case Pcap:
		if len(ifaces) != 1 {
			return nil, fmt.Errorf("write pcap: it has one interface, not %d; use pcapng for several", len(ifaces))
		}
		c.ifaces = ifaces
		c.pcapHeader()
		return c, c.flush()
	case Pcapng:
		c.sectionHeader()
		if err := c.flush(); err != nil {
			return nil, err
		}
		for _, i := range ifaces {
			if _, err := c.AddInterface(i); err != nil {
				return nil, err
			}
		}
		return c, nil
	}
	return nil, fmt.Errorf("write capture: %s", f)
}

var le = binary.LittleEndian

// flush hands the buffer down.
func (c *Writer) flush() error {
	if c.err != nil {
		return c.err
	}
	if _, err := c.w.Write(c.buf); err != nil {
		c.err = fmt.Errorf("write %s: %w", c.format, err)
	}
	c.buf = c.buf[:0]
	return c.err
}

func (c *Writer) pcapHeader() {
	b := le.AppendUint32(c.buf, magicNano)
	b = le.AppendUint16(b, 2)
	b = le.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...)
	b = le.AppendUint32(b, snapOf(&c.ifaces[0]))
	c.buf = le.AppendUint32(b, uint32(c.ifaces[0].LinkType))
}

// snapOf is the snap length as files have it: what libpcap writes for "all".
func snapOf(i *Interface) uint32 {
	if i.SnapLength == 0 {
		return 262144
	}
	return i.SnapLength
}

func (c *Writer) sectionHeader() {
	const length = 28
	b := le.AppendUint32(c.buf, magicSection)
	b = le.AppendUint32(b, length)
	b = le.AppendUint32(b, byteOrderMagic)
	b = le.AppendUint16(b, 1)
	b = le.AppendUint16(b, 0)
	b = le.AppendUint64(b, math.MaxUint64) // length of the section: unknown
	c.buf = le.AppendUint32(b, length)
}

// AddInterface describes a further interface of a pcapng and returns its index
// for Packet.Interface.
func (c *Writer) AddInterface(i Interface) (int, error) {
	switch {
	case c.format != Pcapng:
		return 0, errors.New("write pcap: it has one interface; use pcapng for several")
	case len(i.Name) > math.MaxUint16 || len(i.Description) > math.MaxUint16:
		return 0, errors.New("write pcapng: the name of an interface is longer than 65535 bytes")
	case len(c.ifaces) >= maxInterfaces:
		return 0, fmt.Errorf("write pcapng: more than %d interfaces", maxInterfaces)
	}
	b := le.AppendUint32(c.buf, blockInterface)
	b = le.AppendUint32(b, 0)
	b = le.AppendUint16(b, uint16(i.LinkType))
	b = le.AppendUint16(b, 0)
	b = le.AppendUint32(b, i.SnapLength)
	if i.Name != "" {
		b = appendOption(b, optIfName, i.Name)
	}
	if i.Description != "" {
		b = appendOption(b, optIfDescription, i.Description)
	}
	b = appendOption(b, optIfResolution, "\x09")
	b = le.AppendUint32(b, optEnd)
	c.buf = endBlock(b)
	if err := c.flush(); err != nil {
		return 0, err
	}
	c.ifaces = append(c.ifaces, i)
	return len(c.ifaces) - 1, nil
}

func appendOption[T string | []byte](b []byte, code uint16, v T) []byte {
	b = le.AppendUint16(b, code)
	b = le.AppendUint16(b, uint16(len(v)))
	b = append(b, v...)
	return pad(b)
}

func pad(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// endBlock writes the length of a block, which b begins with, at both ends.
func endBlock(b []byte) []byte {
	length := uint32(len(b) + 4)
	le.PutUint32(b[4:], length)
	return le.AppendUint32(b, length)
}

// Write writes a packet. A Length of 0 means that of Data. Data beyond the
// snap length of the interface is cut off. It does not allocate once it met
// the largest packet.
func (c *Writer) Write(p *Packet) error {
	if uint(p.Interface) >= uint(len(c.ifaces)) {
		return fmt.Errorf("write %s: interface %d was not added; there are %d", c.format, p.Interface, len(c.ifaces))
	}
	data := p.Data
	if snap := c.ifaces[p.Interface].SnapLength; snap > 0 && uint64(len(data)) > uint64(snap) {
		data = data[:snap]
	}
	length := p.Length
	if length == 0 {
		length = len(p.Data)
	}
	switch {
	case len(data) > MaxPacket:
		return fmt.Errorf("write %s: a packet of %d bytes is above the limit of %d", c.format, len(data), MaxPacket)
	case length < 0 || uint64(length) > math.MaxUint32:
		return fmt.Errorf("write %s: a length of %d bytes does not fit", c.format, length)
	case p.Time < 0:
		return fmt.Errorf("write %s: a time before 1970 does not fit", c.format)
	case len(p.Comment) > math.MaxUint16:
		return fmt.Errorf("write %s: a comment of %d bytes does not fit", c.format, len(p.Comment))
	}
	if c.format == Pcap {
		if p.Time/1e9 > math.MaxUint32 {
			return errors.New("write pcap: a time after 2106 does not fit; use pcapng")
		}
		c.record(p, data, length)
	} else {
		c.enhanced(p, data, length)
	}
	return c.flush()
}

func (c *Writer) record(p *Packet, data []byte, length int) {
	b := le.AppendUint32(c.buf, uint32(p.Time/1e9))
	b = le.AppendUint32(b, uint32(p.Time%1e9))
	b = le.AppendUint32(b, uint32(len(data)))
	b = le.AppendUint32(b, uint32(length))
	c.buf = append(b, data...)
}

func (c *Writer) enhanced(p *Packet, data []byte, length int) {
	b := le.AppendUint32(c.buf, blockEnhanced)
	b = le.AppendUint32(b, 0)
	b = le.AppendUint32(b, uint32(p.Interface))
	b = le.AppendUint32(b, uint32(uint64(p.Time)>>32))
	b = le.AppendUint32(b, uint32(p.Time))
	b = le.AppendUint32(b, uint32(len(data)))
	b = le.AppendUint32(b, uint32(length))
	b = pad(append(b, data...))
	if p.Direction != DirectionUnknown || len(p.Comment) > 0 {
		if len(p.Comment) > 0 {
			b = appendOption(b, optComment, p.Comment)
		}
		if p.Direction != DirectionUnknown {
			b = le.AppendUint16(b, optPacketFlags)
			b = le.AppendUint16(b, 4)
			b = le.AppendUint32(b, uint32(p.Direction))
		}
		b = le.AppendUint32(b, optEnd)
	}
	c.buf = endBlock(b)
}
