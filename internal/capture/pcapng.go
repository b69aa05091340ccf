package capture

import (
	"encoding/binary"
	"io"
)

// Block types and options of pcapng.
const (
	blockInterface = 1
	blockPacketOld = 2
	blockSimple    = 3
	blockEnhanced  = 6

	optEnd           = 0
	optComment       = 1
	optIfName        = 2
	optIfDescription = 3
	optIfResolution  = 9
	optIfOffset      = 14
	optPacketFlags   = 2

	byteOrderMagic = 0x1a2b3c4d

	// blockFrame is the type, and the length at both ends.
	blockFrame = 12
	// maxBlock holds a packet with its options; interface blocks are smaller.
	maxBlock = MaxPacket + 1<<20
)

func (c *Reader) openPcapng() error {
	c.format = Pcapng
	c.next = c.nextPcapng
	at := c.src.offset
	if err := c.src.fill(c.scratch(8)); err != nil {
		return cut(at, "the section header", err)
	}
	return c.openSection(at)
}

// openSection reads a section header block after its type and length, which
// are in buf. From here on the byte order may be another.
func (c *Reader) openSection(at int64) error {
	lengthBytes := [4]byte(c.buf[4:8])
	if err := c.src.fill(c.scratch(4)); err != nil {
		return cut(at, "the section header", err)
	}
	switch {
	case binary.LittleEndian.Uint32(c.buf) == byteOrderMagic:
		c.src.order = binary.LittleEndian
	case binary.BigEndian.Uint32(c.buf) == byteOrderMagic:
		c.src.order = binary.BigEndian
	default:
		return damaged(at, "a section's byte-order magic is % x", c.buf)
	}
	length := c.src.order.Uint32(lengthBytes[:])
	if length < blockFrame+16 || length%4 != 0 || length > maxBlock {
		return damaged(at, "a section header claims %d bytes", length)
	}
	body, err := c.body(at, int(length)-blockFrame-4, length, "the section header")
	if err != nil {
		return err
	}
	if major := c.src.order.Uint16(body); major != 1 {
		return &Error{Offset: at, What: "the pcapng version is not 1", Remedy: remedyFormat}
	}
	c.section = len(c.ifaces)
	return nil
}

// body reads n bytes of a block and the length behind them, which repeats
// length.
func (c *Reader) body(at int64, n int, length uint32, what string) ([]byte, error) {
	var err error
	if c.buf, err = c.src.grow(c.buf, n+4); err != nil {
		return nil, cut(at, what, err)
	}
	if again := c.src.order.Uint32(c.buf[n:]); again != length {
		return nil, damaged(at, "%s has %d bytes by its head and %d by its tail", what, length, again)
	}
	return c.buf[:n], nil
}

// nextPcapng reads blocks up to the next packet.
func (c *Reader) nextPcapng(p *Packet) error {
	for {
		at := c.src.offset
		switch err := c.src.fill(c.scratch(8)); err {
		case nil:
		case io.EOF:
			return io.EOF
		default:
			return cut(at, "a block header", err)
		}
		kind, length := c.src.order.Uint32(c.buf), c.src.order.Uint32(c.buf[4:])
		if kind == magicSection {
			if err := c.openSection(at); err != nil {
				return err
			}
			continue
		}
		if length < blockFrame || length%4 != 0 {
			return damaged(at, "a block of type %#x claims %d bytes", kind, length)
		}
		done, err := c.block(at, kind, length, p)
		if done || err != nil {
			return err
		}
	}
}

// block reads one block after its header; done says that it was a packet.
func (c *Reader) block(at int64, kind, length uint32, p *Packet) (done bool, err error) {
	known := kind == blockInterface || kind == blockEnhanced || kind == blockSimple || kind == blockPacketOld
	if !known {
		if err := c.src.skip(int64(length) - 8); err != nil {
			return false, cut(at, "a block", err)
		}
		return false, nil
	}
	if length > maxBlock {
		return false, damaged(at, "a block of type %#x claims %d bytes, more than the limit of %d", kind, length, maxBlock)
	}
	body, err := c.body(at, int(length)-blockFrame, length, "a block")
	if err != nil {
		return false, err
	}
	switch kind {
	case blockInterface:
		return false, c.addInterface(at, body)
	case blockEnhanced:
		return true, c.enhanced(at, body, p)
	case blockSimple:
		return true, c.simple(at, body, p)
	}
	return true, c.oldPacket(at, body, p)
}

