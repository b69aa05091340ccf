package capture

import "io"

// pcapHeader is what the file header of a pcap says.
type pcapHeader struct {
	unit int64 // nanoseconds of a time stamp's fraction
}

const (
	pcapFileHeader   = 24
	pcapRecordHeader = 16
)

func (c *Reader) openPcap(unit int64) error {
	var h [pcapFileHeader]byte
	if err := c.src.fill(h[:]); err != nil {
		return cut(0, "the file header", err)
	}
	o := c.src.order
	if major := o.Uint16(h[4:]); major != 2 {
		return &Error{What: "the pcap version is not 2", Remedy: remedyFormat}
	}
	c.format = Pcap
	c.pcap.unit = unit
	// The upper half of the field tells of frame check sequences.
	link := LinkType(o.Uint32(h[20:]))
	c.ifaces = []Interface{{LinkType: link, SnapLength: o.Uint32(h[16:])}}
	c.next = c.nextPcap
	return nil
}

func (c *Reader) nextPcap(p *Packet) error {
	at := c.src.offset
	switch err := c.src.fill(c.scratch(pcapRecordHeader)); err {
	case nil:
	case io.EOF:
		return io.EOF
	default:
		return cut(at, "a packet header", err)
	}
	o, b := c.src.order, c.buf
	sec, frac := o.Uint32(b), o.Uint32(b[4:])
	captured, length := o.Uint32(b[8:]), o.Uint32(b[12:])
	if captured > MaxPacket {
		return damaged(at, "a packet claims %d captured bytes, more than the limit of %d", captured, MaxPacket)
	}
	p.Time = int64(sec)*1e9 + int64(frac)*c.pcap.unit
	p.Length = int(length)
	p.LinkType = c.ifaces[0].LinkType
	var err error
	if c.buf, err = c.src.grow(c.buf, int(captured)); err != nil {
		return cut(at, "a packet", err)
	}
	p.Data = c.buf
	return nil
}

// scratch is the reader's buffer, n bytes of it: an array on the stack would
// move to the heap for each packet.
func (c *Reader) scratch(n int) []byte {
	if cap(c.buf) < n {
		c.buf = make([]byte, n, 2048)
	}
	c.buf = c.buf[:n]
	return c.buf
}