func (c *Reader) addInterface(at int64, b []byte) error {
	o := c.src.order
	if len(b) < 8 {
		return damaged(at, "an interface description has only %d bytes", len(b))
	}
	if len(c.ifaces) >= maxInterfaces {
		return damaged(at, "the file describes more than %d interfaces", maxInterfaces)
	}
	i := Interface{LinkType: LinkType(o.Uint16(b)), SnapLength: o.Uint32(b[4:]), resolution: micro}
	var offset int64
	err := c.options(at, b[8:], func(code uint16, v []byte) error {
		switch {
		case code == optIfName:
			i.Name = string(v)
		case code == optIfDescription:
			i.Description = string(v)
		case code == optIfResolution && len(v) >= 1:
			var ok bool
			if i.resolution, ok = parseResolution(v[0]); !ok {
				return damaged(at, "an interface counts time in units (if_tsresol %#x) that are too small", v[0])
			}
		case code == optIfOffset && len(v) >= 8:
			offset = int64(o.Uint64(v))
		}
		return nil
	})
	i.resolution.offset = offset
	c.ifaces = append(c.ifaces, i)
	return err
}

// options calls f with each option of a block.
func (c *Reader) options(at int64, b []byte, f func(code uint16, value []byte) error) error {
	o := c.src.order
	for len(b) >= 4 {
		code, n := o.Uint16(b), int(o.Uint16(b[2:]))
		if code == optEnd {
			return nil
		}
		if n > len(b)-4 {
			return damaged(at, "option %d of a block claims %d bytes where %d are left", code, n, len(b)-4)
		}
		if err := f(code, b[4:4+n]); err != nil {
			return err
		}
		b = b[min(4+(n+3)&^3, len(b)):]
	}
	return nil
}

// iface finds an interface of the current section.
func (c *Reader) iface(at int64, id uint32) (int, error) {
	if have := len(c.ifaces) - c.section; uint64(id) >= uint64(have) {
		return 0, damaged(at, "a packet names interface %d, but the section describes %d", id, have)
	}
	return c.section + int(id), nil
}

func (c *Reader) enhanced(at int64, b []byte, p *Packet) error {
	o := c.src.order
	if len(b) < 20 {
		return damaged(at, "an enhanced packet block has only %d bytes", len(b))
	}
	id, captured := o.Uint32(b), o.Uint32(b[12:])
	return c.packet(at, id, uint64(o.Uint32(b[4:]))<<32|uint64(o.Uint32(b[8:])), captured, o.Uint32(b[16:]), b[20:], p)
}

func (c *Reader) oldPacket(at int64, b []byte, p *Packet) error {
	o := c.src.order
	if len(b) < 20 {
		return damaged(at, "a packet block has only %d bytes", len(b))
	}
	id, captured := uint32(o.Uint16(b)), o.Uint32(b[12:])
	return c.packet(at, id, uint64(o.Uint32(b[4:]))<<32|uint64(o.Uint32(b[8:])), captured, o.Uint32(b[16:]), b[20:], p)
}

// packet takes the data and the options from what follows a packet's fields.
func (c *Reader) packet(at int64, id uint32, units uint64, captured, length uint32, b []byte, p *Packet) error {
	i, err := c.iface(at, id)
	if err != nil {
		return err
	}
	if uint64(captured) > uint64(len(b)) || captured > MaxPacket {
		return damaged(at, "a packet claims %d captured bytes where %d are left", captured, min(len(b), MaxPacket))
	}
	f := &c.ifaces[i]
	*p = Packet{
		Data: b[:captured:captured], Time: f.resolution.nanoseconds(units), Length: int(length),
		Interface: i, LinkType: f.LinkType,
	}
	return c.packetOptions(at, b[min(int(captured+3)&^3, len(b)):], p)
}

func (c *Reader) packetOptions(at int64, b []byte, p *Packet) error {
	return c.options(at, b, func(code uint16, v []byte) error {
		switch {
		case code == optComment && p.Comment == nil:
			p.Comment = v
		case code == optPacketFlags && len(v) >= 4:
			if d := Direction(c.src.order.Uint32(v) & 3); d <= Outbound {
				p.Direction = d
			}
		}
		return nil
	})
}

// simple reads a packet without a time, of the section's first interface.
func (c *Reader) simple(at int64, b []byte, p *Packet) error {
	if len(b) < 4 {
		return damaged(at, "a simple packet block has only %d bytes", len(b))
	}
	i, err := c.iface(at, 0)
	if err != nil {
		return err
	}
	f := &c.ifaces[i]
	length := c.src.order.Uint32(b)
	captured := uint64(length)
	if f.SnapLength > 0 {
		captured = min(captured, uint64(f.SnapLength))
	}
	if captured > uint64(len(b)-4) || captured > MaxPacket {
		return damaged(at, "a simple packet claims %d bytes where %d are left", captured, len(b)-4)
	}
	*p = Packet{Data: b[4 : 4+captured], Length: int(length), Interface: i, LinkType: f.LinkType}
	return nil
}
